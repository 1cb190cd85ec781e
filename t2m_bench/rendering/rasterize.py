"""The one way to turn 3D Gaussians into images: gsplat on CUDA, our compiled kernels on a CPU."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from t2m_bench.core.errors import DependencyError, ShapeError, UnknownName, UsageError

Backend: TypeAlias = Literal["cpu", "gsplat", "reference"]
Mode: TypeAlias = Literal["classic", "antialiased"]
_BACKENDS = ("cpu", "gsplat", "reference")
_MODES = ("classic", "antialiased")


def rasterize(
    means: Tensor,  # [N, 3]
    quats: Tensor,  # [N, 4] wxyz
    scales: Tensor,  # [N, 3]
    opacities: Tensor,  # [N]
    colors: Tensor,  # [N, D] or [C, N, D]
    viewmats: Tensor,  # [C, 4, 4]
    Ks: Tensor,  # [C, 3, 3]
    width: int,
    height: int,
    *,
    backgrounds: Tensor | None = None,  # [C, D]
    near_plane: float = 0.01,
    far_plane: float = 1e10,
    eps2d: float = 0.3,
    rasterize_mode: Mode = "classic",
    backend: Backend | None = None,
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Render N Gaussians into C images by front-to-back alpha compositing (Kerbl et al. 2023, Eq. 3).

    Conventions are those of `gsplat.rasterization`. Gradients flow to everything but `Ks`. The `cpu` backend gives the
    same bits for the same input, whatever the number of threads (`torch.get_num_threads()`); its first call on a
    machine compiles for some ten seconds, and it holds 8 bytes per pair of a Gaussian and a tile of 128 x 8 pixels it
    reaches, 4 (8 + D) during backward.

    Args:
        means: centres in world units, `[N, 3]`.
        quats: rotations as wxyz quaternions, normalised here, `[N, 4]`.
        scales: standard deviations along the rotated axes, linear, in world units, `[N, 3]`.
        opacities: in [0, 1], `[N]`.
        colors: any D >= 1 channels, after activation, `[N, D]`, or `[C, N, D]` for a colour per camera.
        viewmats: world-to-camera matrices, OpenCV axes (x right, y down, z forward), `[C, 4, 4]`.
        Ks: pinhole intrinsics in pixels; the centre of the first pixel is at (0.5, 0.5), `[C, 3, 3]`.
        width: image width in pixels.
        height: image height in pixels.
        backgrounds: colour seen where the transmittance is left, `[C, D]`; black when absent.
        near_plane: Gaussians nearer than this are not drawn, world units.
        far_plane: Gaussians further than this are not drawn, world units.
        eps2d: added to the diagonal of every projected covariance, pixels squared.
        rasterize_mode: `antialiased` dims each Gaussian by what `eps2d` enlarged it (Mip-Splatting, Yu et al. 2024).
        backend: `cpu`, `gsplat` or `reference`; None takes `gsplat` for tensors on a CUDA device, else `cpu`.

    Returns:
        image `[C, H, W, D]`, alpha `[C, H, W, 1]` in [0, 1), and facts about the projection, without gradient except
        from `gsplat`: `means2d [C, N, 2]` in pixels, `radii [C, N, 2]` int32 half-sizes in pixels (0 = not drawn),
        `depths [C, N]`, `conics [C, N, 3]`. Rows with a zero radius hold no meaning. float32, except that the
        `reference` backend keeps the dtype it is given.

    Raises:
        ShapeError: an argument has the wrong shape or dtype, or holds NaN or infinity.
        UnknownName: no such backend or mode.
        UsageError: the tensors are not where the backend needs them.
        DependencyError: `gsplat` was asked for and there is no CUDA device.

    Example:
        >>> image, alpha, meta = rasterize(
        ...     torch.tensor([[0.0, 0.0, 2.0]]), torch.tensor([[1.0, 0.0, 0.0, 0.0]]), torch.full((1, 3), 0.1),
        ...     torch.tensor([0.8]), torch.ones(1, 3), torch.eye(4)[None],
        ...     torch.tensor([[[32.0, 0.0, 8.5], [0.0, 32.0, 8.5], [0.0, 0.0, 1.0]]]), 16, 16,
        ... )
        >>> image.shape, round(float(alpha[0, 8, 8, 0]), 4)
        (torch.Size([1, 16, 16, 3]), 0.8)
    """
    tensors = {
        "means": means,
        "quats": quats,
        "scales": scales,
        "opacities": opacities,
        "colors": colors,
        "viewmats": viewmats,
        "Ks": Ks,
    }
    if backgrounds is not None:
        tensors["backgrounds"] = backgrounds
    _check_settings(width, height, near_plane, far_plane, eps2d, rasterize_mode)
    _check_shapes(tensors)
    chosen = _choose(tensors, backend)
    _check_finite(tensors)
    options: dict[str, Any] = {
        "backgrounds": backgrounds,
        "near_plane": float(near_plane),
        "far_plane": float(far_plane),
        "eps2d": float(eps2d),
        "rasterize_mode": rasterize_mode,
    }
    call = _implementation(chosen)
    result: tuple[Tensor, Tensor, dict[str, Any]] = call(
        means, quats, scales, opacities, colors, viewmats, Ks, int(width), int(height), **options
    )
    return result


