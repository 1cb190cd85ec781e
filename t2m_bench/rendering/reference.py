"""The slow readable rasteriser: plain torch, brute force per pixel, differentiable in every input, any dtype.

The oracle the fast kernels are tested against, and the place to read what they compute. Pixels are sampled and
Gaussians skipped by the rules of gsplat (Kerbl et al. 2023; Ye et al. 2024).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

ALPHA_MIN = 1.0 / 255.0  # a Gaussian fainter than this at a pixel is skipped there
ALPHA_MAX = 0.999  # nothing is fully opaque, so transmittance never reaches zero
T_STOP = 1e-4  # the Gaussian that would bring the transmittance this low is not added, nor any behind it
_CHUNK = 1 << 21  # (pixel, Gaussian) pairs held at once


def project_reference(
    means: Tensor, quats: Tensor, scales: Tensor, view: Tensor, K: Tensor, size: tuple[int, int], eps2d: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """EWA projection (Zwicker et al. 2001) of N Gaussians into one camera, `view [4, 4]` and `K [3, 3]`; size (W, H).

    Returns:
        centres `[N, 2]` in pixels, depths `[N]`, covariances `[N, 2, 2]` in pixels squared with `eps2d` added, and
        the antialiasing factor `[N]`, the root of the determinant without `eps2d` over that with it.
    """
    w, x, y, z = F.normalize(quats, dim=-1).unbind(-1)
    row0 = torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], dim=-1)
    row1 = torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], dim=-1)
    row2 = torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], dim=-1)
    rotations = torch.stack([row0, row1, row2], dim=-2)
    axes = view[:3, :3] @ (rotations * scales[:, None])  # the covariance in camera space is axes axes^T
    px, py, depths = (means @ view[:3, :3].mT + view[:3, 3]).unbind(-1)
    z = depths.where(depths.abs() > 1e-12, 1.0)  # nothing is drawn at 0, but its infinities would spread
    fx, fy, cx, cy, (width, height) = K[0, 0], K[1, 1], K[0, 2], K[1, 2], size
    # The Jacobian is taken at most 0.3 half-fields outside the image: further out it would explode.
    sx = (px / z).clamp((-cx - 0.15 * width) / fx, (1.15 * width - cx) / fx)
    sy = (py / z).clamp((-cy - 0.15 * height) / fy, (1.15 * height - cy) / fy)
    row_x = (fx / z)[:, None] * (axes[:, 0] - sx[:, None] * axes[:, 2])
    row_y = (fy / z)[:, None] * (axes[:, 1] - sy[:, None] * axes[:, 2])
    rows = torch.stack([row_x, row_y], dim=-2)  # [N, 2, 3]
    sharp = rows @ rows.mT
    covars = sharp + eps2d * torch.eye(2).to(means)
    ratio = torch.linalg.det(sharp) / torch.linalg.det(covars)
    # A root has no slope at 0: what is seen exactly edge-on gets the factor 0 and no gradient from it.
    compensation = torch.where(ratio > 0, ratio.where(ratio > 0, 1.0).sqrt(), 0.0)
    return torch.stack([fx * px / z + cx, fy * py / z + cy], dim=-1), depths, covars, compensation


def _composite(
    pixels: Tensor, centers: Tensor, conics: Tensor, peaks: Tensor, colors: Tensor, background: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Colours `[P, D]` and transmittances left `[P, 1]` at P pixels, from M Gaussians sorted front to back."""
    offset = centers - pixels[:, None]  # [P, M, 2]
    sigma = 0.5 * torch.einsum("pmi,mij,pmj->pm", offset, conics, offset)
    alpha = (peaks * torch.exp(-sigma)).clamp(max=ALPHA_MAX)
    alpha = torch.where((sigma >= 0) & (alpha >= ALPHA_MIN), alpha, 0.0)
    alpha = torch.where(torch.cumprod(1 - alpha, dim=1) > T_STOP, alpha, 0.0)
    through = torch.cumprod(torch.cat([alpha.new_ones(len(alpha), 1), 1 - alpha], dim=1), dim=1)  # [P, M + 1]
    color = (alpha * through[:, :-1]) @ colors
    return color if background is None else color + through[:, -1:] * background, through[:, -1:]


def rasterize_reference(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    *,
    backgrounds: Tensor | None = None,
    near_plane: float = 0.01,
    far_plane: float = 1e10,
    eps2d: float = 0.3,
    rasterize_mode: str = "classic",
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Arguments and results as `rasterize`; time grows with pixels times Gaussians."""
    images, alphas, facts = [], [], []
    ys, xs = torch.meshgrid(torch.arange(height).to(means), torch.arange(width).to(means), indexing="ij")
    pixels = torch.stack([xs, ys], dim=-1).reshape(-1, 2) + 0.5
    for c, (view, K) in enumerate(zip(viewmats, Ks, strict=True)):
        projected = project_reference(means, quats, scales, view, K, (width, height), eps2d)
        centers, depths, covars, factor = projected
        peaks = opacities * factor if rasterize_mode == "antialiased" else opacities
        inside = (depths > near_plane) & (depths < far_plane)
        drawn = inside & (torch.linalg.det(covars) > 0) & (peaks >= ALPHA_MIN)
        order = torch.argsort(depths, stable=True)
        order = order[drawn[order]]
        conics = torch.linalg.inv(torch.where(drawn[:, None, None], covars, torch.eye(2).to(covars)))
        color = colors[order] if colors.dim() == 2 else colors[c, order]
        background = None if backgrounds is None else backgrounds[c]
        splats = (centers[order], conics[order], peaks[order], color, background)
        parts = [_composite(chunk, *splats) for chunk in pixels.split(max(1, _CHUNK // max(1, len(order))))]
        images.append(torch.cat([part[0] for part in parts]).reshape(height, width, -1))
        alphas.append(1 - torch.cat([part[1] for part in parts]).reshape(height, width, 1))
        reach = torch.sqrt(2 * torch.log((peaks / ALPHA_MIN).clamp(min=1)))[:, None]
        radii = torch.ceil(reach * covars.diagonal(dim1=-2, dim2=-1).sqrt()).int() * drawn[:, None]
        facts.append((centers, radii, depths, conics.reshape(-1, 4)[:, [0, 1, 3]]))
    stacked = [torch.stack(fact).detach() for fact in zip(*facts, strict=True)]
    meta = dict(zip(("means2d", "radii", "depths", "conics"), stacked, strict=True))
    return torch.stack(images), torch.stack(alphas), meta
