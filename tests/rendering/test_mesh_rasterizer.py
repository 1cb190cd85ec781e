"""Meshes: the same picture as a loop over pixels and faces, right gradients, and no surprise on odd input."""

from __future__ import annotations

import doctest
import importlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from t2m_bench.core.errors import ShapeError
from t2m_bench.rendering.mesh import MeshImage, rasterize_mesh, soft_mask


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def _camera(width: int, height: int, focal: float | None = None) -> tuple[Tensor, Tensor]:
    f = float(width) if focal is None else focal
    K = torch.tensor([[f, 0.0, width / 2], [0.0, f, height / 2], [0.0, 0.0, 1.0]], dtype=torch.float64)
    return torch.eye(4, dtype=torch.float64), K


def _sphere(rings: int, distance: float = 3.0) -> tuple[Tensor, Tensor]:
    """Closed unit sphere with shared vertices."""
    segments = 2 * rings
    theta = np.linspace(0, np.pi, rings + 1)[1:-1]
    phi = np.arange(segments) * 2 * np.pi / segments + 0.1
    x, z = np.outer(np.sin(theta), np.cos(phi)), np.outer(np.sin(theta), np.sin(phi))
    body = np.stack([x, np.repeat(np.cos(theta)[:, None], segments, 1), z], -1).reshape(-1, 3)
    poles = np.array([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    points = np.concatenate([body, poles]) + np.array([0.01, 0.02, distance])
    faces, n = [], len(points)
    for j in range(segments):
        k = (j + 1) % segments
        for i in range(0, (rings - 2) * segments, segments):
            faces += [[i + j, i + k, i + segments + j], [i + k, i + segments + k, i + segments + j]]
        last = (rings - 2) * segments
        faces += [[n - 2, k, j], [n - 1, last + j, last + k]]
    return torch.tensor(points), torch.tensor(faces)


def _square(x: Tensor, y: Tensor, half: float, z: float = 2.0) -> tuple[Tensor, Tensor]:
    """Square around (x, y) facing the camera."""
    corners = torch.tensor([[-half, -half], [half, -half], [half, half], [-half, half]], dtype=torch.float64)
    points = torch.cat([corners + torch.stack([x, y]), torch.full((4, 1), z, dtype=torch.float64)], dim=1)
    return points, torch.tensor([[0, 1, 2], [0, 2, 3]])


def _by_hand(
    vertices: Tensor,
    faces: Tensor,
    attributes: Tensor,
    view: Tensor,
    K: Tensor,
    width: int,
    height: int,
    near: float,
) -> tuple[np.ndarray, ...]:
    """Image, depth, face ids by a ray through each pixel, and where these are clear of ties and of edges."""
    points = (vertices @ view[:3, :3].T + view[:3, 3]).numpy()
    rays = np.linalg.inv(K.numpy())
    image, depth = np.zeros((height, width, attributes.shape[1])), np.zeros((height, width))
    ids, clear = np.full((height, width), -1), np.ones((height, width), bool)
    for y in range(height):
        for x in range(width):
            ray = rays @ np.array([x + 0.5, y + 0.5, 1.0])
            hits = []
            for f, face in enumerate(faces.numpy()):
                corner = points[face]
                if (corner[:, 2] < near).any():
                    continue
                area = np.linalg.norm(np.cross(corner[1] - corner[0], corner[2] - corner[0]))
                if area < 1e-12:
                    continue
                if abs(np.linalg.det(corner)) < 1e-9 * area:  # seen edge-on
                    clear[y, x] = False
                    continue
                along = np.linalg.solve(corner.T, ray)  # ray = sum of along_k corner_k
                if np.abs(along).min() < 1e-6 * np.abs(along).max():
                    clear[y, x] = False
                if (along >= 0).all():
                    weights = along / along.sum()
                    hits.append((1.0 / along.sum(), f, weights @ attributes[torch.tensor(face)].numpy()))
            hits.sort(key=lambda hit: hit[:2])
            if hits:
                depth[y, x], ids[y, x], image[y, x] = hits[0]
            if len(hits) > 1 and hits[1][0] - hits[0][0] < 1e-9 * hits[0][0]:
                clear[y, x] = False
    return image, depth, ids, clear


def _agrees(vertices: Tensor, faces: Tensor, width: int, height: int, near: float = 0.01) -> int:
    """Compare with the loop; how many pixels were covered."""
    torch.manual_seed(3)
    attributes = torch.rand(len(vertices), 2, dtype=torch.float64)
    view, K = _camera(width, height)
    view[:3, 3] = torch.tensor([0.03, -0.02, 0.1])
    out = rasterize_mesh(
        vertices, faces, attributes, view, K, width, height, antialias=False, near_plane=near
    )
    image, depth, ids, clear = _by_hand(vertices, faces, attributes, view, K, width, height, near)
    assert (out.face_index.numpy() == ids)[clear].all()
    # float64 on both sides; 1e-6 is left for faces seen almost edge-on, where both are ill-conditioned.
    np.testing.assert_allclose(out.image.numpy()[clear], image[clear], atol=1e-6)
    np.testing.assert_allclose(out.depth.numpy()[clear], depth[clear], rtol=1e-6, atol=1e-9)
    assert torch.equal(out.alpha, (out.face_index >= 0).to(torch.float64))
    assert clear.mean() > 0.5 or not len(faces)
    return int((ids >= 0).sum())


def test_sphere_and_random_triangles_match_the_loop() -> None:
    assert _agrees(*_sphere(4), 17, 13) > 20
    torch.manual_seed(0)
    soup = torch.rand(36, 3, dtype=torch.float64) * torch.tensor([3.0, 3.0, 2.0]) + torch.tensor(
        [-1.5, -1.5, 1.0]
    )
    assert _agrees(soup, torch.arange(36).reshape(12, 3), 19, 18) > 100


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    count=st.integers(0, 5),
    seed=st.integers(0, 2**16),
    spread=st.sampled_from([0.05, 1.0, 30.0]),
    shift=st.sampled_from([0.0, 1.0, 100.0]),
    front=st.sampled_from([-5.0, -0.5, 1.0]),
    flat=st.booleans(),
    size=st.sampled_from([(1, 1), (7, 3), (9, 17)]),
)
def test_any_mesh_matches_the_loop(
    count: int, seed: int, spread: float, shift: float, front: float, flat: bool, size: tuple[int, int]
) -> None:
    """Empty, tiny, off-screen, behind the camera, across the near plane, filling the image, degenerate."""
    draw = torch.Generator().manual_seed(seed)
    points = (torch.rand(count + 3, 3, generator=draw, dtype=torch.float64) - 0.5) * spread
    points[:, 2] = points[:, 2].abs() + front
    points[:, 0] += shift
    faces = torch.randint(0, count + 3, (count, 3), generator=draw)  # corners may repeat
    if flat and count:
        points[faces[0, 2]] = points[faces[0, 0]]
    _agrees(points, faces, *size, near=0.2)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**16), scale=st.sampled_from([0.01, 1.0, 1e4]), front=st.sampled_from([-1.0, 0.5])
)
def test_any_mesh_gives_finite_results(seed: int, scale: float, front: float) -> None:
    draw = torch.Generator().manual_seed(seed)
    points = (torch.rand(8, 3, generator=draw) - 0.5) * scale + torch.tensor([0.0, 0.0, front])
    points = torch.cat([points, points[:1]]).requires_grad_()
    colors = torch.rand(9, 3, generator=draw, requires_grad=True)
    faces = torch.randint(0, 9, (12, 3), generator=draw)
    view, K = (t.float() for t in _camera(20, 11))
    out = rasterize_mesh(points, faces, colors, view, K, 20, 11, background=torch.ones(3))
    mask = soft_mask(points, faces, view, K, 20, 11)
    (out.image.sum() + out.alpha.sum() + out.depth.clamp_max(10).sum() + mask.sum()).backward()
    for tensor in (*out[:3], mask, points.grad, colors.grad):
        assert tensor is not None and tensor.dtype == torch.float32 and bool(torch.isfinite(tensor).all())
    for share in (out.alpha, mask, out.image):
        assert share.min() >= -1e-6 and share.max() <= 1 + 1e-6


