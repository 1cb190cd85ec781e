"""Landmark distance of the mouth."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from metric_samples import recipe, seen_faces
from numpy.typing import NDArray

from t2m_bench.core.errors import ShapeError
from t2m_bench.metrics.landmarks import (
    MOUTH,
    MouthDistance,
    MouthDistanceByEyes,
    interocular_distance,
    mouth_distance,
)

# 0-based points 48..67 of the 68-point set: outer lip 12, inner lip 8.
OUTER = (61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91)
INNER = (78, 81, 13, 311, 308, 402, 14, 178)


def _faces(count: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(0, 512, (count, 478, 2)).astype(np.float32)


def _slow(prediction: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """The distance of one frame, by a plain loop."""
    indices = OUTER + INNER
    centres = []
    for points in (prediction, reference):
        x = sum(float(points[i][0]) for i in indices) / 20
        y = sum(float(points[i][1]) for i in indices) / 20
        centres.append((x, y))
    total = 0.0
    for i in indices:
        dx = (float(prediction[i][0]) - centres[0][0]) - (float(reference[i][0]) - centres[1][0])
        dy = (float(prediction[i][1]) - centres[0][1]) - (float(reference[i][1]) - centres[1][1])
        total += math.sqrt(dx * dx + dy * dy)
    return total / 20


def test_the_mouth_is_the_twenty_points_of_the_mapping() -> None:
    assert MOUTH == OUTER + INNER and len(set(MOUTH)) == 20


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 2), st.integers(1, 4))
def test_it_is_that_of_a_plain_loop(agree: Callable[..., None], seed: int, count: int) -> None:
    prediction, reference = _faces(count, seed), _faces(count, seed + 1)
    found = mouth_distance(prediction, reference)
    expected = [_slow(p, r) for p, r in zip(prediction, reference, strict=True)]
    agree("lmd@mouth.px", "plain loops", found, expected, within=1e-6)


def test_equal_faces_are_no_distance_apart_and_a_moved_head_does_not_count() -> None:
    faces = _faces(3, 0)
    assert (mouth_distance(faces, faces) == 0).all()
    assert np.allclose(mouth_distance(faces + np.float32([37, -12]), faces), 0, atol=1e-4)


def test_other_points_than_the_mouth_do_not_count() -> None:
    faces = _faces(1, 0)
    moved = faces + 50 * _faces(1, 1)
    moved[:, MOUTH] = faces[:, MOUTH]
    assert mouth_distance(moved, faces)[0] == 0


def test_a_wider_open_mouth_is_farther() -> None:
    faces = _faces(1, 0)
    found = []
    for opening in (1, 5, 20):
        opened = faces.copy()
        opened[:, [17, 14, 84, 314]] += np.float32([0, opening])
        found.append(mouth_distance(opened, faces)[0])
    assert found[0] < found[1] < found[2]
    assert found[2] == pytest.approx(20 * found[0], rel=1e-3)


def test_a_frame_without_a_face_has_no_value_and_leaves_the_others_alone() -> None:
    prediction, reference = _faces(4, 0), _faces(4, 1)
    whole = mouth_distance(prediction, reference)
    prediction[1] = np.nan
    reference[2] = np.nan
    found = mouth_distance(prediction, reference)
    assert np.isnan(found).tolist() == [False, True, True, False]
    assert np.array_equal(found[[0, 3]], whole[[0, 3]])


def test_relative_to_the_eyes_of_the_reference_in_percent(agree: Callable[..., None]) -> None:
    prediction, reference = _faces(3, 0), _faces(3, 1)
    made, real = seen_faces(prediction), seen_faces(reference)
    pixels = MouthDistance().summarise(made, real, recipe()).per_frame
    percent = MouthDistanceByEyes().summarise(made, real, recipe()).per_frame
    assert pixels is not None and percent is not None
    eyes = [float(np.hypot(*(face[33].astype(float) - face[263]))) for face in reference]
    assert np.allclose(pixels, mouth_distance(prediction, reference))
    agree("lmd@mouth.iod", "plain loops", percent, 100 * pixels / eyes, within=1e-8)
    assert np.allclose(interocular_distance(reference), eyes)


def test_relative_to_the_eyes_a_face_of_half_the_size_scores_the_same() -> None:
    prediction, reference = _faces(3, 0), _faces(3, 1)
    whole = MouthDistanceByEyes().summarise(seen_faces(prediction), seen_faces(reference), recipe())
    half = MouthDistanceByEyes().summarise(seen_faces(prediction / 2), seen_faces(reference / 2), recipe())
    assert whole.value == pytest.approx(half.value)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(
        ShapeError, match=r"points must have shape \[B, K, 2\] both, got \[2, 20, 2\] and \[3, 20, 2\]"
    ):
        mouth_distance(_faces(2, 0), _faces(3, 0))
