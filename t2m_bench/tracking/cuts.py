"""Where one shot ends and the next begins.

Two kinds of evidence. A hard cut changes the picture and its colours at once and for good. A jump cut (the same camera,
a piece of speech taken out) changes little but the place of the face, which leaps further than a head can move between
two frames. Both must stand out from what goes on around them: fast heads, pans and shaky hands change every
frame. What lasts three frames or fewer (a camera's flash) is no cut, and a blink is too small to be seen at all.
Dissolves and fades are not found.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import ShapeError

SIDE = 48
"""Pictures are compared at this many pixels a side."""
BINS = 8
"""Of the histogram, each of R, G and B."""

PICTURE_CHANGE = 16.0
"""Least mean difference of a hard cut, gray levels; the shakiest filmed clip at hand reaches 14 between frames."""
COLOUR_CHANGE = 0.1
"""Least share of the histogram that a hard cut moves: a jolt of the camera shows the same colours elsewhere."""
HARD_FACTOR = 4.0
"""A hard cut changes the picture that many times more than the frames around it."""
LEAP = 0.11
"""Least leap of the face in widths of its box; talking heads reach 0.07."""
LEAP_FACTOR = 4.0
"""A leap is that many times the motion around it..."""
LEAP_PICTURE_FACTOR = 2.5
"""... and changes the picture that many times as much, or a detector has merely slipped."""
LEAP_PICTURE_CHANGE = 1.0

_REACH = 12  # frames on either side that say what is usual
_LASTS = 3  # frames that a new shot must last


_Seen = tuple[NDArray[np.float32], NDArray[np.float64]]


@dataclass(frozen=True)
class PictureChanges:
    """How much each picture differs from those before it, for good; the first one differs by 0."""

    gray_levels: NDArray[np.float64]
    """[T] mean absolute difference, 0 to 255."""
    colours: NDArray[np.float64]
    """[T] share of the histogram that moved, 0 to 1."""

    def __len__(self) -> int:
        return len(self.gray_levels)


def picture_changes(pictures: Iterable[NDArray[np.uint8]]) -> PictureChanges:
    """Changes from picture to picture, with six of them held at a time.

    The change at t is the least one between any of the three pictures before t and any of the three from t on, so that
    a flash counts for nothing.

    Args:
        pictures: [H, W, 3] uint8 each, small (`SIDE`), all of one size.
    """
    recent: deque[_Seen] = deque(maxlen=2 * _LASTS)
    pairs: list[tuple[float, float]] = []
    count = 0
    for picture in pictures:
        recent.append((picture.astype(np.float32), _histogram(picture)))
        count += 1
        if count >= _LASTS:
            pairs.append(_change(list(recent), len(recent) - _LASTS))
    while len(pairs) < count:  # the last pictures have fewer after them
        left = count - len(pairs)
        pairs.append(_change(list(recent), len(recent) - left))
    table = np.array(pairs, np.float64).reshape(-1, 2)
    return PictureChanges(table[:, 0], table[:, 1])


def _change(seen: list[_Seen], at: int) -> tuple[float, float]:
    """Least difference in gray levels and in colours across the start of `seen[at]`."""
    before, after = seen[max(0, at - _LASTS) : at], seen[at : at + _LASTS]
    if not before:
        return 0.0, 0.0
    levels = min(float(np.abs(b[0] - a[0]).mean()) for b in before for a in after)
    colours = min(float(np.abs(b[1] - a[1]).sum() / 2) for b in before for a in after)
    return levels, colours


def _histogram(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Shares of the pixels, [3 * BINS], that sum to 1."""
    bins = picture.reshape(-1, 3) // (256 // BINS) + np.arange(3) * BINS
    return np.bincount(bins.ravel(), minlength=3 * BINS) / max(1, bins.size)


def find_cuts(
    changes: PictureChanges,
    box: NDArray[np.float32] | None = None,  # [T, 4]
    valid: NDArray[np.bool_] | None = None,  # [T]
) -> list[int]:
    """Frames that begin a new shot.

    Args:
        changes: of all T pictures.
        box: face box x0, y0, x1, y1 in pixels of each frame, or None: jump cuts are then not looked for.
        valid: whether the face was found; None for everywhere.

    Returns:
        Frame numbers, rising, each from 1 to T - 1.

    Raises:
        ShapeError: `box` or `valid` is not of T frames.
    """
    frames = len(changes)
    levels = changes.gray_levels
    usual = _around(levels)
    cut = (
        (levels >= PICTURE_CHANGE)
        & (changes.colours >= COLOUR_CHANGE)
        & (levels >= HARD_FACTOR * np.maximum(usual, 1))
    )
    if box is not None:
        valid = np.ones(frames, np.bool_) if valid is None else valid
        if box.shape != (frames, 4) or valid.shape != (frames,):
            raise ShapeError(
                f"box and valid must be [{frames}, 4] and [{frames}], got {box.shape}, {valid.shape}"
            )
        leaps = face_leaps(box, valid)
        cut |= (
            (leaps >= LEAP)
            & (leaps >= LEAP_FACTOR * _around(leaps))
            & (levels >= np.maximum(LEAP_PICTURE_CHANGE, LEAP_PICTURE_FACTOR * usual))
        )
    return _one_each(np.flatnonzero(cut), levels)


def face_leaps(box: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """[T] how far the face leaps, for good, before each frame: in widths of its box, growth counted alike."""
    sides = np.maximum(box[:, 2:] - box[:, :2], 1e-3).astype(np.float64)
    width = float(np.median(sides[:, 0][valid])) if valid.any() else 1.0
    place = np.concatenate([(box[:, :2] + box[:, 2:]) / (2 * width), np.log(sides)], axis=1)
    leaps = np.zeros(len(box))
    for at in range(1, len(box)):
        before = place[max(0, at - _LASTS) : at][valid[max(0, at - _LASTS) : at]]
        after = place[at : at + _LASTS][valid[at : at + _LASTS]]
        if len(before) and len(after):
            leaps[at] = np.linalg.norm(before[:, None] - after[None], axis=-1).min()
    return leaps


def _around(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[T] the median of the values within `_REACH` frames, those next to each frame and itself left out."""
    result = np.zeros(len(values))
    for at in range(len(values)):
        near = np.concatenate(
            [values[max(1, at - _REACH) : max(1, at - 1)], values[at + 2 : at + 1 + _REACH]]
        )
        result[at] = np.median(near) if len(near) else 0.0
    return result


def _one_each(found: NDArray[np.intp], levels: NDArray[np.float64]) -> list[int]:
    """Of frames next to each other the one with the largest change."""
    cuts: list[int] = []
    for at in map(int, found):
        if cuts and at - cuts[-1] < _LASTS:
            cuts[-1] = max(cuts[-1], at, key=lambda frame: (levels[frame], -frame))
        else:
            cuts.append(at)
    return cuts
