"""The compiled kernels against the readable twin: the same picture and the same gradients on any scene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from splat_scenes import NAMES, Scene, gradients, scene, threshold_band
from torch import Tensor


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The twin's many small operations gain nothing from torch's thread pool, and on busy cores lose a lot."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


BEHIND = torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))


def assert_same_picture(given: Scene, tolerance: float = 1e-5) -> None:
    """Tight outside the threshold band; inside it a flip may cost a Gaussian's weight, in few pixels."""
    fast_image, fast_alpha, _ = given.to(torch.float32).render("cpu")
    image, alpha, _ = given.to(torch.float64).render("reference")
    band = threshold_band(given)
    assert fast_image.shape == image.shape and fast_alpha.shape == alpha.shape
    difference = torch.cat([fast_image - image, fast_alpha - alpha], dim=-1).abs().amax(dim=-1)
    assert band.double().mean() < 0.2, "a comparison that leaves out a fifth of the picture proves little"
    assert (difference[~band] <= tolerance).all(), f"largest difference {difference[~band].max():.2e}"
    assert (difference[band] <= 0.1).all()


def smooth_weights(given: Scene, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Random output gradients that are zero in the threshold band."""
    generator = torch.Generator().manual_seed(seed)
    keep = (~threshold_band(given)).double()[..., None]
    shape = (*keep.shape[:3], given.colors.shape[-1])
    image = torch.randn(shape, generator=generator, dtype=torch.float64)
    alpha = torch.randn(keep.shape, generator=generator, dtype=torch.float64)
    return image * keep, alpha * keep


def assert_same_gradients(given: Scene, tolerance: float = 1e-3) -> None:
    weights = smooth_weights(given)
    fast = gradients(given.to(torch.float32), "cpu", weights)
    exact = gradients(given.to(torch.float64), "reference", weights)
    for name in NAMES:
        error, size = (fast[name] - exact[name]).norm(), exact[name].norm()
        assert torch.isfinite(fast[name]).all(), name
        assert error <= tolerance * size + 1e-5, f"{name}: {error / size:.1e} of {size:.1e}"


@pytest.mark.parametrize("mode", ["classic", "antialiased"])
@pytest.mark.parametrize(
    ("channels", "views", "per_camera"), [(3, 1, False), (3, 3, True), (5, 2, False), (33, 1, False)]
)
def test_random_scene(channels: int, views: int, per_camera: bool, mode: str) -> None:
    given = scene(
        150, 50, 37, channels=channels, views=views, per_camera=per_camera, mode=mode, seed=channels
    )
    assert_same_picture(given)
    assert_same_gradients(given)


def test_several_tiles_and_batches() -> None:
    """More than one tile in both directions, more splats to a tile than are listed at once."""
    given = scene(300, 150, 21, sigma=(0.5, 6.0), seed=3)
    assert_same_picture(given)
    assert_same_gradients(given)


def test_finished_tiles_are_left_alone() -> None:
    """Two hundred nearly opaque layers: almost every pixel stops early, and what is behind gets no gradient."""
    given = scene(200, 40, 24, sigma=(4.0, 12.0), opacity=(0.7, 1.0), seed=4)
    assert_same_picture(given)
    assert_same_gradients(given)
    exact = gradients(given, "reference", smooth_weights(given))
    fast = gradients(given.to(torch.float32), "cpu", smooth_weights(given))
    hidden = (exact["colors"] == 0).all(dim=1)
    assert hidden.sum() > 20
    assert (fast["colors"][hidden] == 0).all() and (fast["means"][hidden] == 0).all()


def test_one_gaussian_covers_the_image() -> None:
    given = scene(1, 45, 30, sigma=(200.0, 300.0), opacity=(0.6, 0.6))
    assert given.to(torch.float32).render("cpu")[1].min() > 0.3
    assert_same_picture(given)
    assert_same_gradients(given)


@pytest.mark.parametrize("length", [30.0, 100.0, 1e3])
def test_needles(length: float) -> None:
    """Long, thin, and at an angle: in float32 the expanded quadratic form would lose four digits here."""
    given = scene(12, 48, 33, sigma=(1.0, 1.0), opacity=(0.3, 0.9), seed=5)
    given = replace(given, scales=given.scales * torch.tensor([length, 1e-3, 1e-3], dtype=torch.float64))
    assert_same_picture(given, tolerance=5e-5)  # a float32 quaternion turns the far end by that much
    if length <= 100.0:  # the gradient along the needle is 1e-6 of that across it: float32 cannot hold more
        assert_same_gradients(given)


def test_flat_gaussians_edge_on() -> None:
    given = scene(30, 40, 24, seed=6, mode="antialiased")
    given = replace(given, scales=given.scales * torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64))
    assert_same_picture(given)
    assert_same_gradients(given)


def test_far_outside_the_field_of_view() -> None:
    """Centres beyond the clamp of the Jacobian, large enough to reach into the image."""
    given = scene(40, 32, 24, sigma=(4.0, 9.0), seed=7)
    given = replace(given, means=given.means * torch.tensor([1.8, 1.8, 1.0], dtype=torch.float64))
    assert_same_picture(given)
    assert_same_gradients(given)


def test_nothing_to_see() -> None:
    full = scene(20, 33, 17)
    nobody = replace(
        full,
        means=full.means[:0],
        quats=full.quats[:0],
        scales=full.scales[:0],
        opacities=full.opacities[:0],
        colors=full.colors[:0],
    )
    scenes = {
        "none": nobody,
        "behind": replace(full, means=full.means @ BEHIND),
        "in the camera": replace(full, means=full.means * 0),
        "off-screen": replace(full, means=full.means + torch.tensor([50.0, 0.0, 0.0])),
        "transparent": replace(full, opacities=full.opacities * 0),
        "fainter than 1/255": replace(full, opacities=full.opacities * 0 + 0.0039),
    }
    for name, other in scenes.items():
        image, alpha, meta = other.to(torch.float32).render("cpu")
        assert (alpha == 0).all(), name
        assert (image == other.backgrounds.float()[:, None, None]).all(), name
        assert (meta["radii"] == 0).all(), name
        grads = gradients(other.to(torch.float32), "cpu", (torch.ones_like(image), torch.ones_like(alpha)))
        assert all((grads[n] == 0).all() for n in NAMES if n != "backgrounds"), name
        assert (grads["backgrounds"] == 33 * 17).all(), name


def test_opaque_gaussians_stop_at_the_limit() -> None:
    given = scene(30, 24, 24, opacity=(1.0, 1.0), sigma=(2.0, 4.0), seed=8)
    alpha = given.to(torch.float32).render("cpu")[1]
    assert alpha.max() <= 1 - 1e-4 + 1e-6  # the Gaussian that would go further is not added
    assert_same_picture(given)
    assert_same_gradients(given)


@st.composite
def any_scene(draw: st.DrawFn) -> Scene:
    """Sizes that are no multiple of anything, any number of channels and cameras, and all kinds of Gaussians mixed."""
    count = draw(st.integers(0, 40))
    given = scene(
        count,
        draw(st.integers(1, 70)),
        draw(st.integers(1, 40)),
        channels=draw(st.integers(1, 9)),
        views=draw(st.integers(1, 3)),
        seed=draw(st.integers(0, 10**6)),
        sigma=draw(st.sampled_from([(0.01, 0.3), (0.5, 3.0), (2.0, 20.0)])),
        opacity=draw(st.sampled_from([(0.05, 0.98), (0.0, 0.02), (1.0, 1.0)])),
        mode=draw(st.sampled_from(["classic", "antialiased"])),
        per_camera=draw(st.booleans()),
    )
    stretch = torch.ones(count, 3, dtype=torch.float64)
    move = torch.zeros(count, 3, dtype=torch.float64)
    for i, kind in enumerate(
        draw(st.lists(st.sampled_from(["as is", "needle", "away", "behind"]), max_size=count))
    ):
        stretch[i, 0] = 30.0 if kind == "needle" else 1.0
        move[i, 0] = 1.5 if kind == "away" else 0.0
        move[i, 2] = -6.0 if kind == "behind" else 0.0
    return replace(given, scales=given.scales * stretch, means=given.means + move)


@given(any_scene())
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_any_scene(given: Scene) -> None:
    fast_image, _, _ = given.to(torch.float32).render("cpu")
    assert torch.isfinite(fast_image).all()
    if threshold_band(given).double().mean() < 0.2:
        assert_same_picture(given, tolerance=5e-5)
    assert_same_gradients(given)
