"""Reading frames, reading them at another rate, and resizing."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_samples import make_video, number_of, picture

from t2m_bench.core.errors import ShapeError, UsageError, VideoError
from t2m_bench.media.video import (
    MAX_GAP_SECONDS,
    VideoWriter,
    iter_frames,
    iter_frames_at,
    iter_gray,
    read_frames,
    resize_frames,
)

FILTERS = ("bicubic", "bilinear", "area", "nearest")


def numbers(path: Path, fps: float | Fraction) -> list[int]:
    return [number_of(frame) for frame in iter_frames_at(path, fps)]


class TestIterFrames:
    def test_frames_come_in_order_as_contiguous_rgb(self, tmp_path: Path) -> None:
        frames = list(iter_frames(make_video(tmp_path / "a.mp4", frames=12)))
        assert [number_of(frame) for frame in frames] == list(range(12))
        for frame in frames:
            assert frame.shape == (48, 64, 3) and frame.dtype == np.uint8
            assert frame.flags.c_contiguous and frame.flags.writeable

    @pytest.mark.parametrize(("start", "stop"), [(0, 12), (3, 7), (11, 12), (5, None), (4, 4)])
    def test_ranges(self, tmp_path: Path, start: int, stop: int | None) -> None:
        path = make_video(tmp_path / "a.mp4", frames=12)
        got = [number_of(frame) for frame in iter_frames(path, start=start, stop=stop)]
        assert got == list(range(12))[start:stop]

    def test_asking_for_more_than_there_is(self, tmp_path: Path) -> None:
        path = make_video(tmp_path / "a.mp4", frames=5)
        with pytest.raises(VideoError, match=r"a\.mp4 has only 5 frames, frames 2 to 9 were asked for"):
            list(iter_frames(path, start=2, stop=9))
        with pytest.raises(VideoError, match=r"has only 5 frames, frames from 6 were asked for"):
            list(iter_frames(path, start=6))

    @pytest.mark.parametrize(("start", "stop"), [(-1, None), (3, 2)])
    def test_impossible_ranges(self, tmp_path: Path, start: int, stop: int | None) -> None:
        with pytest.raises(UsageError, match="are no range"):
            list(iter_frames(tmp_path / "a.mp4", start=start, stop=stop))

    @pytest.mark.parametrize("size", [(590, 512), (591, 33), (63, 47), (2, 2), (17, 16)])
    def test_rows_that_decoders_pad(self, tmp_path: Path, size: tuple[int, int]) -> None:
        """Rows of 590 pixels are stored 64 bytes apart from a multiple; a reader that forgets it shears the picture."""
        width, height = size
        rng = np.random.default_rng(width)
        frames = rng.integers(0, 256, (3, height, width, 3), dtype=np.uint8)
        with VideoWriter(tmp_path / "a.mkv", 25, size, lossless=True) as video:
            for frame in frames:
                video.write(frame)
        np.testing.assert_array_equal(np.stack(list(iter_frames(tmp_path / "a.mkv"))), frames)

    @pytest.mark.parametrize(("counter_clockwise", "turns"), [(90, 1), (180, 2), (270, 3)])
    def test_rotation_is_applied(self, tmp_path: Path, counter_clockwise: int, turns: int) -> None:
        plain = next(iter_frames(make_video(tmp_path / "a.mp4", frames=1)))
        turned = next(iter_frames(make_video(tmp_path / "b.mp4", frames=1, rotation=counter_clockwise)))
        np.testing.assert_array_equal(turned, np.rot90(plain, turns))

    def test_mirror_is_applied(self, tmp_path: Path) -> None:
        plain = next(iter_frames(make_video(tmp_path / "a.mp4", frames=1, rotation=90)))
        mirrored = next(iter_frames(make_video(tmp_path / "b.mp4", frames=1, rotation=90, mirror=True)))
        assert not np.array_equal(mirrored, plain)
        np.testing.assert_array_equal(mirrored, plain[:, ::-1])

    def test_stopping_early_leaves_the_file_closed(self, tmp_path: Path) -> None:
        path = make_video(tmp_path / "a.mp4")
        descriptors = Path("/proc/self/fd")
        if not descriptors.exists():
            pytest.skip("open files can only be counted on Linux")
        before = len(list(descriptors.iterdir()))
        frames = iter_frames(path)
        next(frames)
        assert len(list(descriptors.iterdir())) == before + 1
        frames.close()  # type: ignore[attr-defined]
        assert len(list(descriptors.iterdir())) == before


class TestReadFrames:
    def test_one_array(self, tmp_path: Path) -> None:
        frames = read_frames(make_video(tmp_path / "a.mp4", frames=6), 1, 4)
        assert frames.shape == (3, 48, 64, 3)
        assert [number_of(frame) for frame in frames] == [1, 2, 3]

    def test_size_is_width_height(self, tmp_path: Path) -> None:
        path = make_video(tmp_path / "a.mp4", frames=3)
        small = read_frames(path, size=(32, 16))
        assert small.shape == (3, 16, 32, 3)
        np.testing.assert_array_equal(small, resize_frames(read_frames(path), (32, 16)))

    def test_empty_range(self, tmp_path: Path) -> None:
        assert read_frames(make_video(tmp_path / "a.mp4"), 2, 2, size=(8, 4)).shape == (0, 4, 8, 3)


class TestIterFramesAt:
    @pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
    def test_the_same_rate_changes_nothing(self, tmp_path: Path, suffix: str) -> None:
        path = make_video(tmp_path / f"a{suffix}", frames=20)
        assert numbers(path, 25) == list(range(20))

    def test_30_to_25_drops_every_sixth(self, tmp_path: Path) -> None:
        got = numbers(make_video(tmp_path / "a.mp4", frames=24, fps=30), 25)
        assert got == [0, 1, 2, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 18, 19, 20, 22, 23]

    def test_29_97_keeps_the_duration(self, tmp_path: Path) -> None:
        path = make_video(tmp_path / "a.mp4", frames=60, fps=Fraction(30000, 1001), size=(16, 16))
        assert len(list(iter_frames_at(path, 25))) == 50

    def test_doubling_repeats(self, tmp_path: Path) -> None:
        got = numbers(make_video(tmp_path / "a.mp4", frames=4), 50)
        # Output 1 lies in the middle of frames 0 and 1: the earlier one is taken.
        assert got == [0, 0, 1, 1, 2, 2, 3, 3]

    def test_varying_rate_goes_by_time(self, tmp_path: Path) -> None:
        times = [0.0, 0.04, 0.20, 0.24]
        # Outputs at 0, .04, .08, .12 (the middle of .04 and .20), .16, .20, .24.
        assert numbers(make_video(tmp_path / "a.mp4", times=times), 25) == [0, 1, 1, 1, 2, 2, 3]

    def test_starts_at_the_first_timestamp(self, tmp_path: Path) -> None:
        path = make_video(tmp_path / "a.mkv", times=[0.5 + k / 25 for k in range(5)])
        assert numbers(path, 25) == [0, 1, 2, 3, 4]

    def test_one_frame(self, tmp_path: Path) -> None:
        assert numbers(make_video(tmp_path / "a.mp4", frames=1), 25) == [0]

    def test_repeated_frames_are_separate_arrays(self, tmp_path: Path) -> None:
        first, second, *_ = iter_frames_at(make_video(tmp_path / "a.mp4", frames=2), 50)
        first[:] = 0
        assert second.any()

    def test_a_jump_in_time_is_damage(self, tmp_path: Path) -> None:
        path = make_video(tmp_path / "a.mkv", times=[0.0, 0.04, 0.04 + MAX_GAP_SECONDS + 1])
        with pytest.raises(VideoError, match=r"timestamps of .*a\.mkv jump by 11\.0 s after frame 1"):
            list(iter_frames_at(path, 25))

    @pytest.mark.parametrize("fps", [0, -25, float("nan")])
    def test_impossible_rates(self, tmp_path: Path, fps: float) -> None:
        with pytest.raises(UsageError, match=r"a frame rate of .* makes no sense"):
            next(iter_frames_at(tmp_path / "a.mp4", fps))

    def test_against_the_rule_spelt_out(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(3)
        times = np.concatenate([[0], np.cumsum(rng.integers(1, 12, 20))]) / 100
        path = make_video(tmp_path / "a.mp4", times=list(times))
        for fps in (25, 10, 60):
            nearest = [int(np.argmin(np.abs(times - k / fps))) for k in range(len(numbers(path, fps)))]
            assert numbers(path, fps) == nearest


class TestGray:
    def test_a_colour_video_is_averaged(self, tmp_path: Path) -> None:
        frame = np.zeros((16, 16, 3), np.uint8)
        frame[..., 0], frame[..., 1] = 10, 21
        with VideoWriter(tmp_path / "a.mkv", 25, (16, 16), lossless=True) as video:
            video.write(frame)
        (gray,) = iter_gray(tmp_path / "a.mkv")
        assert gray.shape == (16, 16)
        assert (gray == 10).all()  # 31 / 3


class TestResizeFrames:
    @given(
        st.integers(1, 20),
        st.integers(1, 20),
        st.sampled_from(FILTERS),
        st.integers(0, 255),
    )
    def test_flat_stays_flat(self, width: int, height: int, filter: str, value: int) -> None:
        frames = np.full((2, 9, 13, 3), value, np.uint8)
        out = resize_frames(frames, (width, height), filter)  # type: ignore[arg-type]
        assert out.shape == (2, height, width, 3) and out.dtype == np.uint8
        assert (out == value).all()

    def test_making_smaller_averages_fine_stripes(self) -> None:
        stripes = np.zeros((1, 32, 32, 3), np.uint8)
        stripes[:, :, ::2] = 200
        for filter in ("bicubic", "bilinear", "area"):
            inner = resize_frames(stripes, (8, 8), filter)[0, 2:-2, 2:-2]  # type: ignore[arg-type]
            np.testing.assert_allclose(inner.astype(int), 100, atol=4)
        assert set(np.unique(resize_frames(stripes, (8, 8), "nearest"))) <= {0, 200}

    def test_filters_differ(self) -> None:
        frames = np.random.default_rng(0).integers(0, 256, (1, 20, 20, 3), dtype=np.uint8)
        results = [resize_frames(frames, (11, 7), f).tobytes() for f in FILTERS]
        assert len(set(results)) == 4

    def test_long_clips_go_through_in_parts(self) -> None:
        frames = np.random.default_rng(0).integers(0, 256, (19, 8, 8, 1), dtype=np.uint8)
        whole = resize_frames(frames, (4, 4))
        np.testing.assert_array_equal(whole, np.stack([resize_frames(f[None], (4, 4))[0] for f in frames]))

    def test_overshoot_is_clipped(self) -> None:
        frames = np.zeros((1, 8, 8, 3), np.uint8)
        frames[:, :, 4:] = 255
        out = resize_frames(frames, (32, 32))
        assert out.min() == 0 and out.max() == 255

    def test_same_size_is_the_same_array(self) -> None:
        frames = np.zeros((1, 8, 6, 3), np.uint8)
        assert resize_frames(frames, (6, 8)) is frames

    def test_wrong_input(self) -> None:
        with pytest.raises(
            ShapeError, match=r"frames must be uint8 \[T, H, W, C\], got float32 \[1, 8, 8, 3\]"
        ):
            resize_frames(np.zeros((1, 8, 8, 3), np.float32), (4, 4))  # type: ignore[arg-type]
        with pytest.raises(
            ShapeError, match=r"size must be \(width, height\) of at least 1 pixel, got \(0, 4\)"
        ):
            resize_frames(np.zeros((1, 8, 8, 3), np.uint8), (0, 4))
        with pytest.raises(UsageError, match=r"no resize filter is called 'lanczos'\. Use one of bicubic"):
            resize_frames(np.zeros((1, 8, 8, 3), np.uint8), (4, 4), "lanczos")  # type: ignore[arg-type]


def test_sample_pictures_can_be_told_apart() -> None:
    assert [number_of(picture(k)) for k in range(28)] == list(range(28))
