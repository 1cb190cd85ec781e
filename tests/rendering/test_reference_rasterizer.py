"""The readable twin itself: its gradients against finite differences, its projection against gsplat's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from gsplat.cuda import _torch_impl
from splat_scenes import NAMES, Scene, scene, threshold_band
from torch import Tensor

from t2m_bench.rendering.reference import project_reference


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The twin's many small operations gain nothing from torch's thread pool, and on busy cores lose a lot."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_gradcheck_of_every_input() -> None:
    """On pixels away from the thresholds, where the picture is smooth."""
    for mode in ("classic", "antialiased"):
        given = replace(scene(4, 5, 4, views=2, sigma=(0.8, 1.5), opacity=(0.3, 0.8), seed=2), mode=mode)
        smooth = (~threshold_band(given, 1e-2))[..., None]
        assert smooth.double().mean() > 0.7

        def render(*leaves: Tensor, given: Scene = given, smooth: Tensor = smooth) -> tuple[Tensor, Tensor]:
            image, alpha, _ = given.render("reference", **dict(zip(NAMES, leaves, strict=True)))
            return image * smooth, alpha * smooth

        leaves = [getattr(given, name).clone().requires_grad_() for name in NAMES]
        assert torch.autograd.gradcheck(render, leaves, eps=1e-6, atol=1e-5)


def oracle(given: Scene) -> tuple[Tensor, ...]:
    """gsplat's own readable projection: radii, centres, depths, conics, antialiasing factors."""
    covars, _ = _torch_impl._quat_scale_to_covar_preci(given.quats, given.scales, compute_preci=False)
    size = (given.width, given.height)
    return _torch_impl._fully_fused_projection(
        given.means, covars, given.viewmats, given.Ks, *size, calc_compensations=True
    )


def test_projection_is_that_of_gsplat() -> None:
    """Including Gaussians far outside the field of view, where the Jacobian is clamped."""
    given = scene(300, 64, 48, views=3, sigma=(0.2, 12.0), seed=9)
    given = replace(given, means=given.means * torch.tensor([2.5, 2.5, 1.0], dtype=torch.float64))
    _, centers, depths, conics, factors = oracle(given)
    for c in range(3):
        mine = project_reference(
            given.means, given.quats, given.scales, given.viewmats[c], given.Ks[c], (64, 48), 0.3
        )
        assert torch.allclose(mine[0], centers[c], rtol=1e-9) and torch.allclose(mine[1], depths[c])
        inverse = torch.linalg.inv(mine[2]).reshape(-1, 4)[:, [0, 1, 3]]
        assert torch.allclose(inverse, conics[c], rtol=1e-7, atol=1e-9)
        assert torch.allclose(mine[3], factors[c], rtol=1e-6)


def test_compiled_projection_is_that_of_gsplat() -> None:
    """Opaque Gaussians, so that gsplat's fixed reach of 3.33 sigma is nearly the one where alpha falls to 1/255."""
    given = scene(500, 64, 48, views=2, sigma=(0.2, 12.0), opacity=(1.0, 1.0), seed=10)
    given = replace(given, means=given.means * torch.tensor([2.0, 2.0, 1.0], dtype=torch.float64))
    radii, centers, depths, conics, _ = oracle(given)
    _, _, meta = given.to(torch.float32).render("cpu")
    drawn = (meta["radii"] > 0).all(dim=-1)
    assert 300 < drawn.sum() < 1000
    assert ((radii - meta["radii"])[drawn].abs() <= 1).all()
    edge = (
        (radii > 0).all(dim=-1) != drawn
    ).sum()  # gsplat rounds the reach up before it looks at the border
    assert edge < 0.05 * drawn.sum()
    assert torch.allclose(meta["means2d"][drawn].double(), centers[drawn], atol=1e-4)
    assert torch.allclose(meta["depths"][drawn].double(), depths[drawn], rtol=1e-6)
    assert torch.allclose(meta["conics"][drawn].double(), conics[drawn], rtol=1e-4, atol=1e-6)
