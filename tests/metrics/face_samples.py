"""Landmarks of canonical faces under known poses, and videos of which only features are known."""

from __future__ import annotations

from typing import Any

import numpy as np
from metric_samples import StillFootage
from numpy.typing import NDArray

from t2m_bench.core.metric import Observed
from t2m_bench.tracking.canonical import LEFT_EAR_POINTS, RIGHT_EAR_POINTS, canonical_face
from t2m_bench.tracking.geometry import focal_length, project, rotation_from_vector, transform

SIDE = 512
FOCAL = focal_length((SIDE, SIDE), 20.0)
REST = np.array([0.0, 0.0, 14.0])
"""Decimetres in front of the camera."""

Array = NDArray[np.float64]


def swaying(frames: int, degrees: float = 8.0, millimetres: float = 12.0) -> tuple[Array, Array]:
    """Smooth motion about rest: rotation vectors [T, 3] in degrees and shifts [T, 3] in millimetres, mean 0."""
    t = np.arange(frames)[:, None]
    turn = degrees * np.sin(t * np.array([0.11, 0.17, 0.07]) + np.array([0.0, 1.0, 2.0]))
    shift = millimetres * np.sin(t * np.array([0.13, 0.09, 0.15]) + np.array([2.0, 0.5, 1.0]))
    return turn - turn.mean(axis=0), shift - shift.mean(axis=0)


def poses(degrees: Array, millimetres: Array) -> Array:
    """Head to camera, [T, 4, 4]: the canonical axes turned to the camera's, then moved."""
    moved = np.tile(np.eye(4), (len(degrees), 1, 1))
    moved[:, :3, :3] = rotation_from_vector(np.radians(degrees)) @ np.diag([1.0, -1.0, -1.0])
    moved[:, :3, 3] = REST + millimetres / 100
    return moved


def shape(lids: float = 1.0, opening: float = 0.0) -> Array:
    """The canonical face [478, 3]: eyes `lids` times as far open, lips `opening` decimetres further apart."""
    vertices = canonical_face().vertices
    face = np.concatenate([vertices, np.repeat(vertices[[159, 386]], 5, axis=0)])
    for points in (RIGHT_EAR_POINTS, LEFT_EAR_POINTS):
        for upper, lower in ((points[1], points[5]), (points[2], points[4])):
            middle = (face[upper] + face[lower]) / 2
            face[upper], face[lower] = (
                middle + lids * (face[upper] - middle),
                middle + lids * (face[lower] - middle),
            )
    face[[14, 87, 317, 17, 84, 314], 1] -= opening
    return face


def landmarks(moved: Array, faces: Array) -> NDArray[np.float32]:
    """What a perfect detector sees, [T, 478, 3], of faces [478, 3] or [T, 478, 3] under poses [T, 4, 4]."""
    camera = np.concatenate(
        [transform(moved[[index]], faces if faces.ndim == 2 else faces[index]) for index in range(len(moved))]
    )
    depth = camera[..., 2] / camera[..., 2].mean(axis=1, keepdims=True)
    return np.concatenate([project(camera, FOCAL, (SIDE, SIDE)), FOCAL * depth[..., None]], axis=-1).astype(
        np.float32
    )


def seen(
    points: NDArray[np.float32] | None = None, *, fps: float = 25.0, **features: dict[str, Any]
) -> Observed:
    """A video of 512x512 of which only features are known."""
    reel = StillFootage(np.zeros((1, SIDE, SIDE, 3), np.uint8))
    reel.fps = fps
    if points is not None:
        features["face_mesh"] = {"points": points}
    frames = len(next(iter(next(iter(features.values())).values())))
    return Observed(reel, frames, features)
