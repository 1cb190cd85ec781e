"""Which splats meet which tile of the image, front to back, and which pixels of a tile a splat covers.

A tile is 64 x 16 pixels. That is wider than the 16 x 16 of GPU rasterisers: a CPU thread walks a tile alone, so a tile
may be as large as the first-level cache allows, and a larger one cuts fewer splats in two.
"""

from __future__ import annotations

import numpy as np

from t2m_bench.rendering._compiled import Counter, Floats, Ints, compiled, f32, next_task, pasted, to_f32, to_int
from t2m_bench.rendering._simd import (
    LANES,
    Lanes,
    any_lane,
    load,
    mul_add,
    ramp,
    round_down,
    round_up,
    select,
    spread,
    square_root,
    store,
    store_whole,
)
from t2m_bench.rendering.projection import (
    CENTER_X,
    CENTER_Y,
    CHUNK,
    COEF_A,
    COEF_R,
    COEF_V,
    LOG_PEAK,
    REACH_X,
    REACH_Y,
)

TILE_WIDTH = 64
TILE_HEIGHT = 16
# Rows of a tile's planes are padded, so that eight pixels from any column on stay within their row.
STRIDE = TILE_WIDTH + LANES
PLANE = TILE_HEIGHT * STRIDE
ROWS = TILE_HEIGHT + LANES  # entries of a table by rows of a tile, padded likewise
SEGMENTS = (TILE_HEIGHT + 1) * (TILE_WIDTH // LANES + 1)  # the most one splat can have, and room for one row more

_ZERO, _HALF, _ONE, _TWO = f32(0.0), f32(0.5), f32(1.0), f32(2.0)
_WIDTH, _HEIGHT = f32(TILE_WIDTH), f32(TILE_HEIGHT)
_LOG2_E = f32(1.4426950408889634)
_HALF_LOG2_E = f32(0.7213475204444817)
_LOG2_255 = f32(np.log2(255.0))
_SLACK = f32(1e-3)  # pixels; the exact test is made per pixel
_RADIX_BITS = 11
_RADIX = 1 << _RADIX_BITS


@compiled
def _clip(value: float, top: float) -> float:
    """`value` within [0, top]; NaN becomes 0."""
    value = value if value > _ZERO else _ZERO
    return value if value < top else top


@compiled
def describe(
    counter: Counter,
    splats: Floats,  # [C, N, 8]
    depths: Floats,  # [C, N]
    size: tuple[float, float],
    means2d: Floats,  # [C, N, 2], written
    conics: Floats,  # [C, N, 3], written
    radii: Ints,  # [C, N, 2], written
    spans: Ints,  # [C, N, 4], written
) -> None:
    """Unpack the splat table and find each splat's tiles; a task is `CHUNK` splats of every camera.

    Args:
        radii: half-sizes in whole pixels, 0 for a splat that is not drawn.
        spans: first tile column, one past the last, first tile row, one past the last; empty when not drawn.
    """
    count = depths.shape[1]
    while True:
        chunk = next_task(counter)
        if chunk * CHUNK >= count:
            return
        for c in range(depths.shape[0]):
            for i in range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK)):
                radii[c, i, :] = 0
                spans[c, i, :] = 0
                means2d[c, i, :] = _ZERO
                conics[c, i, :] = _ZERO
                if depths[c, i] <= _ZERO:
                    continue
                x, y = splats[c, i, CENTER_X], splats[c, i, CENTER_Y]
                rx, ry = splats[c, i, REACH_X], splats[c, i, REACH_Y]
                A, r = splats[c, i, COEF_A], splats[c, i, COEF_R]
                means2d[c, i, 0], means2d[c, i, 1] = x, y
                conics[c, i, 0], conics[c, i, 1] = A, A * r
                conics[c, i, 2] = splats[c, i, COEF_V] + A * r * r
                radii[c, i, 0], radii[c, i, 1] = to_int(np.ceil(rx)), to_int(np.ceil(ry))
                # A pixel is covered when its centre, half a pixel in, is within reach.
                left, right = _clip(np.ceil(x - rx - _HALF), size[0]), _clip(np.floor(x + rx + _HALF), size[0])
                top, bottom = _clip(np.ceil(y - ry - _HALF), size[1]), _clip(np.floor(y + ry + _HALF), size[1])
                if left < right and top < bottom:
                    spans[c, i, 0] = to_int(left) // TILE_WIDTH
                    spans[c, i, 1] = (to_int(right) - 1) // TILE_WIDTH + 1
                    spans[c, i, 2] = to_int(top) // TILE_HEIGHT
                    spans[c, i, 3] = (to_int(bottom) - 1) // TILE_HEIGHT + 1