def _implementation(backend: str) -> Any:
    """The function behind a backend's name; each is imported when first used."""
    if backend == "reference":
        from t2m_bench.rendering.reference import rasterize_reference

        return rasterize_reference
    if backend == "gsplat":
        from t2m_bench.rendering._gsplat import rasterize_gsplat

        return rasterize_gsplat
    from t2m_bench.rendering._cpu import rasterize_cpu

    return rasterize_cpu


def _choose(tensors: dict[str, Tensor], backend: str | None) -> str:
    """Name of the backend for these tensors, after checking that it can take them."""
    devices = {name: tensor.device for name, tensor in tensors.items()}
    first = devices["means"]
    for name, device in devices.items():
        if device != first:
            raise UsageError(
                f"means are on {first} but {name} is on {device}", hint="Move all of them to one device"
            )
    cuda = torch.cuda.is_available()
    if backend is None:
        return "gsplat" if cuda and first.type == "cuda" else "cpu"
    if backend not in _BACKENDS:
        close = get_close_matches(str(backend), _BACKENDS, n=1)
        guess = f"Did you mean {close[0]!r}" if close else f"Choose one of {', '.join(_BACKENDS)}"
        raise UnknownName(f"Unknown rasterizer backend {backend!r}", hint=guess)
    if backend == "gsplat" and not cuda:
        raise DependencyError(
            "The gsplat backend needs a CUDA device and there is none", hint="Use backend='cpu'"
        )
    wanted = {"gsplat": "cuda", "cpu": "cpu"}.get(backend, first.type)
    if first.type != wanted:
        raise UsageError(
            f"The {backend} backend takes {wanted} tensors, got {first}",
            hint=f"Call .{wanted}() on the inputs",
        )
    return backend


def _check_settings(
    width: int, height: int, near_plane: float, far_plane: float, eps2d: float, rasterize_mode: str
) -> None:
    if rasterize_mode not in _MODES:
        raise UnknownName(
            f"Unknown rasterize_mode {rasterize_mode!r}", hint=f"Choose one of {', '.join(_MODES)}"
        )
    if int(width) != width or int(height) != height or width < 1 or height < 1:
        raise ShapeError(f"width and height must be whole numbers from 1 on, got {width} x {height}")
    if not 0 < near_plane < far_plane:
        raise ShapeError(
            f"near_plane and far_plane must satisfy 0 < near < far, got {near_plane} and {far_plane}"
        )
    if not eps2d >= 0:
        raise ShapeError(f"eps2d must be at least 0, got {eps2d}")


def _check_shapes(tensors: dict[str, Tensor]) -> None:
    """Compare every shape with the documented one; N comes from `means`, C from `viewmats`, D from `colors`."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            got = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
            raise ShapeError(f"{name} must be a floating-point tensor, got {got}")
    n = tensors["means"].shape[0] if tensors["means"].dim() else 0
    c = tensors["viewmats"].shape[0] if tensors["viewmats"].dim() else 0
    d = tensors["colors"].shape[-1] if tensors["colors"].dim() else 0
    wanted: dict[str, tuple[int, ...]] = {
        "means": (n, 3),
        "quats": (n, 4),
        "scales": (n, 3),
        "opacities": (n,),
        "colors": (c, n, d) if tensors["colors"].dim() == 3 else (n, d),
        "viewmats": (c, 4, 4),
        "Ks": (c, 3, 3),
        "backgrounds": (c, d),
    }
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != wanted[name]:
            raise ShapeError(f"{name} must have shape {wanted[name]}, got {tuple(tensor.shape)}")
    if c < 1 or d < 1:
        raise ShapeError(f"At least one camera and one colour channel are needed, got {c} and {d}")


def _sums_are_finite(tensors: list[Tensor]) -> bool:
    """Whether every tensor has a finite sum: then it holds no NaN or infinity, and this is the cheap way to know.

    On a CPU numpy adds up, not torch: torch starts its thread pool for that, which then spins on the cores that the
    kernels are about to use. On a GPU one number comes back for all tensors.
    """
    if all(tensor.device.type == "cpu" and tensor.dtype != torch.bfloat16 for tensor in tensors):
        with np.errstate(over="ignore", invalid="ignore"):
            return all(bool(np.isfinite(tensor.detach().numpy().sum())) for tensor in tensors)
    return bool(
        torch.isfinite(torch.stack([tensor.detach().sum(dtype=torch.float32) for tensor in tensors])).all()
    )


def _check_finite(tensors: dict[str, Tensor]) -> None:
    if _sums_are_finite(list(tensors.values())):
        return
    for name, tensor in tensors.items():  # a sum may overflow without any of its terms
        bad = int((~torch.isfinite(tensor.detach())).sum())
        if bad:
            raise ShapeError(
                f"{name} holds {bad} NaN or infinite values of {tensor.numel()}",
                hint="Look at the learning rate, or at the tracked pose, that produced them",
            )
