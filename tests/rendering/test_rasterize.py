"""The public function: what it takes, what it refuses and in which words, and what it promises about bits."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from splat_scenes import NAMES, Scene, gradients, scene
from torch import Tensor

from t2m_bench.core.errors import DependencyError, ShapeError, UnknownName, UsageError
from t2m_bench.rendering.rasterize import rasterize


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small() -> Scene:
    return scene(20, 20, 12, views=2).to(torch.float32)


def test_one_gaussian_by_hand() -> None:
    """In its centre alpha is the opacity; three pixels off it is that times exp(-9/2 / (sigma^2 + eps2d))."""
    focal, size = 32.0, 0.1
    K = torch.tensor([[[focal, 0.0, 8.5], [0.0, focal, 8.5], [0.0, 0.0, 1.0]]])
    image, alpha, meta = rasterize(
        torch.tensor([[0.0, 0.0, 2.0]]),
        torch.tensor([[3.0, 0.0, 0.0, 0.0]]),
        torch.full((1, 3), size),
        torch.tensor([0.8]),
        torch.tensor([[1.0, 0.5]]),
        torch.eye(4)[None],
        K,
        16,
        16,
        backgrounds=torch.tensor([[0.0, 1.0]]),
    )
    variance = (size * focal / 2.0) ** 2 + 0.3
    aside = 0.8 * torch.exp(torch.tensor(-4.5 / variance))
    assert alpha[0, 8, 8, 0].item() == pytest.approx(0.8, abs=1e-6)
    assert alpha[0, 8, 11, 0].item() == pytest.approx(aside.item(), abs=1e-6)
    assert image[0, 8, 8].tolist() == pytest.approx([0.8, 0.8 * 0.5 + 0.2], abs=1e-6)
    assert meta["means2d"].tolist() == [[[8.5, 8.5]]] and meta["depths"].tolist() == [[2.0]]
    assert meta["conics"][0, 0].tolist() == pytest.approx([1 / variance, 0.0, 1 / variance], rel=1e-6)
    assert meta["radii"].dtype == torch.int32 and meta["radii"].tolist() == [[[6, 6]]]


def test_example_in_the_manual() -> None:
    module = importlib.import_module("t2m_bench.rendering.rasterize")
    assert doctest.testmod(module) == (0, 2)


def test_nearer_gaussian_covers_the_further_whatever_their_order() -> None:
    K = torch.tensor([[[20.0, 0.0, 4.5], [0.0, 20.0, 4.5], [0.0, 0.0, 1.0]]])
    for near_first in (True, False):
        order = [0, 1] if near_first else [1, 0]
        image, _, _ = rasterize(
            torch.tensor([[0.0, 0.0, 2.0], [0.0, 0.0, 3.0]])[order],
            torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(2, 1),
            torch.full((2, 3), 0.2),
            torch.tensor([0.75, 0.75]),
            torch.tensor([[1.0, 0.0], [0.0, 1.0]])[order],
            torch.eye(4)[None],
            K,
            9,
            9,
        )
        assert image[0, 4, 4].tolist() == pytest.approx([0.75, 0.25 * 0.75], abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_any_floating_dtype_is_computed_in_float32(small: Scene, dtype: torch.dtype) -> None:
    image, alpha, meta = small.to(dtype).render("cpu")
    assert image.dtype == alpha.dtype == meta["depths"].dtype == torch.float32
    grads = gradients(small.to(dtype), "cpu", (torch.ones_like(image), torch.ones_like(alpha)))
    assert {grad.dtype for grad in grads.values()} == {dtype}


def test_shapes_and_facts(small: Scene) -> None:
    image, alpha, meta = small.render("cpu")
    assert image.shape == (2, 12, 20, 3) and alpha.shape == (2, 12, 20, 1)
    shapes = {name: tuple(fact.shape) for name, fact in meta.items()}
    assert shapes == {"means2d": (2, 20, 2), "radii": (2, 20, 2), "depths": (2, 20), "conics": (2, 20, 3)}
    assert not any(fact.requires_grad for fact in meta.values())


def test_near_and_far_planes_cut(small: Scene) -> None:
    arguments = (
        small.means,
        small.quats,
        small.scales,
        small.opacities,
        small.colors,
        small.viewmats,
        small.Ks,
    )
    for limits in ({"near_plane": 2.5}, {"far_plane": 3.0}):
        _, alpha, meta = rasterize(*arguments, 20, 12, **limits)
        _, expected, _ = rasterize(*arguments, 20, 12, **limits, backend="reference")
        drawn = meta["depths"][meta["radii"][..., 0] > 0]
        assert len(drawn) and (drawn > limits.get("near_plane", 0.0)).all()
        assert (drawn < limits.get("far_plane", 99.0)).all()
        assert torch.allclose(alpha, expected, atol=1e-5)


def test_eps2d_and_antialiasing_change_the_picture(small: Scene) -> None:
    arguments = (
        small.means,
        small.quats,
        small.scales,
        small.opacities,
        small.colors,
        small.viewmats,
        small.Ks,
    )
    plain, _, _ = rasterize(*arguments, 20, 12)
    for options in ({"eps2d": 0.0}, {"rasterize_mode": "antialiased"}):
        other, _, _ = rasterize(*arguments, 20, 12, **options)
        expected, _, _ = rasterize(*arguments, 20, 12, **options, backend="reference")
        assert (other - plain).abs().max() > 1e-2
        assert (other - expected).abs().median() < 1e-6


def test_views_of_other_tensors_are_fine(small: Scene) -> None:
    """Strided inputs, and the strided gradient a sum sends back."""
    strided = replace(
        small,
        means=torch.stack([small.means, small.means], dim=-1)[..., 0],
        colors=small.colors.T.contiguous().T,
        quats=small.quats.repeat(2, 1)[::2].flip(0).flip(0)[: len(small.quats)] * 0 + small.quats,
    )
    assert not strided.means.is_contiguous() and not strided.colors.is_contiguous()
    assert torch.equal(strided.render("cpu")[0], small.render("cpu")[0])
    leaf = strided.means.detach().requires_grad_()
    strided.render("cpu", means=leaf)[0].sum().backward()
    other = small.means.clone().requires_grad_()
    image = small.render("cpu", means=other)[0]
    image.backward(torch.ones_like(image))
    assert torch.equal(leaf.grad, other.grad) and leaf.grad.abs().max() > 0


def test_gradient_of_one_output_alone(small: Scene) -> None:
    image, alpha, _ = small.render("cpu")
    both = gradients(small, "cpu", (torch.ones_like(image), torch.ones_like(alpha)))
    for name in ("opacities", "scales"):
        parts = []
        for k in (0, 1):
            leaf = getattr(small, name).clone().requires_grad_()
            small.render("cpu", **{name: leaf})[k].sum().backward()
            parts.append(leaf.grad)
        assert torch.allclose(parts[0] + parts[1], both[name], rtol=1e-3, atol=1e-4)
        assert min(part.abs().max() for part in parts) > 0


@pytest.mark.usefixtures("threads")
def test_same_bits_on_any_number_of_threads() -> None:
    given = scene(1200, 200, 90, views=2, sigma=(0.3, 5.0)).to(torch.float32)
    results = []
    for count in (1, 2, 3, 2):
        torch.set_num_threads(count)
        image, alpha, meta = given.render("cpu")
        generator = torch.Generator().manual_seed(0)
        weights = (
            torch.randn(image.shape, generator=generator),
            torch.randn(alpha.shape, generator=generator),
        )
        results.append([image, alpha, *meta.values(), *gradients(given, "cpu", weights).values()])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.usefixtures("threads")
def test_global_settings_are_left_alone(small: Scene) -> None:
    torch.set_num_threads(2)
    small.render("cpu")
    assert torch.get_num_threads() == 2


WRONG: list[tuple[dict[str, Tensor], str]] = [
    ({"means": torch.zeros(20, 2)}, "means must have shape (20, 3), got (20, 2)"),
    ({"means": torch.zeros(3)}, "means must have shape (3, 3), got (3,)"),
    ({"quats": torch.zeros(20, 3)}, "quats must have shape (20, 4), got (20, 3)"),
    ({"scales": torch.zeros(20)}, "scales must have shape (20, 3), got (20,)"),
    ({"opacities": torch.zeros(20, 1)}, "opacities must have shape (20,), got (20, 1)"),
    ({"colors": torch.zeros(19, 3)}, "colors must have shape (20, 3), got (19, 3)"),
    ({"colors": torch.zeros(1, 20, 3)}, "colors must have shape (2, 20, 3), got (1, 20, 3)"),
    ({"viewmats": torch.eye(4)}, "viewmats must have shape (4, 4, 4), got (4, 4)"),
    ({"Ks": torch.eye(3)[None]}, "Ks must have shape (2, 3, 3), got (1, 3, 3)"),
    ({"backgrounds": torch.zeros(3)}, "backgrounds must have shape (2, 3), got (3,)"),
    (
        {"opacities": torch.zeros(20, dtype=torch.int64)},
        "opacities must be a floating-point tensor, got torch.int64",
    ),
    ({"means": [[0.0, 0.0, 1.0]]}, "means must be a floating-point tensor, got list"),
]


@pytest.mark.parametrize(("changed", "message"), WRONG)
def test_wrong_shapes_say_what_they_are(small: Scene, changed: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        small.render("cpu", **changed)
    assert message in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", [*NAMES, "Ks"])
def test_nan_and_infinity_are_refused_by_name(small: Scene, name: str, value: float) -> None:
    damaged = getattr(small, name).clone()
    damaged.view(-1)[-1] = value
    with pytest.raises(ShapeError) as caught:
        small.render("cpu", **{name: damaged})
    assert f"{name} holds 1 NaN or infinite values of {damaged.numel()}" in str(caught.value)
    assert "learning rate" in caught.value.hint


def test_large_but_finite_numbers_are_not_refused(small: Scene) -> None:
    """Their sum overflows, and so does their projection; they are just not drawn."""
    image, alpha, _ = small.render("cpu", means=torch.full_like(small.means, 3e38))
    assert (alpha == 0).all() and torch.isfinite(image).all()
    image, alpha, _ = small.render("cpu", scales=torch.full_like(small.scales, 3e38))
    assert torch.isfinite(image).all() and torch.isfinite(alpha).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width and height must be whole numbers from 1 on, got 0 x 12"),
        ({"height": 1.5}, "width and height must be whole numbers from 1 on, got 20 x 1.5"),
        (
            {"near_plane": 0.0},
            "near_plane and far_plane must satisfy 0 < near < far, got 0.0 and 10000000000.0",
        ),
        ({"near_plane": 5.0, "far_plane": 4.0}, "got 5.0 and 4.0"),
        ({"eps2d": -0.1}, "eps2d must be at least 0, got -0.1"),
        ({"eps2d": float("nan")}, "eps2d must be at least 0, got nan"),
    ],
)
def test_wrong_settings(small: Scene, options: dict[str, float], message: str) -> None:
    arguments = (
        small.means,
        small.quats,
        small.scales,
        small.opacities,
        small.colors,
        small.viewmats,
        small.Ks,
    )
    with pytest.raises(ShapeError) as caught:
        rasterize(*arguments, **{"width": 20, "height": 12, **options})
    assert message in str(caught.value)


def test_no_camera_is_refused(small: Scene) -> None:
    with pytest.raises(
        ShapeError, match="At least one camera and one colour channel are needed, got 0 and 3"
    ):
        small.render(
            "cpu", viewmats=torch.zeros(0, 4, 4), Ks=torch.zeros(0, 3, 3), backgrounds=torch.zeros(0, 3)
        )


def test_unknown_names(small: Scene) -> None:
    with pytest.raises(UnknownName) as caught:
        small.render("gspalt")
    assert str(caught.value) == "Unknown rasterizer backend 'gspalt'. Did you mean 'gsplat'."
    with pytest.raises(
        UnknownName, match="Unknown rasterize_mode 'sharp'. Choose one of classic, antialiased."
    ):
        replace(small, mode="sharp").render("cpu")


def test_tensors_on_the_wrong_device(small: Scene) -> None:
    with pytest.raises(
        UsageError, match="means are on cpu but colors is on meta. Move all of them to one device."
    ):
        small.render("cpu", colors=small.colors.to("meta"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_gsplat_without_cuda_is_a_sentence(small: Scene) -> None:
    with pytest.raises(DependencyError, match="The gsplat backend needs a CUDA device and there is none"):
        small.render("gsplat")


def test_importing_loads_no_compiler_and_no_gsplat() -> None:
    code = (
        "import sys, t2m_bench.rendering.rasterize as r;"
        "sys.exit(any(name in sys.modules for name in ('gsplat', 'numba', 'llvmlite')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
