from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from t2m_bench.core.errors import ShapeError
from t2m_bench.tracking.geometry import rotation_from_vector
from t2m_bench.tracking.smoothing import smooth_poses


def walk(frames: int, tremor: float = 0.0) -> NDArray[np.float64]:
    """Slow nods, with noise."""
    rng = np.random.default_rng(3)
    t = np.arange(frames)[:, None] / 25
    pose = np.tile(np.eye(4), (frames, 1, 1))
    vector = 0.2 * np.sin(2 * np.pi * t * [0.4, 0.7, 0.3]) + tremor * rng.normal(size=(frames, 3))
    pose[:, :3, :3] = rotation_from_vector(vector)
    pose[:, :3, 3] = [0, 0, 10] + 0.3 * np.sin(t * [1, 2, 3]) + tremor * rng.normal(size=(frames, 3))
    return pose


def test_translation_is_scipys_filter() -> None:
    pose = walk(40, 0.02)
    smooth = smooth_poses(pose, np.ones(40, dtype=np.bool_))
    np.testing.assert_allclose(smooth[:, :3, 3], savgol_filter(pose[:, :3, 3], 5, 3, axis=0), atol=1e-12)
    np.testing.assert_array_equal(smooth[:, 3], pose[:, 3])


def test_noise_falls_and_rotations_stay_rotations() -> None:
    true, seen = walk(100), walk(100, 0.02)
    smooth = smooth_poses(seen, np.ones(100, dtype=np.bool_))
    turn = smooth[:, :3, :3]
    np.testing.assert_allclose(turn @ turn.transpose(0, 2, 1), np.tile(np.eye(3), (100, 1, 1)), atol=1e-12)
    assert (np.linalg.det(turn) > 0).all()
    assert np.square(smooth - true).mean() < 0.6 * np.square(seen - true).mean()


def test_motion_without_noise_is_kept_without_lag() -> None:
    true = walk(60)
    np.testing.assert_allclose(smooth_poses(true, np.ones(60, dtype=np.bool_)), true, atol=2e-4)


def test_nothing_flows_over_a_gap() -> None:
    pose = walk(30, 0.02)
    valid = np.ones(30, dtype=np.bool_)
    valid[[0, 12, 26]] = False
    smooth = smooth_poses(pose, valid)
    changed = pose.copy()
    changed[:13, :3, 3] += 5.0
    other = smooth_poses(changed, valid)
    np.testing.assert_array_equal(smooth[13:], other[13:])
    np.testing.assert_array_equal(smooth[~valid], pose[~valid])
    np.testing.assert_array_equal(smooth[27:], pose[27:])  # three frames are too few


def test_shapes_are_checked() -> None:
    with pytest.raises(ShapeError, match=r"pose must have shape \[4, 4, 4\], got \[5, 4, 4\]"):
        smooth_poses(walk(5), np.ones(4, dtype=np.bool_))
