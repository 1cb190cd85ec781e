"""Photometric losses: against a loop, and the direction they move in."""

from __future__ import annotations

import torch

from t2m_bench.methods.talk2me.losses import photometric, ssim


def _loop_ssim(a: torch.Tensor, b: torch.Tensor) -> float:
    values = []
    for c in range(3):
        for y in range(0, a.shape[0] - 6, 2):
            for x in range(0, a.shape[1] - 6, 2):
                p, q = a[y : y + 7, x : x + 7, c], b[y : y + 7, x : x + 7, c]
                mp, mq = p.mean(), q.mean()
                cov = (p * q).mean() - mp * mq
                vp, vq = (p * p).mean() - mp**2, (q * q).mean() - mq**2
                values.append(
                    (2 * mp * mq + 1e-4) * (2 * cov + 9e-4) / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4))
                )
    return float(torch.stack(values).mean())


def test_ssim_equals_the_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(15, 19, 3, generator=generator), torch.rand(15, 19, 3, generator=generator)
    assert abs(float(ssim(a, b)) - _loop_ssim(a, b)) < 1e-5


def test_equal_images_cost_nothing_and_damage_costs_more() -> None:
    image = torch.rand(32, 32, 3, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(32, 32, 3, generator=torch.Generator().manual_seed(2))
    losses = [float(photometric(image, (image + s * noise).clamp(0, 1), 0.2)) for s in (0.0, 0.05, 0.2)]
    assert abs(losses[0]) < 1e-6
    assert losses[0] < losses[1] < losses[2]


def test_without_ssim_it_is_the_mean_absolute_error() -> None:
    a, b = torch.zeros(16, 16, 3), torch.full((16, 16, 3), 0.25)
    assert float(photometric(a, b, 0.0)) == 0.25
