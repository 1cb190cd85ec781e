from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from t2m_bench.core.errors import ShapeError
from t2m_bench.tracking.canonical import LANDMARKS_68, canonical_face
from t2m_bench.tracking.points68 import (
    BROWS,
    EYES,
    JAW,
    MIRROR_68,
    MOUTH_INNER,
    MOUTH_OUTER,
    NOSE,
    box_of_68,
    to_68,
)


@pytest.fixture
def face() -> NDArray[np.float32]:
    """The canonical face as it is seen: x image right, y down."""
    return to_68(canonical_face().vertices[None] * [1, -1, -1])[0]


def turning(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Signed area of a closed contour in a picture: positive clockwise as seen."""
    x, y = points[:, 0].astype(float), points[:, 1].astype(float)
    return (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2


def inside(point: NDArray[np.float32], contour: NDArray[np.float32]) -> bool:
    """Whether a contour winds around a point."""
    arms = (contour[:, :2] - point[:2]).astype(float)
    angles = np.arctan2(arms[:, 1], arms[:, 0])
    steps = (np.diff(np.append(angles, angles[0])) + np.pi) % (2 * np.pi) - np.pi
    return bool(abs(steps.sum()) > np.pi)


def test_there_are_68_different_points_of_the_mesh() -> None:
    assert len(LANDMARKS_68) == len(set(LANDMARKS_68)) == 68
    assert max(LANDMARKS_68) < 468


def test_the_set_is_its_own_mirror_image(face: NDArray[np.float32]) -> None:
    mirrored = face[list(MIRROR_68)] * [-1, 1, 1]
    np.testing.assert_allclose(mirrored, face, atol=1e-4)
    assert [MIRROR_68[i] for i in MIRROR_68] == list(range(68))
    assert np.abs(face[[8, 27, 28, 29, 30, 33, 51, 57, 62, 66], 0]).max() < 1e-4  # on the middle line


def test_jaw_goes_from_image_left_over_the_chin_to_the_right(face: NDArray[np.float32]) -> None:
    jaw = face[JAW]
    assert (np.diff(jaw[1:16, 0]) > 0).all() and jaw[0, 0] < -0.6 and jaw[16, 0] > 0.6
    assert (np.diff(jaw[:9, 1]) > 0).all() and (np.diff(jaw[8:, 1]) < 0).all()
    assert jaw[8, 1] == face[:, 1].max()


def test_parts_lie_where_ibug_has_them(face: NDArray[np.float32]) -> None:
    for part, side in ((BROWS[0], -1), (BROWS[1], 1), (EYES[0], -1), (EYES[1], 1)):
        assert (face[part, 0] * side > 0).all()
    for brow, eye in zip(BROWS, EYES, strict=True):
        assert (np.diff(face[brow, 0]) > 0).all()
        assert face[brow, 1].max() < face[eye, 1].min()  # above it
    assert (np.diff(face[NOSE[0], 1]) > 0).all() and (np.diff(face[NOSE[1], 0]) > 0).all()
    assert face[30, 2] == face[:, 2].min()  # the tip is nearest
    assert (np.diff(face[48:55, 0]) > 0).all() and (np.diff(face[54:60, 0]) < 0).all()
    for closed in (*EYES, MOUTH_OUTER, MOUTH_INNER):
        assert turning(face[closed]) > 0


def test_mouth_opening_lies_inside_the_lips(face: NDArray[np.float32]) -> None:
    assert all(inside(point, face[MOUTH_OUTER]) for point in face[MOUTH_INNER])
    assert not any(inside(point, face[MOUTH_INNER]) for point in face[MOUTH_OUTER])
    assert all(inside(point, face[JAW]) for point in face[MOUTH_OUTER])


def test_shape_unit_and_axes_are_kept() -> None:
    points = np.random.default_rng(0).normal(size=(3, 478, 2)) * 100
    found = to_68(points)
    assert found.shape == (3, 68, 2) and found.dtype == np.float32
    np.testing.assert_allclose(found[:, 30], points[:, 4], rtol=1e-6)
    box = box_of_68(found)
    np.testing.assert_array_equal(box[:, :2], found.min(axis=1))
    np.testing.assert_array_equal(box[:, 2:], found.max(axis=1))
    with pytest.raises(ShapeError, match=r"landmarks must have shape \[T, 478, 2 or 3\], got \[3, 68, 2\]"):
        to_68(found)
