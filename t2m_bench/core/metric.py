"""`Metric`: what a number is, what it is computed from, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.recipe import Recipe

Direction = Literal["higher", "lower", "none"]
"""Which way is better; `none` where a number only describes."""
Arrays = Mapping[str, NDArray[Any]]

_ROUNDING = 1e-6


def is_better(value: float, than: float, direction: str | None) -> bool:
    """Whether a value is better by more than rounding; never where no way is better."""
    margin = _ROUNDING * max(1.0, abs(than))
    if direction == "higher":
        return value > than + margin
    return direction == "lower" and value < than - margin


class Reel(Protocol):
    """Moving pictures with their sound, as metrics see them; `core.subject.Footage` is one."""

    @property
    def digest(self) -> str:
        """Hash of everything that decides the frames and the sound."""
        ...

    @property
    def fps(self) -> float: ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        ...

    def frames(self, size: tuple[int, int] | None = None) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames [H, W, 3] uint8 RGB, resized to `size` (width, height)."""
        ...

    def audio(self, rate: int = 16000) -> NDArray[np.float32]:
        """The sound, [S] float32 in [-1, 1].

        Raises:
            AudioMissing: there is none.
        """
        ...


class Extractor(Protocol):
    """Takes the frames of one reel in order and gives what a feature is."""

    def add(self, frames: NDArray[np.uint8]) -> None:
        """The next frames, [B, H, W, 3] at the size that is scored."""
        ...

    def finish(self) -> Arrays:
        """The feature of all frames so far, as named arrays; their first axis is usually the frame."""
        ...


class FrameExtractor(Extractor, Protocol):
    """One that knows of each frame as soon as it has seen it, so that frame metrics may ask for its feature."""

    def part(self, start: int, stop: int) -> Arrays:
        """The feature of frames `start` to `stop` (exclusive), as `finish` will give it."""
        ...


Maker = Callable[[Reel], Extractor]
"""Starts the extractor of one reel; several may be at work at once and share what was loaded."""


class Feature(Protocol):
    """Something computed once for each video and shared by metrics: detections, landmarks, embeddings."""

    name: str
    assets: tuple[str, ...]
    """Model files it cannot do without."""

    def key(self, recipe: Recipe) -> Mapping[str, Any]:
        """Everything beside the reel and the size that decides the arrays: settings, hashes, versions."""
        ...

    def open(self, recipe: Recipe) -> AbstractContextManager[Maker]:
        """Load what is needed.

        Raises:
            AssetError, AssetMissing, DependencyError: it cannot be computed here.
        """
        ...


@dataclass(frozen=True)
class FramePairs:
    """A batch of predicted frames and the real frames they stand for, equal in size."""

    prediction: NDArray[np.uint8]
    """[B, H, W, 3] RGB."""
    reference: NDArray[np.uint8]
    """[B, H, W, 3] RGB."""
    features: Mapping[str, Arrays] = field(default_factory=dict)
    """Features of these reference frames that the metric asks for, by name; first axes are B."""


@dataclass(frozen=True)
class Observed:
    """One reel after it was walked through."""

    reel: Reel
    frames: int
    """How many were seen."""
    features: Mapping[str, Arrays]
    """By name of the feature."""


@dataclass(frozen=True)
class Measured:
    """What a metric of a whole video found."""

    value: float
    per_frame: NDArray[np.float64] | None = None
    """[T], NaN where it could not be measured; None for a number of the whole video."""
    frames: int | None = None
    """How many frames the value rests on; counted from `per_frame` if None."""
    facts: Mapping[str, float] = field(default_factory=dict)
    """What else a reader of the number should know, by name."""


@dataclass(frozen=True)
class MetricInfo:
    """What a metric's number means."""

    id: str
    """With its variant: `lmd@mouth.px`."""
    title: str
    """Column head: `LMD`."""
    direction: Direction
    """Which way is better."""
    unit: str
    """`dB`, `px`, `%`, or empty for a plain number."""
    summary: str
    """One sentence with the definition."""
    digits: int = 3
    """Decimals in a table."""
    features: tuple[str, ...] = ()
    """Features of both videos it is computed from; a metric of frame pairs is shown those of the reference."""
    assets: tuple[str, ...] = ()
    """Model files it cannot do without, those of its features included."""
    extra: str = ""
    """Optional part of the package that it needs, as `sync`."""
    needs_reference: bool = True
    """False where the prediction alone is measured."""
    needs_sound: bool = False
    """True where it hears the sound."""
    source: str = ""
    """Paper or code that defines it."""


class FrameMetric(Protocol):
    """A pure function of pairs of frames under a recipe."""

    info: MetricInfo

    def measure(self, pairs: FramePairs, recipe: Recipe) -> NDArray[np.float64]:
        """One value a pair, [B]; NaN where it cannot be measured, which is counted, not hidden."""
        ...


Measure = Callable[[FramePairs], NDArray[np.float64]]
"""What a frame metric does under one recipe."""


class LoadedMetric(FrameMetric, Protocol):
    """A frame metric that must load something first; `measure` does so at every call, a walk only once."""

    def open(self, recipe: Recipe) -> AbstractContextManager[Measure]:
        """Load what is needed.

        Raises:
            AssetError, AssetMissing, DependencyError: it cannot be computed here.
        """
        ...


class ClipMetric(Protocol):
    """A pure function of the features of a prediction and, unless it needs none, of its reference."""

    info: MetricInfo

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """The number of one video.

        Raises:
            MetricError: it cannot be computed on this video; the text is the reason that is recorded.
        """
        ...


class PooledMetric(ClipMetric, Protocol):
    """A clip metric that is also defined over many videos at once, as a distance of distributions is."""

    def pool(self, predictions: list[Observed], references: list[Observed], recipe: Recipe) -> Measured:
        """The number of all frames of all videos together.

        Raises:
            MetricError: it cannot be computed on these.
        """
        ...


Metric = FrameMetric | ClipMetric