def test_one_triangle_covers_the_image_and_an_empty_mesh_shows_the_background() -> None:
    points = torch.tensor([[-90.0, -90.0, 2.0], [90.0, -90.0, 2.0], [0.0, 90.0, 2.0]])
    view, K = (t.float() for t in _camera(33, 18))
    out = rasterize_mesh(points, torch.tensor([[0, 1, 2]]), torch.ones(3, 1), view, K, 33, 18)
    assert torch.equal(out.alpha, torch.ones(18, 33)) and bool((out.face_index == 0).all())
    assert torch.allclose(out.depth, torch.full((18, 33), 2.0)) and torch.allclose(
        out.image, torch.ones(18, 33, 1)
    )
    none = torch.zeros(0, 3, dtype=torch.int64)
    for vertices in (points, torch.zeros(0, 3)):
        colors = torch.ones(len(vertices), 2)
        out = rasterize_mesh(vertices, none, colors, view, K, 33, 18, background=torch.tensor([0.5, 2.0]))
        assert out.image.shape == (18, 33, 2) and out.image[4, 5].tolist() == [0.5, 2.0]
        assert not out.alpha.any() and not out.depth.any() and bool((out.face_index == -1).all())
        assert not soft_mask(vertices, none, view, K, 33, 18).any()


def test_equal_depth_goes_to_the_lower_face() -> None:
    points, _ = _square(torch.tensor(0.0), torch.tensor(0.0), 0.5)
    faces = torch.tensor([[2, 1, 0], [0, 1, 2], [1, 2, 0]])
    view, K = _camera(16, 16)
    seen = rasterize_mesh(points, faces, torch.ones(4, 1, dtype=torch.float64), view, K, 16, 16).face_index
    assert set(seen.unique().tolist()) == {-1, 0}


