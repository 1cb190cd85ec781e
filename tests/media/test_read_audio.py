"""Sound: down-mix, resampling, time zero, cutting, and WAV files."""

from __future__ import annotations

import errno
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_samples import make_sound, make_video, tone

from t2m_bench.core.errors import AudioError, AudioMissing, OutputError, ShapeError, UsageError
from t2m_bench.media.audio import _placed, cut_audio, missing_seconds, read_audio, write_wav


def click(at: float, seconds: float, rate: int) -> np.ndarray:
    """Silence with a pulse of 2 ms that starts at `at` seconds."""
    sound = np.zeros(round(seconds * rate), np.float32)
    sound[round(at * rate) : round((at + 0.002) * rate)] = 0.9
    return sound


def onset(samples: np.ndarray, rate: int) -> float:
    """When the sound first reaches a quarter of its peak, in seconds."""
    loud = np.abs(samples) > 0.25 * np.abs(samples).max()
    return float(np.argmax(loud)) / rate


class TestReadAudio:
    def test_no_sound(self, tmp_path: Path) -> None:
        with pytest.raises(AudioMissing, match=r"a\.mp4 has no sound\. Name a file with a sound track"):
            read_audio(make_video(tmp_path / "a.mp4"))

    def test_files_that_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(AudioError, match=r"none\.wav does not exist"):
            read_audio(tmp_path / "none.wav")
        (tmp_path / "empty.wav").touch()
        with pytest.raises(AudioError, match=r"empty\.wav is empty \(0 bytes\)"):
            read_audio(tmp_path / "empty.wav")
        (tmp_path / "text.wav").write_text("no sound at all " * 50)
        with pytest.raises(AudioError, match=r"text\.wav is not a media file"):
            read_audio(tmp_path / "text.wav")

    @pytest.mark.parametrize(
        ("rate", "wanted"), [(48000, 16000), (44100, 16000), (8000, 16000), (16000, 22050)]
    )
    def test_rates(self, tmp_path: Path, rate: int, wanted: int) -> None:
        write_wav(tmp_path / "a.wav", tone(0.5, rate), rate)
        samples = read_audio(tmp_path / "a.wav", wanted)
        assert samples.dtype == np.float32 and samples.shape == (round(0.5 * wanted),)
        # Away from the ends, which filters blur, it is the same sine in the same phase.
        inner = slice(wanted // 20, -wanted // 20)
        np.testing.assert_allclose(samples[inner], tone(0.5, wanted)[inner], atol=0.01)

    def test_same_rate_is_exact(self, tmp_path: Path) -> None:
        pcm = np.random.default_rng(0).integers(-32768, 32768, 5000)
        write_wav(tmp_path / "a.wav", pcm / 32768, 16000)
        np.testing.assert_array_equal(read_audio(tmp_path / "a.wav"), (pcm / 32768).astype(np.float32))

    @pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_u8", "pcm_s32le", "pcm_f32le", "pcm_f64le"])
    def test_sample_formats_and_mean_of_channels(self, tmp_path: Path, codec: str) -> None:
        left, right = tone(0.2, 16000), tone(0.2, 16000, 1000)
        path = make_sound(tmp_path / "a.wav", np.stack([left, right]), 16000, codec)
        step = 1 / 128 if codec == "pcm_u8" else 1 / 32768
        np.testing.assert_allclose(read_audio(path), (left + right) / 2, atol=step)

    def test_opposite_channels_cancel(self, tmp_path: Path) -> None:
        path = make_sound(tmp_path / "a.flac", np.stack([tone(0.2, 16000), -tone(0.2, 16000)]), 16000, "flac")
        assert np.abs(read_audio(path)).max() < 1e-4

    def test_values_beyond_one_are_clipped(self, tmp_path: Path) -> None:
        path = make_sound(tmp_path / "a.wav", 3 * tone(0.2, 16000), 16000, "pcm_f32le")
        samples = read_audio(path)
        assert samples.max() == 1.0 and samples.min() == -1.0

    def test_not_numbers(self, tmp_path: Path) -> None:
        path = make_sound(tmp_path / "a.wav", np.full(3000, np.nan, np.float32), 16000, "pcm_f32le")
        with pytest.raises(AudioError, match=r"a\.wav holds values that are not numbers at 0\.00 s"):
            read_audio(path)

    @pytest.mark.parametrize("rate", [0, -16000])
    def test_impossible_rate(self, tmp_path: Path, rate: int) -> None:
        with pytest.raises(UsageError, match=r"a sample rate of -?\d+ Hz makes no sense"):
            read_audio(tmp_path / "a.wav", rate)


class TestTimeZero:
    @pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
    @pytest.mark.parametrize("codec", ["aac", "flac"])
    @pytest.mark.parametrize("start", [0.0, 0.3])
    def test_late_sound_is_preceded_by_silence(
        self, tmp_path: Path, name: str, codec: str, start: float
    ) -> None:
        path = make_video(
            tmp_path / name, frames=25, sound=click(0.2, 0.5, 16000), sound_start=start, sound_codec=codec
        )
        samples = read_audio(path)
        assert onset(samples, 16000) == pytest.approx(start + 0.2, abs=0.002)
        assert len(samples) / 16000 == pytest.approx(start + 0.5, abs=0.07)

    @pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
    def test_early_sound_is_cut(self, tmp_path: Path, name: str) -> None:
        times = [0.4 + k / 25 for k in range(15)]
        path = make_video(tmp_path / name, times=times, sound=click(0.55, 1.0, 16000), sound_codec="flac")
        samples = read_audio(path)
        assert onset(samples, 16000) == pytest.approx(0.15, abs=0.002)
        assert len(samples) / 16000 == pytest.approx(0.6, abs=0.002)

    def test_sound_that_ends_before_the_pictures_start(self, tmp_path: Path) -> None:
        times = [0.9 + k / 25 for k in range(5)]
        path = make_video(tmp_path / "a.mkv", times=times, sound=tone(0.5, 16000), sound_codec="flac")
        assert len(read_audio(path)) == 0

    def test_resampled_and_late(self, tmp_path: Path) -> None:
        sound = np.stack([click(0.2, 0.5, 48000)] * 2)
        path = make_video(
            tmp_path / "a.mp4", frames=25, sound=sound, sound_rate=48000, sound_start=0.25, sound_codec="aac"
        )
        assert onset(read_audio(path), 16000) == pytest.approx(0.45, abs=0.002)


class TestPlaced:
    """`_placed` on made-up blocks: gaps, overlaps and rounded times."""

    @staticmethod
    def place(*blocks: tuple[float, int]) -> np.ndarray:
        made = [
            (Fraction(str(time)), np.full(count, 0.1 * number, np.float32), 1000)
            for number, (time, count) in enumerate(blocks, 1)
        ]
        return _placed(made, Fraction(0), 1000, Path("a.mp4"))

    def test_a_gap_becomes_silence(self) -> None:
        got = self.place((0.0, 100), (0.3, 100))
        assert len(got) == 400 and not got[100:300].any() and got[300:].all()

    def test_an_overlap_is_cut(self) -> None:
        got = self.place((0.0, 100), (0.05, 100))
        assert len(got) == 150
        np.testing.assert_allclose(got[:100], 0.1)

    def test_rounded_times_move_nothing(self) -> None:
        got = self.place((0.0, 100), (0.105, 100), (0.198, 100))
        assert len(got) == 300 and got.all()

    def test_the_cut_at_time_zero_is_exact_even_inside_the_jitter(self) -> None:
        got = self.place((-0.105, 100), (-0.005, 100))
        assert len(got) == 95
        np.testing.assert_allclose(got, 0.2)

    def test_a_gap_without_reason(self) -> None:
        with pytest.raises(AudioError, match=r"timestamps of the sound of a\.mp4 jump by 4900 s"):
            self.place((0.0, 100), (4900.1, 100))


class TestWriteWav:
    def test_is_16_bit_mono(self, tmp_path: Path) -> None:
        assert write_wav(tmp_path / "a.wav", tone(0.1, 16000), 16000) == tmp_path / "a.wav"
        with wave.open(str(tmp_path / "a.wav")) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (
                1,
                2,
                16000,
                1600,
            )

    @given(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=50))
    def test_round_trip(self, tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
        path = write_wav(tmp_path_factory.mktemp("wav") / "a.wav", np.array(values, np.float32), 16000)
        expected = np.clip(np.array(values), -1, 32767 / 32768)
        np.testing.assert_allclose(read_audio(path), expected, atol=0.5 / 32768 + 1e-7)

    def test_wrong_samples(self, tmp_path: Path) -> None:
        with pytest.raises(ShapeError, match=r"samples must be float \[S\] in \[-1, 1\], got int16 \[3\]"):
            write_wav(tmp_path / "a.wav", np.zeros(3, np.int16), 16000)
        with pytest.raises(ShapeError, match=r"got float64 \[1, 3\]"):
            write_wav(tmp_path / "a.wav", np.zeros((1, 3)), 16000)
        with pytest.raises(ShapeError, match="samples hold values that are not finite"):
            write_wav(tmp_path / "a.wav", np.array([0.0, np.inf]), 16000)
        assert list(tmp_path.iterdir()) == []

    def test_a_full_disk_leaves_the_old_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write_wav(tmp_path / "a.wav", tone(0.1, 16000), 16000)
        before = path.read_bytes()

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(wave.Wave_write, "writeframes", full)
        with pytest.raises(
            OutputError, match=r"a\.wav could not be written, for the disk is full\. Free some space"
        ):
            write_wav(path, tone(0.2, 16000), 16000)
        assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


class TestCutAudio:
    def test_inside(self) -> None:
        samples = np.arange(16000, dtype=np.float32)
        np.testing.assert_array_equal(cut_audio(samples, 16000, 5, 10, 25), samples[3200:9600])
        assert missing_seconds(16000, 16000, 5, 10, 25) == 0.0

    def test_past_the_end_is_silence(self) -> None:
        samples = np.ones(16000, np.float32)
        part = cut_audio(samples, 16000, 20, 10, 25)
        assert len(part) == 6400 and part[:3200].all() and not part[3200:].any()
        assert missing_seconds(16000, 16000, 20, 10, 25) == pytest.approx(0.2)
        assert missing_seconds(16000, 16000, 50, 10, 25) == pytest.approx(0.4)

    @given(
        st.integers(0, 3000), st.sampled_from([8000, 16000, 44100]), st.integers(0, 60), st.integers(0, 60),
        st.sampled_from([25, 29.97, 30, 24]),
    )  # fmt: skip
    def test_length_and_content(self, length: int, rate: int, start: int, frames: int, fps: float) -> None:
        samples = np.arange(1, length + 1, dtype=np.float32)
        part = cut_audio(samples, rate, start, frames, fps)
        assert len(part) == round(frames * rate / fps)
        begin = round(start * rate / fps)
        held = int(np.count_nonzero(part))
        np.testing.assert_array_equal(part[:held], samples[begin : begin + held])
        assert missing_seconds(length, rate, start, frames, fps) == pytest.approx((len(part) - held) / rate)

    def test_neighbouring_cuts_leave_no_hole(self) -> None:
        samples = np.arange(44100, dtype=np.float32)
        parts = [cut_audio(samples, 44100, k, 1, 25) for k in range(25)]
        np.testing.assert_array_equal(np.concatenate(parts), samples)

    @pytest.mark.parametrize(
        "arguments", [(0, 0, 1, 25), (16000, -1, 1, 25), (16000, 0, -1, 25), (16000, 0, 1, 0)]
    )
    def test_impossible_ranges(self, arguments: tuple[int, int, int, float]) -> None:
        with pytest.raises(UsageError, match="are no range"):
            cut_audio(np.zeros(10, np.float32), *arguments)
