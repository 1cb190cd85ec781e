"""Front-to-back compositing of a tile's splats, and its gradient.

Both kernels hold a tile as flat planes of floats and take eight pixels at a time. The backward kernel walks front to
back as well: it makes the same transmittances again, bit by bit, and keeps for every pixel the inner product of the
output's gradient with the colour that is *still to come*, which starts as that with the finished pixel and shrinks
with every splat. So nothing has to be divided back out of a product.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from t2m_bench.rendering._compiled import (
    Counter,
    Floats,
    Ints,
    compiled,
    f32,
    kernel,
    next_task,
    pasted,
    to_f32,
    to_int,
)
from t2m_bench.rendering._runs import (
    BATCH,
    PLANE,
    STRIDE,
    Tile,
    find_live,
    find_place,
    find_runs,
    new_tile,
    open_tile,
)
from t2m_bench.rendering._simd import (
    LANES,
    Lanes,
    Mask,
    divide,
    exp2,
    load,
    mul_add,
    select,
    spread,
    store,
    total,
)
from t2m_bench.rendering._tiles import TILE_HEIGHT, TILE_WIDTH, sort_list
from t2m_bench.rendering.reference import ALPHA_MAX, ALPHA_MIN, T_STOP

# Columns of a pair's row of sums over pixels. With u = dx + r dy and g = dL/d(ln alpha) of a pixel:
SUM_G, SUM_GU, SUM_GUU, SUM_GUY, SUM_GY, SUM_GYY = range(6)
SUM_COLUMNS = 6  # the gradient of the D colours follows

# Only the length matters: that of a tuple is known when the kernel is compiled, which makes RGB a tenth faster.
Channels: TypeAlias = tuple[int, ...] | Ints

_ZERO, _ONE = f32(0.0), f32(1.0)
_FAINTEST = f32(np.log2(ALPHA_MIN))
_OPAQUE = f32(ALPHA_MAX)
_STOP = f32(T_STOP)


def channels_of(count: int) -> Channels:
    """What to pass for `count` channels. Each tuple length costs a compilation, so there is one for RGB alone."""
    return (0, 0, 0) if count == 3 else np.zeros(count, np.int32)


@compiled
def _place(t: int, grid: tuple[int, int], height: int, width: int) -> tuple[int, int, int, int, int]:
    """Camera of tile `t`, its first column and row in the image, and how much of it lies inside."""
    columns, rows = grid
    x, y = t % columns * TILE_WIDTH, t // columns % rows * TILE_HEIGHT
    return t // (columns * rows), x, y, min(TILE_WIDTH, width - x), min(TILE_HEIGHT, height - y)


@compiled
def _cover(exponent: Lanes, before: Lanes) -> tuple[Lanes, Lanes, Lanes, Mask]:
    """What a splat does to eight pixels.

    Args:
        exponent: log2(alpha).
        before: transmittance in front of the splat; not positive where the pixel is finished.

    Returns:
        alpha before its upper limit, weight (alpha times transmittance, 0 where the splat is skipped), transmittance
        after, and where the splat was added.
    """
    wanted = (exponent >= _FAINTEST) & (before > _ZERO)
    alpha = exp2(exponent)
    weight = select(alpha >= _OPAQUE, _OPAQUE, alpha) * before
    after = before - weight
    added = wanted & (after > _STOP)
    weight = select(added, weight, _ZERO)
    # Wanted but too much: here the pixel is finished.
    return alpha, weight, select(wanted & (after <= _STOP), _ZERO - before, before - weight), added


@compiled
def _forward_tile(
    splats: Floats,
    colors: Floats,
    channels: Channels,
    pairs: Ints,
    span: tuple[int, int],
    camera: int,
    corner: tuple[float, float],
    tile: Tile,
    planes: Floats,
) -> None:
    """Composite the pairs from `span[0]` to `span[1]` onto the colour planes `[D * PLANE]`."""
    left, runs = tile.left, tile.runs
    shared = min(camera, colors.shape[0] - 1)
    for p in range(span[0], span[1], BATCH):
        if p > span[0] and not find_live(left, tile.live):
            return
        n = find_runs(splats, pairs, (p, min(p + BATCH, span[1])), camera, corner, tile)
        for k in range(n):
            at, _, _, exponent = find_place(runs[k], tile)
            _, weight, after, _ = _cover(exponent, load(left, at))
            store(left, at, after)
            i = pairs[p + (to_int(runs[k]) >> 8), 0]
            for d in range(len(channels)):
                store(
                    planes,
                    d * PLANE + at,
                    mul_add(weight, colors[shared, i, d], load(planes, d * PLANE + at)),
                )


@kernel
def render(
    counter: Counter,
    splats: Floats,  # [C, N, 6]
    colors: Floats,  # [1 or C, N, D]
    channels: Channels,
    starts: Ints,  # [C * tiles + 1]
    pairs: Ints,  # [pairs, 2], brought into order of depth
    grid: tuple[int, int],
    depth_bits: Ints,  # [C, N], the depths seen as integers
    backgrounds: Floats,  # [C, D]
    image: Floats,  # [C, H, W, D], written
    alpha: Floats,  # [C, H, W], written
) -> None:
    """Sort and composite every tile; a task is a tile of one camera."""
    tile, planes = new_tile(), np.empty(len(channels) * PLANE, np.float32)
    left = tile.left
    while True:
        t = next_task(counter)
        if t >= starts.shape[0] - 1:
            return
        c, x0, y0, width, height = _place(t, grid, image.shape[1], image.shape[2])
        open_tile(left, tile.live, width, height)
        planes[:] = _ZERO
        span, corner = (starts[t], starts[t + 1]), (to_f32(x0), to_f32(y0))
        sort_list(depth_bits, c, pairs, span[0], span[1])
        _forward_tile(splats, colors, channels, pairs, span, c, corner, tile, planes)
        for y in range(height):
            for x in range(width):
                behind = abs(left[y * STRIDE + x])
                alpha[c, y0 + y, x0 + x] = _ONE - behind
                for d in range(len(channels)):
                    image[c, y0 + y, x0 + x, d] = (
                        planes[d * PLANE + y * STRIDE + x] + behind * backgrounds[c, d]
                    )


@pasted
def _backward_splat(
    colors: Floats,
    channels: Channels,
    where: tuple[int, int],
    span: tuple[int, int],
    tile: Tile,
    coming: Floats,
    planes: Floats,
    shares: Floats,
    sums: Floats,
    number: int,
) -> None:
    """Gradient sums of the splat whose runs are `span[0]` to `span[1]`, written to row `number` of `sums`."""
    left, runs = tile.left, tile.runs
    zero = spread(_ZERO)
    for d in range(len(channels)):
        store(shares, d * LANES, zero)
    g_, gu_, guu_, guy_, gy_, gyy_ = zero, zero, zero, zero, zero, zero
    for k in range(span[0], span[1]):
        at, u, dy, exponent = find_place(runs[k], tile)
        alpha, weight, after, added = _cover(exponent, load(left, at))
        store(left, at, after)
        gain = zero
        for d in range(len(channels)):
            plane = load(planes, d * PLANE + at)
            gain = mul_add(plane, colors[where[0], where[1], d], gain)
            store(shares, d * LANES, mul_add(weight, plane, load(shares, d * LANES)))
        gain = gain * weight
        rest = load(coming, at) - gain
        store(coming, at, rest)
        # A brighter splat adds its own colour and dims all that is behind; beyond the upper limit nothing changes.
        g = select(added & (alpha <= _OPAQUE), gain - divide(alpha * rest, _ONE - alpha), _ZERO)
        gu, gy = g * u, g * dy
        g_, gu_, guu_ = g_ + g, gu_ + gu, mul_add(gu, u, guu_)
        guy_, gy_, gyy_ = mul_add(gu, dy, guy_), gy_ + gy, mul_add(gy, dy, gyy_)
    sums[number, SUM_G], sums[number, SUM_GU], sums[number, SUM_GUU] = total(g_), total(gu_), total(guu_)
    sums[number, SUM_GUY], sums[number, SUM_GY], sums[number, SUM_GYY] = total(guy_), total(gy_), total(gyy_)
    for d in range(len(channels)):
        sums[number, SUM_COLUMNS + d] = total(load(shares, d * LANES))


@compiled
def _backward_tile(
    splats: Floats,
    colors: Floats,
    channels: Channels,
    pairs: Ints,
    span: tuple[int, int],
    camera: int,
    corner: tuple[float, float],
    tile: Tile,
    coming: Floats,
    planes: Floats,
    shares: Floats,
    sums: Floats,
) -> None:
    """Gradient sums of the pairs from `span[0]` to `span[1]`; `planes` hold the gradient of the image."""
    ends = tile.ends
    shared = min(camera, colors.shape[0] - 1)
    unfinished = True
    for p in range(span[0], span[1], BATCH):
        stop = min(p + BATCH, span[1])
        unfinished = unfinished and (p == span[0] or find_live(tile.left, tile.live))
        if not unfinished:
            for q in range(p, stop):
                for d in range(sums.shape[1]):
                    sums[pairs[q, 1], d] = _ZERO
            continue
        find_runs(splats, pairs, (p, stop), camera, corner, tile)
        begin = 0
        for q in range(stop - p):
            i, number, end = pairs[p + q, 0], pairs[p + q, 1], to_int(ends[q])
            _backward_splat(
                colors,
                channels,
                (shared, i),
                (begin, end),
                tile,
                coming,
                planes,
                shares,
                sums,
                number,
            )
            begin = end


@compiled
def _fall_through(left: Floats, planes: Floats, start: int) -> float:
    """Sum over a tile's pixels of what is left of the light times the plane from `start` on."""
    share = spread(_ZERO)
    for at in range(0, PLANE, LANES):
        behind = load(left, at)
        behind = select(behind > _ZERO, behind, _ZERO - behind)
        share = mul_add(behind, load(planes, start + at), share)
    whole: float = total(share)
    return whole


