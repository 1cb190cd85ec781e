"""Which splats meet which tile of the image, front to back.

A tile is 128 x 8 pixels. That is wider than the 16 x 16 of GPU rasterisers: a thread walks a tile alone, so a tile may
be as large as the first-level cache allows, and a larger one cuts fewer splats in two. Eight rows let one vector hold
what is to be known of each row.
"""

from __future__ import annotations

import numpy as np

from t2m_bench.rendering._compiled import Counter, Ints, compiled, kernel, next_task, to_int
from t2m_bench.rendering._simd import LANES

TILE_WIDTH = 128
TILE_HEIGHT = LANES
_RADIX_BITS = 11
_RADIX = 1 << _RADIX_BITS


@compiled
def _tile_range(boxes: Ints, c: int, i: int) -> tuple[int, int, int, int]:
    """First and one past last tile column, first and one past last tile row of a splat; empty if its box is."""
    left, right, top, bottom = boxes[c, i, 0], boxes[c, i, 1], boxes[c, i, 2], boxes[c, i, 3]
    if left >= right or top >= bottom:
        return 0, 0, 0, 0
    last_x, last_y = (right - 1) // TILE_WIDTH, (bottom - 1) // TILE_HEIGHT
    return left // TILE_WIDTH, last_x + 1, top // TILE_HEIGHT, last_y + 1


@kernel
def count_pairs(boxes: Ints, grid: tuple[int, int], first: Ints, starts: Ints) -> int:
    """Count the (tile, splat) pairs.

    Args:
        boxes: `[C, N, 4]`, the pixels each splat reaches.
        grid: tile columns and rows of an image.
        first: `[C, N, 2]`, written: number of each splat's first pair, and one past its last, counted splat by splat.
        starts: `[C * tiles + 1]`, written: where each tile's list begins, counted tile by tile.

    Returns:
        The number of pairs.
    """
    columns, rows = grid
    starts[:] = 0
    pairs = 0
    for c in range(boxes.shape[0]):
        for i in range(boxes.shape[1]):
            first[c, i, 0] = pairs
            x0, x1, y0, y1 = _tile_range(boxes, c, i)
            for ty in range(y0, y1):
                for tx in range(x0, x1):
                    starts[(c * rows + ty) * columns + tx + 1] += 1
                    pairs += 1
            first[c, i, 1] = pairs
    for t in range(1, starts.shape[0]):
        starts[t] += starts[t - 1]
    return pairs


@compiled
def _front_to_back(depth_bits: Ints, c: int) -> Ints:
    """Indices of the drawn splats of a camera, nearest first, equal depths by index.

    A stable radix sort by the bits of the depths: positive floats sort like the integers of the same bits.
    """
    count = 0
    keys, order = np.empty(depth_bits.shape[1], np.int32), np.empty(depth_bits.shape[1], np.int32)
    for i in range(depth_bits.shape[1]):
        keys[count], order[count] = depth_bits[c, i], i
        count += depth_bits[c, i] > 0
    other_keys, other_order = np.empty(count, np.int32), np.empty(count, np.int32)
    slots = np.empty(_RADIX, np.int64)
    for shift in range(0, 32, _RADIX_BITS):
        slots[:] = 0
        for m in range(count):
            slots[(keys[m] >> shift) & (_RADIX - 1)] += 1
        total = 0
        for b in range(_RADIX):
            slots[b], total = total, total + slots[b]
        for m in range(count):
            b = (keys[m] >> shift) & (_RADIX - 1)
            other_keys[slots[b]], other_order[slots[b]] = keys[m], order[m]
            slots[b] += 1
        keys, other_keys, order, other_order = other_keys, keys, other_order, order
    return order[:count]


@kernel
def list_pairs(
    counter: Counter,
    depth_bits: Ints,  # [C, N], the depths seen as integers
    boxes: Ints,  # [C, N, 4]
    grid: tuple[int, int],
    first: Ints,  # [C, N, 2]
    starts: Ints,  # [C * tiles + 1]
    pairs: Ints,  # [pairs, 2], written
) -> None:
    """Fill every tile's list, nearest splat first and equal depths by index; a task is a camera.

    Args:
        pairs: tile by tile, the splat's index and the number of the pair counted splat by splat, which is the row
            where the tile's share of the splat's gradient belongs.
    """
    columns, rows = grid
    cursor = starts.copy()
    while True:
        c = next_task(counter)
        if c >= depth_bits.shape[0]:
            return
        for i in _front_to_back(depth_bits, c):
            number = first[c, i, 0]
            x0, x1, y0, y1 = _tile_range(boxes, c, to_int(i))
            for ty in range(y0, y1):
                for tx in range(x0, x1):
                    t = (c * rows + ty) * columns + tx
                    pairs[cursor[t], 0] = i
                    pairs[cursor[t], 1] = number
                    cursor[t] += 1
                    number += 1
