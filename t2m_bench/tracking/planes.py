"""Resizing, box and guided filters on picture planes [C, H, W] float32.

In NumPy on purpose: on a machine that is busy with other work, these many small steps are several times slower in a
library that starts all cores for each of them.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.float32]

_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


def resized(planes: Planes, height: int, width: int) -> Planes:
    """Resize planes [C, H, W] to [C, height, width]: bilinear, with antialiasing where they shrink."""
    return _resampled(_resampled(planes, height, axis=1), width, axis=2)


def _resampled(planes: Planes, count: int, axis: int) -> Planes:
    if planes.shape[axis] == count:
        return planes
    index, weight = _taps(planes.shape[axis], count)
    column = [1, 1, 1]
    column[axis] = count
    total = np.zeros([*planes.shape[:axis], count, *planes.shape[axis + 1 :]], dtype=np.float32)
    for taken, share in zip(index, weight, strict=True):
        total += np.take(planes, taken, axis=axis) * share.reshape(column)
    return total


@lru_cache(maxsize=64)
def _taps(source: int, target: int) -> tuple[NDArray[np.int64], Planes]:
    """Source index and weight [K, target] of each of the K inputs of a target sample: a triangle of unit area."""
    scale = source / target
    reach = max(scale, 1.0)
    centre = (np.arange(target) + 0.5) * scale
    index = np.floor(centre - reach + 0.5).astype(np.int64) + np.arange(2 * int(np.ceil(reach)) + 1)[:, None]
    weight = np.maximum(0.0, 1.0 - np.abs(index + 0.5 - centre) / reach) * ((index >= 0) & (index < source))
    weight /= weight.sum(axis=0)
    used = (weight > 0).any(axis=1)
    return index[used].clip(0, source - 1), weight[used].astype(np.float32)


def box_mean(planes: Planes, radius: int) -> Planes:
    """Mean over a square of side 2 `radius` + 1 around each pixel; the border pixels are repeated.

    Args:
        planes: [C, H, W].
        radius: pixels.

    Returns:
        [C, H, W].
    """
    height, width = planes.shape[1:]
    side = 2 * radius + 1
    padded = np.pad(planes, ((0, 0), (radius, radius), (radius, radius)), mode="edge")
    rows = padded[:, :height].copy()
    for shift in range(1, side):
        rows += padded[:, shift : shift + height]
    total = rows[..., :width].copy()
    for shift in range(1, side):
        total += rows[..., shift : shift + width]
    total /= side**2
    return total


def guided_filter(guide: Planes, plane: Planes, radius: int, smoothness: float) -> Planes:
    """Filter `plane` so that its edges follow those of a colour picture (He, Sun and Tang 2013, equations 13 to 16).

    In each window the result is the linear function of the guide's colour that is nearest to `plane`.

    Args:
        guide: [3, H, W] in [0, 1].
        plane: [1, H, W].
        radius: of the window, pixels.
        smoothness: colour variance below which an edge of the guide is ignored (epsilon).

    Returns:
        [1, H, W], which may leave the range of `plane` a little.
    """
    products = np.stack([guide[i] * guide[j] for i, j in _PAIRS])
    means = box_mean(np.concatenate([guide, plane, guide * plane, products]), radius)  # [13, H, W]
    colour, level = means[:3], means[3]
    c0, c1, c2 = means[4:7] - colour * level  # covariance of colour and plane
    v00, v01, v02, v11, v12, v22 = (
        means[7 + k] - colour[i] * colour[j] + np.float32(smoothness if i == j else 0.0)
        for k, (i, j) in enumerate(_PAIRS)
    )
    # Adjugate of the symmetric 3x3 covariance of the colours.
    a00, a01, a02 = v11 * v22 - v12 * v12, v12 * v02 - v01 * v22, v01 * v12 - v11 * v02
    a11, a12, a22 = v00 * v22 - v02 * v02, v02 * v01 - v00 * v12, v00 * v11 - v01 * v01
    determinant = v00 * a00 + v01 * a01 + v02 * a02
    model = np.empty((4, *level.shape), dtype=np.float32)
    model[0] = (a00 * c0 + a01 * c1 + a02 * c2) / determinant
    model[1] = (a01 * c0 + a11 * c1 + a12 * c2) / determinant
    model[2] = (a02 * c0 + a12 * c1 + a22 * c2) / determinant
    model[3] = level - (model[:3] * colour).sum(axis=0)
    model = box_mean(model, radius)
    return ((model[:3] * guide).sum(axis=0) + model[3])[None]
