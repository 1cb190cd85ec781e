"""One clip cut from a raw video: the right stretch, the right square, picture and sound in time."""

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
    noise,
    picture_lags,
    row,
    scene,
    sound_of,
    window,
    write_raw,
)

from t2m_bench.core.errors import AudioError, AudioMissing, VideoError
from t2m_bench.core.method import SilentReporter
from t2m_bench.data import preparation
from t2m_bench.data.manifest import ClipRow
from t2m_bench.data.preparation import Matting, Prepared, prepare_clip, settings_digest
from t2m_bench.media.probe import probe
from t2m_bench.media.video import VideoWriter, iter_gray, read_frames, resize_frames
from t2m_bench.tracking.landmarks import Detection

SIZE = (256, 192)


def prepare(clip: ClipRow, source: Path, folder: Path, matting: Matting = "none") -> Prepared:
    folder.mkdir(exist_ok=True)
    return prepare_clip(clip, source, folder, matting, SilentReporter())


def grid(fps: Fraction, seconds: float) -> list[Fraction]:
    return [index / fps for index in range(int(seconds * fps))]


def synthetic(path: Path, *, fps: Fraction = Fraction(25), seconds: float = 7.0, **options: Any) -> Path:
    """`scene` at its own times, with `noise` that is in time with it: what sounds late is cut from its front."""
    rate = options.setdefault("rate", 16000)
    sound = noise(seconds, rate)[round(options.get("sound_start", 0.0) * rate) :]
    return write_raw(
        path, grid(fps, seconds), lambda time: scene(float(time), SIZE), sound, fps=fps, **options
    )


def scene_candidates(x: int, y: int, side: int) -> Any:
    def near(due: float) -> Iterator[tuple[float, Picture]]:
        for step in range(-12, 13):
            time = due + step / 200
            yield time, scene(time, (LOOK, LOOK), (x, y), side / LOOK)

    return near


def test_format_of_a_clip(tmp_path: Path) -> None:
    source = synthetic(tmp_path / "raw.mp4", seconds=3)
    made = prepare(row(start=1, end=2.2, **window(20, 10, 150, 192)), source, tmp_path / "out")
    info = probe(made.files["video"])
    assert (info.width, info.height, info.fps, info.constant_fps, info.frames) == (512, 512, 25.0, True, 30)
    assert (info.codec, info.pixel_format, info.rotation) == ("h264", "yuv420p", 0)
    assert (made.frames, made.seconds, made.notes) == (30, 1.2, ())
    sound = probe_wav(made.files["audio"])
    assert sound == (1, 2, 16000, round(1.2 * 16000))
    assert abs(lag_seconds(sound_of(made.files["video"]), sound_of(made.files["audio"]))) < 1e-3


def probe_wav(path: Path) -> tuple[int, int, int, int]:
    import wave

    with wave.open(str(path)) as wav:
        return wav.getnchannels(), wav.getsampwidth(), wav.getframerate(), wav.getnframes()


@pytest.mark.parametrize(
    ("name", "options", "start", "tolerance"),
    [
        ("plain.mp4", {}, 5.0, 0.003),
        ("between.mp4", {}, 5.013, 0.003),  # between two frames: both start at the one shown then
        ("late.mp4", {"sound_start": 0.12}, 0.0, 0.003),
        ("later.mp4", {"sound_start": 0.12, "rate": 44100, "channels": 2}, 4.0, 0.003),
        ("phone.mp4", {"fps": Fraction(30000, 1001), "rotation": 90, "rate": 48000, "sound_start": 0.12}, 4.2, 0.01),
        ("upside.mkv", {"fps": Fraction(50), "rate": 48000}, 3.5, 0.003),
        ("old.avi", {"codec": "mpeg4", "fps": Fraction(30)}, 4.5, 0.01),
    ],
)  # fmt: skip
def test_picture_and_sound_stay_in_time(
    tmp_path: Path, name: str, options: dict[str, Any], start: float, tolerance: float
) -> None:
    source = synthetic(tmp_path / name, **options)
    made = prepare(row(start=start, end=start + 1.8, **window(30, 12, 160, 192)), source, tmp_path / "out")
    rate = Fraction(options.get("fps", Fraction(25)))
    begin = float(
        int(Fraction(start).limit_denominator(10**6) * rate) / rate
    )  # of the frame shown at `start`
    sound = sound_of(made.files["audio"])
    heard = lag_seconds(sound, noise(7, RATE)[round(begin * RATE) :][: len(sound)])
    seen = picture_lags(made.files["video"], begin, scene_candidates(30, 12, 160))
    assert made.frames == 45
    # A clip that shows late what it should show early has its sound early.
    assert abs(heard + seen.mean()) < tolerance
    assert abs(heard) < 1e-3 and np.abs(seen).max() <= float(0.5 / rate) + 0.006
    assert np.abs(seen[0]) <= 0.005