@pytest.mark.parametrize("rings", [6, 40, 150])
def test_no_cracks(rings: int) -> None:
    """Every pixel inside the outline of a closed sphere is covered, by small faces and by large."""
    points, faces = _sphere(rings)
    for size in (64, 101):
        view, K = _camera(size, size)
        seen = rasterize_mesh(points, faces, points, view, K, size, size, antialias=False)
        front = seen.depth[seen.face_index >= 0]
        assert front.max() < 3.0  # the far half would show through a crack
        for line in (*(seen.face_index >= 0), *(seen.face_index >= 0).T):
            inside = torch.nonzero(line).reshape(-1)
            assert not len(inside) or len(inside) == inside[-1] - inside[0] + 1


def test_edges_through_pixel_centres_leave_no_cracks() -> None:
    """A grid whose vertices, edges and diagonals all lie on centres, with faces turned both ways."""
    steps = torch.arange(9, dtype=torch.float64)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    points = torch.stack([x + 0.5, y + 0.5, torch.ones_like(x)], dim=-1).reshape(-1, 3)
    a = (torch.arange(8)[:, None] * 9 + torch.arange(8)).reshape(-1)
    faces = torch.cat([torch.stack([a, a + 1, a + 10], 1), torch.stack([a, a + 10, a + 9], 1).flip(1)])
    K = torch.eye(3, dtype=torch.float64)
    out = rasterize_mesh(points, faces, points, torch.eye(4, dtype=torch.float64), K, 9, 9)
    assert bool((out.face_index >= 0).all()) and torch.equal(out.alpha, torch.ones(9, 9, dtype=torch.float64))
    torch.testing.assert_close(out.image, points.reshape(9, 9, 3))


