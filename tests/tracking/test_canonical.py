from __future__ import annotations

import numpy as np
import pytest

from t2m_bench.tracking import canonical
from t2m_bench.tracking.canonical import canonical_face


def test_sizes_units_and_axes() -> None:
    face = canonical_face()
    assert face.vertices.shape == (468, 3) and face.faces.shape == (898, 3) and face.uv.shape == (468, 2)
    width = np.linalg.norm(face.vertices[454] - face.vertices[234])
    assert width == pytest.approx(1.53, abs=0.01)  # decimetres
    assert face.vertices[10, 1] > 0 > face.vertices[152, 1]  # y up
    assert face.vertices[4, 2] == face.vertices[:, 2].max()  # nose toward the viewer
    assert face.vertices[263, 0] > 0 > face.vertices[33, 0]  # the subject's left at image right
    assert face.uv.min() >= 0 and face.uv.max() <= 1
    assert face.faces.max() == 467


def test_model_is_loaded_once_and_cannot_be_changed() -> None:
    assert canonical_face() is canonical_face()
    with pytest.raises(ValueError, match="read-only"):
        canonical_face().vertices[0, 0] = 1.0


@pytest.mark.parametrize(
    ("right", "left"),
    [
        (canonical.RIGHT_EYE, canonical.LEFT_EYE),
        (canonical.RIGHT_BROW, canonical.LEFT_BROW),
        (canonical.RIGHT_EAR_POINTS, (263, 387, 385, 362, 380, 373)),
        (canonical.RIGID, canonical.RIGID),
        (canonical.LIPS_OUTER, canonical.LIPS_OUTER),
        (canonical.LIPS_INNER, canonical.LIPS_INNER),
        (canonical.FACE_OVAL, canonical.FACE_OVAL),
    ],
    ids=["eyes", "brows", "ear", "rigid", "outer lips", "inner lips", "oval"],
)
def test_lists_are_mirror_images(right: tuple[int, ...], left: tuple[int, ...]) -> None:
    vertices = canonical_face().vertices
    mirrored = vertices[list(right)] * [-1.0, 1.0, 1.0]
    gaps = np.linalg.norm(mirrored[:, None] - vertices[list(left)][None], axis=-1)
    assert gaps.min(axis=1).max() < 0.01
    assert len(set(right)) == len(right)


def test_rigid_points_leave_out_what_moves() -> None:
    moving = set(canonical.LIPS_OUTER + canonical.LIPS_INNER + canonical.RIGHT_BROW + canonical.LEFT_BROW)
    corners = {33, 133, 362, 263}
    moving |= set(canonical.RIGHT_EYE + canonical.LEFT_EYE) - corners
    assert not moving & set(canonical.RIGID)
    mouth_height = canonical_face().vertices[canonical.LIPS_OUTER[14], 1]
    assert (canonical_face().vertices[list(canonical.RIGID), 1] > mouth_height).all()
    assert 35 <= len(canonical.RIGID) <= 45


def test_68_points_follow_the_ibug_order() -> None:
    vertices = canonical_face().vertices[list(canonical.LANDMARKS_68)]
    assert len(canonical.LANDMARKS_68) == 68
    assert np.argmin(vertices[:17, 1]) == 8  # chin in the middle of the jaw
    assert (np.diff(vertices[:17, 0])[1:-1] > 0).all()
    assert (vertices[17:22, 0] < 0).all() and (vertices[22:27, 0] > 0).all()
    assert set(canonical.LANDMARKS_68[48:60]) <= set(canonical.LIPS_OUTER)
    assert set(canonical.LANDMARKS_68[60:]) <= set(canonical.LIPS_INNER)
    assert canonical.LANDMARKS_68[36:42] == canonical.RIGHT_EAR_POINTS
    assert canonical.LANDMARKS_68[42:48] == canonical.LEFT_EAR_POINTS
