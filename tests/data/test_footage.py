"""A stretch of a clip: frames, track, sound, digest."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data_samples import RATE, picture, some_track, tracked_clip

from t2m_bench.core.errors import UsageError
from t2m_bench.core.subject import Footage
from t2m_bench.core.track import Track
from t2m_bench.data.footage import ClipFootage, track_digest
from t2m_bench.media.audio import read_audio
from t2m_bench.media.video import read_frames, resize_frames, write_gray


def _footage(folder: Path, start: int = 30, stop: int = 50, *, matte: bool = False) -> ClipFootage:
    clip = tracked_clip(folder, name="clip.mkv")
    assert clip.track is not None
    track = Track.load(clip.track, matte=_matte(folder) if matte else None)
    return ClipFootage(clip, track, start, stop)


def _matte(folder: Path) -> Path:
    """The matte of frame n lets the left n + 1 columns through."""
    mattes = (np.where(np.arange(64)[None] <= n, 255, 0).repeat(64, 0).astype(np.uint8) for n in range(50))
    write_gray(folder / "matte.mkv", mattes, 25)
    return folder / "matte.mkv"


def test_it_holds_exactly_its_frames(tmp_path: Path) -> None:
    footage: Footage = _footage(tmp_path)
    frames = list(footage.frames())
    assert len(frames) == len(footage) == len(footage.track) == 20
    assert (footage.start, footage.fps, footage.size, footage.clip_id) == (30, 25.0, (64, 64), "clip")
    assert all(np.array_equal(frame, picture(30 + n)) for n, frame in enumerate(frames))


def test_the_track_is_that_of_its_frames(tmp_path: Path) -> None:
    assert np.array_equal(_footage(tmp_path, 10, 12).track.landmarks, some_track(50).landmarks[10:12])


def test_what_the_matte_hides_is_white(tmp_path: Path) -> None:
    frames = list(_footage(tmp_path, 40, 42, matte=True).frames())
    for n, frame in zip((40, 41), frames, strict=True):
        assert np.array_equal(frame[:, : n + 1], picture(n)[:, : n + 1])
        assert (frame[:, n + 1 :] == 255).all()


def test_frames_are_resized_after_they_were_put_on_white(tmp_path: Path) -> None:
    footage = _footage(tmp_path, 40, 41, matte=True)
    (small,) = footage.frames((32, 32))
    (whole,) = footage.frames()
    assert np.array_equal(small, resize_frames(whole[None], (32, 32))[0])


def test_only_one_frame_is_held(tmp_path: Path) -> None:
    footage = _footage(tmp_path, 0, 50)
    next(footage.frames())
    tracemalloc.start()
    for _ in footage.frames():
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * picture(0).nbytes


def test_the_sound_is_that_of_its_frames(tmp_path: Path) -> None:
    footage = _footage(tmp_path)
    whole = read_audio(tmp_path / "clip.mkv", RATE)
    assert np.array_equal(footage.audio(), whole[30 * 640 : 50 * 640])
    assert len(footage.audio(8000)) == 20 * 320


def test_changing_what_it_gave_changes_nothing_in_it(tmp_path: Path) -> None:
    footage = _footage(tmp_path)
    before = footage.audio()
    footage.audio()[:] = 0
    assert np.array_equal(footage.audio(), before) and before.any()


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 5), (6, 5), (0, 51)])
def test_a_range_outside_the_clip_is_refused(tmp_path: Path, start: int, stop: int) -> None:
    with pytest.raises(UsageError, match=f"frames {start} to {stop} are no part of the 50 frames of clip"):
        _footage(tmp_path, start, stop)


def test_the_digest_says_where_anything_differs(tmp_path: Path) -> None:
    base = _footage(tmp_path)
    clip, track = tracked_clip(tmp_path, name="clip.mkv"), some_track(50)
    assert ClipFootage(clip, track, 30, 50).digest == base.digest
    (tmp_path / "other.wav").write_bytes(b"sound")
    others = [
        ClipFootage(clip, track, 29, 50),
        ClipFootage(clip, track, 30, 49),
        ClipFootage(replace(clip, sha256="0" * 64), track, 30, 50),
        ClipFootage(replace(clip, audio=tmp_path / "other.wav"), track, 30, 50),
        ClipFootage(clip, replace(track, matte=_matte(tmp_path)), 30, 50),
        ClipFootage(clip, some_track(50, seed=1), 30, 50),
    ]
    assert len({base.digest, *(other.digest for other in others)}) == 7


def test_the_digest_looks_at_the_numbers_of_a_track_and_not_at_its_file(tmp_path: Path) -> None:
    track = some_track(5)
    again = Track.load(track.save(tmp_path / "again.npz"))
    assert track_digest(again) == track_digest(track)
    moved = replace(track, valid=np.array([True, True, True, True, False]))
    assert track_digest(moved) != track_digest(track)


def test_reading_is_the_same_twice_and_from_any_start(tmp_path: Path) -> None:
    footage = _footage(tmp_path, 7, 9)
    assert np.array_equal(np.stack(list(footage.frames())), read_frames(tmp_path / "clip.mkv")[7:9])
    assert np.array_equal(np.stack(list(footage.frames())), np.stack(list(footage.frames())))
