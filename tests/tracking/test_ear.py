from __future__ import annotations

import numpy as np
import pytest

from t2m_bench.core.errors import ShapeError
from t2m_bench.tracking.canonical import LEFT_EAR_POINTS, RIGHT_EAR_POINTS, canonical_face
from t2m_bench.tracking.ear import eye_aspect_ratio
from t2m_bench.tracking.geometry import rotation_from_vector


def test_canonical_face_has_the_published_value() -> None:
    ear = eye_aspect_ratio(canonical_face().vertices[None])
    assert ear.shape == (1, 2)
    assert ear[0] == pytest.approx([0.231, 0.231], abs=5e-4)


def test_columns_are_right_then_left_and_values_follow_the_formula() -> None:
    points = np.zeros((2, 478, 2))
    for eye, opening in ((RIGHT_EAR_POINTS, 3.0), (LEFT_EAR_POINTS, 1.0)):
        _, p2, p3, p4, p5, p6 = eye
        points[:, p4, 0] = 10.0
        points[:, [p2, p3], 1] = opening
        points[:, [p2, p6], 0] = 3.0
        points[:, [p3, p5], 0] = 7.0
    points[1] *= 5.0  # a nearer face
    np.testing.assert_allclose(eye_aspect_ratio(points), [[0.3, 0.1]] * 2)


def test_three_axes_do_not_depend_on_the_pose() -> None:
    turned = canonical_face().vertices @ rotation_from_vector([0.3, -0.8, 0.2]).T
    np.testing.assert_allclose(
        eye_aspect_ratio(turned[None]), eye_aspect_ratio(canonical_face().vertices[None]), atol=1e-12
    )


def test_degenerate_eye_gives_zero() -> None:
    np.testing.assert_array_equal(eye_aspect_ratio(np.zeros((1, 478, 3))), [[0.0, 0.0]])


def test_shape_is_checked() -> None:
    with pytest.raises(ShapeError, match=r"landmarks must have shape \[T, 478, 2 or 3\], got \[478, 3\]"):
        eye_aspect_ratio(np.zeros((478, 3)))
