"""From a person's own video to a prepared clip."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
import pytest
from data_samples import (
    ASSETS,
    RATE,
    REAL_CLIP,
    card,
    clip_of,
    native,
    picture,
    some_track,
    tone,
    write_clip,
    write_varying,
)
from numpy.typing import NDArray

from t2m_bench.core.clip import Clip
from t2m_bench.core.digest import file_sha256
from t2m_bench.core.errors import AudioMissing, NoFaceFound, OutputError, VideoError
from t2m_bench.core.method import SilentReporter
from t2m_bench.data import normalise as module
from t2m_bench.data import subject
from t2m_bench.data.normalise import normalise
from t2m_bench.data.subject import prepare
from t2m_bench.media.audio import read_audio
from t2m_bench.media.probe import probe
from t2m_bench.media.video import VideoWriter, iter_frames, read_frames, resize_frames
from t2m_bench.tracking.landmarks import Detection, LandmarkDetector


class FakeDetector:
    """Finds a face of 20x24 pixels at (30, 30) in every picture it is shown, and counts them."""

    looks = 0
    face = True

    def __enter__(self) -> FakeDetector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def detect(self, frame: NDArray[np.uint8]) -> Detection | None:
        type(self).looks += 1
        points = np.full((478, 3), 30, np.float32)
        points[1] = (50, 54, 0)
        return Detection(points, np.zeros(52, np.float32)) if self.face else None


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoding 512x512 takes most of the time, and most tests do not look at it."""
    monkeypatch.setattr(module, "SIDE", 128)  # x264 is not repeatable to the bit at 64


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> type[FakeDetector]:
    class Fresh(FakeDetector):
        pass

    monkeypatch.setattr(module, "LandmarkDetector", Fresh)
    return Fresh


def _normalise(clip: Clip, folder: Path) -> tuple[Clip, list[str]]:
    return normalise(clip, cache=folder / "cache", report=SilentReporter())


def test_a_video_becomes_512_pixels_25_fps_and_16_khz(tmp_path: Path, detector: type[FakeDetector]) -> None:
    source = write_clip(tmp_path / "mine.mp4", frames=60, fps=30, size=(120, 90))
    made, notes = _normalise(clip_of(source), tmp_path)
    info = probe(made.video)
    assert (info.width, info.height, info.fps, info.constant_fps, info.frames) == (512, 512, 25.0, True, 50)
    assert (made.width, made.height, made.fps, made.frames) == (512, 512, 25.0, 50)
    assert made.sha256 == file_sha256(made.video)
    assert made.audio is not None and len(read_audio(made.audio, RATE)) == 50 * 640
    assert np.abs(read_audio(made.audio, RATE) - read_audio(source, RATE)[: 50 * 640]).max() < 1e-4
    assert notes == [
        "cropped to 45x45 at (18, 17) of 120x90",
        "frames chosen by time from constant 30.00 fps",
    ]
    assert detector.looks == 10  # every fifth of 50


def test_the_picture_is_the_crop_and_nothing_else(
    tmp_path: Path, detector: type[FakeDetector], small: None
) -> None:
    source = write_clip(tmp_path / "mine.mkv", frames=30, size=(120, 90))
    made, _ = _normalise(clip_of(source), tmp_path)
    expected = resize_frames(picture(7, (120, 90))[None, 17:62, 18:63], (128, 128))[0]
    found = read_frames(made.video, 7, 8)[0]
    assert np.abs(found.astype(int) - expected).mean() < 4  # H.264 at high quality


def test_it_is_made_once_and_the_source_is_only_read(
    tmp_path: Path, detector: type[FakeDetector], small: None
) -> None:
    source = write_clip(tmp_path / "mine.mp4", frames=30)
    before = (source.read_bytes(), source.stat().st_mtime_ns, sorted(tmp_path.iterdir()))
    first, notes = _normalise(clip_of(source), tmp_path)
    assert first.audio is not None
    stamp, looks = first.video.stat().st_mtime_ns, detector.looks
    assert _normalise(clip_of(source), tmp_path) == (first, notes)
    assert (first.video.stat().st_mtime_ns, detector.looks) == (stamp, looks)
    assert (source.read_bytes(), source.stat().st_mtime_ns) == before[:2]
    assert sorted(tmp_path.iterdir()) == sorted([*before[2], tmp_path / "cache"])


def test_another_content_under_the_same_name_is_made_anew(
    tmp_path: Path, detector: type[FakeDetector], small: None
) -> None:
    first, _ = _normalise(clip_of(write_clip(tmp_path / "mine.mp4", frames=30)), tmp_path)
    second, _ = _normalise(clip_of(write_clip(tmp_path / "mine.mp4", frames=31)), tmp_path)
    assert first.video != second.video and (first.frames, second.frames) == (30, 31)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.wav", "seal.json"])
def test_a_damaged_result_is_made_again(
    tmp_path: Path, detector: type[FakeDetector], small: None, name: str
) -> None:
    clip = clip_of(write_clip(tmp_path / "mine.mp4", frames=30))
    first, _ = _normalise(clip, tmp_path)
    damaged = first.video.with_name(name)
    damaged.write_bytes(damaged.read_bytes()[:-9])
    again, _ = _normalise(clip, tmp_path)
    assert again == first and file_sha256(again.video) == first.sha256


