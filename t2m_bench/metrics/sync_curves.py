"""What both ways of measuring sync keep of a video, and what is read from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.metric import Arrays
from t2m_bench.metrics.syncnet import SHIFTS, WINDOW

SPANS, DISTANCES, SEEN = "spans", "distances", "seen"
"""Names of the arrays: [K, 3] first frame, frames and windows of each track; [sum of windows, 31] float32, one row a
window, track after track, NaN where there is no sound; and `Seen` as [6]."""

_FIELDS = ("frames", "with_face", "longest_shot", "detections", "side", "soundless")


@dataclass
class Seen:
    """What was found on the way, for the reason why there is no number."""

    frames: int = 0
    """Frames that were looked at."""
    with_face: int = 0
    """Of these, with a face."""
    longest_shot: int = 0
    """Frames of the longest stretch without a cut."""
    detections: int = 0
    """Of the longest track (legacy); its frames (strict)."""
    side: float = 0.0
    """Side of the face of the longest track, pixels."""
    soundless: int = 0
    """Tracks for which there is not enough sound."""

    def of_track(self, detections: int, side: float) -> None:
        """Remember the longest track."""
        if detections > self.detections:
            self.detections, self.side = detections, side


@dataclass(frozen=True)
class Track:
    """One face against the sound."""

    first: int
    """Frame."""
    frames: int
    distances: NDArray[np.float32]
    """[W, 31]."""

    @property
    def curve(self) -> NDArray[np.float64]:
        """Mean distance at each shift, [31]."""
        return self.distances.astype(np.float64).mean(axis=0)


def pack(tracks: list[Track], seen: Seen) -> Arrays:
    """As arrays for the store."""
    rows = [track.distances for track in tracks]
    return {
        SPANS: np.array([[t.first, t.frames, len(t.distances)] for t in tracks], np.int64).reshape(-1, 3),
        DISTANCES: np.concatenate(rows) if rows else np.zeros((0, 2 * SHIFTS + 1), np.float32),
        SEEN: np.array([getattr(seen, name) for name in _FIELDS], np.float64),
    }


def unpack(arrays: Arrays) -> tuple[list[Track], Seen]:
    """What `pack` was given."""
    spans = arrays[SPANS]
    rows = np.split(arrays[DISTANCES], np.cumsum(spans[:, 2])[:-1]) if len(spans) else []
    tracks = [Track(int(s[0]), int(s[1]), part) for s, part in zip(spans, rows, strict=True)]
    values = dict(zip(_FIELDS, arrays[SEEN], strict=True))
    side = float(values.pop("side"))
    return tracks, Seen(side=side, **{name: int(value) for name, value in values.items()})


def offset_of(curve: NDArray[np.float64]) -> int:
    """Frames by which the sound is ahead of the picture: 15 minus the place of the least distance."""
    return SHIFTS - int(np.argmin(curve))


def confidence_of(curve: NDArray[np.float64]) -> float:
    """Median minus least of the mean distances."""
    return float(np.median(curve) - curve.min())


def by_frame(tracks: list[Track], columns: list[int], count: int) -> NDArray[np.float64]:
    """Distance at one shift of each track, laid at the middle frame of its windows, [count], NaN elsewhere.

    Where several faces are seen at once it is their mean.
    """
    total, times = np.zeros(count), np.zeros(count)
    for track, column in zip(tracks, columns, strict=True):
        values = track.distances[:, column].astype(np.float64)
        at = track.first + WINDOW // 2 + np.arange(len(values))
        good = np.isfinite(values) & (at < count)
        total[at[good]] += values[good]
        times[at[good]] += 1
    with np.errstate(invalid="ignore"):
        return total / times
