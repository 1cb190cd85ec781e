"""Smooth lines, plain areas and a few letters on pictures [H, W, 3] uint8, which are drawn on in place."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

GLYPH = (5, 7)
"""Width and height of a letter at scale 1, pixels; letters are one pixel apart."""

# One number a row from above, the highest bit (16) on the left.
_GLYPHS: dict[str, tuple[int, ...]] = {
    "0": (14, 17, 19, 21, 25, 17, 14), "1": (4, 12, 4, 4, 4, 4, 14), "2": (14, 17, 1, 2, 4, 8, 31),
    "3": (31, 2, 4, 2, 1, 17, 14), "4": (2, 6, 10, 18, 31, 2, 2), "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14), "7": (31, 1, 2, 4, 8, 8, 8), "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12), "A": (14, 17, 17, 31, 17, 17, 17), "C": (14, 17, 16, 16, 16, 17, 14),
    "D": (30, 17, 17, 17, 17, 17, 30), "E": (31, 16, 16, 30, 16, 16, 31), "F": (31, 16, 16, 30, 16, 16, 16),
    "L": (16, 16, 16, 16, 16, 16, 31), "N": (17, 25, 21, 19, 17, 17, 17), "O": (14, 17, 17, 17, 17, 17, 14),
    "R": (30, 17, 17, 30, 20, 18, 17), "S": (15, 16, 16, 14, 1, 1, 30), "U": (17, 17, 17, 17, 17, 17, 14),
    "s": (0, 0, 15, 16, 14, 1, 30), ".": (0, 0, 0, 0, 0, 12, 12), " ": (0, 0, 0, 0, 0, 0, 0),
}  # fmt: skip


def stroke(
    picture: Picture,
    points: ArrayLike,
    colour: Colour,
    *,
    width: float = 1.5,
    opacity: float = 1.0,
    closed: bool = False,
) -> None:
    """Draw a line through points, antialiased; what lies outside the picture is left out.

    Args:
        picture: [H, W, 3] uint8.
        points: [N, 2] x and y in pixels; points that are not finite interrupt the line.
        colour: of the line.
        width: pixels.
        opacity: 0 to 1; where the line meets itself it is not drawn twice.
        closed: join the last point to the first.
    """
    path = np.asarray(points, dtype=np.float64)
    if closed:
        path = np.concatenate([path, path[:1]])
    reach = width / 2 + 1
    seen = path[np.isfinite(path).all(axis=1)]
    if not len(seen):
        return
    x0, y0, x1, y1 = _window(seen, reach, picture)
    if x0 >= x1 or y0 >= y1:
        return
    cover = np.zeros((y1 - y0, x1 - x0), dtype=np.float32)
    for a, b in pairwise(path):
        if not np.isfinite([a, b]).all():
            continue
        left, top, right, bottom = _window(np.stack([a, b]), reach, picture)
        if left < right and top < bottom:
            part = cover[top - y0 : bottom - y0, left - x0 : right - x0]
            np.maximum(part, _coverage(a, b, (left, top, right, bottom), width), out=part)
    _blend(picture[y0:y1, x0:x1], cover * np.float32(opacity), colour)


def write(picture: Picture, corner: tuple[int, int], text: str, colour: Colour, *, scale: int = 1) -> None:
    """Write a line of text with its upper left corner at `corner` (x, y); unknown letters leave a blank."""
    x, y = corner
    for letter in text:
        rows = np.array(_GLYPHS.get(letter, _GLYPHS[" "]))
        bits = (rows[:, None] >> np.arange(GLYPH[0] - 1, -1, -1)) & 1
        mask = np.kron(bits, np.ones((scale, scale), dtype=np.int64)).astype(np.bool_)
        place = picture[max(y, 0) : y + mask.shape[0], max(x, 0) : x + mask.shape[1]]
        place[mask[: place.shape[0], : place.shape[1]]] = colour
        x += (GLYPH[0] + 1) * scale


def text_size(text: str, scale: int = 1) -> tuple[int, int]:
    """Width and height in pixels that `write` takes."""
    return ((GLYPH[0] + 1) * len(text) - 1) * scale, GLYPH[1] * scale


def tint(picture: Picture, alpha: NDArray[np.uint8], colour: Colour, share: float) -> Picture:
    """A copy whose pixels outside `alpha` are mixed with a colour.

    Args:
        picture: [H, W, 3] uint8.
        alpha: [H, W] uint8, 255 keeps the picture.
        colour: to mix in.
        share: of the colour where alpha is 0, 0 to 1.
    """
    mixed = picture.copy()
    outside = 1 - alpha.astype(np.float32) / np.float32(255)
    _blend(mixed, (outside * share).astype(np.float32), colour)
    return mixed


def _window(points: NDArray[np.float64], reach: float, picture: Picture) -> tuple[int, int, int, int]:
    height, width = picture.shape[:2]
    low, high = points.min(axis=0) - reach, points.max(axis=0) + reach
    corners = np.clip([*np.floor(low), *(np.ceil(high) + 1)], 0, [width, height, width, height])
    x0, y0, x1, y1 = corners.astype(int)
    return int(x0), int(y0), int(x1), int(y1)


def _coverage(
    a: NDArray[np.float64], b: NDArray[np.float64], window: tuple[int, int, int, int], width: float
) -> NDArray[np.float32]:
    """How much of each pixel of a window the line from `a` to `b` covers."""
    x0, y0, x1, y1 = window
    x = np.arange(x0, x1) + 0.5 - a[0]
    y = (np.arange(y0, y1) + 0.5 - a[1])[:, None]
    along = b - a
    length = float(along @ along)
    at = np.clip((x * along[0] + y * along[1]) / length, 0, 1) if length > 0 else np.zeros_like(x + y)
    distance = np.hypot(x - at * along[0], y - at * along[1])
    return np.clip(width / 2 + 0.5 - distance, 0, min(width, 1)).astype(np.float32)


def _blend(place: Picture, share: NDArray[np.float32], colour: Colour) -> None:
    mixed = place + share[..., None] * (np.asarray(colour, dtype=np.float32) - place)
    place[:] = np.rint(mixed).astype(np.uint8)
