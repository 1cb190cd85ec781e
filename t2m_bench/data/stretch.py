"""Which part of a clip may be used: the one rule about cuts and about more than one face.

The rule. What may be used is the longest stretch of at least 2 s that has no cut and exactly one followed face:
- a second face counts when its box has at least a quarter of the area of the main face's, and only when such a face is
  there in more than 5 % of the frames (a person who passes behind, or one false detection, does not matter);
- a face that is lost for more than 0.4 s ends the stretch; a shorter loss is bridged.
A clip whose longest such stretch is the whole clip passes. Any other clip is refused in scoring, and the check names
the stretch to cut to, as `start` and `end` of a manifest row. Nothing is ever trimmed silently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import ShapeError

SECOND_FACE_AREA = 0.25
"""Least area of a second face that counts, as a share of the main face's."""
SECOND_FACE_SHARE = 0.05
"""It must be there in more than this share of the frames."""
LONGEST_LOSS_SECONDS = 0.4
MIN_SECONDS = 2.0
_MARGIN = 1  # frames left out beside each break: the last picture of a shot is often a mixture


@dataclass(frozen=True)
class Stretch:
    """Frames `start` to `stop` (exclusive) of a clip."""

    start: int
    stop: int
    start_seconds: float
    """When frame `start` is shown, after the first frame of the file."""
    end_seconds: float
    """When the last frame of the stretch ends."""
    whole: bool
    """True when it is the whole clip."""

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.end_seconds - self.start_seconds


def usable_stretch(
    times: NDArray[np.float64],
    *,
    cuts: Sequence[int] = (),
    second_face: NDArray[np.bool_] | None = None,
    lost: NDArray[np.bool_] | None = None,
) -> Stretch | None:
    """The longest part of a clip that may be used, by the rule above.

    Args:
        times: [T] when each frame is shown, seconds, rising.
        cuts: frames that begin a new shot.
        second_face: [T] where a second face of counting size is there; None for nowhere.
        lost: [T] where no face is seen; None for nowhere.

    Returns:
        The stretch, the earlier one of two equally long; None where none lasts 2 s.

    Raises:
        ShapeError: arrays of other lengths.
    """
    frames = len(times)
    for name, flags in (("second_face", second_face), ("lost", lost)):
        if flags is not None and flags.shape != (frames,):
            raise ShapeError(f"{name} must be [{frames}], got {list(flags.shape)}")
    if frames == 0:
        return None
    ends = frame_ends(times)
    bad = np.zeros(frames, np.bool_)
    if second_face is not None and second_face.mean() > SECOND_FACE_SHARE:
        bad |= second_face
    if lost is not None:
        for start, stop in runs(lost):
            if ends[stop - 1] - times[start] > LONGEST_LOSS_SECONDS:
                bad[start:stop] = True
    pieces = [
        piece for part in runs(~bad) for piece in _split(part, [cut for cut in cuts if 0 < cut < frames])
    ]
    best: Stretch | None = None
    for start, stop in pieces:
        first = start + _MARGIN if start else start
        last = stop - _MARGIN if stop < frames else stop
        if last <= first:
            continue
        found = Stretch(
            first,
            last,
            float(times[first] - times[0]),
            float(ends[last - 1] - times[0]),
            (first, last) == (0, frames),
        )
        if best is None or found.seconds > best.seconds + 1e-6:
            best = found
    if best is None or best.seconds < MIN_SECONDS - 1e-6:
        return None
    return best


def frame_ends(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """[T] when each frame is replaced by the next one; the last one stays for as long as the one before it."""
    return np.append(times[1:], times[-1] + (float(times[-1] - times[-2]) if len(times) > 1 else 0.04))


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and end (exclusive) of every run of True in [T]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _split(part: tuple[int, int], cuts: Sequence[int]) -> list[tuple[int, int]]:
    edges = [part[0], *sorted(cut for cut in set(cuts) if part[0] < cut < part[1]), part[1]]
    return list(pairwise(edges))
