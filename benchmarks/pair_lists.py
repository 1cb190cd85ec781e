"""The pair-list rasteriser in plain torch: what a differentiable renderer costs on a CPU without compiled kernels.

Every Gaussian is listed with every pixel it reaches; the list is sorted by pixel, so that the compositing of a pixel
becomes a cumulative sum over its stretch of the list. The benchmark measures our kernels against this.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from t2m_bench.rendering.reference import ALPHA_MAX, ALPHA_MIN, T_STOP, project_reference

BAND_PAIRS = 1 << 20  # (Gaussian, pixel) pairs in a band of image rows; longer lists fall out of the cache


class _Splats(NamedTuple):
    """Drawn Gaussians, front to back, and the width of the image."""

    centers: Tensor  # [M, 2] pixels
    conics: Tensor  # [M, 3] upper triangle of the inverse covariance
    peaks: Tensor  # [M]
    colors: Tensor  # [M, D]
    width: int


def _boxes(centers: Tensor, covars: Tensor, peaks: Tensor, width: int, height: int) -> Tensor:
    """Pixels within the contour alpha = 1/255: first and one past last column, then row, `[M, 4]`."""
    reach = torch.sqrt(2 * torch.log((peaks / ALPHA_MIN).clamp(min=1))).clamp(max=3.33)[:, None]
    radius = reach * covars.diagonal(dim1=-2, dim2=-1).sqrt()
    first = torch.ceil(centers - radius - 0.5)
    last = torch.floor(centers + radius - 0.5) + 1
    (x0, y0), (x1, y1) = first.unbind(-1), last.unbind(-1)
    columns = [x0.clamp(0, width), x1.clamp(0, width)]
    return torch.stack([*columns, y0.clamp(0, height), y1.clamp(0, height)], dim=-1).long()


def _bands(boxes: Tensor, height: int, limit: int) -> list[tuple[int, int]]:
    """Cut the rows into bands of at most `limit` pairs; a row is never cut."""
    x0, x1, y0, y1 = boxes.unbind(-1)
    wide = (x1 - x0).clamp(min=0) * (y1 > y0)
    steps = torch.zeros(height + 1, dtype=torch.long).index_add_(0, y0, wide).index_add_(0, y1, -wide)
    bands, begin, held = [], 0, 0
    for row, pairs in enumerate(steps.cumsum(0)[:height].tolist()):
        if held + pairs > limit and row > begin:
            bands.append((begin, row))
            begin, held = row, 0
        held += pairs
    return [*bands, (begin, height)]


def _alpha(splats: _Splats, which: Tensor, pixel: Tensor) -> Tensor:
    """Opacity of Gaussian `which` at `pixel`, both `[P]`."""
    offset = splats.centers[which] - torch.stack([pixel % splats.width, pixel // splats.width], dim=-1) - 0.5
    dx, dy = offset.unbind(-1)
    a, b, c = splats.conics[which].unbind(-1)
    sigma = 0.5 * (a * dx * dx + c * dy * dy) + b * dx * dy
    return (splats.peaks[which] * torch.exp(-sigma)).clamp(max=ALPHA_MAX)


@torch.no_grad()
def _pairs(splats: _Splats, boxes: Tensor, band: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The visible (Gaussian, pixel) pairs of a band, pixel by pixel and front to back within a pixel."""
    x0, x1, y0, y1 = boxes.unbind(-1)
    top, wide = y0.clamp(min=band[0]), (x1 - x0).clamp(min=0)
    counts = wide * (y1.clamp(max=band[1]) - top).clamp(min=0)
    which = torch.repeat_interleave(torch.arange(len(boxes)), counts)
    place = torch.arange(len(which)) - (counts.cumsum(0) - counts)[which]
    across = wide[which]
    pixel = (top[which] + place // across) * splats.width + x0[which] + place % across
    seen = _alpha(splats, which, pixel) >= ALPHA_MIN
    pixel, order = torch.sort(pixel[seen], stable=True)
    return which[seen][order], pixel


def _composite(splats: _Splats, which: Tensor, pixel: Tensor, band: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Colours without background `[rows * W, D]` and alpha `[rows * W]` of a band."""
    alpha = _alpha(splats, which, pixel)
    logs = torch.log1p(-alpha).double()  # a sum over the whole band would lose the last digits in float32
    before = logs.cumsum(0) - logs
    starts = torch.ones_like(pixel, dtype=torch.bool)
    starts[1:] = pixel[1:] != pixel[:-1]
    before = before - before[starts][starts.cumsum(0) - 1]
    through = torch.exp(before).to(alpha.dtype)
    weights = torch.where(through * (1 - alpha) > T_STOP, alpha * through, 0.0)
    at, channels = pixel - band[0] * splats.width, splats.colors.shape[-1]
    blank = weights.new_zeros((band[1] - band[0]) * splats.width, channels)
    image = blank.index_add(0, at, weights[:, None] * splats.colors[which])
    return image, blank[:, 0].index_add(0, at, weights)


def rasterize_pairs(
    means: Tensor, quats: Tensor, scales: Tensor, opacities: Tensor, colors: Tensor, viewmats: Tensor, Ks: Tensor,
    width: int, height: int, *, backgrounds: Tensor | None = None, near_plane: float = 0.01, far_plane: float = 1e10,
    eps2d: float = 0.3, band_pairs: int = BAND_PAIRS,
) -> tuple[Tensor, Tensor, dict[str, Any]]:  # fmt: skip
    """As `t2m_bench.rendering.rasterize.rasterize` in its classic mode; `meta` holds the number of visible `pairs`."""
    images, alphas, listed = [], [], 0
    for c, (view, K) in enumerate(zip(viewmats, Ks, strict=True)):
        centers, depths, covars, _ = project_reference(means, quats, scales, view, K, (width, height), eps2d)
        order = torch.argsort(depths, stable=True)
        det = torch.linalg.det(covars)
        drawn = (depths > near_plane) & (depths < far_plane) & (opacities >= ALPHA_MIN) & (det > 0)
        order = order[drawn[order]]
        conics = torch.linalg.inv(covars[order]).reshape(-1, 4)[:, [0, 1, 3]]
        color = colors[order] if colors.dim() == 2 else colors[c, order]
        splats = _Splats(centers[order], conics, opacities[order], color, width)
        boxes = _boxes(splats.centers.detach(), covars[order].detach(), splats.peaks.detach(), width, height)
        parts = []
        for band in _bands(boxes, height, band_pairs):
            which, pixel = _pairs(splats, boxes, band)
            parts.append(_composite(splats, which, pixel, band))
            listed += len(which)
        image, alpha = (torch.cat(part).reshape(height, width, -1) for part in zip(*parts, strict=True))
        images.append(image if backgrounds is None else image + (1 - alpha) * backgrounds[c])
        alphas.append(alpha)
    return torch.stack(images), torch.stack(alphas), {"pairs": listed}