@kernel
def render_backward(
    counter: Counter,
    splats: Floats,  # [C, N, 6]
    colors: Floats,  # [1 or C, N, D]
    channels: Channels,
    starts: Ints,  # [C * tiles + 1]
    pairs: Ints,  # [pairs, 2]
    grid: tuple[int, int],
    image: Floats,  # [C, H, W, D]
    alpha: Floats,  # [C, H, W]
    grad_image: Floats,  # [C, H, W, D]
    grad_alpha: Floats,  # [C, H, W]
    sums: Floats,  # [pairs, 6 + D], written
    through: Floats,  # [C * tiles, D], written
) -> None:
    """Gradient sums of every (tile, splat) pair; a task is a tile of one camera.

    Args:
        image: as `render` left it, backgrounds included.
        sums: one row per pair, in the order of the second column of `pairs`.
        through: the gradient of the image that falls through to the background, summed over the tile.
    """
    tile = new_tile()
    coming, planes = np.zeros(PLANE, np.float32), np.zeros(len(channels) * PLANE, np.float32)
    shares = np.empty(len(channels) * LANES, np.float32)
    while True:
        t = next_task(counter)
        if t >= starts.shape[0] - 1:
            return
        c, x0, y0, width, height = _place(t, grid, image.shape[1], image.shape[2])
        open_tile(tile.left, tile.live, width, height)
        planes[:] = _ZERO
        for y in range(height):
            for x in range(width):
                # The background is the last colour to come; alpha's gradient is that of a background of minus one.
                rest = -grad_alpha[c, y0 + y, x0 + x] * (_ONE - alpha[c, y0 + y, x0 + x])
                for d in range(len(channels)):
                    grad = grad_image[c, y0 + y, x0 + x, d]
                    planes[d * PLANE + y * STRIDE + x] = grad
                    rest += image[c, y0 + y, x0 + x, d] * grad
                coming[y * STRIDE + x] = rest
        span, corner = (starts[t], starts[t + 1]), (to_f32(x0), to_f32(y0))
        _backward_tile(splats, colors, channels, pairs, span, c, corner, tile, coming, planes, shares, sums)
        for d in range(len(channels)):
            through[t, d] = _fall_through(tile.left, planes, d * PLANE)
