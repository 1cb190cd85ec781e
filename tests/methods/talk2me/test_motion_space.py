"""Motion space: learnt from training frames, inverted without loss, content with masked motion for the pose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from t2m_bench.core.errors import TrackingError
from t2m_bench.methods.talk2me.motion import POSE_LIMIT, MotionSpace, network_pose
from t2m_bench.tracking.canonical import RIGID
from t2m_bench.tracking.geometry import reprojection_error
from t2m_bench.tracking.masking import rigid_only


@pytest.fixture(scope="module")
def space(training) -> MotionSpace:
    return MotionSpace.learn(training.track, 12)


def test_pose_numbers_and_back(space: MotionSpace, training) -> None:
    pose = space.head_pose(training.track)
    np.testing.assert_allclose(space.pose_matrices(space.pose_numbers(pose)), pose, atol=1e-4)


def test_pose_numbers_of_training_frames_are_standardised(space: MotionSpace, training) -> None:
    numbers = space.pose_numbers(space.head_pose(training.track))
    assert np.abs(numbers.mean(axis=0)).max() < 0.2
    assert (numbers.std(axis=0) < 1.05).all()


def test_refined_pose_explains_the_rigid_points(space: MotionSpace, training) -> None:
    track = training.track
    error = reprojection_error(
        track.landmarks, space.head_pose(track), space.shape, RIGID, track.focal, track.size
    )
    assert error.mean() < 1.5


def test_expression_is_bounded_and_moves_with_the_mouth(space: MotionSpace, training) -> None:
    track = training.track
    e = space.expression(track)
    assert e.shape == (len(track), space.expression_size)
    assert np.abs(e).max() <= 4
    opening = np.linalg.norm(track.landmarks[:, 13] - track.landmarks[:, 14], axis=1)
    lips = e[:, 51 : 51 + len(space.lip_basis)]
    assert max(abs(np.corrcoef(opening, lips[:, k])[0, 1]) for k in range(3)) > 0.6


def test_masked_motion_gives_the_same_pose(space: MotionSpace, held_out) -> None:
    masked = rigid_only(held_out.track)
    np.testing.assert_allclose(space.head_pose(masked), space.head_pose(held_out.track), atol=1e-9)
    assert np.isnan(masked.blendshapes).all()
    assert np.isnan(masked.landmarks[:, 13]).all()


def test_invalid_frames_are_left_out(space: MotionSpace, training) -> None:
    track = training.track
    broken = replace(track, landmarks=track.landmarks.copy(), valid=track.valid.copy())
    broken.landmarks[10:20] += 500
    broken.valid[10:20] = False
    assert np.abs(MotionSpace.learn(broken, 12).shape - space.shape).max() < 0.05


def test_too_little_footage(training) -> None:
    track = replace(training.track, valid=np.arange(len(training)) < 3)
    with pytest.raises(TrackingError, match="Only 3 of 120 training frames show a face"):
        MotionSpace.learn(track, 12)


def test_indices_of_mouth_and_eyes_do_not_meet(space: MotionSpace) -> None:
    assert not set(space.mouth_index) & set(space.eye_index)


def test_network_pose_stays_where_training_was() -> None:
    assert np.abs(network_pose(np.full((2, 6), 50, np.float32))).max() == POSE_LIMIT