def _inner_loss(out: MeshImage, weights: Tensor, inside: Tensor) -> Tensor:
    values = torch.cat([out.image, out.depth[..., None]], dim=-1)
    return (values * weights)[inside].sum()


def test_gradients_inside_match_finite_differences() -> None:
    """Central differences of step 1e-6 in float64 err by about 1e-8 here (1e-16 / 1e-6 of rounding in sums of some
    hundred terms, and the square of the step), so 1e-6 of the greatest entry is asked. Visibility is held: pixels
    that see another face after a step would count a jump, which this gradient is not meant to have.
    """
    points, faces = _sphere(4)
    torch.manual_seed(1)
    colors = torch.rand(len(points), 3, dtype=torch.float64)
    weights = torch.randn(24, 24, 4, dtype=torch.float64)
    view, K = _camera(24, 24)
    view[:3, :3] = torch.linalg.qr(torch.eye(3, dtype=torch.float64) + 0.1).Q
    inputs = [points @ view[:3, :3], colors, view, K]
    seen = rasterize_mesh(inputs[0], faces, *inputs[1:], 24, 24).face_index

    def loss(arguments: list[Tensor]) -> tuple[Tensor, Tensor]:
        out = rasterize_mesh(arguments[0], faces, *arguments[1:], 24, 24, antialias=False)
        return _inner_loss(out, weights, seen >= 0), out.face_index

    leaves = [t.clone().requires_grad_() for t in inputs]
    gradients = torch.autograd.grad(loss(leaves)[0], leaves)
    for which, step in ((0, 1e-6), (1, 1e-6), (2, 1e-6), (3, 1e-6)):
        numeric = torch.zeros_like(inputs[which])
        entries = range(numeric.numel()) if which else range(0, numeric.numel(), 2)
        for i in entries:
            values = []
            for sign in (1, -1):
                moved = [t.clone() for t in inputs]
                moved[which].view(-1)[i] += sign * step
                value, faces_now = loss(moved)
                assert torch.equal(faces_now, seen)
                values.append(value)
            numeric.view(-1)[i] = (values[0] - values[1]) / (2 * step)
        got = gradients[which].reshape(-1)[list(entries)]
        want = numeric.reshape(-1)[list(entries)]
        if which == 2:
            got, want = got[:12], want[:12]
        assert want.abs().max() > 1e-2
        assert (got - want).abs().max() < 1e-6 * want.abs().max()


@pytest.mark.parametrize("antialias", [True, False])
def test_gradients_of_everything_pass_gradcheck(antialias: bool) -> None:
    """Outlines and background included; no pixel centre is within 1e-6 of an edge of this scene."""
    x, y = torch.tensor(0.013, dtype=torch.float64), torch.tensor(-0.021, dtype=torch.float64)
    near, faces = _square(x, y, 0.3031)
    far, _ = _square(x + 0.2, y + 0.13, 0.4017, z=2.6)
    near[0, 2] += 0.1  # perspective matters
    faces = torch.cat([faces, faces + 4])
    torch.manual_seed(0)
    colors, ground = torch.rand(8, 2, dtype=torch.float64), torch.rand(2, dtype=torch.float64)
    view, K = _camera(12, 10, 14.0)

    def render(*a: Tensor) -> tuple[Tensor, ...]:
        return tuple(
            rasterize_mesh(a[0], faces, a[1], view, a[2], 12, 10, background=a[3], antialias=antialias)[:3]
        )

    leaves = [t.clone().requires_grad_() for t in (torch.cat([near, far]), colors, K, ground)]
    assert torch.autograd.gradcheck(render, leaves, eps=1e-7, atol=1e-5, rtol=1e-4)
    assert torch.autograd.gradcheck(
        lambda p: soft_mask(p, faces, view, K, 12, 10), leaves[:1], eps=1e-7, atol=1e-5
    )


