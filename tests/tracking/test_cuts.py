from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from shared_material import SHARED

from t2m_bench.core.errors import ShapeError
from t2m_bench.core.track import Track
from t2m_bench.media.container import decode_video
from t2m_bench.tracking.cuts import SIDE, face_leaps, find_cuts, picture_changes

DEMO = Path(__file__).resolve().parents[2] / "datasets" / "demo" / "clips"


def scene(seed: int, frames: int, shift: float = 0.0) -> np.ndarray:
    """Smooth random pictures [T, 48, 48, 3] of one place, with noise, moved by `shift` pixels a frame."""
    rng = np.random.default_rng(seed)
    wide = rng.uniform(20, 235, (6, 20, 3)).repeat(8, 0).repeat(20, 1)
    moved = [wide[:, round(shift * t) : round(shift * t) + SIDE] for t in range(frames)]
    return np.clip(np.stack(moved) + rng.normal(0, 3, (frames, SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


def head(frames: int, x: float = 200.0, y: float = 200.0, wobble: float = 2.0) -> np.ndarray:
    """Face boxes [T, 4], 100 wide, that move a little."""
    t = np.arange(frames)
    centre = np.stack([x + wobble * np.sin(t / 3), y + wobble * np.cos(t / 4)], 1)
    return np.concatenate([centre - 50, centre + 50], 1).astype(np.float32)


def small(path: Path) -> np.ndarray:
    shrink = VideoReformatter()
    return np.stack(
        [
            shrink.reformat(
                t.frame, width=SIDE, height=SIDE, format="rgb24", interpolation="AREA"
            ).to_ndarray()
            for t in decode_video(path)
        ]
    )


@pytest.mark.parametrize("at", [4, 50, 95])
def test_a_hard_cut_is_found_to_the_frame(at: int) -> None:
    pictures = np.concatenate([scene(0, at), scene(1, 100 - at)])
    assert find_cuts(picture_changes(pictures)) == [at]


def test_several_cuts() -> None:
    pictures = np.concatenate([scene(0, 30), scene(1, 20), scene(2, 40), scene(0, 20)])
    assert find_cuts(picture_changes(pictures)) == [30, 50, 90]


@pytest.mark.parametrize("length", [1, 2])
def test_a_flash_is_no_cut(length: int) -> None:
    pictures = scene(0, 60)
    pictures[30 : 30 + length] = 255
    assert find_cuts(picture_changes(pictures), head(60)) == []


def test_a_pan_and_a_jolt_are_no_cuts() -> None:
    assert find_cuts(picture_changes(scene(0, 100, shift=3.0))) == []
    still = scene(0, 60)
    still[30:] = np.roll(still[30:], 7, axis=2)
    assert picture_changes(still).gray_levels.max() > 16
    assert find_cuts(picture_changes(still)) == []


def test_a_blink_is_no_cut() -> None:
    pictures = scene(0, 60)
    pictures[30:34, 20:23, 15:33] //= 2
    assert find_cuts(picture_changes(pictures), head(60)) == []


def jump(pictures: np.ndarray, at: int) -> np.ndarray:
    """The head is elsewhere in the picture from frame `at` on."""
    pictures = pictures.copy()
    pictures[at:, 16:32, 16:32] = np.clip(pictures[at:, 16:32, 16:32].astype(int) + 60, 0, 255).astype(
        np.uint8
    )
    return pictures


def test_a_jump_cut_needs_face_and_picture_to_leap() -> None:
    pictures, box = scene(0, 80), head(80)
    leapt = box.copy()
    leapt[40:] += np.float32([15, 5, 15, 5])
    assert find_cuts(picture_changes(jump(pictures, 40)), leapt) == [40]
    assert find_cuts(picture_changes(jump(pictures, 40)), box) == [], "the light was switched on"
    assert find_cuts(picture_changes(pictures), leapt) == [], "the detector slipped"


def test_a_fast_head_is_no_cut() -> None:
    """It moves a quarter of its width a frame at the fastest, but takes several frames."""
    box = head(80)
    box += (np.sin(np.clip((np.arange(80) - 35) / 10, 0, 1) * np.pi / 2) * 160)[:, None].astype(np.float32)
    box[:, [1, 3]] = head(80)[:, [1, 3]]
    assert face_leaps(box, np.ones(80, np.bool_)).max() > 0.11
    pictures = scene(0, 80)
    for t in range(35, 46):
        pictures[t:, 16:32, 3 * (t - 35) : 3 * (t - 35) + 12] = 90 + 5 * (t - 35)
    assert find_cuts(picture_changes(pictures), box) == []


def test_a_face_that_is_lost_is_no_leap() -> None:
    box, valid = head(60), np.ones(60, np.bool_)
    box[20:25], valid[20:25] = [0, 0, 5, 5], False
    assert face_leaps(box, valid).max() < 0.05


@pytest.mark.parametrize("frames", [0, 1, 2, 3, 5])
def test_short_videos(frames: int) -> None:
    changes = picture_changes(scene(0, frames) if frames else [])
    assert len(changes) == frames
    assert find_cuts(changes, head(frames)) == []


def test_refuses_arrays_of_other_lengths() -> None:
    with pytest.raises(ShapeError, match=r"box and valid must be \[10, 4\]"):
        find_cuts(picture_changes(scene(0, 10)), head(9))


def test_demo_clips_have_one_shot_and_together_two() -> None:
    pictures = {name: small(DEMO / f"demo_{name}.mp4") for name in ("en", "cmn")}
    boxes = {name: Track.load(DEMO / f"demo_{name}.track.npz").box for name in pictures}
    for name, shown in pictures.items():
        assert find_cuts(picture_changes(shown), boxes[name]) == []
    both = np.concatenate([pictures["en"][:60], pictures["cmn"][:60]])
    assert find_cuts(picture_changes(both), np.concatenate([boxes["en"][:60], boxes["cmn"][:60]])) == [60]


def test_filmed_clips_have_one_shot_and_together_two() -> None:
    clips = sorted((SHARED / "data" / "hdtf").glob("*.mp4"))
    if len(clips) < 2:
        pytest.skip("no real clips here: set T2M_SHARED")
    first, second = (small(path)[:100] for path in clips[:2])
    assert find_cuts(picture_changes(first)) == find_cuts(picture_changes(second)) == []
    assert find_cuts(picture_changes(np.concatenate([first[:60], second[:40]]))) == [60]
