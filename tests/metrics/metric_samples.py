"""Footage and videos whose numbers are known, and a face detector that reads a face from the picture's corner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.metric import FramePairs, Maker, Observed
from t2m_bench.core.recipe import Recipe, recipes
from t2m_bench.core.track import Track
from t2m_bench.media.video import VideoWriter, resize_frames
from t2m_bench.metrics.faces import FaceMesh, FaceMeshExtractor
from t2m_bench.tracking.landmarks import Detection

Frames = NDArray[np.uint8]


def pairs(prediction: Frames, reference: Frames) -> FramePairs:
    """A batch."""
    return FramePairs(prediction, reference)


def seen_faces(points: NDArray[np.float32]) -> Observed:
    """A video of which only its landmarks [T, 478, 2] are known."""
    return Observed(
        StillFootage(np.zeros((1, 2, 2, 3), np.uint8)), len(points), {"face_mesh": {"points": points}}
    )


def smooth_frames(count: int, side: int = 192, *, seed: int = 0) -> Frames:
    """Random pictures with structure at all scales, [count, side, side, 3]."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, side // 16, side // 16, 3), dtype=np.uint8)
    fine = rng.integers(-30, 31, (count, side, side, 3))
    return np.clip(resize_frames(coarse, (side, side)).astype(int) + fine, 0, 255).astype(np.uint8)


def spoilt(frames: Frames, strength: float, *, seed: int = 1) -> Frames:
    """`frames` with noise of a standard deviation of `strength` levels."""
    noise = np.random.default_rng(seed).normal(0, strength, frames.shape)
    return np.clip(np.rint(frames + noise), 0, 255).astype(np.uint8)


class StillFootage:
    """Held-out frames from an array, as `core.subject.Footage`."""

    clip_id, start, fps = "WDA_X", 150, 25.0

    def __init__(self, pictures: Frames, digest: str = "d0") -> None:
        self.pictures, self.digest, self.served = pictures, digest, 0
        self.size = (pictures.shape[2], pictures.shape[1])

    @property
    def track(self) -> Track:
        raise AssertionError("no metric reads the track")

    def __len__(self) -> int:
        return len(self.pictures)

    def frames(self, size: tuple[int, int] | None = None) -> Iterator[Frames]:
        for picture in self.pictures:
            self.served += 1
            yield picture if size is None else resize_frames(picture[None], size)[0]

    def audio(self, rate: int = 16000) -> NDArray[np.float32]:
        return np.zeros(0, np.float32)


class Ramp(StillFootage):
    """Plain frames [count, side, side, 3] of the levels 0, 1, 2 and so on (or all of one), with a sound that rises."""

    def __init__(self, count: int = 10, side: int = 4, level: int | None = None) -> None:
        levels = np.arange(count) if level is None else np.full(count, level)
        shape = (count, side, side, 3)
        super().__init__(np.broadcast_to(levels.astype(np.uint8)[:, None, None, None], shape).copy())

    def audio(self, rate: int = 16000) -> NDArray[np.float32]:
        return np.linspace(0, 1, round(len(self) * rate / self.fps), dtype=np.float32)


def write_frames(path: Path, frames: Frames, fps: float = 25) -> Path:
    """A lossless video."""
    with VideoWriter(path, fps, (frames.shape[2], frames.shape[1]), lossless=True) as video:
        for frame in frames:
            video.write(frame)
    return path


def corner_face(frame: Frames) -> Detection | None:
    """A stand-in for a detector: a face whose mouth is as wide as the first pixel says; none where it says 0."""
    width = int(frame[0, 0, 0])
    if not width:
        return None
    points = np.zeros((478, 3), np.float32)
    points[:, 0] = np.linspace(-width, width, 478)
    points[33, :2], points[263, :2] = (0, 0), (100, 0)
    return Detection(points, np.full(52, width / 255, np.float32))


class Detector:
    """In place of `FaceMesh.open`: looks with `corner_face`, and counts what it looks at."""

    def __init__(self) -> None:
        self.looked = self.opened = 0

    def find(self, frame: Frames) -> Detection | None:
        self.looked += 1
        return corner_face(frame)

    @contextmanager
    def open(self, feature: FaceMesh, recipe: Recipe) -> Iterator[Maker]:
        self.opened += 1
        yield lambda reel: FaceMeshExtractor(self.find)


def recipe(**changes: object) -> Recipe:
    """The recipe of the demo, changed."""
    return recipes().get("native").model_copy(update=changes)