@pytest.mark.parametrize("axis", [0, 1])
def test_moving_a_square_out_of_the_image_changes_alpha_at_the_analytic_rate(axis: int) -> None:
    """The part in the image is `side` pixels high and shrinks by that much per pixel; rows count whole: within 2 %."""
    size, half, z = 80, 0.31, 2.0
    view, K = _camera(size, size, 2.0 * size)
    side = 2 * half / z * 2.0 * size
    for place in (0.452, 0.4711, 0.5):
        centre = [torch.tensor(0.011, dtype=torch.float64), torch.tensor(0.0123, dtype=torch.float64)]
        centre[axis] = torch.tensor(place, dtype=torch.float64, requires_grad=True)
        points, faces = _square(centre[0], centre[1], half, z)
        out = rasterize_mesh(points, faces, torch.ones(4, 1, dtype=torch.float64), view, K, size, size)
        (rate,) = torch.autograd.grad(out.alpha.sum(), centre[axis])
        pixels_per_unit = 2.0 * size / z
        assert -rate.item() / pixels_per_unit == pytest.approx(side, rel=0.02)
        (same,) = torch.autograd.grad(
            rasterize_mesh(
                *_square(centre[0], centre[1], half, z),
                torch.ones(4, 1, dtype=torch.float64),
                view,
                K,
                size,
                size,
            ).image.sum(),
            centre[axis],
        )
        assert same.item() == pytest.approx(rate.item(), rel=1e-9)


def test_growing_sphere_changes_alpha_like_a_disc() -> None:
    """Slanted and curved outlines: the area of the disc is right within 0.2 % and its growth within 3 %."""
    points, faces = _sphere(60, distance=0.0)
    view, K = _camera(96, 96)
    scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    moved = points * torch.tensor([1.0, 1.0, 1e-3]) * scale + torch.tensor([0.0, 0.0, 3.0])
    alpha = rasterize_mesh(moved, faces, points, view, K, 96, 96).alpha.sum()
    (rate,) = torch.autograd.grad(alpha, scale)
    radius = 96 / 3.0
    assert alpha.item() == pytest.approx(math.pi * radius**2, rel=0.002)
    assert rate.item() == pytest.approx(2 * math.pi * radius**2, rel=0.03)


def test_antialiasing_blends_by_the_crossing() -> None:
    """A square from column 4.25 on: its outline is 0.25 left of centre 4.5, so column 4 is three quarters covered."""
    points = torch.tensor([[4.25, -9.0, 1.0], [40.0, -9.0, 1.0], [40.0, 40.0, 1.0], [4.25, 40.0, 1.0]])
    faces = torch.tensor([[0, 1, 2], [2, 3, 0]])
    args: Any = (torch.full((4, 1), 2.0), torch.eye(4), torch.eye(3), 10, 6)
    out = rasterize_mesh(points, faces, *args, background=torch.ones(1))
    assert out.alpha[2].tolist() == [0, 0, 0, 0, 0.75, 1, 1, 1, 1, 1]
    assert out.image[2, :6, 0].tolist() == [1, 1, 1, 1, 1.75, 2]
    wider = rasterize_mesh(points - torch.tensor([0.5, 0.0, 0.0]), faces, *args)
    assert wider.alpha[2, :5].tolist() == [0, 0, 0, 0.25, 1]
    inner = torch.cat([points + torch.tensor([0.0, 0.0, 1.0]), points]) * torch.tensor([1.0, 1.0, 1.0])
    inner[:4, :2] = torch.tensor([[-99.0, -99.0], [99.0, -99.0], [99.0, 99.0], [-99.0, 99.0]])
    colors = torch.tensor([1.0] * 4 + [2.0] * 4)[:, None]
    both = rasterize_mesh(inner, torch.cat([faces, faces + 4]), colors, *args[1:])
    assert both.image[2, :6, 0].tolist() == pytest.approx([1, 1, 1, 1, 1.75, 2]) and bool(
        (both.alpha == 1).all()
    )


