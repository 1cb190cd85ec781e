"""MediaPipe's canonical face: its shape in decimetres, and which of its points are what.

Axes: x image right (the subject's left), y up, z toward the viewer. Left and right are the subject's. Points 468 to
477 are the irises, which only detections have; the canonical model ends at 467.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

MESH_POINTS = 468
"""Points of the canonical face."""
LANDMARKS = 478
"""Points of a detection: the mesh, then five an iris (the subject's right first)."""

LIPS_OUTER: tuple[int, ...] = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
)  # fmt: skip
"""Contour of the lips, from the right corner along the lower lip and back along the upper."""
LIPS_INNER: tuple[int, ...] = (
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191,
)  # fmt: skip
"""Contour of the mouth opening, in the order of `LIPS_OUTER`."""
RIGHT_EYE: tuple[int, ...] = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE: tuple[int, ...] = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
RIGHT_BROW: tuple[int, ...] = (46, 53, 52, 65, 55, 107, 66, 105, 63, 70)
LEFT_BROW: tuple[int, ...] = (276, 283, 282, 295, 285, 336, 296, 334, 293, 300)
RIGHT_IRIS: tuple[int, ...] = (468, 469, 470, 471, 472)
"""Centre first."""
LEFT_IRIS: tuple[int, ...] = (473, 474, 475, 476, 477)
"""Centre first."""
FACE_OVAL: tuple[int, ...] = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""Outline of the mesh, from the top of the forehead along the subject's left side."""
RIGHT_EAR_POINTS: tuple[int, ...] = (33, 160, 158, 133, 153, 144)
"""p1..p6 of the eye aspect ratio: outer corner, upper lid twice, inner corner, lower lid twice."""
LEFT_EAR_POINTS: tuple[int, ...] = (362, 385, 387, 263, 373, 380)
"""p1..p6 of the eye aspect ratio, starting at the inner corner."""

LANDMARKS_68: tuple[int, ...] = (
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91,
    78, 81, 13, 311, 308, 402, 14, 178,
)  # fmt: skip
"""The 68 points of the iBUG convention, one mesh point each (jaw points lie on the mesh, not on the outline)."""

RIGID: tuple[int, ...] = (
    10, 109, 338, 67, 297, 103, 332, 54, 284, 151, 108, 337, 69, 299,  # forehead
    168, 6, 197, 195, 5, 4, 1, 45, 275, 198, 420, 122, 351, 174, 399, 217, 437,  # nose
    33, 263, 133, 362,  # eye corners
    127, 356, 162, 389,  # temples
    117, 346,  # cheekbones
)  # fmt: skip
"""Points that move with the skull: what the head pose is fitted to. No lips, jaw, lids, brows or lower cheeks."""


@dataclass(frozen=True)
class CanonicalFace:
    """The canonical face model. Arrays are read-only."""

    vertices: NDArray[np.float64]
    """[468, 3] decimetres."""
    uv: NDArray[np.float64]
    """[468, 2] texture coordinates in [0, 1]."""
    faces: NDArray[np.int64]
    """[898, 3] triangles."""
    procrustes_index: NDArray[np.int64]
    """[33] points that the pose pipeline looks at."""
    procrustes_weight: NDArray[np.float64]
    """[33] their weights."""


@lru_cache(maxsize=1)
def canonical_face() -> CanonicalFace:
    """The canonical face of MediaPipe's face geometry module (Apache-2.0), scaled from centimetres to decimetres."""
    with files("t2m_bench.tracking").joinpath("canonical_face.npz").open("rb") as file, np.load(file) as data:
        face = CanonicalFace(
            vertices=data["vertices"].astype(np.float64) * 0.1,
            uv=data["uv"].astype(np.float64),
            faces=data["faces"].astype(np.int64),
            procrustes_index=data["procrustes_index"].astype(np.int64),
            procrustes_weight=data["procrustes_weight"].astype(np.float64),
        )
    for array in (face.vertices, face.uv, face.faces, face.procrustes_index, face.procrustes_weight):
        array.setflags(write=False)
    return face
