"""How heads move."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from face_samples import landmarks, poses, seen, shape, swaying
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_samples import recipe
from numpy.typing import NDArray

from t2m_bench.core.errors import MetricError
from t2m_bench.core.metric import Measured, Observed
from t2m_bench.metrics.head_motion import (
    HeadMotionRatio,
    PoseWindowDistance,
    frechet_distance,
    mean_rotation,
    motion,
    pose_windows,
    rotation_vectors,
    spread,
    window_distance,
)
from t2m_bench.metrics.heads import head_poses
from t2m_bench.tracking.geometry import rotation_from_vector


def _video(times: float = 1.0, frames: int = 200, *, noise: float = 0.0) -> Observed:
    turn, shift = swaying(frames)
    jolt = np.random.default_rng(0).normal(0, 1, (2, frames, 3)) * noise
    return seen(landmarks(poses(times * turn + jolt[0], times * shift + jolt[1]), shape()))


def _ratio(made: Observed, real: Observed) -> Measured:
    return HeadMotionRatio().summarise(made, real, recipe())


def _distance(made: Observed, real: Observed) -> float:
    return PoseWindowDistance().summarise(made, real, recipe()).value


@settings(max_examples=40)
@given(st.lists(st.floats(-1.7, 1.7), min_size=3, max_size=3))
def test_rotations_come_back_as_vectors(vector: list[float]) -> None:
    found = rotation_vectors(rotation_from_vector(np.array([vector])))
    np.testing.assert_allclose(found[0], vector, atol=1e-7)


def test_the_mean_rotation_is_in_the_middle_and_no_mirror() -> None:
    vectors = np.array([[0.3, 0, 0], [-0.1, 0, 0], [0.1, 0, 0]])
    found = mean_rotation(rotation_from_vector(vectors))
    np.testing.assert_allclose(rotation_vectors(found[None]), [[0.1, 0, 0]], atol=1e-3)
    assert np.linalg.det(mean_rotation(np.stack([np.diag([1.0, -1, -1]), np.eye(3)]))) == pytest.approx(1)


def test_poses_of_perfect_landmarks_are_the_true_ones() -> None:
    turn, shift = swaying(40)
    true = poses(turn, shift)
    found = head_poses(landmarks(true, shape()), (512, 512))
    np.testing.assert_allclose(found[:, :3, :3], true[:, :3, :3], atol=2e-3)
    np.testing.assert_allclose(found[:, :3, 3], true[:, :3, 3], atol=0.03)


def test_spread_is_that_of_a_plain_loop() -> None:
    turn, shift = swaying(60)
    moved = motion(poses(turn, shift), poses(turn, shift))
    found = spread(moved)
    for part, value in ((slice(0, 3), found.degrees), (slice(3, 6), found.millimetres)):
        rows = moved[:, part].tolist()
        mean = [sum(row[axis] for row in rows) / 60 for axis in range(3)]
        total = sum((row[axis] - mean[axis]) ** 2 for row in rows for axis in range(3)) / 60
        assert value == pytest.approx(total**0.5)
    assert found.millimetres == pytest.approx(float(np.sqrt(shift.var(axis=0).sum())), rel=1e-6)
    assert found.degrees == pytest.approx(float(np.sqrt(turn.var(axis=0).sum())), rel=0.02)


def test_the_ratio_tells_frozen_equal_and_doubled_heads() -> None:
    real = _video()
    assert _ratio(real, real).value == pytest.approx(1)
    frozen = _ratio(_video(0), real)
    assert frozen.value < 1e-3 and frozen.facts["rotation_deg"] < 1e-2
    doubled = _ratio(_video(2), real)
    assert doubled.value == pytest.approx(2, rel=0.03)
    assert doubled.facts["rotation_ratio"] == pytest.approx(2, rel=0.05)
    assert doubled.facts["translation_ratio"] == pytest.approx(2, rel=0.05)
    assert doubled.frames == 200


def test_the_ratio_is_the_geometric_mean_of_both() -> None:
    turn, shift = swaying(100)
    real = seen(landmarks(poses(turn, shift), shape()))
    made = seen(landmarks(poses(2 * turn, shift / 2), shape()))
    found = _ratio(made, real)
    assert found.facts["rotation_ratio"] == pytest.approx(2, rel=0.05)
    assert found.facts["translation_ratio"] == pytest.approx(0.5, rel=0.05)
    assert found.value == pytest.approx(1, rel=0.03)


def test_frames_without_a_face_on_either_side_are_left_out() -> None:
    real, made = _video(frames=60), _video(2, frames=60)
    real.features["face_mesh"]["points"][3:9] = np.nan
    made.features["face_mesh"]["points"][50] = np.nan
    found = _ratio(made, real)
    keep = [index for index in range(60) if not 3 <= index < 9 and index != 50]
    whole = [seen(video.features["face_mesh"]["points"][keep]) for video in (made, real)]
    assert found.frames == 53 and found.value == pytest.approx(_ratio(whole[0], whole[1]).value)


def test_too_few_frames_and_still_references_are_refused() -> None:
    with pytest.raises(MetricError, match="at least 25 frames with a face in both videos, there are 24"):
        _ratio(_video(frames=24), _video(frames=24))
    for measure in (_ratio, _distance):
        with pytest.raises(MetricError, match=r"The reference's head stands still \(0\.00 degrees"):
            measure(_video(), _video(0))
    with pytest.raises(MetricError, match="No face was found in any of the 200 frames of the prediction"):
        _ratio(seen(np.full((200, 478, 3), np.nan, np.float32)), _video())


@pytest.mark.parametrize(("n", "m", "d"), [(9, 30, 4), (40, 25, 6), (50, 50, 1)])
def test_frechet_distance_is_that_of_covariance_matrices(n: int, m: int, d: int) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.normal(size=(n, d)), 0.5 + rng.normal(size=(m, d)) @ rng.normal(size=(d, d))
    first, second = np.cov(a.T).reshape(d, d), np.cov(b.T).reshape(d, d)
    root = np.real(scipy.linalg.sqrtm(first @ second))
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first + second - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_of_fewer_samples_than_dimensions_is_that_in_the_space_they_span() -> None:
    rng = np.random.default_rng(3)
    low = rng.normal(size=(2, 12, 4))
    turn = np.linalg.qr(rng.normal(size=(60, 4)))[0]  # the same points in a space of 60 dimensions
    assert frechet_distance(low[0] @ turn.T, low[1] @ turn.T) == pytest.approx(
        frechet_distance(low[0], low[1])
    )


def _slow_windows(moved: NDArray[np.float64]) -> list[list[float]]:
    found = []
    for start in range(1, len(moved) - 24, 5):
        window: list[float] = []
        for t in range(start, start + 25):
            window += [*moved[t], *(moved[t] - moved[t - 1])]
        if all(value == value for value in window):
            found.append(window)
    return found


@pytest.mark.parametrize("frames", [10, 25, 26, 31, 80])
def test_windows_are_those_of_a_plain_loop(frames: int) -> None:
    moved = np.random.default_rng(0).normal(size=(frames, 6))
    if frames == 80:
        moved[40] = np.nan
    slow = _slow_windows(moved)
    found = pose_windows(moved)
    assert found.shape == (len(slow), 25, 12)
    if slow:
        np.testing.assert_allclose(found.reshape(len(slow), -1), slow)
    assert len(slow) == {10: 0, 25: 0, 26: 1, 31: 2, 80: 5}[frames]


def test_window_distance_is_zero_for_the_same_and_one_for_a_frozen_head() -> None:
    turn, shift = swaying(200)
    windows = pose_windows(np.concatenate([turn, shift], axis=1))
    assert window_distance(windows, windows) == pytest.approx(0, abs=1e-9)
    still = np.broadcast_to(windows.mean(axis=0), windows.shape)
    assert window_distance(still, windows) == pytest.approx(1)
    scaled = window_distance(
        windows * np.repeat([0.1, 7.0, 0.1, 7.0], 3), windows * np.repeat([0.1, 7.0, 0.1, 7.0], 3)
    )
    assert scaled == pytest.approx(0, abs=1e-9)


def test_the_distance_tells_frozen_doubled_trembling_and_leaning_heads() -> None:
    real = _video()
    assert _distance(real, real) < 1e-9
    assert 0.9 < _distance(_video(0), real) < 1.2
    assert _distance(_video(1.2), real) < _distance(_video(2), real)
    assert 0.01 < _distance(_video(noise=0.3), real) < _distance(_video(noise=1.0), real)
    turn, shift = swaying(200)
    leaning = seen(landmarks(poses(turn + np.array([10, 0, 0]), shift), shape()))
    assert _distance(leaning, real) > 0.2
    assert _ratio(leaning, real).value == pytest.approx(1, rel=0.05)  # that one cannot see it


def test_the_units_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 40, 25, 12))
    units = np.repeat([57.3, 0.01, 57.3, 0.01], 3)
    assert window_distance(a * units, b * units) == pytest.approx(window_distance(a, b))


def test_short_videos_are_refused_alone_and_count_together() -> None:
    metric = PoseWindowDistance()
    short, whole = _video(frames=100), _video()
    alone = metric.summarise(whole, whole, recipe())
    with pytest.raises(
        MetricError, match=r"at least 30 windows of 25 frames .* there are 15\. Score at least 171"
    ):
        metric.summarise(short, short, recipe())
    both = metric.pool([short, short], [short, short], recipe())
    assert both.value == pytest.approx(0, abs=1e-9)
    assert both.facts["windows"] == both.facts["windows_reference"] == 30 and both.frames == 200
    assert both.facts["reference_halves"] == pytest.approx(0, abs=1e-9)  # the same video twice
    assert alone.facts["reference_halves"] > 0.05
    edge = metric.summarise(_video(frames=171), _video(frames=171), recipe())
    assert edge.facts["windows"] == 30


def test_where_a_person_sits_does_not_matter_when_videos_are_pooled() -> None:
    turn, shift = swaying(200)
    aside = seen(landmarks(poses(turn, shift + np.array([80, 0, 0])), shape()))
    made = seen(landmarks(poses(turn, shift + np.array([80, 0, 0])), shape()))
    found = PoseWindowDistance().pool([_video(), made], [_video(), aside], recipe())
    assert found.value == pytest.approx(0, abs=1e-6)
