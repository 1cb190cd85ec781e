"""Writing: fidelity, sound, tags, and what is on disk after failures."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from media_samples import number_of, picture, tone

from t2m_bench.core.errors import OutputError, ShapeError, UsageError, VideoError
from t2m_bench.media import writer as writer_module
from t2m_bench.media.audio import read_audio
from t2m_bench.media.probe import probe
from t2m_bench.media.video import VideoWriter, iter_gray, read_frames, write_gray

CHART = ["000000", "ffffff", "ff0000", "00ff00", "0000ff", "808080", "e0ac8c", "5a3828", "10c8b4"]


def write(path: Path, frames: int = 5, **options: object) -> Path:
    with VideoWriter(path, 25, (64, 48), **options) as video:  # type: ignore[arg-type]
        for index in range(frames):
            video.write(picture(index))
    return path


class TestFidelity:
    def test_flat_colours_survive_h264(self, tmp_path: Path) -> None:
        frames = np.stack(
            [np.broadcast_to(np.array(list(bytes.fromhex(c)), np.uint8), (48, 64, 3)) for c in CHART]
        )
        with VideoWriter(tmp_path / "a.mp4", 25, (64, 48)) as video:
            for frame in frames:
                video.write(frame)
        back = read_frames(tmp_path / "a.mp4")
        np.testing.assert_allclose(back.astype(int), frames.astype(int), atol=3)

    def test_it_is_what_browsers_play(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.mp4", audio=(tone(0.2, 16000), 16000))
        with av.open(str(path)) as container:
            context = container.streams.video[0].codec_context
            tags = (context.colorspace, context.color_range, context.color_primaries, context.color_trc)
            assert (context.name, context.pix_fmt, [int(tag) for tag in tags]) == (
                "h264",
                "yuv420p",
                [1, 1, 1, 1],
            )
            assert container.streams.audio[0].codec_context.name == "aac"
        data = path.read_bytes()
        assert data.index(b"moov") < data.index(b"mdat")  # the index comes first

    @pytest.mark.parametrize("size", [(63, 48), (64, 47), (63, 47)])
    def test_odd_sides_are_padded_with_the_edge(self, tmp_path: Path, size: tuple[int, int]) -> None:
        width, height = size
        with VideoWriter(tmp_path / "a.mp4", 25, size, crf=1) as video:
            video.write(np.ascontiguousarray(picture(5, width, height)))
        (back,) = read_frames(tmp_path / "a.mp4")
        assert back.shape == (48, 64, 3)
        np.testing.assert_allclose(back[:height, :width].astype(int), picture(5, width, height), atol=3)
        np.testing.assert_allclose(back[-1].astype(int), back[height - 1], atol=3)
        np.testing.assert_allclose(back[:, -1].astype(int), back[:, width - 1], atol=3)

    def test_crf_changes_the_file(self, tmp_path: Path) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        sizes = []
        for crf in (5, 14, 40):
            with VideoWriter(tmp_path / f"{crf}.mp4", 25, (64, 48), crf=crf) as video:
                video.write(noise)
            sizes.append((tmp_path / f"{crf}.mp4").stat().st_size)
        assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 3

    @settings(max_examples=15, deadline=None)
    @given(
        frames=arrays(
            np.uint8, st.tuples(st.integers(1, 3), st.integers(2, 19), st.integers(2, 35), st.just(3))
        )
    )
    def test_lossless_is_bit_exact(
        self, tmp_path_factory: pytest.TempPathFactory, frames: np.ndarray
    ) -> None:
        path = tmp_path_factory.mktemp("exact") / "a.mkv"
        with VideoWriter(path, 25, (frames.shape[2], frames.shape[1]), lossless=True) as video:
            for frame in frames:
                video.write(frame)
        np.testing.assert_array_equal(read_frames(path), frames)
        assert probe(path).codec == "ffv1"

    def test_strided_frames(self, tmp_path: Path) -> None:
        wide = np.random.default_rng(0).integers(0, 256, (48, 128, 3), dtype=np.uint8)
        with VideoWriter(tmp_path / "a.mkv", 25, (64, 48), lossless=True) as video:
            video.write(wide[:, ::2])
            video.write(wide[::-1, 64:, ::-1])
        np.testing.assert_array_equal(read_frames(tmp_path / "a.mkv")[0], wide[:, ::2])
        np.testing.assert_array_equal(read_frames(tmp_path / "a.mkv")[1], wide[::-1, 64:, ::-1])

    @pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
    def test_same_frames_same_bytes(self, tmp_path: Path, name: str) -> None:
        options = {
            "audio": (tone(0.2, 16000), 16000),
            "metadata": {"title": "x"},
            "lossless": name.endswith("mkv"),
        }
        first = write(tmp_path / "one" / name, **options).read_bytes()
        assert first == write(tmp_path / "two" / name, **options).read_bytes()

    def test_frame_rate(self, tmp_path: Path) -> None:
        with VideoWriter(tmp_path / "a.mp4", 12.5, (64, 48)) as video:
            for index in range(5):
                video.write(picture(index))
        assert probe(tmp_path / "a.mp4").fps == 12.5


class TestSound:
    @pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
    def test_sound_lies_in_time_with_the_pictures(self, tmp_path: Path, name: str) -> None:
        click = np.zeros(16000, np.float32)
        click[8000:8040] = 0.9
        path = write(tmp_path / name, frames=25, audio=(click, 16000))
        assert abs(int(np.abs(read_audio(path)).argmax()) - 8020) <= 25

    def test_sound_is_cut_at_the_last_frame(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.mp4", frames=10, audio=(tone(3, 16000), 16000))
        assert len(read_audio(path)) == 6400
        info = probe(path)
        assert (info.frames, info.audio_seconds) == (10, pytest.approx(0.4))

    def test_short_sound_stays_short(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.mp4", frames=25, audio=(tone(0.5, 16000), 16000))
        assert len(read_audio(path)) == 8000

    def test_lossless_sound_is_16_bit_exact(self, tmp_path: Path) -> None:
        sound = tone(0.2, 22050)
        path = write(tmp_path / "a.mkv", lossless=True, audio=(sound, 22050))
        back = read_audio(path, 22050)
        assert len(back) == len(sound)
        np.testing.assert_allclose(back, sound, atol=1 / 65536 + 1e-7)

    @pytest.mark.parametrize(
        ("audio", "text"),
        [
            (
                (np.zeros((2, 10), np.float32), 16000),
                r"audio must be mono float \[S\].*got float32 \[2, 10\]",
            ),
            ((np.zeros(10, np.int16), 16000), r"audio must be mono float"),
            ((np.array([0.0, np.nan]), 16000), "audio holds values that are not finite"),
        ],
    )
    def test_wrong_sound(self, tmp_path: Path, audio: tuple[np.ndarray, int], text: str) -> None:
        with pytest.raises(ShapeError, match=text):
            VideoWriter(tmp_path / "a.mp4", 25, (64, 48), audio=audio)

    def test_a_rate_that_aac_lacks(self, tmp_path: Path) -> None:
        with pytest.raises(
            UsageError, match=r"a sample rate of 15999 Hz cannot be written\. Use one of 8000"
        ):
            VideoWriter(tmp_path / "a.mp4", 25, (64, 48), audio=(np.zeros(9, np.float32), 15999))


class TestWrongUse:
    @pytest.mark.parametrize(
        ("name", "options", "text"),
        [
            ("a.avi", {}, r"a\.avi must end in \.mp4 or \.mov or \.mkv"),
            ("a.mp4", {"lossless": True}, r"a\.mp4 must end in \.mkv"),
            ("a.mp4", {"crf": 52}, "crf must be 0 to 51, got 52"),
            ("a.mp4", {"metadata": {"": "x"}}, "the tag '' and its value must be text"),
            ("a.mp4", {"metadata": {"seed": 3}}, "the tag 'seed' and its value must be text"),
        ],
    )
    def test_options(self, tmp_path: Path, name: str, options: dict[str, object], text: str) -> None:
        with pytest.raises(UsageError, match=text):
            VideoWriter(tmp_path / name, 25, (64, 48), **options)  # type: ignore[arg-type]

    @pytest.mark.parametrize("fps", [0, -1, float("nan"), 5000])
    def test_frame_rates(self, tmp_path: Path, fps: float) -> None:
        with pytest.raises(UsageError, match=r"a frame rate of .* makes no sense"):
            VideoWriter(tmp_path / "a.mp4", fps, (64, 48))

    def test_size(self, tmp_path: Path) -> None:
        with pytest.raises(
            ShapeError, match=r"size must be \(width, height\) of 2 to 16384 pixels, got \(0, 48\)"
        ):
            VideoWriter(tmp_path / "a.mp4", 25, (0, 48))

    @pytest.mark.parametrize(
        "frame",
        [np.zeros((64, 48, 3), np.uint8), np.zeros((48, 64, 3), np.float32), np.zeros((48, 64), np.uint8)],
    )
    def test_wrong_frames_leave_nothing(self, tmp_path: Path, frame: np.ndarray) -> None:
        with (
            pytest.raises(ShapeError, match=r"frame 1 of .*a\.mp4 must be uint8 \[48, 64, 3\], got"),
            VideoWriter(tmp_path / "a.mp4", 25, (64, 48)) as video,
        ):
            video.write(picture(0))
            video.write(frame)
        assert list(tmp_path.iterdir()) == []

    def test_no_frame(self, tmp_path: Path) -> None:
        with pytest.raises(VideoError, match=r"a\.mp4 was not written, for not one frame came"):
            write(tmp_path / "a.mp4", frames=0, audio=(tone(1, 16000), 16000))
        assert list(tmp_path.iterdir()) == []

    def test_outside_a_with_block(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"a\.mp4 is written in a `with` block only"):
            VideoWriter(tmp_path / "a.mp4", 25, (64, 48)).write(picture(0))


class TestFailures:
    def test_an_exception_in_the_block_leaves_the_old_file(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.mp4")
        before = path.read_bytes()
        with pytest.raises(ZeroDivisionError), VideoWriter(path, 25, (64, 48)) as video:
            video.write(picture(9))
            raise ZeroDivisionError
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    def test_the_file_is_not_there_before_the_end(self, tmp_path: Path) -> None:
        with VideoWriter(tmp_path / "a.mp4", 25, (64, 48)) as video:
            video.write(picture(0))
            assert not (tmp_path / "a.mp4").exists()
        assert (tmp_path / "a.mp4").exists()

    @pytest.mark.parametrize(
        ("number", "text"),
        [
            (errno.ENOSPC, r"a\.mp4 could not be written, for the disk is full\. Free some space"),
            (
                errno.EACCES,
                r"a\.mp4 could not be written, for the folder does not allow it\. Check its permissions",
            ),
            (errno.EIO, r"a\.mp4 could not be written \(Input/output error\)"),
        ],
    )
    def test_errors_of_the_system(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, text: str
    ) -> None:
        path = write(tmp_path / "a.mp4")
        before = path.read_bytes()

        def fail(*_: object) -> None:
            raise OSError(number, "simulated")

        monkeypatch.setattr(writer_module, "_encode", fail)
        with pytest.raises(OutputError, match=text):
            write(path)
        assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]

    def test_a_file_in_place_of_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "out").write_text("a file")
        with pytest.raises(
            OutputError, match=r"a\.mp4 could not be written \((Not a directory|File exists)\)"
        ):
            write(tmp_path / "out" / "a.mp4")

    def test_frames_that_did_not_arrive_are_noticed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writer_module, "_check_written", _checking_one_more)
        with pytest.raises(OutputError, match=r"a\.mp4 could not be written whole: 5 of 6 frames arrived"):
            write(tmp_path / "a.mp4")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.skipif(sys.platform == "win32", reason="no file size limits")
    @pytest.mark.parametrize("limit", [100, 3000, 20000, 60000])
    @pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "gray.mkv"])
    def test_a_full_disk(self, tmp_path: Path, name: str, limit: int) -> None:
        """A file size limit in a child process stops real writes at any point: header, body, index."""
        command = [sys.executable, "-c", _CHILD, str(tmp_path / name), str(limit)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stdout.startswith("OutputError"), done.stdout + done.stderr
        assert "could not be written" in done.stdout and name in done.stdout
        assert list(tmp_path.iterdir()) == []


_check_written = writer_module._check_written


def _checking_one_more(temporary: Path, path: Path, frames: int) -> None:
    _check_written(temporary, path, frames + 1)


_CHILD = """
import resource, sys
from pathlib import Path
import numpy as np
from t2m_bench.core.errors import T2MError
from t2m_bench.media.writer import VideoWriter, write_gray
path, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
noise = np.random.default_rng(0).integers(0, 256, (30, 48, 64, 3), dtype=np.uint8)
try:
    if path.name.startswith("gray"):
        write_gray(path, noise[..., 0], 25)
    else:
        with VideoWriter(path, 25, (64, 48)) as video:
            for frame in noise:
                video.write(frame)
    print("written", path.stat().st_size)
