"""Triangle meshes into images on a CPU, with gradients in the inside and at the outlines.

Which face a pixel sees is decided by a z-buffer and has no gradient. Inside a face gradients come from the
interpolation of its corners. At outlines they come from antialiasing: a pixel cut by an outline is blended with its
neighbour by where the outline crosses between their centres (after Laine et al. 2020, section 3.3), or, for
`soft_mask`, from the distance to the nearest outline (after Chen et al. 2019, Eq. 5).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from t2m_bench.core.errors import ShapeError, UsageError
from t2m_bench.rendering._compiled import run
from t2m_bench.rendering._mesh_kernels import (
    BAND,
    Doubles,
    Indices,
    add_rows,
    draw_faces,
    find_closest,
    find_crossings,
    find_outlines,
    interpolate,
    interpolate_backward,
    measure_faces,
)
from t2m_bench.rendering.rasterize import _check_finite


class MeshImage(NamedTuple):
    """What `rasterize_mesh` returns; the first three carry gradients."""

    image: Tensor
    """`[H, W, D]`, attributes over the background."""
    alpha: Tensor
    """`[H, W]`, covered part of each pixel, in [0, 1]."""
    depth: Tensor
    """`[H, W]`, camera z at the pixel's centre, 0 where nothing is seen."""
    face_index: Tensor
    """`[H, W]` int64, face seen at the pixel's centre, -1 where there is none."""


class _Seen(NamedTuple):
    """Visibility of a mesh: no gradient in here."""

    points: Doubles  # [V, 3]
    faces: Indices  # [F, 3]
    areas: Doubles  # [F]
    nearest: Doubles  # [H, W], 1/z
    winner: Indices  # [H, W]


def rasterize_mesh(
    vertices: Tensor,  # [V, 3]
    faces: Tensor,  # [F, 3] int64
    attributes: Tensor,  # [V, D]
    viewmat: Tensor,  # [4, 4]
    K: Tensor,  # [3, 3]
    width: int,
    height: int,
    *,
    background: Tensor | None = None,  # [D]
    near_plane: float = 0.01,
    antialias: bool = True,
) -> MeshImage:
    """Render a mesh with attributes interpolated between its vertices.

    Faces are opaque and have two sides; the nearest is seen, of equally near ones the one with the lower index. A
    face with a vertex nearer than `near_plane`, or without area on the screen, is left out as a whole. Faces that
    share vertices leave no cracks. Vertices that only share their place (texture seams) count as outlines: weld them.
    Details thinner than a pixel are seen only where they meet a pixel's centre.

    Gradients flow to `vertices`, `attributes`, `viewmat`, `K` and `background`. Computed in float64 inside; the same
    input gives the same bits of outputs and of the gradients of vertices and attributes, on any number of threads.

    Args:
        vertices: places in world units, `[V, 3]`.
        faces: vertex indices of the triangles, in any orientation, `[F, 3]` int64.
        attributes: any D >= 1 channels, such as colours, `[V, D]`.
        viewmat: world-to-camera matrix, OpenCV axes (x right, y down, z forward), `[4, 4]`.
        K: pinhole intrinsics in pixels; the centre of the first pixel is at (0.5, 0.5), `[3, 3]`.
        width: image width in pixels.
        height: image height in pixels.
        background: attributes seen where there is no face, `[D]`; zeros when absent.
        near_plane: world units, above 0.
        antialias: blend pixels at outlines; without it alpha is 0 or 1 and has no gradient.

    Returns:
        Image, alpha, depth and face indices. Floating outputs have the dtype of `attributes`. Depth and face indices
        are those of pixel centres, not blended.

    Raises:
        ShapeError: an argument has the wrong shape, dtype or range, or holds NaN or infinity.
        UsageError: a tensor is not on the CPU.

    Example:
        >>> out = rasterize_mesh(
        ...     torch.tensor([[-1.0, -1.0, 2.0], [1.0, -1.0, 2.0], [0.0, 1.0, 2.0]]), torch.tensor([[0, 1, 2]]),
        ...     torch.eye(3), torch.eye(4), torch.tensor([[8.0, 0.0, 8.0], [0.0, 8.0, 8.0], [0.0, 0.0, 1.0]]), 16, 16,
        ... )
        >>> out.image.shape, int((out.face_index >= 0).sum()), [round(float(c), 3) for c in out.image[7, 7]]
        (torch.Size([16, 16, 3]), 32, [0.344, 0.219, 0.438])
    """
    tensors = {"vertices": vertices, "attributes": attributes, "viewmat": viewmat, "K": K}
    if background is not None:
        tensors["background"] = background
    _check(tensors, faces, width, height, near_plane)
    points = _project(vertices, viewmat, K, near_plane)
    seen = _look(points, faces, int(width), int(height))
    blend = _blend_at_outlines(points, seen) if antialias else None
    image, alpha, depth = _Shade.apply(points, attributes, background, blend and blend.weight, seen, blend)
    return MeshImage(image, alpha, depth, torch.from_numpy(seen.winner.copy()))


