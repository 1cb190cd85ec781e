"""Eye aspect ratio: how far open each eye is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import ShapeError
from t2m_bench.tracking.canonical import LEFT_EAR_POINTS, MESH_POINTS, RIGHT_EAR_POINTS

Array = NDArray[np.float64]


def eye_aspect_ratio(landmarks: NDArray[np.floating]) -> Array:
    """Eye aspect ratio of each frame, (|p2 - p6| + |p3 - p5|) / (2 |p1 - p4|), Dewi et al. 2022.

    Args:
        landmarks: [T, N, 2] or [T, N, 3] with N >= 468 in MediaPipe's order, in any unit that is the same on each
            axis. Three axes make it independent of yaw when the landmarks are canonicalised.

    Returns:
        [T, 2]: the subject's right eye, then the left. About 0.25 to 0.35 open, below about 0.18 closed; 0 where the
        corners of an eye coincide.

    Raises:
        ShapeError: another shape.
    """
    if landmarks.ndim != 3 or landmarks.shape[1] < MESH_POINTS or landmarks.shape[2] not in (2, 3):
        raise ShapeError(f"landmarks must have shape [T, 478, 2 or 3], got {list(landmarks.shape)}")
    points = landmarks[:, [RIGHT_EAR_POINTS, LEFT_EAR_POINTS]].astype(np.float64)  # [T, 2, 6, D]

    def apart(a: int, b: int) -> Array:
        return np.asarray(np.linalg.norm(points[:, :, a] - points[:, :, b], axis=-1))  # [T, 2]

    height = apart(1, 5) + apart(2, 4)
    width = 2 * apart(0, 3)
    return np.divide(height, width, out=np.zeros_like(height), where=width > 0)
