"""The means behind SSIM, as a compiled loop over rows.

The five filtered planes that SSIM needs are never held: a row of each is filtered along x into a ring of eleven rows,
and the ring is filtered along y to give one row of the index at a time.
"""

from __future__ import annotations

from typing import TypeAlias

import numba
import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]

WINDOW = 11
_EDGE = WINDOW // 2
_SIGMA = 1.5
_C1, _C2 = np.float32(0.01**2), np.float32(0.03**2)
_weights = np.exp(-0.5 * (np.arange(WINDOW) - WINDOW // 2) ** 2 / _SIGMA**2)
GAUSSIAN = (_weights / _weights.sum()).astype(np.float32)
_MOMENTS = 5  # x, y, x^2, y^2, x y

# Reassociation lets sums of a row be vectorised; their order is fixed all the same.
_compiled = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})


@_compiled
def similarity(x: Floats, y: Floats, gaussian: Floats) -> tuple[float, float, float]:
    """Means of the SSIM index and of its contrast-structure term of two planes.

    Args:
        x: `[H, W]` on [0, 1], sides of at least 11.
        y: as `x`.
        gaussian: the window's weights along one side, `[11]`.

    Returns:
        Mean index over the windows that lie within the planes; the same with the planes mirrored beyond their edges,
        one window a pixel; mean contrast-structure term over the windows that lie within.
    """
    height, width = x.shape
    ring = np.empty((WINDOW, _MOMENTS, width), np.float32)
    lines = np.empty((_MOMENTS, width + 2 * _EDGE), np.float32)
    moments = np.empty((_MOMENTS, width), np.float32)
    inside, everywhere, contrast = 0.0, 0.0, 0.0
    for step in range(height + 2 * _EDGE):
        source = abs(step - _EDGE)
        source = source if source < height else 2 * height - 2 - source
        for i in range(width + 2 * _EDGE):
            column = abs(i - _EDGE)
            column = column if column < width else 2 * width - 2 - column
            a, b = x[source, column], y[source, column]
            lines[0, i], lines[1, i], lines[2, i], lines[3, i], lines[4, i] = a, b, a * a, b * b, a * b
        for m in range(_MOMENTS):
            _filter(lines[m], gaussian, ring[step % WINDOW, m])
        if step < WINDOW - 1:
            continue
        moments[:] = np.float32(0.0)
        for k in range(WINDOW):
            row, weight = ring[(step + 1 + k) % WINDOW], gaussian[k]
            for m in range(_MOMENTS):
                for i in range(width):
                    moments[m, i] += weight * row[m, i]
        middle, part = _row_sums(moments, _EDGE, width - _EDGE)
        left, _ = _row_sums(moments, 0, _EDGE)
        right, _ = _row_sums(moments, width - _EDGE, width)
        everywhere += left + middle + right
        if WINDOW - 1 + _EDGE <= step < height + _EDGE:
            inside += middle
            contrast += part
    count = (width - 2 * _EDGE) * (height - 2 * _EDGE)
    return inside / count, everywhere / (width * height), contrast / count


@_compiled
def _filter(line: Floats, gaussian: Floats, out: Floats) -> None:
    """Weighted sums of eleven neighbours."""
    w0, w1, w2, w3, w4, w5 = gaussian[0], gaussian[1], gaussian[2], gaussian[3], gaussian[4], gaussian[5]
    for i in range(out.shape[0]):
        out[i] = (
            w0 * (line[i] + line[i + 10])
            + w1 * (line[i + 1] + line[i + 9])
            + w2 * (line[i + 2] + line[i + 8])
            + w3 * (line[i + 3] + line[i + 7])
            + w4 * (line[i + 4] + line[i + 6])
            + w5 * line[i + 5]
        )


@_compiled
def _row_sums(moments: Floats, begin: int, end: int) -> tuple[float, float]:
    """Sums of the index and of its contrast-structure term over a part of a row."""
    index, contrast = np.float32(0.0), np.float32(0.0)
    for i in range(begin, end):
        mx, my = moments[0, i], moments[1, i]
        vx, vy = moments[2, i] - mx * mx, moments[3, i] - my * my
        vx = vx if vx > np.float32(0.0) else np.float32(0.0)
        vy = vy if vy > np.float32(0.0) else np.float32(0.0)
        term = (np.float32(2.0) * (moments[4, i] - mx * my) + _C2) / (vx + vy + _C2)
        contrast += term
        index += term * (np.float32(2.0) * mx * my + _C1) / (mx * mx + my * my + _C1)
    return float(index), float(contrast)


@_compiled
def halve(plane: Floats) -> Floats:
    """Means of 2 x 2 pixels; a last odd row or column is left out."""
    height, width = plane.shape[0] // 2, plane.shape[1] // 2
    out = np.empty((height, width), np.float32)
    for row in range(height):
        for i in range(width):
            top = plane[2 * row, 2 * i] + plane[2 * row, 2 * i + 1]
            bottom = plane[2 * row + 1, 2 * i] + plane[2 * row + 1, 2 * i + 1]
            out[row, i] = np.float32(0.25) * (top + bottom)
    return out


@_compiled
def scales(x: Floats, y: Floats, gaussian: Floats, count: int) -> NDArray[np.float64]:
    """The three means of `similarity` at `count` scales, each half as large, `[count, 3]`."""
    out = np.empty((count, 3), np.float64)
    for level in range(count):
        if level:
            x, y = halve(x), halve(y)
        out[level, 0], out[level, 1], out[level, 2] = similarity(x, y, gaussian)
    return out
