"""The CPU backend: the compiled kernels behind one `torch.autograd.Function`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from t2m_bench.rendering._compiled import Floats, Ints, run
from t2m_bench.rendering._composite import SUM_COLUMNS, channels_of, render, render_backward
from t2m_bench.rendering._projection_backward import project_backward
from t2m_bench.rendering._tiles import CHUNK, TILE_HEIGHT, TILE_WIDTH, list_pairs, reserve
from t2m_bench.rendering.projection import SPLAT_COLUMNS, Projected, project


class _Settings(NamedTuple):
    width: int
    height: int
    near_plane: float
    far_plane: float
    eps2d: float
    antialiased: bool

    @property
    def size(self) -> tuple[np.float32, np.float32]:
        return np.float32(self.width), np.float32(self.height)

    @property
    def grid(self) -> tuple[int, int]:
        return -(-self.width // TILE_WIDTH), -(-self.height // TILE_HEIGHT)


class _Plan(NamedTuple):
    """What is drawn where: the splats, and for each tile the list of those that meet it."""

    view: Projected
    first: Ints  # [C, N, 2]
    starts: Ints  # [C * tiles + 1]
    pairs: Ints  # [pairs, 2]


def _array(tensor: Tensor) -> Floats:
    return np.ascontiguousarray(tensor.detach().numpy())  # not torch, whose thread pool would get in the way


def _per_camera(colors: Tensor) -> Floats:
    """Colours as `[1 or C, N, D]`."""
    return _array(colors if colors.dim() == 3 else colors[None])


def _plan(gaussians: tuple[Floats, ...], viewmats: Floats, Ks: Floats, settings: _Settings) -> _Plan:
    shape = (viewmats.shape[0], gaussians[0].shape[0])
    view = Projected(
        splats=np.empty((*shape, SPLAT_COLUMNS), np.float32),
        depths=np.empty(shape, np.float32),
        means2d=np.zeros((*shape, 2), np.float32),
        conics=np.zeros((*shape, 3), np.float32),
        radii=np.empty((*shape, 2), np.int32),
        boxes=np.empty((*shape, 4), np.int32),
    )
    limits = (np.float32(settings.near_plane), np.float32(settings.far_plane), np.float32(settings.eps2d))
    columns, rows = settings.grid
    chunks = -(-shape[1] // CHUNK)
    counts = np.empty((shape[0], chunks, columns * rows + 1), np.int32)
    run(
        project,
        chunks,
        gaussians,
        viewmats,
        Ks,
        settings.size,
        limits,
        settings.antialiased,
        columns,
        view,
        counts,
    )
    first = np.empty((*shape, 2), np.int32)
    starts = np.empty(shape[0] * columns * rows + 1, np.int32)
    pairs = np.empty((reserve(counts, starts), 2), np.int32)
    run(list_pairs, shape[0] * chunks, view.boxes, settings.grid, counts, first, pairs)
    return _Plan(view, first, starts, pairs)


class _Rasterize(torch.autograd.Function):
    """Gaussians in, (image, alpha, depths, means2d, conics, radii) out; only the first two carry a gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        means: Tensor,
        quats: Tensor,
        scales: Tensor,
        opacities: Tensor,
        colors: Tensor,
        viewmats: Tensor,
        Ks: Tensor,
        backgrounds: Tensor | None,
        settings: _Settings,
    ) -> tuple[Tensor, ...]:
        gaussians = (_array(means), _array(quats), _array(scales), _array(opacities))
        plan = _plan(gaussians, _array(viewmats), _array(Ks), settings)
        cameras, channels = viewmats.shape[0], colors.shape[-1]
        image = torch.empty(cameras, settings.height, settings.width, channels)
        alpha = torch.empty(cameras, settings.height, settings.width, 1)
        behind = np.zeros((cameras, channels), np.float32) if backgrounds is None else _array(backgrounds)
        lists = (
            channels_of(channels),
            plan.starts,
            plan.pairs,
            settings.grid,
            plan.view.depths.view(np.int32),
        )
        outputs = (image.numpy(), alpha.numpy()[..., 0])
        run(render, len(plan.starts) - 1, plan.view.splats, _per_camera(colors), *lists, behind, *outputs)

        ctx.save_for_backward(means, quats, scales, opacities, colors, viewmats, Ks, image, alpha)
        ctx.plan, ctx.settings = plan, settings
        ctx.set_materialize_grads(False)
        facts = [torch.from_numpy(a) for a in plan.view[1:5]]
        ctx.mark_non_differentiable(*facts)
        return image, alpha, *facts

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_image: Tensor | None, grad_alpha: Tensor | None, *_: Any) -> tuple[Any, ...]:
        means, quats, scales, opacities, colors, viewmats, Ks, image, alpha = ctx.saved_tensors
        plan, settings = ctx.plan, ctx.settings
        if grad_image is None and grad_alpha is None:
            return (None,) * 9
        to_image = np.zeros(image.shape, np.float32) if grad_image is None else _array(grad_image)
        to_alpha = np.zeros(alpha.shape[:3], np.float32) if grad_alpha is None else _array(grad_alpha[..., 0])
        sums = np.empty((len(plan.pairs), SUM_COLUMNS + colors.shape[-1]), np.float32)
        lists = (channels_of(colors.shape[-1]), plan.starts, plan.pairs, settings.grid)
        outputs = (image.detach().numpy(), alpha.detach().numpy()[..., 0])
        color_array, splats = _per_camera(colors), plan.view.splats
        tiles = len(plan.starts) - 1
        through = np.empty((tiles, colors.shape[-1]), np.float32)
        gradients = (to_image, to_alpha, sums, through)
        run(render_backward, tiles, splats, color_array, *lists, *outputs, *gradients)

        gaussians = (_array(means), _array(quats), _array(scales), _array(opacities))
        grads = tuple(np.empty_like(array) for array in (*gaussians, color_array))
        chunks = -(-means.shape[0] // CHUNK)
        views = np.empty((viewmats.shape[0], chunks, 3, 4), np.float64)
        cameras = (_array(viewmats), _array(Ks), settings.size)
        options = (np.float32(settings.eps2d), settings.antialiased)
        run(project_backward, chunks, gaussians, *cameras, *options, splats, plan.first, sums, grads, views)
        grad_views = np.zeros(viewmats.shape, np.float32)
        grad_views[:, :3] = views.sum(axis=1)
        grad_background = None
        if ctx.needs_input_grad[7]:
            by_tile = through.reshape(viewmats.shape[0], -1, colors.shape[-1])
            grad_background = torch.from_numpy(by_tile.sum(axis=1, dtype=np.float64).astype(np.float32))
        *others, grad_colors = (torch.from_numpy(grad) for grad in grads)
        return (
            *others,
            grad_colors.reshape(colors.shape),
            torch.from_numpy(grad_views),
            None,
            grad_background,
            None,
        )


def rasterize_cpu(
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
    settings = _Settings(width, height, near_plane, far_plane, eps2d, rasterize_mode == "antialiased")
    inputs = [t.float() for t in (means, quats, scales, opacities, colors, viewmats, Ks)]
    behind = None if backgrounds is None else backgrounds.float()
    image, alpha, depths, means2d, conics, radii = _Rasterize.apply(*inputs, behind, settings)
    return image, alpha, {"means2d": means2d, "radii": radii, "depths": depths, "conics": conics}