def test_of_two_outlines_between_two_centres_the_nearer_counts() -> None:
    """Near from column 4.7 on, far from 4.6 on: 0.3 of pixel 4 goes to the near square, in either order of faces."""
    corners = torch.tensor([[0.0, -9.0], [40.0, -9.0], [40.0, 40.0], [0.0, 40.0]], dtype=torch.float64)
    near = torch.cat([corners + torch.tensor([4.7, 0.0]), torch.ones(4, 1)], dim=1)
    far = torch.cat([(corners + torch.tensor([4.6, 0.0])) * 2, torch.full((4, 1), 2.0)], dim=1)
    faces = torch.tensor([[0, 1, 2], [2, 3, 0], [4, 5, 6], [6, 7, 4]])
    colors = torch.tensor([2.0] * 4 + [1.0] * 4)[:, None]
    for points, shades in ((torch.cat([near, far]), colors), (torch.cat([far, near]), colors.flip(0))):
        out = rasterize_mesh(points, faces, shades, torch.eye(4), torch.eye(3), 9, 4)
        assert out.alpha[2].tolist() == pytest.approx([0, 0, 0, 0, 0.3, 1, 1, 1, 1], abs=1e-6)
        assert out.image[2, 3:6, 0].tolist() == pytest.approx([0, 0.6, 2.0], abs=1e-6)


def test_speck_within_one_pixel() -> None:
    """All four neighbours claim 0.4 of the pixel; together they may have all of it, not more."""
    corners = torch.tensor([[-0.1, -0.1], [0.1, -0.1], [0.1, 0.1], [-0.1, 0.1]]) + 3.5
    points, faces = torch.cat([corners, torch.ones(4, 1)], dim=1), torch.tensor([[0, 1, 2], [2, 3, 0]])
    out = rasterize_mesh(points, faces, torch.ones(4, 1), torch.eye(4), torch.eye(3), 7, 7)
    assert out.face_index[3, 3] >= 0 and out.alpha.abs().max() < 1e-6 and out.image.abs().max() < 1e-6


