"""Landmark distance (LMD) of the mouth and of the face, in pixels and relative to the distance of the eyes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import MetricError, ShapeError
from t2m_bench.core.metric import Measured, Observed
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.heads import both_faces
from t2m_bench.metrics.infos import LMD_FACE, LMD_IOD, LMD_PIXELS
from t2m_bench.tracking.canonical import LANDMARKS_68

MOUTH = (61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91, 78, 81, 13, 311, 308, 402, 14, 178)
"""The points 48 to 67 of the 68-point set among MediaPipe's 478: outer lip, then inner lip."""

OUTER_EYE_CORNERS = (33, 263)
"""The subject's right and left."""


def centred_distance(
    prediction: NDArray[np.floating],  # [B, K, 2], pixels
    reference: NDArray[np.floating],  # [B, K, 2], pixels
) -> NDArray[np.float64]:
    """Mean Euclidean distance of K points, each set centred on its own mean.

    Centring leaves the shape alone to count, not where the head is.

    Args:
        prediction: pixels, NaN where no face was found, [B, K, 2].
        reference: as `prediction`, [B, K, 2].

    Returns:
        Pixels, NaN where either has no face, [B].

    Raises:
        ShapeError: the two have other shapes.
    """
    if prediction.shape != reference.shape or prediction.ndim != 3 or prediction.shape[2] != 2:
        raise ShapeError(
            f"points must have shape [B, K, 2] both, got {list(prediction.shape)} and {list(reference.shape)}"
        )
    distance: NDArray[np.float64] = np.linalg.norm(_centred(prediction) - _centred(reference), axis=-1).mean(
        axis=-1
    )
    return distance


def _centred(points: NDArray[np.floating]) -> NDArray[np.float64]:
    wide = points.astype(np.float64)
    return wide - wide.mean(axis=1, keepdims=True)


def mouth_distance(prediction: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.float64]:
    """`centred_distance` of the 20 mouth points of landmarks [B, 478, 2 or 3], pixels, [B]."""
    return centred_distance(prediction[:, MOUTH, :2], reference[:, MOUTH, :2])


def interocular_distance(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Distance of the outer eye corners in pixels, [B], of landmarks [B, 478, 2 or 3]; NaN where no face was found."""
    right, left = (landmarks[:, index, :2].astype(np.float64) for index in OUTER_EYE_CORNERS)  # [B, 2] each
    distance: NDArray[np.float64] = np.linalg.norm(right - left, axis=-1)
    return distance


class MouthDistance:
    """`lmd@mouth.px`."""

    info = LMD_PIXELS

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Pixels a frame, NaN where either shows no face."""
        made, real = both_faces(prediction, reference)
        return of_frames(mouth_distance(made, real))


class MouthDistanceByEyes:
    """`lmd@mouth.iod`."""

    info = LMD_IOD

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Percent of the reference's inter-ocular distance a frame, NaN where either shows no face."""
        made, real = both_faces(prediction, reference)
        return of_frames(100 * mouth_distance(made, real) / interocular_distance(real))


class FaceDistance:
    """`lmd@face.px`."""

    info = LMD_FACE

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Pixels a frame, NaN where either shows no face."""
        made, real = both_faces(prediction, reference)
        return of_frames(centred_distance(made[:, LANDMARKS_68, :2], real[:, LANDMARKS_68, :2]))


def of_frames(values: NDArray[np.float64]) -> Measured:
    """The mean over the frames that could be measured.

    Raises:
        MetricError: there is none.
    """
    good = np.isfinite(values)
    if not good.any():
        raise MetricError(f"Not one of the {len(values)} frames could be measured")
    return Measured(float(values[good].mean()), values)
