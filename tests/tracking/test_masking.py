from __future__ import annotations

import numpy as np

from t2m_bench.core.track import Track
from t2m_bench.tracking.canonical import LEFT_EYE, LIPS_INNER, LIPS_OUTER, RIGID
from t2m_bench.tracking.geometry import refine_pose
from t2m_bench.tracking.masking import rigid_only


def _track() -> Track:
    rng = np.random.default_rng(0)
    frames = 6
    return Track(
        landmarks=(rng.random((frames, 478, 3)) * 200).astype(np.float32),
        blendshapes=rng.random((frames, 52)).astype(np.float32),
        pose=np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1)) + np.float32(0.5),
        ear=rng.random((frames, 2)).astype(np.float32),
        box=rng.random((frames, 4)).astype(np.float32),
        valid=np.array([True, True, False, True, True, True]),
        size=(256, 256),
        fps=25.0,
        fov_deg=20.0,
        source="ground-truth",
    )


def test_only_what_fixes_the_pose_is_left() -> None:
    track = _track()
    masked = rigid_only(track)
    rigid = list(RIGID)
    assert np.array_equal(masked.landmarks[:, rigid], track.landmarks[:, rigid])
    assert np.array_equal(masked.pose, track.pose)
    assert np.array_equal(masked.valid, track.valid)
    moving = np.setdiff1d(np.arange(478), rigid)
    assert np.isnan(masked.landmarks[:, moving]).all()
    for hidden in (masked.blendshapes, masked.ear, masked.box):
        assert np.isnan(hidden).all()


def test_the_mouth_and_the_lids_are_hidden() -> None:
    corners = {33, 133, 263, 362}  # do not move with the lids
    assert not set(RIGID) & (set(LIPS_INNER) | set(LIPS_OUTER) | set(LEFT_EYE) - corners)


def test_two_expressions_at_one_pose_cannot_be_told_apart() -> None:
    one, other = _track(), _track()
    other.landmarks[:, list(LIPS_INNER)] += 5
    other.blendshapes[:] = 0
    other.box[:, 3] += 9
    assert np.array_equal(rigid_only(one).landmarks, rigid_only(other).landmarks, equal_nan=True)
    assert np.array_equal(rigid_only(one).box, rigid_only(other).box, equal_nan=True)


def test_the_original_is_left_alone() -> None:
    track = _track()
    rigid_only(track)
    assert np.isfinite(track.landmarks).all()
    assert np.isfinite(track.box).all()


def test_the_pose_can_still_be_refined() -> None:
    track = _track()
    face = np.random.default_rng(1).normal(size=(478, 3)) * 0.5
    pose = np.tile(np.eye(4), (6, 1, 1))
    pose[:, 2, 3] = 10
    masked = rigid_only(track)
    found = refine_pose(masked.landmarks, pose, face, RIGID, track.focal, track.size)
    assert np.isfinite(found).all()
