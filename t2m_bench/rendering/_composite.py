"""Front-to-back compositing of a tile's splats, and its gradient.

Both kernels hold a tile as flat planes of floats and take eight pixels at a time. The backward kernel walks front to
back as well: it makes the same transmittances again, bit by bit, and keeps for every pixel the inner product of the
output's gradient with the colour that is *still to come*, which starts as that with the finished pixel and shrinks
with every splat. So nothing has to be divided back out of a product.
"""

from __future__ import annotations

import numpy as np

from t2m_bench.rendering._compiled import Counter, Floats, Ints, compiled, f32, next_task, pasted, to_f32, to_int
from t2m_bench.rendering._simd import (
    LANES,
    Lanes,
    Mask,
    divide,
    exp2,
    load,
    mul_add,
    ramp,
    select,
    spread,
    store,
    total,
)
from t2m_bench.rendering._tiles import (
    PLANE,
    ROWS,
    SEGMENTS,
    STRIDE,
    TILE_HEIGHT,
    TILE_WIDTH,
    find_live,
    find_segments,
    open_tile,
)
from t2m_bench.rendering.projection import COEF_A
from t2m_bench.rendering.reference import ALPHA_MAX, ALPHA_MIN, T_STOP

# Columns of a pair's row of sums over pixels. With u = dx + r dy and g = dL/d(ln alpha) of a pixel:
SUM_G, SUM_GU, SUM_GUU, SUM_GUY, SUM_GY, SUM_GYY = range(6)
SUM_COLUMNS = 6  # the gradient of the D colours follows

_ZERO, _ONE = f32(0.0), f32(1.0)
_HALF_LOG2_E = f32(0.7213475204444817)
_FAINTEST = f32(np.log2(ALPHA_MIN))
_OPAQUE = f32(ALPHA_MAX)
_STOP = f32(T_STOP)
_CHECK = 32  # splats between two looks at which pixels are finished


@pasted
def _segment(segment: int, lines: Floats, bend: float) -> tuple[int, Lanes, float, Lanes]:
    """Position of a run in the tile's planes, its u, its dy and its log2(alpha); `bend` is -A log2(e) / 2."""
    y, x = to_int(segment) >> 8, to_int(segment) & 255
    u = ramp(to_f32(x) - lines[ROWS + y])
    return y * STRIDE + x, u, lines[y], mul_add(u * bend, u, lines[2 * ROWS + y])


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
    # Still wanted but not added: here the pixel is finished.
    return alpha, weight, select(wanted & (_STOP >= after), _ZERO - before, before - weight), added


@compiled
def _forward_tile(
    splats: Floats,
    colors: Floats,
    pairs: Ints,
    span: tuple[int, int],
    camera: int,
    corner: tuple[float, float],
    left: Floats,
    planes: Floats,
    live: Ints,
    segments: Ints,
    limits: Ints,
    lines: Floats,
) -> None:
    """Composite the pairs from `span[0]` to `span[1]` onto the colour planes `[D * PLANE]`."""
    shared = min(camera, colors.shape[0] - 1)
    for p in range(span[0], span[1]):
        if (p - span[0]) % _CHECK == _CHECK - 1 and not find_live(left, live):
            return
        i = pairs[p, 0]
        n = find_segments(splats, (camera, i), corner, live, limits, lines, segments)
        bend = -_HALF_LOG2_E * splats[camera, i, COEF_A]
        for k in range(n):
            at, u, _, exponent = _segment(segments[k], lines, bend)
            _, weight, after, _ = _cover(exponent, load(left, at))
            store(left, at, after)
            for d in range(colors.shape[2]):
                store(planes, d * PLANE + at, mul_add(weight, colors[shared, i, d], load(planes, d * PLANE + at)))


@compiled
def render(
    counter: Counter,
    splats: Floats,  # [C, N, 8]
    colors: Floats,  # [1 or C, N, D]
    starts: Ints,  # [C * tiles + 1]
    pairs: Ints,  # [pairs, 2]
    grid: tuple[int, int],
    backgrounds: Floats,  # [C, D]
    image: Floats,  # [C, H, W, D], written
    alpha: Floats,  # [C, H, W], written
) -> None:
    """Composite every tile; a task is a tile of one camera."""
    columns, rows = grid
    channels = colors.shape[2]
    left = np.empty(PLANE, np.float32)
    planes = np.empty(channels * PLANE, np.float32)
    live = np.empty(TILE_HEIGHT, np.int32)
    segments, limits = np.empty(SEGMENTS, np.int32), np.empty(2 * ROWS, np.int32)
    lines = np.empty(3 * ROWS, np.float32)
    while True:
        t = next_task(counter)
        if t >= starts.shape[0] - 1:
            return
        c, x0, y0 = t // (columns * rows), t % columns * TILE_WIDTH, t // columns % rows * TILE_HEIGHT
        width, height = min(TILE_WIDTH, image.shape[2] - x0), min(TILE_HEIGHT, image.shape[1] - y0)
        open_tile(left, live, width, height)
        planes[:] = _ZERO
        span, corner = (starts[t], starts[t + 1]), (to_f32(x0), to_f32(y0))
        _forward_tile(splats, colors, pairs, span, c, corner, left, planes, live, segments, limits, lines)
        for y in range(height):
            for x in range(width):
                behind = abs(left[y * STRIDE + x])
                alpha[c, y0 + y, x0 + x] = _ONE - behind
                for d in range(channels):
                    image[c, y0 + y, x0 + x, d] = planes[d * PLANE + y * STRIDE + x] + behind * backgrounds[c, d]