@compiled
def count_pairs(spans: Ints, grid: tuple[int, int], first: Ints, starts: Ints) -> int:
    """Count the (tile, splat) pairs.

    Args:
        spans: `[C, N, 4]` from `describe`.
        grid: tile columns and rows of an image.
        first: `[C, N, 2]`, written: number of each splat's first pair, and one past its last, counted splat by splat.
        starts: `[C * tiles + 1]`, written: where each tile's list begins, counted tile by tile.

    Returns:
        The number of pairs.
    """
    columns, rows = grid
    starts[:] = 0
    pairs = 0
    for c in range(spans.shape[0]):
        for i in range(spans.shape[1]):
            first[c, i, 0] = pairs
            for ty in range(spans[c, i, 2], spans[c, i, 3]):
                for tx in range(spans[c, i, 0], spans[c, i, 1]):
                    starts[(c * rows + ty) * columns + tx + 1] += 1
                    pairs += 1
            first[c, i, 1] = pairs
    for t in range(1, starts.shape[0]):
        starts[t] += starts[t - 1]
    return pairs


@compiled
def _sort_by_depth(keys: Ints, order: Ints) -> None:
    """Stable radix sort of `order` by `keys`, the bits of positive floats, which sort like the floats."""
    other_keys, other_order = np.empty_like(keys), np.empty_like(order)
    slots = np.empty(_RADIX, np.int64)
    for shift in range(0, 32, _RADIX_BITS):
        slots[:] = 0
        for m in range(keys.shape[0]):
            slots[(keys[m] >> shift) & (_RADIX - 1)] += 1
        total = 0
        for b in range(_RADIX):
            slots[b], total = total, total + slots[b]
        for m in range(keys.shape[0]):
            b = (keys[m] >> shift) & (_RADIX - 1)
            other_keys[slots[b]] = keys[m]
            other_order[slots[b]] = order[m]
            slots[b] += 1
        keys[:] = other_keys
        order[:] = other_order


@compiled
def list_pairs(
    counter: Counter,
    depth_bits: Ints,  # [C, N], the depths seen as integers
    spans: Ints,  # [C, N, 4]
    grid: tuple[int, int],
    first: Ints,  # [C, N, 2]
    starts: Ints,  # [C * tiles + 1]
    pairs: Ints,  # [pairs, 2], written
) -> None:
    """Fill every tile's list, nearest splat first and equal depths by index; a task is a camera.

    Args:
        pairs: tile by tile, the splat's index and the number of the pair counted splat by splat: the row where the
            tile's share of the splat's gradient belongs.
    """
    columns, rows = grid
    cursor = starts.copy()
    while True:
        c = next_task(counter)
        if c >= depth_bits.shape[0]:
            return
        order = np.nonzero(depth_bits[c])[0].astype(np.int32)
        keys = depth_bits[c][order]
        _sort_by_depth(keys, order)
        for i in order:
            number = first[c, i, 0]
            for ty in range(spans[c, i, 2], spans[c, i, 3]):
                for tx in range(spans[c, i, 0], spans[c, i, 1]):
                    t = (c * rows + ty) * columns + tx
                    pairs[cursor[t], 0] = i
                    pairs[cursor[t], 1] = number
                    cursor[t] += 1
                    number += 1


