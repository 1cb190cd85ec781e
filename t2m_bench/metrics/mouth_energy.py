"""`mouth_energy@corr`: whether the mouth is open when the voice is loud; and the feature `sound_level`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import MetricError
from t2m_bench.core.metric import Arrays, Maker, Measured, Observed, Reel
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.heads import face_points, frame_rate, frontal_faces, scored_size
from t2m_bench.metrics.infos import MOUTH_ENERGY
from t2m_bench.metrics.landmarks import OUTER_EYE_CORNERS

LEVEL_VERSION = 1
"""Raised when the same sound would give other levels."""
RATE = 16000
RANGE_DB = 30.0
"""Sound that lies further below the loud parts of a clip counts as silence."""
LOUD_PERCENTILE = 95.0
"""Of the levels of a clip: how loud its loud parts are."""
SMOOTHING_SECONDS = 0.08
"""Standard deviation of the Gaussian over time: sounds change faster than lips, syllables do not."""
LEAST_FRAMES = 50
"""With a face and sound, below which no correlation is given."""
FARTHEST = 5
"""Frames by which mouth and sound are shifted to look for a better match."""
MIDDLES = (13, 14)
"""Inner edge of the upper and of the lower lip."""

Array = NDArray[np.float64]


class SoundLevel:
    """Level of the sound while each frame is shown."""

    name = "sound_level"
    assets: tuple[str, ...] = ()

    def key(self, recipe: Recipe) -> Mapping[str, Any]:
        """This module's version, and the rate that is taken where the video states none."""
        return {"version": LEVEL_VERSION, "fps": recipe.fps}

    @contextmanager
    def open(self, recipe: Recipe) -> Iterator[Maker]:
        """Nothing has to be loaded."""
        yield lambda reel: _LevelExtractor(reel, recipe.fps)


class _LevelExtractor:
    """Counts the frames, then listens.

    Args:
        reel: what is heard.
        fps: frames per second where the reel does not say.
    """

    def __init__(self, reel: Reel, fps: float) -> None:
        self._samples = reel.audio(RATE)
        self._fps = reel.fps or fps
        self._count = 0

    def add(self, frames: NDArray[np.uint8]) -> None:
        """See frames [B, H, W, 3]."""
        self._count += len(frames)

    def finish(self) -> Arrays:
        """`level` [T]: see `frame_levels`."""
        return {"level": frame_levels(self._samples, self._count, self._fps, RATE)}


def frame_levels(samples: NDArray[np.floating], frames: int, fps: float, rate: int) -> Array:
    """Mean square of the sound while each frame is shown, in decibels: [frames].

    A frame is shown from t / fps to (t + 1) / fps. It is -inf where all is zero, and NaN where the sound has ended.

    Args:
        samples: in [-1, 1], [S].
        frames: how many there are.
        fps: frames per second.
        rate: samples per second.
    """
    edges = np.rint(np.arange(frames + 1) * rate / fps).astype(np.int64)
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    heard = edges[1:] <= len(samples)
    start, stop = (np.minimum(edge, len(samples)) for edge in (edges[:-1], edges[1:]))
    # Sums of a few hundred squares out of a long running sum: rounding may leave a trace below zero.
    mean = np.maximum(energy[stop] - energy[start], 0) / np.maximum(stop - start, 1)
    with np.errstate(divide="ignore"):
        levels = 10 * np.log10(mean)
    return np.where(heard, levels, np.nan)


def loudness(levels: Array) -> Array:
    """Levels [T] in decibels, at least 30 dB below the loud parts of the clip; NaN where there is none.

    Raises:
        MetricError: the sound is silent all along.
    """
    heard = levels[~np.isnan(levels)]
    loud = float(np.percentile(heard, LOUD_PERCENTILE, method="nearest")) if len(heard) else -np.inf
    if not np.isfinite(loud):
        raise MetricError("The sound is silent")
    return np.maximum(levels, loud - RANGE_DB)


def lip_openings(faces: Array) -> Array:
    """Distance of the inner lips in their middle over that of the outer eye corners, [T], of faces [T, 478, 3]."""
    upper, lower = (faces[:, index] for index in MIDDLES)
    right, left = (faces[:, index] for index in OUTER_EYE_CORNERS)
    opening: Array = np.linalg.norm(upper - lower, axis=-1) / np.linalg.norm(right - left, axis=-1)
    return opening


def smoothed(values: Array, frames: float) -> Array:
    """Mean of the neighbours under a Gaussian with a standard deviation of `frames`, [T].

    What is NaN gives nothing to its neighbours and stays NaN; at the ends there are fewer neighbours.
    """
    reach = int(np.ceil(4 * frames))
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / frames) ** 2)
    known = np.isfinite(values)
    total = np.convolve(np.where(known, values, 0.0), window)[reach : reach + len(values)]
    weight = np.convolve(known.astype(np.float64), window)[reach : reach + len(values)]
    return np.where(known, total / np.where(known, weight, 1.0), np.nan)


def correlation(a: Array, b: Array) -> float:
    """Pearson's, over the places where both are numbers; 0 where one of them does not vary, NaN under two places."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 2:
        return float("nan")
    x, y = a[both] - a[both].mean(), b[both] - b[both].mean()
    if any(np.ptp(part) <= 1e-9 * np.abs(whole[both]).max() for part, whole in ((x, a), (y, b))):
        return 0.0  # what varies is rounding
    return float((x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()))


def shifted_correlation(opening: Array, level: Array, shift: int) -> float:
    """`correlation` of the mouth with the sound of `shift` frames before: positive where the mouth is late."""
    if shift >= 0:
        return correlation(opening[shift:], level[: len(level) - shift])
    return correlation(opening[:shift], level[-shift:])


class MouthEnergy:
    """`mouth_energy@corr`."""

    info = MOUTH_ENERGY

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Correlation as it is; facts hold the best one within 5 frames either way, and its shift.

        Raises:
            MetricError: fewer than 50 frames with a face and sound, or silence.
        """
        faces = frontal_faces(
            face_points(prediction, "frames of the prediction"), scored_size(prediction, reference, recipe)
        )
        opening = lip_openings(faces)
        level = loudness(prediction.features[SoundLevel.name]["level"])
        count = int((np.isfinite(opening) & np.isfinite(level)).sum())
        if count < LEAST_FRAMES:
            raise MetricError(
                f"The correlation of mouth and sound needs at least {LEAST_FRAMES} frames with a face and sound, "
                f"there are {count}"
            )
        if not np.ptp(level[np.isfinite(level)]) > 0:
            raise MetricError("The sound is equally loud all along")
        sigma = SMOOTHING_SECONDS * frame_rate(prediction, recipe)
        opening, level = smoothed(opening, sigma), smoothed(level, sigma)
        found = {
            shift: shifted_correlation(opening, level, shift) for shift in range(-FARTHEST, FARTHEST + 1)
        }
        best = max(found, key=lambda shift: (found[shift], -abs(shift)))
        return Measured(found[0], frames=count, facts={"best": found[best], "best_shift_frames": best})
