"""PSNR and MS-SSIM."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from metric_samples import pairs, recipe, smooth_frames, spoilt
from precision_page import versioned
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from t2m_bench.core.errors import MetricError
from t2m_bench.metrics.pixel import SCALE_WEIGHTS, MsSsim, MsSsim3, Psnr, Ssim, SsimMirrored

SKIMAGE, TORCHMETRICS = versioned("scikit-image"), versioned("torchmetrics")
BOTH = pytest.mark.parametrize(
    "metric",
    [Psnr(), MsSsim(), MsSsim3(), Ssim(), SsimMirrored()],
    ids=["psnr", "ms_ssim", "ms_ssim_3", "ssim", "ssim_mirrored"],
)


def _tensor(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames.transpose(0, 3, 1, 2).copy()).float() / 255


def _slow_psnr(prediction: np.ndarray, reference: np.ndarray, cap: float) -> float:
    total = 0
    for x, y in zip(prediction.ravel().tolist(), reference.ravel().tolist(), strict=True):
        total += (x - y) ** 2
    return cap if total == 0 else min(cap, 10 * math.log10(255**2 * prediction.size / total))


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 5, 80]))
def test_psnr_is_that_of_a_plain_loop(seed: int, strength: int) -> None:
    rng = np.random.default_rng(seed)
    reference = rng.integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    prediction = np.clip(reference + rng.integers(-strength, strength + 1, reference.shape), 0, 255).astype(
        np.uint8
    )
    found = Psnr().measure(pairs(prediction, reference), recipe())
    expected = [_slow_psnr(p, r, 100.0) for p, r in zip(prediction, reference, strict=True)]
    assert np.allclose(found, expected, atol=1e-9)


def test_psnr_is_that_of_torchmetrics(agree: Callable[..., None]) -> None:
    reference = smooth_frames(3, 64)
    prediction = spoilt(reference, 12)
    found = Psnr().measure(pairs(prediction, reference), recipe())
    for index in range(3):
        theirs = peak_signal_noise_ratio(
            _tensor(prediction[index : index + 1]), _tensor(reference[index : index + 1]), data_range=1.0
        )
        agree("psnr@rgb", TORCHMETRICS, found[index], theirs.item(), within=1e-4)


@pytest.mark.parametrize("size", [(192, 192), (176, 200), (199, 177)])
@pytest.mark.parametrize("strength", [2, 25, 90])
def test_ms_ssim_is_that_of_torchmetrics(
    size: tuple[int, int], strength: float, agree: Callable[..., None]
) -> None:
    reference = smooth_frames(2, 208)[:, : size[0], : size[1]]
    prediction = spoilt(reference, strength)
    for metric in (MsSsim(), MsSsim3()):
        weights = np.array(SCALE_WEIGHTS[: metric.count])
        found = metric.measure(pairs(prediction, reference), recipe())
        for index in range(2):
            theirs = multiscale_structural_similarity_index_measure(
                _tensor(prediction[index : index + 1]),
                _tensor(reference[index : index + 1]),
                data_range=1.0,
                betas=tuple((weights / weights.sum()).tolist()),
            )
            agree(metric.info.id, TORCHMETRICS, found[index], theirs.item(), within=1e-5)
    if strength == 25:  # far from both ends, where agreement would prove little
        assert 0.3 < MsSsim().measure(pairs(prediction, reference), recipe()).mean() < 0.99


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    height=st.integers(11, 40),
    width=st.integers(11, 40),
    strength=st.sampled_from([0, 3, 40, 255]),
    seed=st.integers(0, 99),
)
def test_ssim_is_that_of_scikit_image_and_of_torchmetrics(
    height: int, width: int, strength: int, seed: int, agree: Callable[..., None]
) -> None:
    rng = np.random.default_rng(seed)
    reference = rng.integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    noise = rng.integers(-strength, strength + 1, reference.shape)
    prediction = np.clip(reference + noise, 0, 255).astype(np.uint8)
    batch = pairs(prediction, reference)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 2}
    within = structural_similarity(prediction[0] / 255, reference[0] / 255, data_range=1.0, **options)
    agree("ssim@rgb", SKIMAGE, Ssim().measure(batch, recipe())[0], within, within=1e-5)
    mirrored = structural_similarity_index_measure(_tensor(prediction), _tensor(reference), data_range=1.0)
    found = SsimMirrored().measure(batch, recipe())[0]
    agree("ssim@rgb.mirrored", TORCHMETRICS, found, mirrored.item(), within=2e-5)


def test_equal_frames_get_the_cap_of_the_recipe_and_frames_beyond_it_too() -> None:
    reference = smooth_frames(2, 512)
    prediction = reference.copy()
    prediction[1, 0, 0, 0] ^= 1  # 107 dB
    assert Psnr().measure(pairs(prediction, reference), recipe()).tolist() == [100.0, 100.0]
    found = Psnr().measure(pairs(prediction, reference), recipe(psnr_cap_db=110.0))
    assert found[0] == 110.0 and 106 < found[1] < 108


def test_equal_frames_have_an_ms_ssim_of_one() -> None:
    frames = smooth_frames(2)
    assert np.allclose(MsSsim().measure(pairs(frames, frames), recipe()), 1.0, atol=1e-6)


@BOTH
def test_more_damage_gives_a_lower_score(metric: Psnr | MsSsim | Ssim) -> None:
    reference = smooth_frames(2)
    scores = [
        metric.measure(pairs(spoilt(reference, s), reference), recipe()).mean() for s in (0.5, 4, 12, 30, 60)
    ]
    assert all(better > worse + 1e-3 for better, worse in pairwise(scores))


@BOTH
def test_each_frame_has_its_own_value_whatever_the_batch(metric: Psnr | MsSsim | Ssim) -> None:
    reference = smooth_frames(5)
    prediction = np.concatenate([spoilt(reference[i : i + 1], 5.0 * (i + 1)) for i in range(5)])
    whole = metric.measure(pairs(prediction, reference), recipe())
    single = [
        metric.measure(pairs(prediction[i : i + 1], reference[i : i + 1]), recipe())[0] for i in range(5)
    ]
    assert whole.shape == (5,) and whole.dtype == np.float64
    assert np.allclose(whole, single, atol=1e-6)
    assert len(set(np.round(whole, 3))) == 5


@BOTH
def test_the_two_sides_may_be_exchanged(metric: Psnr | MsSsim | Ssim) -> None:
    reference = smooth_frames(1)
    prediction = spoilt(reference, 20)
    there, back = (
        metric.measure(pairs(*p), recipe()) for p in ((prediction, reference), (reference, prediction))
    )
    assert np.allclose(there, back, atol=1e-6)


def test_ms_ssim_says_which_size_it_needs() -> None:
    frames = smooth_frames(1, 160)
    with pytest.raises(
        MetricError, match=r"MS-SSIM with 5 scales needs sides of at least 176 pixels, these are 160x160"
    ):
        MsSsim().measure(pairs(frames, frames), recipe())
    wide = smooth_frames(1, 192)[:, :176]
    assert MsSsim().measure(pairs(wide, wide), recipe()).shape == (1,)


def test_ms_ssim_of_opposite_pictures_is_nought_and_not_nan() -> None:
    frames = smooth_frames(1)
    assert MsSsim().measure(pairs(255 - frames, frames), recipe())[0] == pytest.approx(0, abs=1e-6)
