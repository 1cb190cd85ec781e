"""Pictures against sound, and the frame rate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_samples import make_video, tone

from t2m_bench.core.errors import FpsMismatch
from t2m_bench.media.alignment import check_alignment, check_fps
from t2m_bench.media.probe import MediaInfo, probe

INFO = MediaInfo(
    path=Path("clip.mp4"), width=64, height=48, frames=50, fps=25.0, constant_fps=True, video_seconds=2.0, codec="h264",
    pixel_format="yuv420p", rotation=0, pixel_aspect=1.0, has_audio=True, audio_rate=16000, audio_channels=1,
    audio_seconds=2.0, start_offset=0.0,
)  # fmt: skip


def test_a_good_clip(tmp_path: Path) -> None:
    found = check_alignment(probe(make_video(tmp_path / "a.mp4", frames=25, sound=tone(1.0, 16000))))
    assert found.ok and found.note == ""
    assert (found.frames, found.video_seconds) == (25, pytest.approx(1.0))
    assert found.audio_short_seconds == pytest.approx(0.0, abs=1e-6)


def test_short_sound(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=25, sound=tone(0.7, 16000), sound_codec="flac")
    found = check_alignment(probe(path))
    assert not found.ok
    assert found.audio_short_seconds == pytest.approx(0.3, abs=0.002)
    assert found.note == "sound is 0.30 s shorter than the 1.00 s of video (0.08 s allowed)"


def test_no_sound(tmp_path: Path) -> None:
    found = check_alignment(probe(make_video(tmp_path / "a.mp4", frames=25)))
    assert not found.ok and not found.has_audio
    assert found.audio_short_seconds == pytest.approx(1.0)
    assert found.note == "no sound for 1.00 s of video"


def test_long_sound_is_fine_and_told(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=25, sound=tone(1.5, 16000), sound_codec="flac")
    found = check_alignment(probe(path))
    assert found.ok and found.audio_long_seconds == pytest.approx(0.5, abs=0.002)


@pytest.mark.parametrize(("seconds", "ok"), [(2.0, True), (1.93, True), (1.91, False), (0.0, False)])
def test_two_frames_may_be_missing(seconds: float, ok: bool) -> None:
    assert check_alignment(replace(INFO, audio_seconds=seconds)).ok is ok


def test_late_sound_counts_as_missing() -> None:
    found = check_alignment(replace(INFO, start_offset=0.5))
    assert (found.audio_late_seconds, found.audio_short_seconds, found.audio_long_seconds) == (0.5, 0.5, 0.5)
    assert not found.ok


def test_early_sound_does_not_help_the_end() -> None:
    found = check_alignment(replace(INFO, start_offset=-0.5))
    assert (found.audio_late_seconds, found.audio_short_seconds) == (0.0, 0.5)


def test_a_separate_sound_file_replaces_the_own_sound() -> None:
    silent = replace(INFO, has_audio=False, audio_seconds=0.0)
    assert check_alignment(silent, audio_seconds=2.0).ok
    assert check_alignment(INFO, audio_seconds=1.0).audio_short_seconds == 1.0


@given(st.floats(-5, 5), st.floats(0, 5), st.booleans())
def test_the_parts_add_up(offset: float, seconds: float, has_audio: bool) -> None:
    found = check_alignment(replace(INFO, start_offset=offset, audio_seconds=seconds, has_audio=has_audio))
    assert 0 <= found.audio_short_seconds <= INFO.video_seconds
    assert 0 <= found.audio_late_seconds <= INFO.video_seconds
    assert found.ok == (found.note == "")
    if found.has_audio:
        before = max(0.0, min(-offset, seconds))
        covered = INFO.video_seconds - found.audio_short_seconds
        after = min(seconds, found.audio_long_seconds)
        assert before + covered + after == pytest.approx(seconds, abs=1e-9)


class TestFps:
    def test_30_fps(self, tmp_path: Path) -> None:
        info = probe(make_video(tmp_path / "a.mp4", frames=12, fps=30))
        with pytest.raises(
            FpsMismatch, match=r"a\.mp4 has 30\.000 fps, not 25\. Convert it with `ffmpeg .* fps=25"
        ):
            check_alignment(info)
        check_fps(info, 30)

    def test_varying(self, tmp_path: Path) -> None:
        info = probe(make_video(tmp_path / "a.mp4", times=[0, 0.04, 0.08, 0.2, 0.24]))
        with pytest.raises(FpsMismatch, match=r"a\.mp4 has a varying frame rate \(16\.667 fps on average\)"):
            check_fps(info)

    @pytest.mark.parametrize("fps", [24.96, 25.04, 23.976, 50.0])
    def test_near_misses(self, fps: float) -> None:
        with pytest.raises(FpsMismatch, match=f"{fps:.3f} fps, not 25"):
            check_fps(replace(INFO, fps=fps))

    def test_a_single_frame_has_no_rate(self) -> None:
        check_fps(replace(INFO, frames=1, fps=0.0))
