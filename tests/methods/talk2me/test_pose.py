"""Pose retrieval: leave-one-out, continuity at the seams, and a refiner that starts at nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from t2m_bench.core.errors import MethodError
from t2m_bench.methods.talk2me.pose import PoseDatabase, PoseRefiner, unit_key


def _sequence(frames: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    audio = rng.normal(size=(frames, 9)).astype(np.float32)
    pose = np.cumsum(rng.normal(scale=0.1, size=(frames, 6)), axis=0).astype(np.float32)
    return audio, pose


def test_known_sound_retrieves_its_own_pose() -> None:
    audio, pose = _sequence()
    database = PoseDatabase.build(audio, pose, 25, 5)
    found = database.retrieve(audio[50:75], 8, chain=False)
    np.testing.assert_allclose(found[:25], pose[50:75], atol=1e-6)


def test_leave_one_out_never_returns_a_unit_that_touches_the_window() -> None:
    audio, pose = _sequence()
    database = PoseDatabase.build(audio, pose, 25, 5)
    marked = PoseDatabase(
        database.keys,
        np.broadcast_to(database.starts[:, None, None], (len(database.starts), 25, 6)).astype(np.float32),
        database.starts,
    )
    for chain in (True, False):
        starts = set(np.unique(marked.retrieve(audio[50:75], 8, chain=chain, exclude=(50, 75))))
        assert not any(25 < start < 75 for start in starts)


def test_nothing_left_after_leave_one_out_gives_the_mean_pose() -> None:
    audio, pose = _sequence(frames=40)
    database = PoseDatabase.build(audio, pose, 25, 5)
    assert (database.retrieve(audio, 8, chain=True, exclude=(0, 40)) == 0).all()


@pytest.mark.parametrize("frames", [1, 7, 17, 25, 26, 100, 333])
def test_any_length_comes_back(frames: int) -> None:
    audio, pose = _sequence()
    database = PoseDatabase.build(audio, pose, 25, 5)
    asked = np.random.default_rng(1).normal(size=(frames, 9)).astype(np.float32)
    assert database.retrieve(asked, 8, chain=True).shape == (frames, 6)


def test_chaining_makes_smoother_seams_than_greedy_choice() -> None:
    audio, pose = _sequence(frames=600)
    database = PoseDatabase.build(audio, pose, 25, 5)
    asked = np.random.default_rng(2).normal(size=(300, 9)).astype(np.float32)
    steps = [np.abs(np.diff(database.retrieve(asked, 8, chain=c), axis=0)).max() for c in (True, False)]
    assert steps[0] < steps[1]


def test_key_is_a_unit_vector_and_blind_to_nothing_but_scale() -> None:
    audio, _ = _sequence()
    assert np.linalg.norm(unit_key(audio[:25])) == pytest.approx(1.0, abs=1e-6)
    assert not np.allclose(unit_key(audio[:25]), unit_key(audio[25:50]))


def test_footage_shorter_than_a_unit_is_refused() -> None:
    audio, pose = _sequence(frames=10)
    with pytest.raises(
        MethodError, match="10 training frames hold no pose unit of 25. Set unit_frames to less."
    ):
        PoseDatabase.build(audio, pose, 25, 5)


def test_untrained_refiner_returns_what_was_retrieved() -> None:
    torch.manual_seed(0)
    refiner = PoseRefiner(9, 5, 16, 1, 4).eval()
    retrieved = torch.randn(1, 30, 6)
    torch.testing.assert_close(refiner(retrieved, torch.randn(1, 30, 5), torch.randn(1, 30, 9)), retrieved)
