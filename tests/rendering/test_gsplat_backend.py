"""The CUDA backend: its call against gsplat's signature everywhere, its picture against ours where there is a GPU."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import gsplat
import pytest
import torch
from splat_scenes import NAMES, Scene, gradients, scene

from t2m_bench.rendering._gsplat import rasterize_gsplat


def call(given: Scene, **options: Any) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
    inputs = (given.means, given.quats, given.scales, given.opacities, given.colors, given.viewmats, given.Ks)
    return rasterize_gsplat(*inputs, given.width, given.height, **options)


@pytest.mark.parametrize("old_radii", [False, True])
def test_call_fits_the_installed_gsplat(monkeypatch: pytest.MonkeyPatch, old_radii: bool) -> None:
    signature = inspect.signature(gsplat.rasterization)
    seen: dict[str, Any] = {}

    def record(*args: Any, **kwargs: Any) -> tuple[Any, Any, dict[str, Any]]:
        bound = signature.bind(*args, **kwargs)
        seen.update(bound.arguments)
        radii = torch.ones(2, 20, dtype=torch.int32)
        facts = {
            "means2d": 1,
            "depths": 2,
            "conics": 3,
            "radii": radii if old_radii else radii[..., None].repeat(1, 1, 2),
        }
        return torch.zeros(2, 12, 20, 3), torch.zeros(2, 12, 20, 1), {**facts, "isect_ids": 4}

    monkeypatch.setattr(gsplat, "rasterization", record)
    given = scene(20, 20, 12, views=2)
    options = {"near_plane": 0.5, "far_plane": 9.0, "eps2d": 0.1, "rasterize_mode": "antialiased"}
    _, _, meta = call(given, backgrounds=given.backgrounds, **options)
    for name in (*NAMES, "Ks"):
        assert torch.equal(seen[name], getattr(given, name).float()), name
    assert {name: seen[name] for name in options} == options
    assert (seen["width"], seen["height"], seen["packed"]) == (20, 12, False)
    assert "render_mode" not in seen and "sh_degree" not in seen  # their defaults: colours, as they are
    assert meta["radii"].shape == (2, 20, 2) and sorted(meta) == ["conics", "depths", "means2d", "radii"]


def test_no_gaussians_never_reach_gsplat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gsplat, "rasterization", None)
    full = scene(3, 20, 12, views=2)
    parts = {name: getattr(full, name)[:0] for name in ("means", "quats", "scales", "opacities", "colors")}
    backgrounds = full.backgrounds.clone().requires_grad_()
    image, alpha, meta = call(replace(full, **parts), backgrounds=backgrounds)
    expected, transparent, facts = replace(full, **parts).to(torch.float32).render("cpu")
    assert torch.equal(image, expected) and torch.equal(alpha, transparent)
    assert {k: v.shape for k, v in meta.items()} == {k: v.shape for k, v in facts.items()}
    image.sum().backward()
    assert (backgrounds.grad == 20 * 12).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("mode", ["classic", "antialiased"])
def test_same_picture_and_gradients_as_the_cpu(mode: str) -> None:
    given = scene(2000, 128, 96, views=2, mode=mode).to(torch.float32)
    moved = replace(given, **{name: getattr(given, name).cuda() for name in (*NAMES, "Ks")})
    mine, cover, _ = given.render("cpu")
    image, alpha, _ = moved.render("gsplat")
    error = ((image.cpu() - mine) ** 2).mean()
    assert -10 * torch.log10(error) > 45
    weights = (torch.ones_like(mine), torch.ones_like(cover))
    here = gradients(given, "cpu", weights)
    there = gradients(moved, "gsplat", (weights[0].cuda(), weights[1].cuda()))
    for name in NAMES:
        assert (there[name].cpu() - here[name]).norm() < 0.02 * here[name].norm(), name
    assert (alpha.cpu() - cover).abs().median() < 1e-5
