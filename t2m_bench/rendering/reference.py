"""The slow readable rasteriser: plain torch, brute force per pixel, differentiable in every input, any dtype.

It is the oracle the fast kernels are tested against, and the place to read what they compute. The sampling and
skipping rules are those of gsplat (Kerbl et al. 2023; Ye et al. 2024), so that a picture does not depend on the
machine it was made on.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the usual name)
from torch import Tensor

ALPHA_MIN = 1.0 / 255.0  # a Gaussian fainter than this at a pixel is skipped there
ALPHA_MAX = 0.999  # nothing is fully opaque, so transmittance never reaches zero
T_STOP = 1e-4  # the Gaussian that would bring the transmittance this low is not added, nor any behind it
_CHUNK = 1 << 21  # (pixel, Gaussian) pairs held at once


def project_reference(
    means: Tensor,  # [N, 3]
    quats: Tensor,  # [N, 4] wxyz
    scales: Tensor,  # [N, 3]
    viewmats: Tensor,  # [C, 4, 4]
    Ks: Tensor,  # [C, 3, 3]
    width: int,
    height: int,
    eps2d: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """EWA projection (Zwicker et al. 2001) of all Gaussians into all cameras, nothing culled.

    Returns:
        means2d `[C, N, 2]` in pixels, depths `[C, N]`, covariances `[C, N, 2, 2]` in pixels squared with `eps2d`
        added, and the antialiasing factor `[C, N]` = sqrt(det without eps2d / det with it).
    """
    w, x, y, z = F.normalize(quats, dim=-1).unbind(-1)
    rotation = torch.stack(
        [
            *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
            *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
            *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
        ],
        dim=-1,
    ).reshape(-1, 3, 3)
    half = viewmats[:, None, :3, :3] @ (rotation * scales[:, None, :])  # [C, N, 3, 3]; covariance = half half^T
    px, py, depths = (means @ viewmats[:, :3, :3].mT + viewmats[:, None, :3, 3]).unbind(-1)  # [C, N]
    fx, fy, cx, cy = (Ks[:, i, j, None] for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))  # [C, 1]
    # The Jacobian is linearised at most 0.3 half-fields outside the image: further out it would explode.
    mx, my = 0.15 * width / fx, 0.15 * height / fy
    tx = depths * (px / depths).clamp(-cx / fx - mx, (width - cx) / fx + mx)
    ty = depths * (py / depths).clamp(-cy / fy - my, (height - cy) / fy + my)
    row_x = (fx / depths)[..., None] * half[..., 0, :] - (fx * tx / depths**2)[..., None] * half[..., 2, :]
    row_y = (fy / depths)[..., None] * half[..., 1, :] - (fy * ty / depths**2)[..., None] * half[..., 2, :]
    rows = torch.stack([row_x, row_y], dim=-2)  # [C, N, 2, 3]
    sharp = rows @ rows.mT
    covars = sharp + eps2d * torch.eye(2, dtype=means.dtype, device=means.device)
    ratio = torch.linalg.det(sharp) / torch.linalg.det(covars)
    # sqrt has no slope at 0: a Gaussian seen exactly edge-on gets factor 0 and no gradient from it.
    compensation = torch.where(ratio > 0, ratio.where(ratio > 0, 1.0).sqrt(), 0.0)
    means2d = torch.stack([fx * px / depths + cx, fy * py / depths + cy], dim=-1)
    return means2d, depths, covars, compensation


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
    means2d, depths, covars, compensation = project_reference(
        means, quats, scales, viewmats, Ks, width, height, eps2d
    )
    peak = opacities * compensation if rasterize_mode == "antialiased" else opacities.expand_as(depths)  # [C, N]
    visible = (depths > near_plane) & (depths < far_plane) & (torch.linalg.det(covars) > 0) & (peak >= ALPHA_MIN)
    conics = torch.linalg.inv(torch.where(visible[..., None, None], covars, torch.eye(2).to(covars)))
    images, alphas = [], []
    for c in range(viewmats.shape[0]):
        order = torch.argsort(torch.where(visible[c], depths[c], math.inf), stable=True)[: int(visible[c].sum())]
        color = (colors if colors.dim() == 2 else colors[c])[order]
        back = None if backgrounds is None else backgrounds[c]
        rows_at_once = max(1, _CHUNK // max(1, width * len(order)))
        parts = []
        for y0 in range(0, height, rows_at_once):
            ys, xs = torch.meshgrid(
                torch.arange(y0, min(height, y0 + rows_at_once)).to(means) + 0.5,
                torch.arange(width).to(means) + 0.5,
                indexing="ij",
            )
            offset = means2d[c, order] - torch.stack([xs, ys], dim=-1)[:, :, None]  # [rows, W, M, 2]
            sigma = 0.5 * torch.einsum("hwni,nij,hwnj->hwn", offset, conics[c, order], offset)
            alpha = (peak[c, order] * torch.exp(-sigma)).clamp(max=ALPHA_MAX)
            alpha = torch.where((sigma >= 0) & (alpha >= ALPHA_MIN), alpha, 0.0)
            after = torch.cumprod(1 - alpha, dim=-1)
            alpha = torch.where(after > T_STOP, alpha, 0.0)
            before = torch.cumprod(torch.cat([torch.ones_like(alpha[..., :1]), 1 - alpha], dim=-1), dim=-1)
            left = before[..., -1:]  # transmittance after everything, [rows, W, 1]
            image = (alpha * before[..., :-1]) @ color
            parts.append(torch.cat([image if back is None else image + left * back, 1 - left], dim=-1))
        images.append(torch.cat(parts)[..., :-1])
        alphas.append(torch.cat(parts)[..., -1:])
    reach = (2 * torch.log((peak.detach() / ALPHA_MIN).clamp(min=1))).sqrt()[..., None]
    radii = torch.ceil(reach * covars.detach().diagonal(dim1=-2, dim2=-1).sqrt()).int() * visible[..., None]
    flat_conics = conics.reshape(*depths.shape, 4)[..., [0, 1, 3]]
    return (
        torch.stack(images),
        torch.stack(alphas),
        {"means2d": means2d, "radii": radii, "depths": depths, "conics": flat_conics},
    )
