"""Two hundred files as people have them, broken or odd: each is prepared whole or refused in one sentence."""

from __future__ import annotations

import signal
import wave
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from media_samples import make_video, picture, tone
from preparation_samples import row, window

from t2m_bench.core.errors import DataError
from t2m_bench.core.method import SilentReporter
from t2m_bench.data.batch import Order, prepare_all
from t2m_bench.data.preflight import check_media
from t2m_bench.media.audio import read_audio
from t2m_bench.media.probe import probe

EACH = 20
"""Files of a kind; ten kinds."""
HANG_SECONDS = 240


@pytest.fixture
def no_hang() -> Iterator[None]:
    """End the test where one file would hold it up for ever."""

    def stop(number: int, frame: Any) -> None:
        raise TimeoutError(f"a file held the test up for {HANG_SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(HANG_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class Maker:
    """Writes one kind of file; `folder` has the whole videos that others are cut from."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.whole = []
        for name, frames in (("a.mp4", 12), ("b.mkv", 12), ("c.avi", 12)):
            codec = "mpeg4" if name == "c.avi" else "libx264"
            path = make_video(folder / name, frames=frames, codec=codec, sound=tone(0.48, 16000))
            self.whole.append((path.suffix, path.read_bytes()))

    def any_whole(self) -> tuple[str, bytes]:
        return self.whole[int(self.rng.integers(len(self.whole)))]

    def cut(self, stem: Path) -> Path:
        """Cut at a random byte."""
        suffix, data = self.any_whole()
        return _write(stem, suffix, data[: int(self.rng.integers(1, len(data)))])

    def garbled(self, stem: Path) -> Path:
        """Random bytes in the middle."""
        suffix, data = self.any_whole()
        many = int(self.rng.integers(1, 200))
        at = int(self.rng.integers(0, len(data) - many))
        return _write(stem, suffix, data[:at] + self.rng.bytes(many) + data[at + many :])

    def misnamed(self, stem: Path) -> Path:
        """Another content than the suffix says: text, a picture, a sound, another container."""
        kind = int(self.rng.integers(4))
        content = (
            b"This is a text about a video.\n" * 50,
            b"\x89PNG\r\n\x1a\n" + self.rng.bytes(3000),
            b"RIFF\x24\x80\x00\x00WAVEfmt \x10\x00\x00\x00" + self.rng.bytes(3000),
            self.any_whole()[1],
        )[kind]
        return _write(stem, (".mp4", ".mov", ".webm", ".avi")[int(self.rng.integers(4))], content)

    def empty(self, stem: Path) -> Path:
        """No byte, or the first few of a container."""
        start = (b"", b"\x00\x00\x00\x18ftypmp42", b"\x1aE\xdf\xa3", b"RIFF")[int(self.rng.integers(4))]
        return _write(stem, ".mp4", start)

    def sound_only(self, stem: Path) -> Path:
        """Sound in a video's container."""
        path = stem.with_suffix(".mp4" if self.rng.integers(2) else ".mkv")
        with av.open(str(path), "w") as container:
            _add_sound(container, 0.5)
        return path

    def cover(self, stem: Path) -> Path:
        """Sound with a still picture."""
        path = stem.with_suffix(".mkv")
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream("mjpeg", rate=1)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
            frame = av.VideoFrame.from_ndarray(picture(1), format="rgb24").reformat(format="yuvj420p")
            frame.pts, frame.time_base = 0, Fraction(1, 1)
            packets = [*stream.encode(frame), *stream.encode(None)]
            _add_sound(container, 0.6, packets)
        return path

    def rotated(self, stem: Path) -> Path:
        """As a telephone has it."""
        turn = (90, 180, 270)[int(self.rng.integers(3))]
        rate = float(self.rng.choice([24, 25, 29.97, 30]))
        sound = np.stack([tone(0.6, 44100)] * 2)
        return make_video(
            stem.with_suffix(".mov"), frames=14, fps=rate, rotation=turn, sound=sound, sound_rate=44100
        )

    def deep(self, stem: Path) -> Path:
        """Ten bits, or all of the colour."""
        pixels = ("yuv420p10le", "yuv422p", "yuv444p", "yuv422p10le")[int(self.rng.integers(4))]
        return make_video(
            stem.with_suffix(".mp4"), pixels=pixels, frames=12, sound=tone(0.48, 48000), sound_rate=48000
        )

    def odd(self, stem: Path) -> Path:
        """Odd sides, or very flat."""
        size = tuple(int(side) for side in self.rng.integers(17, 99, 2))
        return make_video(
            stem.with_suffix(".mp4"),
            size=size,
            pixels="yuv444p",
            frames=12,
            sound=tone(0.5, 22050),
            sound_rate=22050,
        )

    def short(self, stem: Path) -> Path:
        """One frame, two, or three seconds, with or without sound, or with sound that ends early."""
        frames = int(self.rng.choice([1, 2, 75], p=[0.45, 0.45, 0.1]))
        sound = (None, tone(frames / 25, 8000), tone(0.3 * frames / 25 + 0.02, 8000))[
            int(self.rng.integers(3))
        ]
        return make_video(stem.with_suffix(".mp4"), frames=frames, sound=sound, sound_rate=8000)


KINDS = (
    "cut", "garbled", "misnamed", "empty", "sound_only", "cover", "rotated", "deep", "odd", "short",
)  # fmt: skip


def _write(stem: Path, suffix: str, data: bytes) -> Path:
    path = stem.with_suffix(suffix)
    path.write_bytes(data)
    return path


def _add_sound(container: Any, seconds: float, pictures: list[Any] | None = None) -> None:
    stream: Any = container.add_stream("aac", rate=16000)
    stream.layout = "mono"
    for packet in pictures or []:
        container.mux(packet)
    samples = tone(seconds, 16000)
    for at in range(0, len(samples) - 1024, 1024):
        block = av.AudioFrame.from_ndarray(samples[None, at : at + 1024], format="fltp", layout="mono")
        block.sample_rate, block.pts = 16000, at
        container.mux(stream.encode(block))
    container.mux(stream.encode(None))


@pytest.mark.usefixtures("no_hang")
def test_two_hundred_files_are_prepared_whole_or_refused_in_one_sentence(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    for folder in (raw, out, tmp_path / "whole"):
        folder.mkdir()
    maker = Maker(tmp_path / "whole", seed=3)
    files = {
        f"{kind}{number:02}": getattr(maker, kind)(raw / f"{kind}{number:02}")
        for kind in KINDS
        for number in range(EACH)
    }
    assert len(files) == 200
    before = {path.name: path.read_bytes() for path in raw.iterdir()}

    rows = [row(name, **window(0, 0, 24, 48)) for name in files]
    done = prepare_all(rows, Order(out, raw=raw, offline=True), jobs=1, report=SilentReporter())

    assert {found.id for found in done} == set(files)
    for found in done:
        clip, sound = out / f"{found.id}.mp4", out / f"{found.id}.wav"
        if found.status == "ok":
            info = probe(clip)
            assert (info.width, info.height, info.constant_fps) == (512, 512, True), found.id
            assert info.frames == found.frames >= 1
            with wave.open(str(sound)) as file:
                assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
        else:
            assert found.status == "failed" and not clip.exists() and not sound.exists()
            assert found.reason and found.reason.count("\n") == 0 and len(found.reason) < 600, found.reason
            assert "Traceback" not in found.reason and "Error(" not in found.reason
    # No half clip: nothing but what the ledger knows, the notes of the folder, and locks.
    known = {f"{found.id}{suffix}" for found in done if found.status == "ok" for suffix in (".mp4", ".wav")}
    left = {
        path.relative_to(out).as_posix()
        for path in out.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }
    assert left - known <= {"ledger.csv", "clips.csv"}, sorted(left - known)
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == before, "raw files are only read"

    verdicts = Counter((found.id[:-2], found.status) for found in done)
    assert verdicts["rotated", "ok"] == verdicts["deep", "ok"] == verdicts["odd", "ok"] == EACH
    assert verdicts["empty", "failed"] == verdicts["sound_only", "failed"] == EACH
    assert verdicts["cut", "failed"] >= EACH // 2

    for name, path in files.items():
        found = check_media(path)
        assert found.info is not None or any(item.level == "refused" for item in found.findings), name
        try:
            samples = read_audio(path)
        except DataError as error:
            assert path.name in str(error)
        else:
            assert np.isfinite(samples).all()