def test_the_square_is_the_window(tmp_path: Path) -> None:
    source = synthetic(tmp_path / "raw.mp4", seconds=2)
    made = prepare(row(start=1, end=1.2, **window(62, 20, 300, 384)), source, tmp_path / "out")
    expected = resize_frames(scene(1.0, SIZE)[None, 10:160, 31:181], (512, 512))[0].astype(int)
    found = read_frames(made.files["video"], 0, 1)[0]
    assert np.abs(found - expected).mean() < 2.5


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_turned_videos_give_the_same_clip(tmp_path: Path, rotation: int) -> None:
    clip = row(start=0, end=0.4, **window(31, 9, 150, 192))
    plain = prepare(clip, synthetic(tmp_path / "plain.mp4", seconds=1), tmp_path / "a")
    turned = prepare(clip, synthetic(tmp_path / "turned.mp4", seconds=1, rotation=rotation), tmp_path / "b")
    one, other = (read_frames(made.files["video"]).astype(int) for made in (plain, turned))
    assert np.abs(one - other).mean() < 1.5
    shifted = np.abs(one[:, :, 12:] - other[:, :, :-12]).mean()
    assert np.abs(one - other).mean() < shifted / 2


def test_a_window_larger_than_the_picture_repeats_its_edge(tmp_path: Path) -> None:
    source = synthetic(tmp_path / "raw.mp4", seconds=1)
    made = prepare(row(end=0.2, **window(0, 0, 240, 192)), source, tmp_path / "out")
    assert made.notes == (
        "the window of 240 pixels reaches beyond the picture of 256x192, its edge is repeated there",
    )
    last = read_frames(made.files["video"], 0, 1)[0][430:].astype(int)
    assert np.abs(last[0] - last[-1]).mean() < 2


def test_a_clip_that_outlasts_its_video_is_short_and_says_so(tmp_path: Path) -> None:
    source = synthetic(tmp_path / "raw.mp4", seconds=4)
    made = prepare(row(start=3, end=9, **window(0, 0, 192, 192)), source, tmp_path / "out")
    assert made.frames == 25 and made.notes[0] == "the raw video ends 5.0 s before the clip does"


def test_to_the_end(tmp_path: Path) -> None:
    source = synthetic(tmp_path / "raw.mp4", seconds=4)
    made = prepare(row(start=3.2, **window(0, 0, 192, 192)), source, tmp_path / "out")
    assert made.frames == 20


@pytest.mark.parametrize("start", [4.5, 30.0])
def test_a_start_after_the_end(tmp_path: Path, start: float) -> None:
    source = synthetic(tmp_path / "raw.mp4", seconds=4)
    with pytest.raises(VideoError, match=rf"raw.mp4 ends before second {start:g}, where the clip starts"):
        prepare(row(start=start, end=40, **window(0, 0, 192, 192)), source, tmp_path / "out")