@pasted
def _backward_splat(
    colors: Floats,
    where: tuple[int, int],
    bend: float,
    n: int,
    left: Floats,
    coming: Floats,
    planes: Floats,
    segments: Ints,
    lines: Floats,
    weights: Floats,
    sums: Floats,
    number: int,
) -> None:
    """Gradient sums of one splat over its `n` runs, written to row `number` of `sums`."""
    zero = spread(_ZERO)
    g_, gu_, guu_, guy_, gy_, gyy_ = zero, zero, zero, zero, zero, zero
    for k in range(n):
        at, u, dy, exponent = _segment(segments[k], lines, bend)
        alpha, weight, after, added = _cover(exponent, load(left, at))
        store(left, at, after)
        store(weights, k * LANES, weight)
        gain = zero
        for d in range(colors.shape[2]):
            gain = mul_add(load(planes, d * PLANE + at), colors[where[0], where[1], d], gain)
        gain = gain * weight
        rest = load(coming, at) - gain
        store(coming, at, rest)
        # A brighter splat adds its own colour and dims all that is behind; beyond the upper limit nothing changes.
        g = select(added & (_OPAQUE >= alpha), gain - divide(alpha * rest, _ONE - alpha), _ZERO)
        gu, gy = g * u, g * dy
        g_, gu_, guu_ = g_ + g, gu_ + gu, mul_add(gu, u, guu_)
        guy_, gy_, gyy_ = mul_add(gu, dy, guy_), gy_ + gy, mul_add(gy, dy, gyy_)
    sums[number, SUM_G], sums[number, SUM_GU], sums[number, SUM_GUU] = total(g_), total(gu_), total(guu_)
    sums[number, SUM_GUY], sums[number, SUM_GY], sums[number, SUM_GYY] = total(guy_), total(gy_), total(gyy_)
    for d in range(colors.shape[2]):
        share = zero
        for k in range(n):
            at = (segments[k] >> 8) * STRIDE + (segments[k] & 255)
            share = mul_add(load(weights, k * LANES), load(planes, d * PLANE + at), share)
        sums[number, SUM_COLUMNS + d] = total(share)


@compiled
def _backward_tile(
    splats: Floats,
    colors: Floats,
    pairs: Ints,
    span: tuple[int, int],
    camera: int,
    corner: tuple[float, float],
    left: Floats,
    coming: Floats,
    planes: Floats,
    live: Ints,
    segments: Ints,
    limits: Ints,
    lines: Floats,
    weights: Floats,
    sums: Floats,
) -> None:
    """Gradient sums of the pairs from `span[0]` to `span[1]`; `planes` hold the gradient of the image."""
    shared = min(camera, colors.shape[0] - 1)
    unfinished = True
    for p in range(span[0], span[1]):
        if unfinished and (p - span[0]) % _CHECK == _CHECK - 1:
            unfinished = find_live(left, live)
        i, number = pairs[p, 0], pairs[p, 1]
        n = find_segments(splats, (camera, i), corner, live, limits, lines, segments) if unfinished else 0
        if n == 0:
            for d in range(sums.shape[1]):
                sums[number, d] = _ZERO
            continue
        bend = -_HALF_LOG2_E * splats[camera, i, COEF_A]
        _backward_splat(colors, (shared, i), bend, n, left, coming, planes, segments, lines, weights, sums, number)


@compiled
def render_backward(
    counter: Counter,
    splats: Floats,  # [C, N, 8]
    colors: Floats,  # [1 or C, N, D]
    starts: Ints,  # [C * tiles + 1]
    pairs: Ints,  # [pairs, 2]
    grid: tuple[int, int],
    image: Floats,  # [C, H, W, D]
    alpha: Floats,  # [C, H, W]
    grad_image: Floats,  # [C, H, W, D]
    grad_alpha: Floats,  # [C, H, W]
    sums: Floats,  # [pairs, 6 + D], written
) -> None:
    """Gradient sums of every (tile, splat) pair; a task is a tile of one camera.

    Args:
        image: as `render` left it, backgrounds included.
        sums: one row per pair, in the order of the second column of `pairs`.
    """
    columns, rows = grid
    channels = colors.shape[2]
    left, coming = np.empty(PLANE, np.float32), np.zeros(PLANE, np.float32)
    planes = np.zeros(channels * PLANE, np.float32)
    live = np.empty(TILE_HEIGHT, np.int32)
    segments, limits = np.empty(SEGMENTS, np.int32), np.empty(2 * ROWS, np.int32)
    lines = np.empty(3 * ROWS, np.float32)
    weights = np.empty(SEGMENTS * LANES, np.float32)
    while True:
        t = next_task(counter)
        if t >= starts.shape[0] - 1:
            return
        c, x0, y0 = t // (columns * rows), t % columns * TILE_WIDTH, t // columns % rows * TILE_HEIGHT
        width, height = min(TILE_WIDTH, image.shape[2] - x0), min(TILE_HEIGHT, image.shape[1] - y0)
        open_tile(left, live, width, height)
        for y in range(height):
            for x in range(width):
                # The background is the last colour to come; alpha's gradient is that of a background of minus one.
                rest = -grad_alpha[c, y0 + y, x0 + x] * (_ONE - alpha[c, y0 + y, x0 + x])
                for d in range(channels):
                    grad = grad_image[c, y0 + y, x0 + x, d]
                    planes[d * PLANE + y * STRIDE + x] = grad
                    rest += image[c, y0 + y, x0 + x, d] * grad
                coming[y * STRIDE + x] = rest
        span, corner = (starts[t], starts[t + 1]), (to_f32(x0), to_f32(y0))
        _backward_tile(
            splats, colors, pairs, span, c, corner, left, coming, planes, live, segments, limits, lines, weights, sums
        )