def test_a_failure_leaves_nothing_behind(
    tmp_path: Path, detector: type[FakeDetector], small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise VideoError("the sound went away")

    monkeypatch.setattr(module, "read_audio", fail)
    with pytest.raises(VideoError, match="the sound went away"):
        _normalise(clip_of(write_clip(tmp_path / "mine.mp4", frames=30)), tmp_path)
    assert [path for path in (tmp_path / "cache" / "prepared").iterdir() if path.suffix != ".lock"] == []


def test_a_varying_rate_is_evened_out_by_time(
    tmp_path: Path, detector: type[FakeDetector], small: None
) -> None:
    made, notes = _normalise(clip_of(write_varying(tmp_path / "mine.mp4", frames=50)), tmp_path)
    assert made.frames == 60  # ten of the 50 frames stay twice as long
    assert notes[-1] == "frames chosen by time from varying 20.76 fps"


def test_sound_that_ends_early_is_left_for_prepare_to_judge(
    tmp_path: Path, detector: type[FakeDetector], small: None
) -> None:
    made, _ = _normalise(clip_of(write_clip(tmp_path / "mine.mkv", frames=50, sound_seconds=1.5)), tmp_path)
    assert made.audio is not None and len(read_audio(made.audio, RATE)) == 24000


def test_no_face(tmp_path: Path, detector: type[FakeDetector], small: None) -> None:
    detector.face = False
    with pytest.raises(NoFaceFound, match=r"No face was found in any of 6 frames of .*mine\.mp4"):
        _normalise(clip_of(write_clip(tmp_path / "mine.mp4", frames=30)), tmp_path)


def test_no_sound(tmp_path: Path, detector: type[FakeDetector], small: None) -> None:
    with pytest.raises(AudioMissing, match=r"mine\.mp4 has no sound"):
        _normalise(clip_of(write_clip(tmp_path / "mine.mp4", frames=30, silent=True)), tmp_path)
    assert detector.looks == 0


def test_a_cache_folder_that_cannot_be_written(
    tmp_path: Path, detector: type[FakeDetector], small: None
) -> None:
    (tmp_path / "cache").write_text("a file is in the way")
    with pytest.raises(OutputError, match=r"The cache folder .*prepared cannot be written"):
        _normalise(clip_of(write_clip(tmp_path / "mine.mp4", frames=30)), tmp_path)


def test_pixels_that_are_not_square_are_stretched(
    tmp_path: Path, detector: type[FakeDetector], small: None
) -> None:
    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 60, 90, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        sound = container.add_stream("aac", rate=RATE)
        sound.layout = "mono"
        for number in range(30):
            frame = av.VideoFrame.from_ndarray(picture(number, (60, 90)), format="rgb24").reformat(
                format="yuv420p"
            )
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        block = av.AudioFrame.from_ndarray(tone(1.024)[None], format="fltp", layout="mono")
        block.sample_rate, block.pts = RATE, 0
        container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    made, _ = _normalise(clip_of(path), tmp_path)
    wide = resize_frames(picture(3, (60, 90))[None], (120, 90))
    expected = resize_frames(wide[:, 17:62, 18:63], (128, 128))[0]
    assert (
        np.abs(read_frames(made.video, 3, 4)[0].astype(int) - expected).mean() < 8
    )  # 50 without the stretch


def test_a_raw_dataset_is_normalised_on_the_way(
    tmp_path: Path, detector: type[FakeDetector], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "track_clip", lambda video, **options: some_track(50, (512, 512)))
    source = write_clip(tmp_path / "my own.mp4", frames=60, fps=30, size=(120, 90))
    found = prepare(
        clip_of(source), card(raw=True), native(), cache=tmp_path / "cache", report=SilentReporter()
    )
    assert (found.held_out.size, found.held_out.fps, len(found.subject.train)) == ((512, 512), 25.0, 37)
    assert found.notes[0].startswith("cropped to 45x45")


@pytest.mark.skipif(not REAL_CLIP.is_file(), reason=f"the real clip {REAL_CLIP} is not there")
def test_a_real_face_keeps_its_share_of_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T2M_ASSETS", str(ASSETS))
    source = tmp_path / "my portrait.mkv"
    with VideoWriter(source, 30, (360, 640), audio=(tone(1.2), RATE), lossless=True) as video:
        for frame in iter_frames(REAL_CLIP, stop=36):
            canvas = np.full((640, 360, 3), 90, np.uint8)
            canvas[200:500, 30:330] = resize_frames(frame[None], (300, 300))[0]
            video.write(canvas)
    clip = replace(clip_of(source), id="my_portrait")
    made, _ = _normalise(clip, tmp_path)
    with LandmarkDetector() as detector:
        face = detector.detect(next(iter_frames(made.video)))
    assert face is not None
    assert 0.38 < (face.box[2] - face.box[0]) / 512 < 0.5
    assert 0.45 < (face.box[0] + face.box[2]) / 1024 < 0.55
