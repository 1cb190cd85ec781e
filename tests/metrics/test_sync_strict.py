"""SyncNet without the losses and the padding of the public pipeline."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sync_samples import FACE, SIDE, Mimic, levels_of, no_face, only_track, speaker, still_face, until, voice
from sync_weights import random_syncnet

from t2m_bench.media.video import VideoWriter, iter_frames
from t2m_bench.metrics.sync_curves import offset_of, unpack
from t2m_bench.metrics.sync_strict import MIN_FRAMES, StrictExtractor
from t2m_bench.metrics.syncnet import SyncNet


def _run(
    frames: Any, sound: np.ndarray, *, detect: Any = still_face, embedder: Any = None
) -> dict[str, np.ndarray]:
    extractor = StrictExtractor(sound, detect, embedder or Mimic())
    for frame in frames:
        extractor.add(frame[None])
    return dict(extractor.finish())


def _curve(arrays: dict[str, np.ndarray]) -> np.ndarray:
    return np.nanmean(only_track(arrays).distances.astype(np.float64), axis=0)


@pytest.mark.parametrize("shift", range(-10, 11))
def test_a_planted_shift_moves_the_distances_by_exactly_that(shift: int, agree: Callable[..., None]) -> None:
    levels = levels_of(90)
    frames, sound = speaker(levels[15:75]), voice(levels)
    base = only_track(_run(frames, sound[15 * 640 : 75 * 640])).distances
    moved = only_track(_run(frames, sound[(15 - shift) * 640 : (75 - shift) * 640])).distances
    late = np.roll(base, shift, axis=1)  # what was at shift s is at s + shift
    if shift:
        late[:, slice(None, shift) if shift > 0 else slice(shift, None)] = np.nan
    at = np.arange(len(base))[:, None] + np.arange(-15, 16)  # which window of the sound
    both = (
        np.isfinite(late) & np.isfinite(moved) & (at != 0) & (at - shift != 0)
    )  # the first sample has none before
    assert both.sum() > 800
    agree(
        "lse_d@strict, distance of each window",
        "the same video without a shift",
        moved[both],
        late[both],
        within=1e-6,
    )
    found = [offset_of(np.nanmean(rows.astype(float), axis=0)) for rows in (base, moved)]
    agree("av_offset@strict (frames)", "the shift that was planted", found, [0, -shift], within=0)


def test_a_planted_shift_moves_the_distances_of_the_network_too(agree: Callable[..., None]) -> None:
    net, shift, levels = SyncNet(random_syncnet()), 7, levels_of(70)
    frames, sound = speaker(levels[10:56]), voice(levels)
    base = only_track(_run(frames, sound[10 * 640 : 56 * 640], embedder=net)).distances
    moved = only_track(_run(frames, sound[(10 - shift) * 640 : (56 - shift) * 640], embedder=net)).distances
    late = base[:, :-shift]  # what was at shift s is at s + shift
    at = np.arange(len(base))[:, None] + np.arange(-15, 16)[shift:]  # which window of the sound
    both = np.isfinite(late) & np.isfinite(moved[:, shift:]) & (at != 0) & (at - shift != 0)
    assert both.sum() > 500 and np.ptp(base[np.isfinite(base)]) > 0.01
    ratio = moved[:, shift:][both] / late[both]
    what, same = "lse_d@strict, distance of each window by the network", "the same video without a shift"
    agree(what, same, ratio, np.ones_like(ratio), within=1e-5, relative=True)


def test_only_what_has_picture_and_sound_counts() -> None:
    levels = levels_of(60)
    rows = only_track(_run(speaker(levels), voice(levels))).distances
    at = np.arange(56)[:, None] + np.arange(-15, 16)
    # The last of the 20 columns of the sound's 56th window would reach beyond its end.
    assert np.array_equal(np.isfinite(rows), (at >= 0) & (at < 55))


LOOP = 25  # frames


def _imperfect(count: int, loop: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Levels of mouth and voice that go together by half, as in life."""
    voiced, else_ = levels_of(count, loop=loop), levels_of(count, seed=1, loop=loop)
    return (voiced + else_) / 2, voiced


def test_a_longer_copy_of_a_looped_clip_scores_the_same(agree: Callable[..., None]) -> None:
    found = []
    for seconds in (4, 60):
        mouth, voiced = _imperfect(25 * seconds, loop=LOOP)
        unique = speaker(mouth[:LOOP])
        frames = (unique[i % LOOP] for i in range(25 * seconds))
        found.append(_curve(_run(frames, voice(voiced))))
    assert [offset_of(curve) for curve in found] == [0, 0]
    least = [curve.min() for curve in found]
    sure = [np.median(curve) - curve.min() for curve in found]
    assert least[0] > 0.2 and sure[0] > 0.2
    same = "4 s of the same loop of 1 s"
    agree("lse_d@strict of 60 s", same, least[1], least[0], within=0.01, relative=True)
    agree("lse_c@strict of 60 s", same, sure[1], sure[0], within=0.01, relative=True)


def test_another_round_of_h264_changes_little(tmp_path: Path, agree: Callable[..., None]) -> None:
    mouth, voiced = _imperfect(100)
    frames, sound = speaker(mouth), voice(voiced)
    with VideoWriter(tmp_path / "again.mp4", 25, (SIDE, SIDE)) as video:
        for frame in frames:
            video.write(frame)
    before = _curve(_run(frames, sound))
    after = _curve(_run(iter_frames(tmp_path / "again.mp4"), sound))
    assert offset_of(before) == offset_of(after) == 0
    same, ratio = "the frames before it", after / before
    agree("lse_d@strict after H.264", same, after.min(), before.min(), within=0.01, relative=True)
    agree("lse_d@strict curve after H.264", same, ratio, np.ones_like(ratio), within=0.01, relative=True)


