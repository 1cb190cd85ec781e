"""What metrics of heads and eyes are computed from: landmarks turned into poses and faces seen from the front.

Poses are those of the tracker: MediaPipe's face geometry under an assumed camera of 20 degrees, every frame on its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import MetricError
from t2m_bench.core.metric import Observed
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.faces import POINTS, FaceMesh
from t2m_bench.tracking.ear import eye_aspect_ratio
from t2m_bench.tracking.geometry import canonical_landmarks, focal_length, head_pose

FOV_DEG = 20.0
"""Vertical field of view of the assumed camera, as in `tracking.track_clip`."""

Array = NDArray[np.float64]
Size = tuple[int, int]


def face_points(observed: Observed, what: str) -> NDArray[np.float32]:
    """Landmarks [T, 478, 3] of a video, NaN where no face was found.

    Args:
        observed: a video with the feature `face_mesh`.
        what: its frames in words, for the reason.

    Raises:
        MetricError: it shows no face at all.
    """
    points: NDArray[np.float32] = observed.features[FaceMesh.name][POINTS]
    if np.isnan(points[:, 0, 0]).all():
        raise MetricError(f"No face was found in any of the {len(points)} {what}")
    return points


def both_faces(
    prediction: Observed, reference: Observed | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Landmarks of a prediction and of its reference.

    Raises:
        MetricError: one of them shows no face at all.
    """
    assert reference is not None, "this compares with a reference"
    return face_points(prediction, "frames of the prediction"), face_points(reference, "real frames")


def scored_size(prediction: Observed, reference: Observed | None, recipe: Recipe) -> Size:
    """Width and height of the frames that the landmarks lie in."""
    return recipe.scored_size((reference or prediction).reel.size)


def frame_rate(observed: Observed, recipe: Recipe) -> float:
    """Frames per second; the recipe's where the video does not say."""
    return observed.reel.fps or recipe.fps


def head_poses(points: NDArray[np.floating], size: Size) -> Array:
    """Head to camera, decimetres, [T, 4, 4], NaN where no face was found, of landmarks [T, 478, 3] in pixels."""
    good = _seen(points)
    poses = np.full((len(points), 4, 4), np.nan)
    if good.any():
        poses[good] = head_pose(points[good], focal_length(size, FOV_DEG), size)
    return poses


def frontal_faces(points: NDArray[np.floating], size: Size) -> Array:
    """Landmarks in the head's own axes, where only the expression moves them, in decimetres.

    Args:
        points: [T, 478, 3] pixels, NaN where no face was found.
        size: width and height of the frames.

    Returns:
        [T, 478, 3], NaN where `points` are.
    """
    good = _seen(points)
    faces = np.full((len(points), 478, 3), np.nan)
    if good.any():
        focal = focal_length(size, FOV_DEG)
        faces[good] = canonical_landmarks(points[good], head_pose(points[good], focal, size), focal, size)
    return faces


def eye_openings(points: NDArray[np.floating], size: Size) -> Array:
    """Eye aspect ratio of the subject's right and left eye, [T, 2], NaN where no face was found."""
    good = _seen(points)
    openings = np.full((len(points), 2), np.nan)
    if good.any():
        openings[good] = eye_aspect_ratio(frontal_faces(points[good], size))
    return openings


def _seen(points: NDArray[np.floating]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(points[:, 0, 0]))
