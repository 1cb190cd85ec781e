"""How loud a sound is, how much of it is silence, and how much of it is clipped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import ShapeError

SILENCE_DBFS = -50.0
"""A window below this level counts as silence: room tone of a quiet recording is at -55 to -70."""
WINDOW_SECONDS = 0.02
FULL_SCALE = 0.985
"""Samples at or beyond this are at the top of what can be stored; codecs round a little below 1."""
SHORTEST_CLIP = 3
"""That many samples in a row at full scale are a cut-off wave; one or two may be an honest peak."""
FLOOR_DBFS = -120.0
"""Level given for digital silence."""


@dataclass(frozen=True)
class Loudness:
    """Levels of one sound."""

    seconds: float
    """Length."""
    rms_dbfs: float
    """Root mean square level, dB below full scale; -120 for digital silence."""
    peak_dbfs: float
    """Largest sample, dB below full scale."""
    silent_share: float
    """Share of 20 ms windows below -50 dBFS, 0 to 1."""
    clipped_share: float
    """Share of samples in runs of three or more at full scale, 0 to 1."""


def measure_loudness(samples: NDArray[np.float32], rate: int) -> Loudness:
    """Levels of a mono sound.

    Args:
        samples: [S] in [-1, 1], best at the rate it is stored with: resampling rounds clipped tops off.
        rate: samples a second.

    Returns:
        The levels; an empty sound counts as silence.

    Raises:
        ShapeError: not one-dimensional, or not finite.
    """
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise ShapeError(f"samples must be finite [S], got {list(samples.shape)}")
    if not len(samples):
        return Loudness(0.0, FLOOR_DBFS, FLOOR_DBFS, 1.0, 0.0)
    squares = samples.astype(np.float64) ** 2
    width = max(1, round(rate * WINDOW_SECONDS))
    starts = np.arange(0, len(squares), width)
    levels = np.add.reduceat(squares, starts) / np.diff(np.append(starts, len(squares)))
    return Loudness(
        seconds=len(samples) / rate,
        rms_dbfs=_decibel(float(squares.mean())),
        peak_dbfs=_decibel(float(squares.max())),
        silent_share=float((levels < 10 ** (SILENCE_DBFS / 10)).mean()),
        clipped_share=_clipped(samples) / len(samples),
    )


def _decibel(power: float) -> float:
    return float(max(FLOOR_DBFS, 10 * np.log10(max(power, 1e-30))))


def _clipped(samples: NDArray[np.float32]) -> int:
    """Number of samples in long enough runs at either end of the scale."""
    total = 0
    for full in (samples >= FULL_SCALE, samples <= -FULL_SCALE):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], full, [False]]).astype(np.int8)))
        runs = edges.reshape(-1, 2)
        lengths = runs[:, 1] - runs[:, 0]
        total += int(lengths[lengths >= SHORTEST_CLIP].sum())
    return total
