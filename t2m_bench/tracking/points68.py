"""The 68 points of the iBUG convention, taken from MediaPipe's mesh.

Which mesh point stands for which of the 68 is `canonical.LANDMARKS_68`: the list of single points used by the
GeneFace and Real3D-Portrait family of methods (their `index_lm68_from_lm468`). Every point of the list has its mirror
image in it. Jaw points lie on the mesh's oval, not on the visible outline of the face, and the bridge starts lower
than dlib's: mouths compare well with detectors of the 68 points, outlines do not.

Order, as iBUG's: left and right are the picture's here, so that the subject's right comes first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import ShapeError
from t2m_bench.tracking.canonical import LANDMARKS_68, MESH_POINTS

JAW = slice(0, 17)
"""From the subject's right ear over the chin (8) to the left ear."""
BROWS = (slice(17, 22), slice(22, 27))
"""The subject's right, outer end first; then the left, inner end first."""
NOSE = (slice(27, 31), slice(31, 36))
"""Bridge from above to the tip, then the nostrils from the subject's right to the left."""
EYES = (slice(36, 42), slice(42, 48))
"""The subject's right from its outer corner, the left from its inner one; both over the upper lid first."""
MOUTH_OUTER = slice(48, 60)
"""From the subject's right corner along the upper lip and back along the lower."""
MOUTH_INNER = slice(60, 68)
"""In the order of `MOUTH_OUTER`."""

MIRROR_68: tuple[int, ...] = (
    16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0,
    26, 25, 24, 23, 22, 21, 20, 19, 18, 17,
    27, 28, 29, 30, 35, 34, 33, 32, 31,
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55,
    64, 63, 62, 61, 60, 67, 66, 65,
)  # fmt: skip
"""The point that each of the 68 becomes in a mirrored picture."""


def to_68(landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
    """The 68 points of each frame.

    Args:
        landmarks: [T, N, 2] or [T, N, 3] with N >= 468 in MediaPipe's order, in any unit.

    Returns:
        [T, 68, 2 or 3] float32 in the same unit.

    Raises:
        ShapeError: another shape.
    """
    if landmarks.ndim != 3 or landmarks.shape[1] < MESH_POINTS or landmarks.shape[2] not in (2, 3):
        raise ShapeError(f"landmarks must have shape [T, 478, 2 or 3], got {list(landmarks.shape)}")
    return landmarks[:, list(LANDMARKS_68)].astype(np.float32)


def box_of_68(points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Bounds of 68 points: from the brows to the chin and from ear to ear, as face detectors frame a face.

    Args:
        points: [T, 68, 2 or 3] pixels.

    Returns:
        [T, 4] x0, y0, x1, y1.
    """
    flat = points[..., :2]
    return np.concatenate([flat.min(axis=1), flat.max(axis=1)], axis=1).astype(np.float32)
