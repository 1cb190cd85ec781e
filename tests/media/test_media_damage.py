"""Truncated and garbled files: a clear error or a valid result, never a crash, a hang or a silently shorter clip."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_samples import make_video, picture, tone

from t2m_bench.core.errors import AudioError, DataError, VideoError
from t2m_bench.media.announced import Announced, is_cut
from t2m_bench.media.audio import read_audio, write_wav
from t2m_bench.media.container import decode_video
from t2m_bench.media.probe import probe
from t2m_bench.media.video import VideoWriter, iter_frames, iter_frames_at

STARTS = (
    b"",
    b"\x00\x00\x00\x18ftypmp42",
    b"\x1aE\xdf\xa3",
    b"RIFF\x00\x00\x00\x00AVI LIST",
    b"RIFF\x00\x00\x00\x00WAVEfmt ",
    b"fLaC",
    b"OggS",
    b"GIF89a",
    b"FLV\x01",
    b"G" * 189,
)
"""First bytes that make a demuxer take an interest."""
NAMES = ("front.mp4", "back.mp4", "h264.mkv", "ffv1.mkv")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """Bytes of a whole file of 20 frames with sound, by name."""
    folder = tmp_path_factory.mktemp("whole")

    @cache
    def load(name: str) -> bytes:
        path = folder / name
        if name == "back.mp4":  # index at the end
            make_video(path, frames=20, sound=tone(0.8, 16000))
        else:
            noise = np.random.default_rng(0).integers(0, 60, (48, 64, 3), dtype=np.uint8)
            with VideoWriter(
                path, 25, (64, 48), audio=(tone(0.8, 16000), 16000), lossless=name == "ffv1.mkv"
            ) as video:
                for index in range(20):
                    video.write(picture(index) // 2 + np.roll(noise, index, 1))
        return path.read_bytes()

    return load


def saved(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("part", [0.9, 0.7, 0.5])
@pytest.mark.parametrize(
    ("name", "about"), [("front.mp4", ""), ("h264.mkv", "about "), ("ffv1.mkv", "about ")]
)
def test_a_cut_file_says_how_many_frames_are_left(
    tmp_path: Path, whole: Callable[[str], bytes], name: str, about: str, part: float
) -> None:
    data = whole(name)
    path = saved(tmp_path, name, data[: int(len(data) * part)])
    with pytest.raises(VideoError) as caught:
        probe(path)
    left = int(caught.value.message.split("only the first ")[1].split()[0])
    text = f"{path} is truncated or damaged: only the first {left} of {about}20 frames decode"
    assert caught.value.message == text
    assert f"`ffmpeg -i IN -frames:v {left} OUT.mp4`" in caught.value.hint
    assert 0 < left < 20
    assert left == pytest.approx(20 * part, abs=6)
    # Reading gives the good frames, then the same error: never a silently shorter clip.
    frames = []
    with pytest.raises(VideoError, match=f"only the first {left} of"):
        for frame in iter_frames(path):
            frames.append(frame)
    assert len(frames) == left


@pytest.mark.parametrize("part", [0.95, 0.5, 0.05])
def test_a_missing_index(tmp_path: Path, whole: Callable[[str], bytes], part: float) -> None:
    data = whole("back.mp4")
    path = saved(tmp_path, "a.mp4", data[: int(len(data) * part)])
    with pytest.raises(VideoError, match=r"a\.mp4 is truncated or damaged: its index \(moov\) is missing"):
        probe(path)
    with pytest.raises(AudioError, match=r"its index \(moov\) is missing"):
        read_audio(path)


def test_a_matroska_header_alone(tmp_path: Path, whole: Callable[[str], bytes]) -> None:
    with pytest.raises(VideoError, match=r"a\.mkv (is truncated or damaged|holds no frame|has no video)"):
        probe(saved(tmp_path, "a.mkv", whole("h264.mkv")[:100]))


def test_no_frame_left(tmp_path: Path, whole: Callable[[str], bytes]) -> None:
    data = whole("front.mp4")
    path = saved(tmp_path, "a.mp4", data[: data.index(b"mdat") + 40])
    with pytest.raises(VideoError, match=r"a\.mp4 holds no frame that decodes \(of 20 announced\)"):
        probe(path)


@pytest.mark.parametrize("place", [0.3, 0.5, 0.7])
def test_damage_in_the_middle(tmp_path: Path, place: float) -> None:
    """A picture that the decoder had to patch up does not count as decoded."""
    path = make_video(tmp_path / "a.mp4", frames=20, codec="mpeg4")
    data = bytearray(path.read_bytes())
    begin, end = data.index(b"mdat"), data.index(b"moov")
    at = begin + int(place * (end - begin - 50))
    data[at : at + 50] = b"\xff" * 50
    path.write_bytes(data)
    with pytest.raises(
        VideoError, match=r"a\.mp4 is truncated or damaged: only the first \d+ of 20 frames decode"
    ):
        probe(path)


@pytest.mark.parametrize("name", ["front.mp4", "h264.mkv"])
def test_cut_sound_is_no_short_sound(tmp_path: Path, whole: Callable[[str], bytes], name: str) -> None:
    data = whole(name)
    text = r"the sound of .* (is truncated: it ends at|cannot be decoded after) 0\.\d\d s"
    with pytest.raises(AudioError, match=text):
        read_audio(saved(tmp_path, name, data[: int(len(data) * 0.6)]))


def test_a_cut_wav(tmp_path: Path) -> None:
    data = write_wav(tmp_path / "a.wav", tone(1.0, 16000), 16000).read_bytes()
    with pytest.raises(AudioError, match=r"b\.wav is truncated: it ends at 0\.50 s"):
        read_audio(saved(tmp_path, "b.wav", data[: 44 + 16000]))


def test_a_picture_that_changes_its_size(tmp_path: Path) -> None:
    """Two transport streams in one file, as broken recorders leave them."""
    first = make_video(tmp_path / "a.ts", frames=4, codec="mpeg2video")
    second = make_video(tmp_path / "b.ts", frames=4, size=(96, 80), codec="mpeg2video")
    path = saved(tmp_path, "c.ts", first.read_bytes() + second.read_bytes())
    with pytest.raises(VideoError, match=r"c\.ts changes its picture size from 64x48 to 96x80 at frame \d"):
        list(iter_frames(path))


def test_a_header_that_announces_an_absurd_size(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 16400, 16, "gray"
        wide = np.zeros((16, 16400), np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(wide, format="gray")))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match=r"a\.mkv announces a picture of 16400x16 pixels\. Replace the file"):
        probe(path)


def edited(data: bytes, edits: list[tuple[float, int]], cut: float, garbage: bytes) -> bytes:
    changed = bytearray(data[: int(len(data) * cut)])
    for place, value in edits:
        if changed:
            changed[int(place * (len(changed) - 1))] = value
    return bytes(changed) + garbage


@settings(max_examples=60, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(NAMES),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    cut=st.one_of(st.just(1.0), st.floats(0, 1)),
    garbage=st.binary(max_size=30),
)
def test_any_damage_is_an_error_or_a_valid_result(
    tmp_path: Path,
    whole: Callable[[str], bytes],
    name: str,
    edits: list[tuple[float, int]],
    cut: float,
    garbage: bytes,
) -> None:
    check_answers(saved(tmp_path, name, edited(whole(name), edits, cut, garbage)))


@settings(max_examples=40, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from(STARTS),
    rest=st.binary(max_size=400),
    suffix=st.sampled_from([".mp4", ".mkv", ".wav", ".avi", ".txt"]),
)
def test_garbage_is_an_error_or_a_valid_result(
    tmp_path: Path, start: bytes, rest: bytes, suffix: str
) -> None:
    check_answers(saved(tmp_path, f"a{suffix}", start + rest))


def check_answers(path: Path) -> None:
    try:
        info = probe(path)
    except VideoError as error:
        assert path.name in error.message and error.hint
        with pytest.raises(VideoError):
            list(iter_frames(path))
    else:
        frames = list(iter_frames(path))
        assert len(frames) == info.frames > 0
        assert all(frame.shape == (info.height, info.width, 3) for frame in frames)
        assert info.video_seconds >= 0 and info.audio_seconds >= 0
    try:
        for frame in iter_frames_at(path, 25):
            assert frame.dtype == np.uint8
    except VideoError as error:
        assert path.name in error.message
    try:
        samples = read_audio(path)
        assert samples.ndim == 1 and np.isfinite(samples).all() and np.abs(samples).max(initial=0) <= 1
    except DataError as error:
        assert path.name in error.message and error.hint


def test_times_never_run_backward(tmp_path: Path, whole: Callable[[str], bytes]) -> None:
    times = [timed.time for timed in decode_video(saved(tmp_path, "a.mp4", whole("back.mp4")))]
    assert times == sorted(times) and len(times) == 20


class TestPromises:
    def test_a_live_matroska_promises_nothing(self, tmp_path: Path) -> None:
        path = make_video(tmp_path / "a.mkv", frames=20, options={"live": "1"}, codec="mpeg4")
        assert probe(path).frames == 20
        data = path.read_bytes()
        assert not is_cut(saved(tmp_path, "b.mkv", data[: len(data) // 2]))
        assert 0 < probe(tmp_path / "b.mkv").frames < 20

    def test_the_segment_size(self, tmp_path: Path, whole: Callable[[str], bytes]) -> None:
        data = whole("ffv1.mkv")
        assert not is_cut(saved(tmp_path, "a.mkv", data))
        assert is_cut(saved(tmp_path, "b.mkv", data[:-1]))
        assert not is_cut(saved(tmp_path, "c.mkv", b"\x1aE\xdf\xa3"))
        assert not is_cut(saved(tmp_path, "d.mkv", b"\x1aE\xdf\xa3\x00" + bytes(20)))

    def test_matroska_without_duration_tags_goes_by_its_size(
        self, tmp_path: Path, whole: Callable[[str], bytes]
    ) -> None:
        data = whole("ffv1.mkv").replace(b"DURATION", b"XURATION")
        assert probe(saved(tmp_path, "a.mkv", data)).frames == 20
        with pytest.raises(
            VideoError, match=r"b\.mkv is truncated or damaged: only the first \d+ frames decode"
        ):
            probe(saved(tmp_path, "b.mkv", data[: len(data) // 2]))

    @pytest.mark.parametrize(
        ("frames", "end", "lacks"),
        [(20, 0.8, False), (19, 0.76, True), (19, 0.80, False), (20, 0.4, False), (0, 0.0, True)],
    )
    def test_count_and_end_must_both_fall_short(self, frames: int, end: float, lacks: bool) -> None:
        promise = Announced(frames=20, counted=True, end=Fraction(4, 5), slack=Fraction(1, 2), cut=False)
        assert promise.lacks(frames, Fraction(str(end)), Fraction(1, 25)) is lacks
