"""A few seconds of the synthetic demo speaker, as the footage that methods get."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from t2m_bench.core.subject import Subject
from t2m_bench.core.track import Track
from t2m_bench.media.audio import cut_audio, read_audio
from t2m_bench.media.video import iter_frames, resize_frames


@dataclass(frozen=True)
class DemoFootage:
    """Frames `start` to `stop` of a demo clip."""

    video: Path
    whole: Track
    start: int
    stop: int

    clip_id = "demo_en"
    fps = 25.0

    @property
    def size(self) -> tuple[int, int]:
        return self.whole.size

    @property
    def track(self) -> Track:
        return self.whole.part(self.start, self.stop)

    @property
    def digest(self) -> str:
        return f"demo_en-{self.start}-{self.stop}"

    def __len__(self) -> int:
        return self.stop - self.start

    def frames(self, size: tuple[int, int] | None = None) -> Iterator[NDArray[np.uint8]]:
        for frame in iter_frames(self.video, start=self.start, stop=self.stop):
            yield frame if size in (None, self.size) else resize_frames(frame[None], size)[0]

    def audio(self, rate: int = 16000) -> NDArray[np.float32]:
        return cut_audio(read_audio(self.video, rate), rate, self.start, len(self), self.fps)


@pytest.fixture(scope="session")
def whole_track(demo_clips: Path) -> Track:
    return Track.load(demo_clips / "demo_en.track.npz")


@pytest.fixture(scope="session")
def training(demo_clips: Path, whole_track: Track) -> DemoFootage:
    """The first 120 frames."""
    return DemoFootage(demo_clips / "demo_en.mp4", whole_track, 0, 120)


@pytest.fixture(scope="session")
def held_out(demo_clips: Path, whole_track: Track) -> DemoFootage:
    """The 40 frames after them."""
    return DemoFootage(demo_clips / "demo_en.mp4", whole_track, 120, 160)


@pytest.fixture(scope="session")
def subject(training: DemoFootage) -> Subject:
    return Subject(id="demo_en", speaker="demo_en", language="en", train=training, synthetic=True)