def test_hidden_outlines_change_nothing() -> None:
    """A sphere and a square behind a sheet of many faces: not a bit of image, alpha or mask differs without them."""
    steps = torch.linspace(-1.5, 1.5, 30, dtype=torch.float64)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    sheet = torch.stack([x, y, 1.5 + 0.1 * torch.sin(3 * x)], dim=-1).reshape(-1, 3)
    a = (torch.arange(29)[:, None] * 30 + torch.arange(29)).reshape(-1)
    front = torch.cat([torch.stack([a, a + 1, a + 31], 1), torch.stack([a, a + 31, a + 30], 1)])
    ball, ball_faces = _sphere(12)
    view, K = _camera(40, 36)
    points = torch.cat([sheet, ball])
    colors = torch.rand(len(points), 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    alone = rasterize_mesh(points, front, colors, view, K, 40, 36)
    all_faces = torch.cat([front, ball_faces + len(sheet)])
    both = rasterize_mesh(points, all_faces, colors, view, K, 40, 36)
    plain = rasterize_mesh(points, all_faces, colors, view, K, 40, 36, antialias=False)
    assert all(torch.equal(x, y) for x, y in zip(alone, both, strict=True))
    assert torch.equal(both.image, plain.image)  # edges within the sheet are no outlines


def test_soft_mask_by_hand() -> None:
    points = torch.tensor([[5.25, -9.0, 1.0], [40.0, -9.0, 1.0], [40.0, 40.0, 1.0], [5.25, 40.0, 1.0]])
    faces = torch.tensor([[0, 1, 2], [2, 3, 0]])
    leaf = points.requires_grad_()
    mask = soft_mask(leaf, faces, torch.eye(4), torch.eye(3), 9, 4, softness=1.5)
    want = [0.0, 0.0, *(math.exp(-((d / 1.5) ** 2)) for d in (2.75, 1.75, 0.75)), 1, 1, 1, 1]
    assert mask[1].tolist() == pytest.approx(want, abs=1e-6)
    mask[1, 4].backward()
    slope = want[4] * 2 * 0.75 / 1.5**2
    assert leaf.grad is not None and leaf.grad[:, 0].sum().item() == pytest.approx(-slope, rel=1e-5)


@pytest.mark.usefixtures("threads")
def test_same_bits_on_any_number_of_threads() -> None:
    points, faces = _sphere(30)
    view, K = _camera(97, 90)
    results = []
    for count in (1, 2, 4, 4):
        torch.set_num_threads(count)
        vertices, colors = points.clone().requires_grad_(), points.clone().requires_grad_()
        out = rasterize_mesh(vertices, faces, colors, view, K, 97, 90)
        mask = soft_mask(vertices, faces, view, K, 97, 90)
        tops = [torch.ones_like(t) for t in (*out[:3], mask)]
        results.append([*out, mask, *torch.autograd.grad([*out[:3], mask], [vertices, colors], tops)])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"vertices": torch.zeros(4, 2)}, r"vertices must have shape \(4, 3\), got \(4, 2\)"),
        ({"vertices": torch.full((4, 3), float("nan"))}, "vertices holds 12 NaN or infinite values of 12"),
        (
            {"vertices": torch.zeros(4, 3).half()},
            "vertices must be a float32 or float64 tensor, got torch.float16",
        ),
        ({"attributes": torch.zeros(5, 3)}, r"attributes must have shape \(4, 3\), got \(5, 3\)"),
        ({"attributes": torch.zeros(4, 0)}, "attributes need at least one channel, got 0"),
        ({"faces": torch.zeros(2, 4, dtype=torch.int64)}, r"faces must have shape \(2, 3\), got \(2, 4\)"),
        ({"faces": torch.zeros(2, 3)}, "faces must be an int64 tensor, got torch.float32. Call .long"),
        ({"faces": torch.tensor([[0, 1, 4]])}, "faces must index the 4 vertices, got 0 to 4"),
        ({"faces": torch.tensor([[0, -1, 2]])}, "faces must index the 4 vertices, got -1 to 2"),
        ({"viewmat": torch.eye(3)}, r"viewmat must have shape \(4, 4\), got \(3, 3\)"),
        ({"K": torch.full((3, 3), math.inf)}, "K holds 9 NaN or infinite values of 9"),
        ({"background": torch.zeros(2)}, r"background must have shape \(3,\), got \(2,\)"),
        ({"width": 0}, "width and height must be whole numbers from 1 on, got 0 x 8"),
        ({"near_plane": 0.0}, "near_plane must be above 0 and finite, got 0.0"),
    ],
)
def test_wrong_input_is_named(change: dict[str, Any], text: str) -> None:
    call: dict[str, Any] = {
        "vertices": torch.ones(4, 3),
        "faces": torch.tensor([[0, 1, 2]]),
        "attributes": torch.ones(4, 3),
        "viewmat": torch.eye(4),
        "K": torch.eye(3),
        "width": 8,
        "height": 8,
    }
    with pytest.raises(ShapeError, match=text):
        rasterize_mesh(**{**call, **change})


def test_soft_mask_refuses_no_softness() -> None:
    args: Any = (torch.ones(3, 3), torch.tensor([[0, 1, 2]]), torch.eye(4), torch.eye(3), 8, 8)
    with pytest.raises(ShapeError, match="softness and reach must be above 0 and finite, got 0 and 3.0"):
        soft_mask(*args, softness=0)


def test_example_in_the_manual() -> None:
    module = importlib.import_module("t2m_bench.rendering.mesh")
    assert doctest.testmod(module, extraglobs={"torch": torch}).attempted >= 2
    assert doctest.testmod(module, extraglobs={"torch": torch}).failed == 0
