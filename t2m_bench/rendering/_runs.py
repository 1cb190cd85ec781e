"""The pixels of one tile: which are unfinished, and which a batch of splats covers.

What a splat covers is a list of runs, each eight pixels of one row from any column on. The list for a whole batch of
splats is made before any of it is drawn: a loop over one splat's few runs ends unpredictably, and a processor that
guesses wrong there throws away more work than the run is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from t2m_bench.rendering._compiled import Floats, Ints, compiled, f32, pasted, to_f32, to_int
from t2m_bench.rendering._simd import (
    LANES,
    Lanes,
    any_lane,
    append_lanes,
    either_bit,
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
from t2m_bench.rendering._tiles import TILE_HEIGHT, TILE_WIDTH
from t2m_bench.rendering.projection import CENTER_X, CENTER_Y, COEF_A, COEF_R, COEF_V, LOG_PEAK

BATCH = 32  # splats at once; between two batches it is checked which pixels are finished
# Rows of a tile's planes are padded, so that eight pixels from any column on stay within their row.
STRIDE = TILE_WIDTH + LANES
PLANE = TILE_HEIGHT * STRIDE
RUNS = TILE_HEIGHT * (TILE_WIDTH // LANES + 1)  # the most one splat can have

_ZERO, _HALF, _ONE, _TWO = f32(0.0), f32(0.5), f32(1.0), f32(2.0)
_WIDTH, _STEP, _BLOCK = f32(TILE_WIDTH), f32(LANES), f32(1.0 / LANES)
_LOG2_E = f32(1.4426950408889634)
_HALF_LOG2_E = f32(0.7213475204444817)
_LOG2_255 = f32(np.log2(255.0))
_SLACK = f32(1e-3)  # pixels; the exact test is made per pixel
_OUTSIDE = f32(-1e6)


class Tile(NamedTuple):
    """Working memory of one tile."""

    left: Floats  # [PLANE], transmittance; with a minus sign once the pixel is finished
    live: Ints  # [TILE_HEIGHT]; bit b of an entry: any of the eight pixels from 8 b on is unfinished
    blocks: Ints  # [LANES], scratch
    begins: Ints  # [BATCH * LANES], first column each splat reaches in each row
    lines: Floats  # [BATCH * 3 * LANES], by splat and row: dy; the column where u = 0; log2(alpha) there
    bends: Floats  # [BATCH], by splat: -A log2(e) / 2
    ends: Ints  # [BATCH], by splat: one past its last run
    runs: (
        Ints  # [BATCH * RUNS and one more vector], splat * 256 + step * 8 + row; it starts at begins + 8 step
    )


@compiled
def new_tile() -> Tile:
    """Working memory, undefined so far."""
    return Tile(
        np.empty(PLANE, np.float32),
        np.empty(TILE_HEIGHT, np.int32),
        np.empty(LANES, np.int32),
        np.empty(BATCH * LANES, np.int32),
        np.empty(BATCH * 3 * LANES, np.float32),
        np.empty(BATCH, np.float32),
        np.empty(BATCH, np.int32),
        np.empty(BATCH * RUNS + LANES, np.int32),
    )


@compiled
def open_tile(left: Floats, live: Ints, width: int, height: int) -> None:
    """Transmittance 1 in the pixels of a tile; finished from the start in the padding and outside the image."""
    for y in range(TILE_HEIGHT):
        live[y] = -1
        for x in range(STRIDE):
            left[y * STRIDE + x] = _ONE if x < width and y < height else -_ONE


@compiled
def find_live(left: Floats, live: Ints) -> bool:
    """Bring `live` up to date; False when every pixel is finished."""
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
def _clip_lanes(value: Lanes) -> Lanes:
    """Columns within [0, TILE_WIDTH]; NaN becomes 0."""
    value = select(value > _ZERO, value, _ZERO)
    return select(value >= _WIDTH, _WIDTH, value)


@pasted
def find_runs(
    splats: Floats,  # [C, N, 6]
    pairs: Ints,  # [pairs, 2]
    span: tuple[int, int],
    camera: int,
    corner: tuple[float, float],
    tile: Tile,
) -> int:
    """List the runs of the pairs from `span[0]` to `span[1]`, at most `BATCH`, without those that are finished.

    The row at distance dy from a splat's centre is reached where A (dx + r dy)^2 <= 2 ln(255 peak) - V dy^2.

    Returns:
        The number of runs.
    """
    _, live, blocks, begins, lines, bends, ends, runs = tile
    n = 0
    for q in range(span[1] - span[0]):
        i = pairs[span[0] + q, 0]
        mx = splats[camera, i, CENTER_X] - _HALF - corner[0]
        my = splats[camera, i, CENTER_Y] - _HALF - corner[1]
        peak, fall = _LOG2_E * splats[camera, i, LOG_PEAK], _HALF_LOG2_E * splats[camera, i, COEF_V]
        bend = _HALF_LOG2_E * splats[camera, i, COEF_A]
        bends[q] = -bend
        narrow = _ONE / bend
        dy = ramp(-my)
        level = mul_add(dy * dy, -fall, spread(peak))
        room = level + _LOG2_255
        half = select(room >= _ZERO, square_root(room * narrow) + _SLACK, _OUTSIDE)
        middle = mul_add(dy, -splats[camera, i, COEF_R], spread(mx))
        store(lines, (3 * q) * LANES, dy)
        store(lines, (3 * q + 1) * LANES, middle)
        store(lines, (3 * q + 2) * LANES, level)
        begin, end = round_up(_clip_lanes(middle - half)), round_down(_clip_lanes(middle + half + _ONE))
        store_whole(begins, q * LANES, begin)
        widest = _TWO * (np.sqrt((peak + _LOG2_255) * narrow) + _SLACK)
        widest = widest if widest < _WIDTH else _WIDTH
        for step in range(to_int(widest) // LANES + 1):
            store_whole(blocks, 0, begin * _BLOCK)
            wanted = (end > begin) & either_bit(live, blocks, 0)
            n += append_lanes(runs, n, wanted, q * 256 + step * LANES)
            begin = begin + _STEP
        ends[q] = n
    return n


@pasted
def find_place(run: int, tile: Tile) -> tuple[int, Lanes, float, Lanes]:
    """Position of a run in the tile's planes, its u = dx + r dy, its dy and its log2(alpha)."""
    _, _, _, begins, lines, bends, _, _ = tile
    q, step, y = to_int(run) >> 8, (to_int(run) >> 3) & 31, to_int(run) & 7
    x = to_int(begins[q * LANES + y]) + step * LANES
    line = 3 * q * LANES + y
    u = ramp(to_f32(x) - lines[line + LANES])
    return y * STRIDE + x, u, lines[line], mul_add(u * bends[q], u, lines[line + 2 * LANES])
