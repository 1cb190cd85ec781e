"""How eyes open and close: `ear@err` and `blink_rate@diff`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import MetricError
from t2m_bench.core.metric import Measured, Observed
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.heads import both_faces, eye_openings, frame_rate, scored_size
from t2m_bench.metrics.infos import BLINK_RATE, EAR_ERROR
from t2m_bench.metrics.landmarks import of_frames

OPEN_PERCENTILE = 75.0
"""Of the openings of a clip: how far its eyes are open when they are."""
CLOSED_BELOW, OPEN_ABOVE = 0.6, 0.7
"""Parts of the open level: an eye below the first is shut, and stays so until it is above the second."""
LONGEST_BLINK = 0.6
"""Seconds; eyes that are shut for longer are at rest, which is no blink."""
LEAST_SECONDS = 5.0
"""With a face, below which no rate is given."""

Array = NDArray[np.float64]


class EarError:
    """`ear@err`."""

    info = EAR_ERROR

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Mean of both eyes a frame, NaN where either video shows no face.

        Raises:
            MetricError: no frame shows a face in both.
        """
        made, real = _openings(prediction, reference, recipe)
        return of_frames(np.abs(made - real).mean(axis=1))


@dataclass(frozen=True)
class Blinks:
    """What was counted in one video."""

    frames: tuple[tuple[int, int], ...]
    """First frame and end (exclusive) of each blink."""
    rests: int
    """Times that the eyes were shut for longer than a blink, or shut at an end of the clip or beside a gap."""
    seconds: float
    """Time with a face."""
    open_level: float
    """Opening of the open eyes, as an eye aspect ratio."""

    @property
    def per_minute(self) -> float:
        """Blinks a minute."""
        return 60 * len(self.frames) / self.seconds


def count_blinks(openings: Array, fps: float) -> Blinks:
    """Count how often the eyes shut and open again.

    An eye's open level is the 75th percentile of its own openings, so that neither a narrow eye nor a detector's
    habit matters. Each eye is divided by its level, then both are averaged. The eyes are shut from where that falls
    below 0.6 until it rises above 0.7, and this is a blink if it takes 0.6 s at most and both ends are seen.

    Args:
        openings: eye aspect ratio of both eyes, [T, 2], NaN where no face was found.
        fps: frames per second.

    Raises:
        MetricError: less than 5 s with a face, or eyes that have no width.
    """
    good = np.asarray(np.isfinite(openings).all(axis=1))
    seconds = float(good.sum() / fps)
    if seconds < LEAST_SECONDS:
        raise MetricError(
            f"A blink rate needs at least {LEAST_SECONDS:g} s with a face, there are {seconds:.2f} s"
        )
    levels = np.percentile(openings[good], OPEN_PERCENTILE, axis=0)
    if not (levels > 0).all():
        raise MetricError("The eyes are never open")
    relative = (openings / levels).mean(axis=1)
    blinks, rests = [], 0
    start: int | None = None  # of the closure at hand
    whole = False  # whether its start was seen
    for frame, value in enumerate(relative):
        if start is None and value < CLOSED_BELOW:
            start, whole = frame, frame > 0 and bool(good[frame - 1])
        elif start is not None and not value <= OPEN_ABOVE:  # open again, or lost
            if whole and good[frame] and frame - start <= LONGEST_BLINK * fps:
                blinks.append((start, frame))
            else:
                rests += 1
            start = None
    return Blinks(tuple(blinks), rests + (start is not None), seconds, float(levels.mean()))


class BlinkRateDifference:
    """`blink_rate@diff`."""

    info = BLINK_RATE

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Blinks a minute that are too many or too few.

        Raises:
            MetricError: less than 5 s with a face in one of the videos.
        """
        made, real = _openings(prediction, reference, recipe)
        own = count_blinks(made, frame_rate(prediction, recipe))
        assert reference is not None, "this compares with a reference"
        wanted = count_blinks(real, frame_rate(reference, recipe))
        return Measured(
            abs(own.per_minute - wanted.per_minute),
            frames=int(np.isfinite(made[:, 0]).sum()),
            facts={
                "blinks": len(own.frames),
                "blinks_reference": len(wanted.frames),
                "per_minute": own.per_minute,
                "per_minute_reference": wanted.per_minute,
                "long_closures": own.rests,
                "long_closures_reference": wanted.rests,
            },
        )


def _openings(prediction: Observed, reference: Observed | None, recipe: Recipe) -> tuple[Array, Array]:
    size = scored_size(prediction, reference, recipe)
    made, real = both_faces(prediction, reference)
    return eye_openings(made, size), eye_openings(real, size)
