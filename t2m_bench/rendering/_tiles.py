"""Which splats meet which tile of the image, front to back.

A tile is 128 x 8 pixels. That is wider than the 16 x 16 of GPU rasterisers: a thread walks a tile alone, so a tile may
be as large as the first-level cache allows, and a larger one cuts fewer splats in two. Eight rows let one vector hold
what is to be known of each row.

The lists are made by counting: every chunk of Gaussians knows, from the counts of the chunks before it, where in each
tile's list its own splats go, so chunks fill the lists side by side and the result does not depend on who was first.
Each tile then sorts its own list by depth.
"""

from __future__ import annotations

import numpy as np

from t2m_bench.rendering._compiled import Counter, Ints, compiled, kernel, next_task, to_int
from t2m_bench.rendering._simd import LANES

TILE_WIDTH = 128
TILE_HEIGHT = LANES
CHUNK = 1024  # Gaussians per task; fixed, so that the order of summation does not depend on the threads
_RADIX_BITS = 8
_RADIX = 1 << _RADIX_BITS


@compiled
def _tile_range(boxes: Ints, c: int, i: int) -> tuple[int, int, int, int]:
    """First and one past last tile column, first and one past last tile row of a splat; empty if its box is."""
    left, right, top, bottom = boxes[c, i, 0], boxes[c, i, 1], boxes[c, i, 2], boxes[c, i, 3]
    if left >= right or top >= bottom:
        return 0, 0, 0, 0
    last_x, last_y = (right - 1) // TILE_WIDTH, (bottom - 1) // TILE_HEIGHT
    return left // TILE_WIDTH, last_x + 1, top // TILE_HEIGHT, last_y + 1


@compiled
def count_tiles(boxes: Ints, span: tuple[int, int], c: int, columns: int, counts: Ints) -> None:
    """Count the splats from `span[0]` to `span[1]` of camera `c` that meet each tile.

    Args:
        boxes: `[C, N, 4]`, the pixels each splat reaches.
        span: Gaussians of one chunk.
        c: camera.
        columns: tile columns of an image.
        counts: `[tiles + 1]`, written: by tile, and at the end their sum.
    """
    counts[:] = 0
    pairs = 0
    for i in range(span[0], span[1]):
        x0, x1, y0, y1 = _tile_range(boxes, c, i)
        pairs += (x1 - x0) * (y1 - y0)
        for ty in range(y0, y1):
            for tx in range(x0, x1):
                counts[ty * columns + tx] += 1
    counts[counts.shape[0] - 1] = pairs


@kernel
def reserve(counts: Ints, starts: Ints) -> int:
    """Give every chunk its place in every tile's list.

    Args:
        counts: `[C, chunks, tiles + 1]` from `count_tiles`. Afterwards, where in `pairs` the chunk's splats of each
            tile begin, and in the last column the number of its first pair when counted Gaussian by Gaussian.
        starts: `[C * tiles + 1]`, written: where each tile's list begins.

    Returns:
        The number of (tile, splat) pairs.
    """
    cameras, chunks, columns = counts.shape
    tiles = columns - 1
    pairs, place = 0, 0
    for c in range(cameras):
        mine = starts[c * tiles : (c + 1) * tiles]
        mine[:] = 0
        for chunk in range(chunks):
            for t in range(tiles):
                mine[t] += counts[c, chunk, t]
            counts[c, chunk, tiles], pairs = pairs, pairs + counts[c, chunk, tiles]
        for t in range(tiles):
            mine[t], place = place, place + mine[t]
        cursor = mine.copy()
        for chunk in range(chunks):
            for t in range(tiles):
                counts[c, chunk, t], cursor[t] = cursor[t], cursor[t] + counts[c, chunk, t]
    starts[cameras * tiles] = pairs
    return pairs


@kernel
def list_pairs(
    counter: Counter,
    boxes: Ints,  # [C, N, 4]
    grid: tuple[int, int],
    counts: Ints,  # [C, chunks, tiles + 1], as `reserve` leaves it; used up
    first: Ints,  # [C, N, 2], written
    pairs: Ints,  # [pairs, 2], written
) -> None:
    """Fill every tile's list in the order of the Gaussians; a task is a chunk of one camera.

    Args:
        first: number of each splat's first pair, and one past its last, counted Gaussian by Gaussian.
        pairs: tile by tile, the splat's index and the number of the pair counted Gaussian by Gaussian, which is the
            row where the tile's share of the splat's gradient belongs.
    """
    columns, _ = grid
    chunks, tiles = counts.shape[1], counts.shape[2] - 1
    while True:
        task = next_task(counter)
        if task >= boxes.shape[0] * chunks:
            return
        c, chunk = task // chunks, task % chunks
        cursor = counts[c, chunk]
        number = to_int(cursor[tiles])
        for i in range(chunk * CHUNK, min(boxes.shape[1], (chunk + 1) * CHUNK)):
            first[c, i, 0] = number
            x0, x1, y0, y1 = _tile_range(boxes, c, i)
            for ty in range(y0, y1):
                for tx in range(x0, x1):
                    t = ty * columns + tx
                    pairs[cursor[t], 0] = i
                    pairs[cursor[t], 1] = number
                    cursor[t] += 1
                    number += 1
            first[c, i, 1] = number


@compiled
def sort_list(depth_bits: Ints, c: int, pairs: Ints, begin: int, end: int) -> None:
    """Sort the pairs from `begin` to `end` of a tile of camera `c`: nearest first, equal depths as they are.

    A stable radix sort by the bits of the depths: positive floats sort like the integers of the same bits. Digits that
    all keys share are passed over; depths of one scene mostly share their exponent.
    """
    n = end - begin
    keys, order = np.empty(n, np.int32), np.empty(n, np.int32)
    other_keys, other_order = np.empty(n, np.int32), np.empty(n, np.int32)
    slots = np.zeros((32 // _RADIX_BITS, _RADIX), np.int32)
    for m in range(n):
        key = depth_bits[c, pairs[begin + m, 0]]
        keys[m], order[m] = key, m
        for digit in range(32 // _RADIX_BITS):
            slots[digit, (key >> (digit * _RADIX_BITS)) & (_RADIX - 1)] += 1
    for digit in range(32 // _RADIX_BITS):
        shift = digit * _RADIX_BITS
        if n == 0 or slots[digit, (keys[0] >> shift) & (_RADIX - 1)] == n:
            continue
        place = 0
        for b in range(_RADIX):
            slots[digit, b], place = place, place + slots[digit, b]
        for m in range(n):
            b = (keys[m] >> shift) & (_RADIX - 1)
            other_keys[slots[digit, b]], other_order[slots[digit, b]] = keys[m], order[m]
            slots[digit, b] += 1
        keys, other_keys, order, other_order = other_keys, keys, other_order, order
    unsorted = pairs[begin:end].copy()
    for m in range(n):
        pairs[begin + m, 0], pairs[begin + m, 1] = unsorted[order[m], 0], unsorted[order[m], 1]