except T2MError as error:
    print(error.kind, error)
"""


class TestGray:
    @settings(max_examples=15, deadline=None)
    @given(frames=arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 19), st.integers(1, 40))))
    def test_exact(self, tmp_path_factory: pytest.TempPathFactory, frames: np.ndarray) -> None:
        path = tmp_path_factory.mktemp("gray") / "m.mkv"
        assert write_gray(path, iter(frames), 25) == len(frames)
        np.testing.assert_array_equal(np.stack(list(iter_gray(path))), frames)

    def test_all_levels(self, tmp_path: Path) -> None:
        ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
        write_gray(tmp_path / "m.mkv", [ramp], 25)
        (back,) = iter_gray(tmp_path / "m.mkv")
        np.testing.assert_array_equal(back, ramp)

    def test_wrong_frames(self, tmp_path: Path) -> None:
        path = tmp_path / "m.mkv"
        with pytest.raises(
            ShapeError, match=r"frame 1 of .*m\.mkv must be uint8 \[4, 6\], got uint8 \[6, 4\]"
        ):
            write_gray(path, [np.zeros((4, 6), np.uint8), np.zeros((6, 4), np.uint8)], 25)
        with pytest.raises(
            ShapeError, match=r"frame 0 of .*m\.mkv must be uint8 \[H, W\], got uint8 \[4, 6, 3\]"
        ):
            write_gray(path, [np.zeros((4, 6, 3), np.uint8)], 25)
        with pytest.raises(ShapeError, match=r"must be uint8 \[4, 6\], got float64 \[4, 6\]"):
            write_gray(path, [np.zeros((4, 6))], 25)  # type: ignore[list-item]
        with pytest.raises(VideoError, match="not one frame came"):
            write_gray(path, [], 25)
        with pytest.raises(UsageError, match=r"m\.mp4 must end in \.mkv"):
            write_gray(tmp_path / "m.mp4", [], 25)
        assert list(tmp_path.iterdir()) == []

    def test_an_error_of_the_source_passes_through(self, tmp_path: Path) -> None:
        def frames() -> Iterator[np.ndarray]:
            yield np.zeros((4, 6), np.uint8)
            raise VideoError("the source broke")

        with pytest.raises(VideoError, match="the source broke"):
            write_gray(tmp_path / "m.mkv", frames(), 25)
        assert list(tmp_path.iterdir()) == []


def test_frames_keep_their_order(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", frames=20)
    assert [number_of(frame) for frame in read_frames(path)] == list(range(20))
