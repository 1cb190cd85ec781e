"""Real clips taken for raw videos: what is cut from them is in time with them, and tracks as they do."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from preparation_samples import (
    LOOK,
    RATE,
    Picture,
    lag_seconds,
    picture_lags,
    row,
    sound_of,
    window,
    write_raw,
)
from shared_material import SHARED

from t2m_bench.core.method import SilentReporter
from t2m_bench.data.manifest import ClipRow
from t2m_bench.data.preparation import prepare_clip
from t2m_bench.media.audio import read_audio
from t2m_bench.media.video import read_frames, resize_frames
from t2m_bench.tracking.tracker import track_clip

HDTF = SHARED / "data" / "hdtf"
WEEKLY = SHARED / "data" / "raw" / "weekly_address_20s.mp4"

pytestmark = pytest.mark.skipif(
    not (WEEKLY.is_file() and (HDTF / "WDA_KatieHill_000.mp4").is_file()),
    reason="no real clips here: set T2M_SHARED to a folder that holds data/raw, data/hdtf and assets",
)

ROWS = (
    row("weekly_address_20s", start=6.2, end=8.6, **window(333, 40, 600, 720)),
    row("WDA_KatieHill_000", start=4.0, end=6.4, **window(16, 10, 480, 512)),
    row("WDA_AlexandriaOcasioCortez_000", start=3.48, end=5.88, **window(20, 0, 470, 512)),
)


def raw_of(clip: ClipRow) -> Path:
    return WEEKLY if clip.video == WEEKLY.stem else HDTF / f"{clip.video}.mp4"


def framed(picture: Picture, clip: ClipRow, size: int) -> Picture:
    assert clip.x is not None and clip.y is not None and clip.width is not None
    part = picture[clip.y : clip.y + clip.width, clip.x : clip.x + clip.width]
    return resize_frames(part[None], (size, size))[0]


def source_pictures(pictures: Picture, first: int, clip: ClipRow) -> Any:
    """Candidates: the raw video's pictures, each at its own time, 25 a second."""
    small = [framed(picture, clip, LOOK) for picture in pictures]

    def near(due: float) -> Iterator[tuple[float, Picture]]:
        for number, picture in enumerate(small):
            if abs((first + number) / 25 - due) < 0.2:
                yield (first + number) / 25, picture

    return near


def measure(video: Path, audio: Path, clip: ClipRow, source: Path) -> tuple[float, float]:
    """Seconds by which the sound is heard and the pictures are seen later than in the source; at 25 fps."""
    first = int(clip.start * 25) - 8
    pictures = read_frames(source, first, first + 80)
    sound = sound_of(audio)
    truth = read_audio(source, RATE)[round(clip.start * RATE) :][: len(sound)]
    seen = picture_lags(video, clip.start, source_pictures(pictures, first, clip))
    return lag_seconds(sound, truth), -float(seen.mean())


@pytest.mark.parametrize("clip", ROWS, ids=lambda clip: clip.id)
def test_a_clip_is_in_time_with_its_raw_video(clip: ClipRow, tmp_path: Path) -> None:
    made = prepare_clip(clip, raw_of(clip), tmp_path, "none", SilentReporter())
    heard, seen = measure(made.files["video"], made.files["audio"], clip, raw_of(clip))
    print(f"{clip.id}: sound {1e3 * heard:.2f} ms late, pictures {1e3 * seen:.2f} ms late")
    assert made.frames == 60
    assert abs(heard - seen) < 0.010


def phone_copy(path: Path, seconds: float) -> Path:
    """Of `WEEKLY`: 29.97 fps, 48 kHz stereo, stored turned, its sound stream starting 120 ms late."""
    fps = Fraction(30000, 1001)
    pictures = read_frames(WEEKLY, 0, round(seconds * 25) + 2)
    sound = read_audio(WEEKLY, 48000)[: round(seconds * 48000)][round(0.12 * 48000) :]
    times = [index / fps for index in range(int(seconds * fps))]
    return write_raw(
        path,
        times,
        lambda time: pictures[round(time * 25)],
        sound,
        rate=48000,
        channels=2,
        sound_start=0.12,
        rotation=90,
        fps=fps,
    )


def test_a_late_turned_copy_at_another_rate_gives_the_same_clip(tmp_path: Path) -> None:
    # Of both videos a frame is shown at 3.2 s, so that their clips begin within 4 ms of each other.
    clip = row("copy", video="copy", start=3.204, end=5.204, **window(333, 40, 600, 720))
    copy = phone_copy(tmp_path / "copy.mp4", 5.8)
    for name in ("copied", "plain"):
        (tmp_path / name).mkdir()
    made = prepare_clip(clip, copy, tmp_path / "copied", "none", SilentReporter())
    plain = prepare_clip(clip, WEEKLY, tmp_path / "plain", "none", SilentReporter())
    heard, seen = measure(made.files["video"], made.files["audio"], clip, WEEKLY)
    print(f"copy: sound {1e3 * heard:.2f} ms late, pictures {1e3 * seen:.2f} ms late")
    assert abs(heard - seen) < 0.010
    tracks = [track_clip(one.files["video"], matting="none", cache=tmp_path / "c") for one in (plain, made)]
    away = np.linalg.norm(tracks[0].landmarks[..., :2] - tracks[1].landmarks[..., :2], axis=-1)
    print(f"copy: landmarks {np.median(away):.2f} px median, {np.percentile(away, 95):.2f} px at 95%")
    assert len(tracks[0]) == len(tracks[1]) == 50
    assert np.median(away) < 1.0 and np.percentile(away, 95) < 3.0


def test_prepared_from_a_prepared_clip_tracks_alike(tmp_path: Path) -> None:
    clip = row("WDA_KatieHill_000", start=2, end=3.2, **window(0, 0, 512, 512))
    made = prepare_clip(clip, raw_of(clip), tmp_path, "none", SilentReporter())
    again = track_clip(made.files["video"], matting="none", cache=tmp_path / "c")
    original = track_clip(raw_of(clip), matting="none", cache=tmp_path / "c").part(50, 80)
    away = np.linalg.norm(again.landmarks[..., :2] - original.landmarks[..., :2], axis=-1)
    print(f"same window: landmarks {np.median(away):.2f} px median, {np.percentile(away, 95):.2f} px at 95%")
    assert np.median(away) < 0.5 and np.percentile(away, 95) < 1.5