@pytest.mark.parametrize("batch", [1, 7, 60])
def test_how_frames_come_changes_nothing(batch: int) -> None:
    levels = levels_of(60)
    frames, sound = speaker(levels), voice(levels)
    extractor = StrictExtractor(sound, still_face, Mimic())
    for begin in range(0, 60, batch):
        extractor.add(frames[begin : begin + batch])
    found, base = extractor.finish(), _run(frames, sound)
    assert all(np.array_equal(found[name], base[name], equal_nan=True) for name in base)


def test_a_gap_is_bridged_and_a_long_one_ends_the_track() -> None:
    levels = levels_of(150)
    frames, sound = speaker(levels), voice(levels)
    looks = [0]

    def losing(begin: int, end: int) -> Any:
        looks[0] = 0

        def detect(frame: np.ndarray) -> np.ndarray:
            looks[0] += 1
            return no_face(frame) if begin <= looks[0] - 1 < end else still_face(frame)

        return detect

    short, _ = unpack(_run(frames, sound, detect=losing(10, 14)))  # 20 frames
    assert [(t.first, t.frames) for t in short] == [(0, 150)]
    long, _ = unpack(_run(frames, sound, detect=losing(10, 16)))  # 30 frames
    assert [(t.first, t.frames) for t in long] == [(0, 46), (80, 70)]
    assert np.isfinite(long[1].distances[0]).all()  # it hears what comes before it


def test_a_moving_face_is_followed() -> None:
    levels = levels_of(60)
    wide = np.full((60, SIDE, SIDE + 120, 3), 90, np.uint8)
    for number, frame in enumerate(speaker(levels)):
        wide[number, :, 2 * number : 2 * number + SIDE] = frame
    number = [-5]

    def detect(frame: np.ndarray) -> np.ndarray:
        number[0] += 5
        return FACE + np.array([2 * number[0], 0, 2 * number[0], 0, 0])

    moving, still = _run(wide, voice(levels), detect=detect), _run(speaker(levels), voice(levels))
    assert offset_of(_curve(moving)) == 0
    assert _curve(moving).min() < 0.05 < _curve(still)[0]


def test_a_cut_ends_a_track() -> None:
    levels = levels_of(120)
    frames = speaker(levels)
    frames[57:] = frames[57:] // 3 + 160
    tracks, seen = unpack(_run(frames, voice(levels)))
    assert [(t.first, t.frames) for t in tracks] == [(0, 57), (57, 63)]
    assert seen.longest_shot == 63


def test_two_faces_are_two_tracks() -> None:
    levels = levels_of(60)
    both = np.concatenate([speaker(levels), speaker(levels_of(60, seed=3))], axis=2)
    tracks, _ = unpack(
        _run(
            both,
            voice(levels),
            detect=lambda frame: np.concatenate([FACE, FACE + np.array([160, 0, 160, 0, 0])]),
        )
    )
    least = [np.nanmean(track.distances, axis=0).min() for track in tracks]
    assert len(tracks) == 2 and min(least) < 0.05 and max(least) > 0.4


def test_what_cannot_be_measured() -> None:
    levels = levels_of(MIN_FRAMES)
    frames, sound = speaker(levels), voice(levels)
    assert len(unpack(_run(frames, np.pad(sound, (0, 240))))[0]) == 1
    for name, shown, heard, detect, expected in (
        ("none", frames, sound, no_face, (9, 0, 0, 0)),
        ("short", frames[:-1], sound, still_face, (9, 9, MIN_FRAMES - 1, 0)),
        ("lost", frames, sound, until(2, still_face), (9, 2, 6, 0)),
        ("mute", frames, sound[: 640 * 30], still_face, (9, 9, MIN_FRAMES, 1)),
    ):
        tracks, seen = unpack(_run(shown, heard, detect=detect))
        assert not tracks
        assert (seen.frames, seen.with_face, seen.detections, seen.soundless) == expected, name
    tiny = lambda frame: np.array([[50.0, 50, 100, 110, 0.99]])  # noqa: E731
    tracks, seen = unpack(_run(frames, sound, detect=tiny))
    assert not tracks and seen.side == 60


class Blind:
    """An embedder that keeps nothing."""

    def lips(self, faces: np.ndarray) -> np.ndarray:
        return np.zeros((len(faces) - 4, 2), np.float32)

    def sound(self, columns: np.ndarray) -> np.ndarray:
        return np.zeros((max(0, (len(columns) - 20) // 4 + 1), 2), np.float32)


def test_memory_does_not_grow_with_length() -> None:
    frame, silence = speaker(levels_of(1))[0], np.zeros(640 * 2000, np.float32)
    peaks = []
    for count in (200, 2000):
        extractor = StrictExtractor(silence[: 640 * count], still_face, Blind())
        tracemalloc.start()
        for _ in range(count):
            extractor.add(frame[None])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert only_track(dict(extractor.finish())).frames == count
    # The ring holds about 12 frames, the reader up to 44 faces: 2000 frames would be 150 MB.
    assert peaks[1] < 30e6 and peaks[1] < peaks[0] + 1e6
