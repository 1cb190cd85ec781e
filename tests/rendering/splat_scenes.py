"""Scenes for the rasteriser's tests, and how to compare what is made of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from t2m_bench.rendering.rasterize import rasterize
from t2m_bench.rendering.reference import ALPHA_MAX, ALPHA_MIN, T_STOP, project_reference

NAMES = ("means", "quats", "scales", "opacities", "colors", "viewmats", "backgrounds")


@dataclass(frozen=True)
class Scene:
    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    colors: Tensor
    viewmats: Tensor
    Ks: Tensor
    backgrounds: Tensor
    width: int
    height: int
    mode: str = "classic"

    def to(self, dtype: torch.dtype) -> Scene:
        return replace(self, **{name: getattr(self, name).to(dtype) for name in (*NAMES, "Ks")})

    def render(self, backend: str, **changed: Tensor) -> tuple[Tensor, Tensor, dict]:
        scene = replace(self, **changed)
        return rasterize(
            scene.means,
            scene.quats,
            scene.scales,
            scene.opacities,
            scene.colors,
            scene.viewmats,
            scene.Ks,
            scene.width,
            scene.height,
            backgrounds=scene.backgrounds,
            rasterize_mode=scene.mode,
            backend=backend,
        )


def cameras(count: int, width: int, height: int) -> tuple[Tensor, Tensor]:
    """Cameras on an arc around (0, 0, 3), their image centres a little off."""
    focal = 1.2 * max(width, height)
    views = torch.eye(4, dtype=torch.float64).repeat(count, 1, 1)
    Ks = torch.eye(3, dtype=torch.float64).repeat(count, 1, 1)
    for c in range(count):
        angle = 0.2 * c
        turn = torch.tensor(
            [[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]],
            dtype=torch.float64,
        )
        views[c, :3, :3] = turn
        views[c, :3, 3] = torch.tensor([0.0, 0.0, 3.0]) - turn @ torch.tensor(
            [0.0, 0.0, 3.0], dtype=torch.float64
        )
        Ks[c, 0, 0], Ks[c, 1, 1] = focal, 1.05 * focal
        Ks[c, 0, 2], Ks[c, 1, 2] = width / 2 + 0.3 + c, height / 2 - 0.4
    return views, Ks


def scene(
    count: int,
    width: int,
    height: int,
    *,
    channels: int = 3,
    views: int = 1,
    seed: int = 0,
    sigma: tuple[float, float] = (0.5, 3.0),
    opacity: tuple[float, float] = (0.05, 0.98),
    mode: str = "classic",
    per_camera: bool = False,
) -> Scene:
    """Random Gaussians filling the first camera's image, `sigma` pixels in size, in float64."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    viewmats, Ks = cameras(views, width, height)
    depth = 2.0 + 2.0 * uniform(count)
    focal = Ks[0, 0, 0]
    means = torch.stack(
        [
            (uniform(count) - 0.5) * width / focal * depth,
            (uniform(count) - 0.5) * height / focal * depth,
            depth,
        ],
        -1,
    )
    pixels = sigma[0] + (sigma[1] - sigma[0]) * uniform(count, 3)
    return Scene(
        means=means,
        quats=torch.randn(count, 4, generator=generator, dtype=torch.float64),
        scales=pixels * depth[:, None] / focal,
        opacities=opacity[0] + (opacity[1] - opacity[0]) * uniform(count),
        colors=uniform(views, count, channels) if per_camera else uniform(count, channels),
        viewmats=viewmats,
        Ks=Ks,
        backgrounds=uniform(views, channels),
        width=width,
        height=height,
        mode=mode,
    )


def threshold_band(scene: Scene, width: float = 1e-3) -> Tensor:
    """Pixels `[C, H, W]` where an exact renderer is within a relative `width` of one of its three thresholds.

    A pixel's colour is a smooth function of the inputs except where a Gaussian's alpha crosses 1/255 (it appears with
    that weight at once), where the transmittance crosses 1e-4 (the pixel stops), and where two depths are so close
    that float32 may sort them either way. There a rounding error of 1e-7 may flip the decision, and two correct
    programs may differ by the weight of a Gaussian; everywhere else they have to agree to rounding. Where alpha
    crosses its upper limit 0.999 the picture is continuous but its slope is not, so gradients may flip.
    """
    exact = scene.to(torch.float64)
    ys, xs = torch.meshgrid(torch.arange(scene.height), torch.arange(scene.width), indexing="ij")
    pixels = torch.stack([xs, ys], -1).reshape(-1, 1, 2) + 0.5
    bands = []
    for view, K in zip(exact.viewmats, exact.Ks, strict=True):
        size = (scene.width, scene.height)
        centers, depths, covars, factor = project_reference(
            exact.means, exact.quats, exact.scales, view, K, size, 0.3
        )
        peaks = exact.opacities * factor if scene.mode == "antialiased" else exact.opacities
        order = torch.argsort(depths, stable=True)
        order = order[(depths > 0.01)[order]]
        offset = centers[order] - pixels
        sigma = 0.5 * torch.einsum("pmi,mij,pmj->pm", offset, torch.linalg.inv(covars[order]), offset)
        alpha = peaks[order] * torch.exp(-sigma)
        seen = alpha >= ALPHA_MIN * (1 - width)
        near = (alpha / ALPHA_MIN - 1).abs() < width
        near |= (alpha / ALPHA_MAX - 1).abs() < width * 1e-2
        after = torch.cumprod(1 - torch.where(alpha >= ALPHA_MIN, alpha.clamp(max=ALPHA_MAX), 0.0), dim=1)
        near |= ((after / T_STOP - 1).abs() < width) & seen
        if len(order) > 1:
            close = depths[order].diff() < 1e-6 * depths[order][1:]
            near[:, 1:] |= close & seen[:, 1:] & seen[:, :-1]
        bands.append(near.any(dim=1).reshape(scene.height, scene.width))
    return torch.stack(bands)


def gradients(scene: Scene, backend: str, weights: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """Gradients of sum(image * weights[0]) + sum(alpha * weights[1]) with respect to every differentiable input."""
    leaves = {name: getattr(scene, name).clone().requires_grad_() for name in NAMES}
    image, alpha, _ = scene.render(backend, **leaves)
    ((image * weights[0].to(image)).sum() + (alpha * weights[1].to(alpha)).sum()).backward()
    return {name: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for name, leaf in leaves.items()}