@compiled
def open_tile(left: Floats, live: Ints, width: int, height: int) -> None:
    """Start a tile: transmittance 1 in its pixels, -1 (finished) in the padding and outside the image.

    Args:
        left: `[PLANE]`, written. A pixel that has stopped keeps its transmittance with a minus sign.
        live: `[TILE_HEIGHT]`, written; see `find_live`.
    """
    for y in range(TILE_HEIGHT):
        live[y] = -1
        for x in range(STRIDE):
            left[y * STRIDE + x] = _ONE if x < width and y < height else -_ONE


@compiled
def find_live(left: Floats, live: Ints) -> bool:
    """Set bit b of `live[y]` when any of the eight pixels from 8 b on is unfinished; False when none is anywhere."""
    found = 0
    for y in range(TILE_HEIGHT):
        if live[y] != 0:
            bits = 0
            for b in range(TILE_WIDTH // LANES):
                bits |= to_int(any_lane(load(left, y * STRIDE + b * LANES) > _ZERO)) << b
            live[y] = bits
            found |= bits
    return found != 0


@compiled
def _clip_lanes(value: Lanes, top: float) -> Lanes:
    """As `_clip`."""
    value = select(value > _ZERO, value, _ZERO)
    return select(value >= top, top, value)


@pasted
def find_segments(
    splats: Floats,  # [C, N, 8]
    which: tuple[int, int],
    corner: tuple[float, float],
    live: Ints,  # [TILE_HEIGHT]
    limits: Ints,  # [2 * ROWS], scratch
    lines: Floats,  # [3 * ROWS], written
    segments: Ints,  # [SEGMENTS], written
) -> int:
    """Cover the part of a splat that lies in a tile with runs of eight pixels.

    The row at distance dy from the splat's centre is reached for A (dx + r dy)^2 <= 2 ln(255 peak) - V dy^2. Runs of
    finished pixels are left out.

    Args:
        which: (camera, index) of the splat.
        corner: of the tile, in pixels.
        lines: for each row of the tile that is reached: dy; the column where u = 0; log2(alpha) there.
        segments: row and first column of each run, as row * 256 + column.

    Returns:
        The number of runs.
    """
    c, i = which
    mx, my = splats[c, i, CENTER_X] - _HALF - corner[0], splats[c, i, CENTER_Y] - _HALF - corner[1]
    r, ry = splats[c, i, COEF_R], splats[c, i, REACH_Y]
    peak, fall = _LOG2_E * splats[c, i, LOG_PEAK], _HALF_LOG2_E * splats[c, i, COEF_V]
    narrow = _ONE / (_HALF_LOG2_E * splats[c, i, COEF_A])
    most = to_int(_clip(_TWO * (np.sqrt((peak + _LOG2_255) * narrow) + _SLACK), _WIDTH)) // LANES + 1
    top = to_int(np.ceil(_clip(my - ry, _HEIGHT)))
    bottom = to_int(np.floor(_clip(my + ry + _ONE, _HEIGHT)))
    for y in range(top, bottom, LANES):
        dy = ramp(to_f32(y) - my)
        level = mul_add(dy * dy, -fall, spread(peak))
        room = level + _LOG2_255
        half = square_root(select(room > _ZERO, room, _ZERO) * narrow) + _SLACK
        middle = mul_add(dy, -r, spread(mx))
        store(lines, y, dy)
        store(lines, ROWS + y, middle)
        store(lines, 2 * ROWS + y, level)
        store_whole(limits, y, round_up(_clip_lanes(middle - half, _WIDTH)))
        store_whole(limits, ROWS + y, round_down(_clip_lanes(middle + half + _ONE, _WIDTH)))
    n = 0
    for y in range(top, bottom):
        x, end, alive = limits[y], limits[ROWS + y], live[y]
        for _ in range(most):
            segments[n] = y * 256 + x
            # Counted only if wanted, else overwritten by the next: cheaper than a branch nobody can predict.
            n += to_int(x < end) & to_int(((alive >> (x // LANES)) & 3) != 0)
            x += LANES
    return n
