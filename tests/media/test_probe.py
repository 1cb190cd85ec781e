"""`probe`: facts of whole files."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from media_samples import make_sound, make_video, picture, tone
from shared_material import SHARED

from t2m_bench.core.errors import VideoError
from t2m_bench.media.probe import probe, rate_of
from t2m_bench.media.video import VideoWriter


def test_plain_clip(tmp_path: Path) -> None:
    info = probe(make_video(tmp_path / "a.mp4", frames=12, sound=tone(0.48, 16000)))
    assert (info.width, info.height, info.frames) == (64, 48, 12)
    assert (info.fps, info.constant_fps, info.video_seconds) == (25.0, True, pytest.approx(0.48))
    assert (info.codec, info.pixel_format, info.rotation, info.pixel_aspect) == ("h264", "yuv420p", 0, 1.0)
    assert (info.has_audio, info.audio_rate, info.audio_channels) == (True, 16000, 1)
    assert info.audio_seconds == pytest.approx(0.48, abs=1e-4)
    assert info.start_offset == pytest.approx(0.0, abs=1e-4)


def test_no_sound(tmp_path: Path) -> None:
    info = probe(make_video(tmp_path / "a.mp4"))
    assert (info.has_audio, info.audio_rate, info.audio_channels, info.audio_seconds) == (False, 0, 0, 0.0)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30), Fraction(30000, 1001), Fraction(24)])
def test_constant_rates(tmp_path: Path, suffix: str, fps: Fraction) -> None:
    info = probe(make_video(tmp_path / f"a{suffix}", frames=40, fps=fps))
    assert info.constant_fps
    assert info.fps == pytest.approx(float(fps), rel=1e-6)
    assert info.frames == 40


def test_avi(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index), format="rgb24")))
        container.mux(stream.encode(None))
    info = probe(path)
    assert (info.frames, info.fps, info.constant_fps, info.codec) == (12, 30.0, True, "mpeg4")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_varying_rate(tmp_path: Path, suffix: str) -> None:
    times = [0.0, 0.04, 0.08, 0.2, 0.24, 0.28, 0.40, 0.44]
    info = probe(make_video(tmp_path / f"a{suffix}", times=times))
    assert not info.constant_fps
    assert info.frames == 8
    assert info.fps == pytest.approx(7 / 0.44, rel=1e-3)


def test_one_frame(tmp_path: Path) -> None:
    info = probe(make_video(tmp_path / "a.mp4", frames=1))
    assert (info.frames, info.constant_fps, info.fps) == (1, True, 25.0)
    assert info.video_seconds == pytest.approx(0.04, abs=1e-3)


@pytest.mark.parametrize("size", [(590, 512), (38, 22), (63, 47)])
def test_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    pixels = "yuv444p" if size[0] % 2 else "yuv420p"
    info = probe(make_video(tmp_path / "a.mp4", frames=2, size=size, pixels=pixels))
    assert (info.width, info.height) == size


@pytest.mark.parametrize(("counter_clockwise", "clockwise"), [(90, 270), (180, 180), (270, 90)])
def test_rotation_swaps_the_sides(tmp_path: Path, counter_clockwise: int, clockwise: int) -> None:
    info = probe(make_video(tmp_path / "a.mp4", frames=2, rotation=counter_clockwise))
    assert info.rotation == clockwise
    assert (info.width, info.height) == ((64, 48) if clockwise == 180 else (48, 64))


def test_stereo_sound_of_another_rate(tmp_path: Path) -> None:
    sound = np.stack([tone(0.4, 48000), tone(0.4, 48000, 880)])
    info = probe(make_video(tmp_path / "a.mp4", sound=sound, sound_rate=48000))
    assert (info.audio_rate, info.audio_channels) == (48000, 2)
    assert info.audio_seconds == pytest.approx(0.4, abs=0.03)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_late_sound(tmp_path: Path, suffix: str) -> None:
    # FLAC, since AAC's own lead-in of 1024 samples counts as sound and would start 64 ms earlier.
    sound = tone(0.5, 16000)
    path = make_video(tmp_path / f"a{suffix}", frames=25, sound=sound, sound_start=0.3, sound_codec="flac")
    info = probe(path)
    assert info.start_offset == pytest.approx(0.3, abs=0.002)


def test_hidden_frames_of_an_edit_list_do_not_look_like_damage(tmp_path: Path) -> None:
    # Times before zero are kept in the file and hidden by an edit list: 25 in the header, 20 shown.
    path = make_video(tmp_path / "a.mp4", times=[k / 25 - 0.2 for k in range(25)])
    assert probe(path).frames == 20


def test_metadata_keys_are_lower_case(tmp_path: Path) -> None:
    tags = {"title": "A title", "comment": "two words", "T2M_Method": "talk2me", "ünïcode": "名"}
    for name in ("a.mp4", "a.mkv"):
        with VideoWriter(tmp_path / name, 25, (16, 16), metadata=tags) as video:
            video.write(np.zeros((16, 16, 3), np.uint8))
        found = probe(tmp_path / name).metadata
        assert {key: found.get(key) for key in ("title", "comment", "t2m_method")} == {
            "title": "A title",
            "comment": "two words",
            "t2m_method": "talk2me",
        }
        assert "名" in found.values()


def test_missing_empty_text_and_folder(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"none\.mp4 does not exist\. Check the name"):
        probe(tmp_path / "none.mp4")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    with pytest.raises(VideoError, match=r"empty\.mp4 is empty \(0 bytes\)\. Copy or download"):
        probe(empty)
    text = tmp_path / "text.mp4"
    text.write_text("This is a note about a video.\n" * 20)
    with pytest.raises(VideoError, match=r"text\.mp4 is not a video file\. Replace the file"):
        probe(text)
    with pytest.raises(VideoError, match="is a folder, not a file"):
        probe(tmp_path)


def test_playlists_and_pictures_are_not_followed(tmp_path: Path) -> None:
    make_video(tmp_path / "a.ts")
    playlist = tmp_path / "list.mp4"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(VideoError, match="is not a video file"):
        probe(playlist)
    still = tmp_path / "still.png"
    write_png(still)
    with pytest.raises(VideoError, match="is not a video file"):
        probe(still)


def write_png(path: Path) -> None:
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as container:
        stream: Any = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(0), format="rgb24")))


def test_sound_only(tmp_path: Path) -> None:
    sound = make_sound(tmp_path / "a.m4a", tone(0.3, 16000), 16000, "aac")
    with pytest.raises(VideoError, match=r"a\.m4a has no video stream\. Name a file with pictures"):
        probe(sound)


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    cover = tmp_path / "cover.png"
    write_png(cover)
    path = tmp_path / "song.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("flac", rate=16000)
        stream.codec_context.layout = "mono"
        container.add_attachment("cover.png", "image/png", cover.read_bytes())
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4000), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, 0, Fraction(1, 16000)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match=r"song\.mkv holds a cover picture but no video\. Name a file"):
        probe(path)


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "a.mp4")

    def refuse(*_: object, **__: object) -> None:  # a mode of 0 does not stop root, who runs containers
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(
        VideoError, match=r"a\.mp4 cannot be read \(Permission denied\)\. Check its permissions"
    ):
        probe(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoError, match=r"pipe\.mp4 is no regular file\. Save what it gives"):
        probe(tmp_path / "pipe.mp4")


def test_tags_in_an_old_encoding_do_not_hide_the_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 25, (16, 16), metadata={"title": "AAAAAAAA"}) as video:
        video.write(np.zeros((16, 16, 3), np.uint8))
    path.write_bytes(path.read_bytes().replace(b"AAAAAAAA", b"caf\xe9 \xff\xfe\xfd"))
    info = probe(path)
    assert info.frames == 1 and info.metadata["title"].startswith("caf")


def test_a_colon_in_the_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_video(tmp_path / "take.mp4").rename(tmp_path / "take:1.mp4")
    monkeypatch.chdir(tmp_path)
    assert probe(Path("take:1.mp4")).frames == 10


class TestRateOf:
    def test_stated_rate_wins_where_ticks_are_coarse(self) -> None:
        stated = Fraction(30000, 1001)
        times = [Fraction(round(float(k / stated) * 1000), 1000) for k in range(50)]
        assert rate_of(times, stated, Fraction(1, 1000)) == (stated, True)

    def test_wrong_stated_rate_loses(self) -> None:
        times = [Fraction(k, 25) for k in range(50)]
        assert rate_of(times, Fraction(50), Fraction(1, 12800)) == (25, True)

    def test_one_odd_frame_breaks_constancy(self) -> None:
        times = [Fraction(k, 25) for k in range(50)]
        times[20] += Fraction(1, 200)
        assert rate_of(times, None, Fraction(1, 12800)) == (25, False)

    def test_frames_without_times(self) -> None:
        assert rate_of([Fraction(0), Fraction(0)], Fraction(25), Fraction(1, 1000)) == (25, False)


def test_real_clips() -> None:
    clips = sorted((SHARED / "data" / "hdtf").glob("*.mp4"))
    if not clips:
        pytest.skip("no clips in the shared folder (set T2M_SHARED)")
    for clip in clips:
        info = probe(clip)
        assert (info.frames, info.fps, info.constant_fps) == (200, 25.0, True)
        assert (info.width, info.height, info.codec) == (512, 512, "mpeg4")
        assert info.audio_seconds == pytest.approx(8.0, abs=0.001)
