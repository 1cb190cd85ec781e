"""`sharpness@ratio`: whether fine detail is there; and the feature `detail`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import MetricError
from t2m_bench.core.metric import Arrays, Maker, Measured, Observed
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.infos import SHARPNESS

DETAIL_VERSION = 1
"""Raised when the same frame would give another number."""


def laplacian_variance(frame: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of the luma of a frame [H, W, 3] uint8 RGB, on [0, 255], without the outermost pixels.

    Luma is 0.299 R + 0.587 G + 0.114 B; the Laplacian is the sum of a pixel's four neighbours less four times itself.

    Raises:
        MetricError: a side is under 3 pixels.
    """
    if min(frame.shape[:2]) < 3:
        raise MetricError(
            f"Sharpness needs sides of at least 3 pixels, these are {frame.shape[1]}x{frame.shape[0]}"
        )
    luma = frame @ np.array([0.299, 0.587, 0.114], np.float32)  # [H, W]
    edges = luma[:-2, 1:-1] + luma[2:, 1:-1]
    edges += luma[1:-1, :-2]
    edges += luma[1:-1, 2:]
    edges -= 4 * luma[1:-1, 1:-1]
    return float(edges.var(dtype=np.float64))


class Detail:
    """Variance of the Laplacian of each frame, at the size that is scored."""

    name = "detail"
    assets: tuple[str, ...] = ()

    def key(self, recipe: Recipe) -> Mapping[str, Any]:
        """This module's version."""
        return {"version": DETAIL_VERSION}

    @contextmanager
    def open(self, recipe: Recipe) -> Iterator[Maker]:
        """Nothing has to be loaded."""
        yield lambda reel: _DetailExtractor()


class _DetailExtractor:
    def __init__(self) -> None:
        self._found: list[float] = []

    def add(self, frames: NDArray[np.uint8]) -> None:
        """Look at frames [B, H, W, 3].

        Raises:
            MetricError: a side is under 3 pixels.
        """
        self._found += [laplacian_variance(frame) for frame in frames]

    def finish(self) -> Arrays:
        """`variance` [T], grey levels squared."""
        return {"variance": np.array(self._found, np.float64)}


class SharpnessRatio:
    """`sharpness@ratio`."""

    info = SHARPNESS

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Mean of the prediction's frames over that of the reference's.

        Raises:
            MetricError: no frames, or a reference without any detail.
        """
        assert reference is not None, "this compares with a reference"
        made, real = (side.features[Detail.name]["variance"] for side in (prediction, reference))
        if not len(made) or not len(real) or not real.mean() > 0:
            raise MetricError("The real frames show no detail that could be compared with")
        return Measured(
            float(made.mean() / real.mean()),
            frames=len(made),
            facts={"variance": float(made.mean()), "variance_reference": float(real.mean())},
        )
