"""The CUDA backend: one call of gsplat."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def rasterize_gsplat(
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
    """Arguments and results as `rasterize`, which has checked them; computes in float32."""
    inputs = [t.float() for t in (means, quats, scales, opacities, colors, viewmats, Ks)]
    behind = None if backgrounds is None else backgrounds.float()
    if means.shape[0] == 0:  # gsplat divides by the number of Gaussians on the host, which ends the process
        return _empty(viewmats.shape[0], colors.shape[-1], width, height, behind, means.device)

    from gsplat import rasterization  # compiles CUDA sources at its first use

    image, alpha, meta = rasterization(
        *inputs,
        width,
        height,
        near_plane=near_plane,
        far_plane=far_plane,
        eps2d=eps2d,
        packed=False,  # faster for one object in view, and keeps the facts indexed by Gaussian
        backgrounds=behind,
        rasterize_mode=rasterize_mode,
    )
    radii = meta["radii"]
    if radii.dim() == 2:  # before gsplat 1.5: one radius instead of two half-sizes
        radii = torch.stack([radii, radii], dim=-1)
    facts = {"means2d": meta["means2d"], "radii": radii, "depths": meta["depths"], "conics": meta["conics"]}
    return image, alpha, facts


def _empty(
    cameras: int, channels: int, width: int, height: int, backgrounds: Tensor | None, device: torch.device
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """What no Gaussians at all look like."""
    behind = torch.zeros(cameras, channels, device=device) if backgrounds is None else backgrounds
    image = behind[:, None, None].expand(cameras, height, width, channels).clone()
    facts = {
        "means2d": torch.zeros(cameras, 0, 2, device=device),
        "radii": torch.zeros(cameras, 0, 2, device=device, dtype=torch.int32),
        "depths": torch.zeros(cameras, 0, device=device),
        "conics": torch.zeros(cameras, 0, 3, device=device),
    }
    return image, torch.zeros(cameras, height, width, 1, device=device), facts
