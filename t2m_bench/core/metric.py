"""`Metric`: what a number is, and the batch of frame pairs it is computed from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.recipe import Recipe

Direction = Literal["higher", "lower"]
LandmarkFinder = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Frames [B, H, W, 3] uint8 to landmarks [B, 478, 2] float32 in pixels, NaN where no face was found."""


@dataclass(frozen=True)
class FramePairs:
    """A batch of predicted frames and the real frames they stand for, equal in size.

    Landmarks are found on first use and shared by all metrics of the batch.
    """

    prediction: NDArray[np.uint8]
    """[B, H, W, 3] RGB."""
    reference: NDArray[np.uint8]
    """[B, H, W, 3] RGB."""
    find: LandmarkFinder

    @cached_property
    def prediction_landmarks(self) -> NDArray[np.float32]:
        """[B, 478, 2] pixels, NaN where no face was found."""
        return self.find(self.prediction)

    @cached_property
    def reference_landmarks(self) -> NDArray[np.float32]:
        """[B, 478, 2] pixels, NaN where no face was found."""
        return self.find(self.reference)


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
    assets: tuple[str, ...] = ()
    """Model files it cannot do without."""
    source: str = ""
    """Paper or code that defines it."""


class Metric(Protocol):
    """Per-frame metric: a pure function of a batch of pairs under a recipe."""

    info: MetricInfo

    def measure(self, pairs: FramePairs, recipe: Recipe) -> NDArray[np.float64]:
        """One value a pair, [B]; NaN where it cannot be measured (no face, say), which is counted, not hidden."""
        ...