def test_no_sound_at_all_and_none_in_the_stretch(tmp_path: Path) -> None:
    silent = tmp_path / "silent.mp4"
    with VideoWriter(silent, 25, SIZE) as video:
        for number in range(10):
            video.write(scene(number / 25, SIZE))
    with pytest.raises(AudioMissing, match="silent.mp4 has no sound"):
        prepare(row(**window(0, 0, 192, 192)), silent, tmp_path / "out")
    short = write_raw(
        tmp_path / "short.mp4", grid(Fraction(25), 3), lambda time: scene(float(time), SIZE), noise(1, RATE), rate=RATE
    )  # fmt: skip
    with pytest.raises(AudioError, match=r"short.mp4 has no sound from 2.00 to 2.\d+ s of its clock"):
        prepare(row(start=2, end=2.5, **window(0, 0, 192, 192)), short, tmp_path / "out")


def test_the_same_row_gives_the_same_bytes(tmp_path: Path) -> None:
    source = synthetic(tmp_path / "raw.mp4", seconds=2)
    clip = row(start=0.5, end=1.5, **window(30, 20, 150, 192))
    assert prepare(clip, source, tmp_path / "a").hashes == prepare(clip, source, tmp_path / "b").hashes


def test_matting_gives_white_and_the_alpha(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Half:
        def __enter__(self) -> Half:
            return self

        def __exit__(self, *told: object) -> None:
            pass

        def matte(self, frame: Picture) -> Picture:
            alpha = np.zeros((256, 256), np.uint8)
            alpha[:, :128] = 255
            return alpha

    monkeypatch.setattr("t2m_bench.tracking.matting.SelfieMatting", Half)
    source = synthetic(tmp_path / "raw.mp4", fps=Fraction(15), seconds=2)
    clip = row(end=0.8, **window(30, 20, 150, 192))
    made = prepare(clip, source, tmp_path / "out", "selfie")
    plain = prepare(clip, source, tmp_path / "plain")
    mattes = list(iter_gray(made.files["matte"]))
    assert len(mattes) == made.frames == 20 and mattes[3][:, :128].all() and not mattes[3][:, 128:].any()
    found, untouched = (read_frames(one.files["video"]).astype(int) for one in (made, plain))
    assert (found[:, :, 270:] > 250).all()
    assert np.abs(found[:, :, :240] - untouched[:, :, :240]).mean() < 3
    assert settings_digest(clip, "selfie") != settings_digest(clip, "none")


def test_settings_are_what_decides_the_clip() -> None:
    clip = row(start=1, end=2, **window(30, 20, 150, 192))
    same = clip.model_copy(update={"license": "other", "note": "odd", "splits": "a:b", "url": "https://x.y"})
    assert settings_digest(clip, "none") == settings_digest(same, "none")
    moved = clip.model_copy(update={"x": 31})
    assert settings_digest(clip, "none") != settings_digest(moved, "none")


def test_without_a_window_the_face_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def __enter__(self) -> Finder:
            return self

        def __exit__(self, *told: object) -> None:
            pass

        def detect(self, frame: Picture) -> Detection:
            points = np.full((478, 3), 30, np.float32)
            points[1] = (50, 54, 0)
            return Detection(points, np.zeros(52, np.float32))

    monkeypatch.setattr(preparation, "LandmarkDetector", Finder)
    source = synthetic(tmp_path / "raw.mp4", seconds=2)
    made = prepare(row(start=1, end=1.2), source, tmp_path / "out")
    expected = resize_frames(scene(1.0, SIZE)[None, 17:62, 18:63], (512, 512))[0].astype(int)
    assert np.abs(read_frames(made.files["video"], 0, 1)[0] - expected).mean() < 2.5
    wide = prepare(row("wide", video="clip", start=1, end=1.2, zoom=2), source, tmp_path / "out")
    expected = resize_frames(scene(1.0, SIZE)[None, 0:90, 0:90], (512, 512))[0].astype(int)
    assert np.abs(read_frames(wide.files["video"], 0, 1)[0] - expected).mean() < 2.5
