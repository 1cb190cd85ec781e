"""Landmark rig: a planted linear motion is found."""

from __future__ import annotations

import numpy as np

from t2m_bench.methods.talk2me.rig import fit_rig


def _planted(noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    expression = rng.normal(size=(300, 6)).astype(np.float32)
    true = rng.normal(scale=0.02, size=(7, 468, 2))
    neutral = rng.normal(size=(468, 3))
    moved = np.einsum("te,elk->tlk", np.c_[np.ones(300), expression], true)
    canonical = np.tile(neutral, (300, 1, 1))
    canonical[..., :2] += moved + rng.normal(scale=noise, size=moved.shape)
    return expression, canonical, neutral, true


def test_planted_motion_is_recovered() -> None:
    expression, canonical, neutral, true = _planted(noise=0.0)
    np.testing.assert_allclose(fit_rig(expression, canonical, neutral, 1e-6), true, atol=1e-5)


def test_ridge_shrinks_all_but_the_constant() -> None:
    expression, canonical, neutral, true = _planted(noise=0.001)
    rig = fit_rig(expression, canonical, neutral, 1e6)
    assert np.abs(rig[1:]).max() < 0.01 * np.abs(true[1:]).max()
    assert np.abs(rig[0] - true[0]).max() < 0.02