def soft_mask(
    vertices: Tensor,  # [V, 3]
    faces: Tensor,  # [F, 3] int64
    viewmat: Tensor,  # [4, 4]
    K: Tensor,  # [3, 3]
    width: int,
    height: int,
    *,
    softness: float = 1.5,
    reach: float = 3.0,
    near_plane: float = 0.01,
) -> Tensor:
    """Mask of a mesh that fades out around it, so that a silhouette loss is felt from outside as well.

    1 where the pixel's centre is covered, else exp(-(d / softness)^2) with d the distance in pixels to the nearest
    outline, and 0 beyond `reach`. DIB-R (Chen et al. 2019, Eq. 5) takes the product over all near faces instead and
    states 1 / softness^2 in units of half the image: its 7000 is a softness of 1.5 pixels at 256.

    Args:
        vertices: as in `rasterize_mesh`, `[V, 3]`.
        faces: `[F, 3]` int64.
        viewmat: `[4, 4]`.
        K: `[3, 3]`.
        width: image width in pixels.
        height: image height in pixels.
        softness: pixels, above 0.
        reach: pixels, above 0.
        near_plane: world units, above 0.

    Returns:
        `[H, W]` in [0, 1], dtype of `vertices`, with gradients to `vertices`, `viewmat` and `K`.

    Raises:
        ShapeError: an argument has the wrong shape, dtype or range, or holds NaN or infinity.
        UsageError: a tensor is not on the CPU.
    """
    _check({"vertices": vertices, "viewmat": viewmat, "K": K}, faces, width, height, near_plane)
    if not (0 < softness < float("inf") and 0 < reach < float("inf")):
        raise ShapeError(f"softness and reach must be above 0 and finite, got {softness} and {reach}")
    points = _project(vertices, viewmat, K, near_plane)
    seen = _look(points, faces, int(width), int(height))
    outlines = find_outlines(seen.points, seen.faces, seen.areas)
    best = np.full(seen.winner.shape, float(reach) ** 2)
    edge = np.full(seen.winner.shape, -1, np.int64)
    find_closest(seen.points, outlines, seen.winner, float(reach), best, edge)
    place = np.flatnonzero(edge >= 0)
    centre = torch.from_numpy(np.stack([place % width + 0.5, place // width + 0.5], axis=1))  # [n, 2]
    wanted = 3 * outlines[edge.reshape(-1)[place], :2, None] + np.arange(2)  # [n, end, axis]
    start, stop = _Take.apply(points, wanted.reshape(-1)).reshape(-1, 2, 2).unbind(1)
    along = stop - start
    size = (along * along).sum(1, keepdim=True).clamp_min(1e-30)
    t = (((centre - start) * along).sum(1, keepdim=True) / size).clamp(0.0, 1.0)
    distance = ((centre - start - t * along) ** 2).sum(1)
    hard = _tensor((seen.winner >= 0).astype(np.float64), vertices.dtype).reshape(-1)
    fading = torch.exp(-distance / softness**2).to(vertices.dtype)
    return hard.index_add(0, torch.from_numpy(place), fading).reshape(int(height), int(width))


class _Project(torch.autograd.Function):
    """Vertices, viewmat and K in, points `[V, 3]` out.

    In numpy on one thread: the order of sums must not depend on the number of threads, and torch's threads, once
    started, spin on the cores that the kernels are about to use.
    """

    @staticmethod
    def forward(ctx: Any, vertices: Tensor, viewmat: Tensor, K: Tensor, near_plane: float) -> Tensor:
        world, view, pinhole = _doubles(vertices), _doubles(viewmat), _doubles(K)[:2]
        camera = np.einsum("vi,ji->vj", world, view[:3, :3]) + view[:3, 3]
        front = camera[:, 2] >= near_plane
        inverse = np.where(front, 1.0 / np.where(front, camera[:, 2], 1.0), 0.0)
        ctx.arrays = world, view, pinhole, camera, inverse
        ctx.kinds = vertices.dtype, viewmat.dtype, K.dtype
        places = np.einsum("vi,ji->vj", camera * inverse[:, None], pinhole)
        return torch.from_numpy(np.concatenate([places, inverse[:, None]], axis=1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        world, view, pinhole, camera, inverse = ctx.arrays
        to_places, to_inverse = grad.numpy()[:, :2], grad.numpy()[:, 2]
        to_ray = np.einsum("vj,ji->vi", to_places, pinhole)
        to_camera = to_ray * inverse[:, None]
        to_camera[:, 2] -= (to_inverse + (to_ray * camera).sum(1)) * inverse**2
        to_view, to_pinhole = np.zeros((4, 4)), np.zeros((3, 3))
        to_view[:3, :3] = np.einsum("vj,vi->ji", to_camera, world)
        to_view[:3, 3] = to_camera.sum(0)
        to_pinhole[:2] = np.einsum("vj,vi->ji", to_places, camera * inverse[:, None])
        grads = (np.einsum("vj,ji->vi", to_camera, view[:3, :3]), to_view, to_pinhole)
        world_grad, view_grad, pinhole_grad = (
            _tensor(g, kind) for g, kind in zip(grads, ctx.kinds, strict=True)
        )
        return world_grad, view_grad, pinhole_grad, None


def _project(vertices: Tensor, viewmat: Tensor, K: Tensor, near_plane: float) -> Tensor:
    """Columns, rows (pixels) and 1/z of the vertices, `[V, 3]` float64; 1/z is 0 before the near plane."""
    points: Tensor = _Project.apply(vertices, viewmat, K, float(near_plane))
    return points


def _doubles(tensor: Tensor) -> Doubles:
    """A copy: what backward needs must not change with the caller's tensor."""
    return np.array(tensor.detach().numpy(), dtype=np.float64, order="C")


def _tensor(array: Doubles, kind: torch.dtype) -> Tensor:
    return torch.from_numpy(array.astype(np.float32 if kind == torch.float32 else np.float64))


def _look(points: Tensor, faces: Tensor, width: int, height: int) -> _Seen:
    """Which face each pixel sees."""
    places, triangles = _doubles(points), np.array(faces.numpy(), order="C")
    areas, rows = np.empty(len(triangles)), np.empty((len(triangles), 2), np.int64)
    measure_faces(places, triangles, height, areas, rows)
    nearest, winner = np.empty((height, width)), np.empty((height, width), np.int64)
    run(draw_faces, -(-height // BAND), places, triangles, areas, rows, nearest, winner)
    return _Seen(places, triangles, areas, nearest, winner)


class _Take(torch.autograd.Function):
    """Coordinates `[n]` of the points by their place in the flat array; in numpy for the reasons of `_Project`."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, places: Indices) -> Tensor:
        ctx.places, ctx.shape = places, points.shape
        return torch.from_numpy(points.detach().numpy().reshape(-1)[places])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        total = np.bincount(ctx.places, weights=grad.numpy(), minlength=ctx.shape.numel())
        return torch.from_numpy(total.reshape(ctx.shape)), None


class _Blend(NamedTuple):
    """What antialiasing adds: `weight` times (source - target) to each target; places are row * W + column."""

    weight: Tensor  # [n]
    target: Indices  # [n]
    source: Indices  # [n]


class _Shade(torch.autograd.Function):
    """Points, attributes, background and blend weights in, (image, alpha, depth) out."""

    @staticmethod
    def forward(
        ctx: Any,
        points: Tensor,
        attributes: Tensor,
        background: Tensor | None,
        weight: Tensor | None,
        seen: _Seen,
        blend: _Blend | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        height, width = seen.winner.shape
        colors = _doubles(attributes)
        behind = np.zeros(colors.shape[1]) if background is None else _doubles(background)
        planes, depth = np.empty((height, width, colors.shape[1] + 1)), np.empty((height, width))
        bands = -(-height // BAND)
        run(interpolate, bands, seen.points, seen.faces, colors, seen.winner, behind, planes, depth)
        if blend is not None:
            flat = planes.reshape(height * width, -1)
            ctx.contrast = flat[blend.source] - flat[blend.target]
            add_rows(flat, blend.target, _doubles(blend.weight)[:, None] * ctx.contrast)
        ctx.seen, ctx.blend, ctx.colors, ctx.depth = seen, blend, colors, depth
        ctx.kinds = attributes.dtype, None if background is None else background.dtype
        ctx.set_materialize_grads(False)
        kind = attributes.dtype
        return _tensor(planes[..., :-1], kind), _tensor(planes[..., -1], kind), _tensor(depth, kind)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_image: Tensor | None, grad_alpha: Tensor | None, grad_depth: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        seen, blend, colors = ctx.seen, ctx.blend, ctx.colors
        height, width = seen.winner.shape
        grad = np.zeros((height, width, colors.shape[1] + 1))
        if grad_image is not None:
            grad[..., :-1] = grad_image.numpy()
        if grad_alpha is not None:
            grad[..., -1] = grad_alpha.numpy()
        to_depth = np.zeros((height, width)) if grad_depth is None else _doubles(grad_depth)
        to_weight = None
        if blend is not None:
            flat = grad.reshape(height * width, -1)
            through = flat[blend.target]
            to_weight = torch.from_numpy((through * ctx.contrast).sum(1))
            moved = _doubles(blend.weight)[:, None] * through
            add_rows(flat, blend.source, moved)
            add_rows(flat, blend.target, -moved)
        to_points, to_colors = np.zeros_like(seen.points), np.zeros_like(colors)
        mesh = (seen.points, seen.faces, colors, seen.winner, ctx.depth)
        interpolate_backward(*mesh, grad, to_depth, to_points, to_colors)
        kind, behind = ctx.kinds
        to_background = None if behind is None else _tensor(grad[seen.winner < 0, :-1].sum(0), behind)
        return torch.from_numpy(to_points), _tensor(to_colors, kind), to_background, to_weight, None, None


def _blend_at_outlines(points: Tensor, seen: _Seen) -> _Blend:
    """How pixels beside outlines are blended.

    Of two adjacent centres one is inside the outline, which crosses at distance d (pixels) from it. Where d > 1/2 the
    inside reaches d - 1/2 into the other pixel, else the outside reaches 1/2 - d into this one.
    """
    height, width = seen.winner.shape
    outlines = find_outlines(seen.points, seen.faces, seen.areas)
    edge = np.full((2, height, width), -1, np.int64)
    find_crossings(seen.points, outlines, seen.nearest, seen.winner, np.zeros((2, height, width)), edge)
    found = np.flatnonzero(edge >= 0)
    code = edge.reshape(-1)[found]
    across, first = found // (height * width), found % (height * width)
    ends, second = outlines[code // 2, :2], code % 2 == 1
    other = first + np.where(across == 0, 1, width)
    inside, outside = np.where(second, other, first), np.where(second, first, other)

    centre = np.stack([first % width, first // width], axis=1) + 0.5  # [n, 2]
    pick = np.arange(len(found))
    axes = [across, across, 1 - across, 1 - across]
    wanted = np.stack([3 * ends[:, i % 2] + axis for i, axis in enumerate(axes)])  # [4, n]
    start, stop, low, high = _Take.apply(points, wanted.reshape(-1)).reshape(4, -1)
    t = (torch.from_numpy(centre[pick, 1 - across]) - low) / (high - low)
    d = start + t * (stop - start) - torch.from_numpy(centre[pick, across])  # from the first centre
    signed = torch.where(torch.from_numpy(second), 1.0 - d, d) - 0.5
    spreads = signed.detach().numpy() > 0
    target, source = np.where(spreads, outside, inside), np.where(spreads, inside, outside)
    # Several outlines may cut one pixel: never let its neighbours weigh more than 1 in all.
    pixels, pixel = np.unique(target, return_inverse=True)
    slot = torch.from_numpy(pixel.reshape(-1))
    total = signed.new_zeros(len(pixels)).index_add(0, slot, signed.abs()).clamp_min(1.0)
    return _Blend(signed.abs() / total.index_select(0, slot), target, source)


def _check(tensors: dict[str, Tensor], faces: Tensor, width: int, height: int, near_plane: float) -> None:
    """Compare every shape with the documented one; V comes from `vertices`, D from `attributes`."""
    if int(width) != width or int(height) != height or width < 1 or height < 1:
        raise ShapeError(f"width and height must be whole numbers from 1 on, got {width} x {height}")
    if not 0 < near_plane < float("inf"):
        raise ShapeError(f"near_plane must be above 0 and finite, got {near_plane}")
    for name, tensor in {**tensors, "faces": faces}.items():
        got = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
        if name == "faces" and got != torch.int64:
            raise ShapeError(f"faces must be an int64 tensor, got {got}", hint="Call .long() on it")
        if name != "faces" and got not in (torch.float32, torch.float64):
            raise ShapeError(f"{name} must be a float32 or float64 tensor, got {got}")
        if tensor.device.type != "cpu":
            raise UsageError(f"{name} must be on the CPU, got {tensor.device}", hint="Call .cpu() on it")
    points = tensors["vertices"].shape[0] if tensors["vertices"].dim() else 0
    colors = tensors.get("attributes")
    channels = colors.shape[-1] if colors is not None and colors.dim() else 0
    wanted: dict[str, tuple[int, ...]] = {
        "vertices": (points, 3),
        "faces": (faces.shape[0] if faces.dim() else 0, 3),
        "attributes": (points, channels),
        "viewmat": (4, 4),
        "K": (3, 3),
        "background": (channels,),
    }
    for name, tensor in {**tensors, "faces": faces}.items():
        if tuple(tensor.shape) != wanted[name]:
            raise ShapeError(f"{name} must have shape {wanted[name]}, got {tuple(tensor.shape)}")
    if colors is not None and channels < 1:
        raise ShapeError("attributes need at least one channel, got 0")
    if faces.numel():
        least, most = int(faces.numpy().min()), int(faces.numpy().max())
        if least < 0 or most >= points:
            raise ShapeError(f"faces must index the {points} vertices, got {least} to {most}")
    _check_finite(tensors)
