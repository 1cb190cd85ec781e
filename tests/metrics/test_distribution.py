"""FID and KID: against pytorch-fid and torchmetrics, against what algebra says, and what they refuse."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_samples import StillFootage, recipe
from precision_page import versioned
from torchmetrics.image.kid import poly_mmd

from t2m_bench.core.errors import MetricError
from t2m_bench.core.metric import Observed
from t2m_bench.metrics import distribution
from t2m_bench.metrics.distribution import (
    Fid,
    Fid64,
    Kid,
    Moments,
    frame_floor,
    frechet_distance,
    kernel_distance,
    moments,
)

FORCED = recipe(fid_floor=0)
TORCHMETRICS = versioned("torchmetrics")


def _features(count: int, width: int, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    """Correlated and not negative, as pooled activations are, [count, width] float32."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(99).normal(size=(width, width)) / np.sqrt(width)
    return np.maximum(rng.normal(size=(count, width)) @ mix + 0.3 + shift, 0).astype(np.float32)


def _seen(pool3: np.ndarray, block0: np.ndarray | None = None) -> Observed:
    narrow = pool3[:, :64] if block0 is None else block0
    still = StillFootage(np.zeros((1, 2, 2, 3), np.uint8))
    return Observed(still, len(pool3), {"inception": {"pool3": pool3, "block0": narrow}})


@pytest.mark.parametrize(("width", "count"), [(64, 500), (64, 65), (192, 400)])
def test_the_distance_is_that_of_pytorch_fid(width: int, count: int, agree: Callable[..., None]) -> None:
    theirs = pytest.importorskip("pytorch_fid.fid_score", reason="FID is compared with pytorch-fid")
    first, second = _features(count, width), _features(count + 30, width, 1, shift=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs.calculate_frechet_distance(
            *(part for x in (first, second) for part in (x.mean(0, dtype=float), np.cov(x.astype(float).T)))
        )
    what = "fid@inception.64" if width == 64 else f"fid@inception, of {width} features"
    found = frechet_distance(moments(first), moments(second))
    agree(what, versioned("pytorch-fid"), found, expected, within=1e-6, relative=True)


@given(
    scale=st.floats(0.1, 3),
    shift=st.floats(-2, 2),
    count=st.integers(3, 60),
    width=st.integers(1, 30),
    seed=st.integers(0, 9),
)
@settings(deadline=None)
def test_stretched_and_moved_features_are_as_far_as_algebra_says(
    scale: float, shift: float, count: int, width: int, seed: int
) -> None:
    first = np.random.default_rng(seed).normal(size=(count, width))
    found = frechet_distance(moments(first), moments(scale * first + shift))
    away = (1 - scale) * first.mean(0) - shift
    expected = away @ away + (1 - scale) ** 2 * first.var(axis=0, ddof=1).sum()
    assert found == pytest.approx(expected, rel=1e-8, abs=1e-10)


@given(seed=st.integers(0, 1000), width=st.integers(1, 8))
@settings(deadline=None)
def test_two_normal_distributions(seed: int, width: int) -> None:
    """Of covariances A^2 and B^2 that commute the distance is |m1 - m2|^2 + |A - B|^2."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(width, width)))[0]
    means, spreads = rng.normal(size=(2, width)), rng.uniform(0, 2, (2, width))
    first, second = (
        Moments(mean, np.diag(spread) @ axes) for mean, spread in zip(means, spreads, strict=True)
    )
    expected = np.square(means[0] - means[1]).sum() + np.square(spreads[0] - spreads[1]).sum()
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("count", [2, 40, 300])
def test_equal_sets_are_at_distance_0_even_when_they_are_small(count: int) -> None:
    features = _features(count, 128)
    turned = features[np.random.default_rng(3).permutation(count)]
    assert abs(frechet_distance(moments(features), moments(features))) < 1e-9
    assert abs(frechet_distance(moments(features), moments(turned))) < 1e-9


def test_the_root_is_the_covariance_however_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    features = _features(150, 20)
    expected = np.cov(features.astype(float), rowvar=False)
    for block in (4096, 40, 7):
        monkeypatch.setattr(distribution, "_BLOCK", block)
        root = moments(features).root
        assert root.shape == (20, 20) and root.T @ root == pytest.approx(expected, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("metric", [Fid(), Fid64(), Kid()])
def test_more_damage_is_a_larger_number(metric: Fid | Kid) -> None:
    real = _seen(_features(40, 2048))
    far = [
        metric.pool([_seen(_features(40, 2048, 1, shift))], [real], FORCED).value for shift in (0, 0.1, 0.5)
    ]
    assert far[0] < far[1] < far[2]


@pytest.mark.parametrize(
    ("metric", "made", "real", "floor"),
    [(Fid(), 2047, 3000, 2048), (Fid(), 3000, 200, 2048), (Fid64(), 63, 64, 64)],
)
def test_too_few_frames_are_refused(metric: Fid, made: int, real: int, floor: int) -> None:
    text = (
        rf"needs at least {floor} frames on both sides, these are {made} predicted and {real} real ones\. "
        r"Pool more videos, read kid@inception instead, or force it with --force\."
    )
    sides = [_seen(np.zeros((count, 2048), np.float32)) for count in (made, real)]
    with pytest.raises(MetricError, match=text):
        metric.summarise(*sides, recipe())


def test_the_floor_is_of_all_videos_together_and_can_be_forced() -> None:
    clips = [_seen(_features(32, 2048, seed)) for seed in range(4)]
    with pytest.raises(MetricError, match="at least 64 frames"):
        Fid64().summarise(clips[0], clips[1], recipe())
    pooled = Fid64().pool(clips[:2], clips[2:], recipe())
    assert pooled.facts == {"n": 64, "n_reference": 64} and pooled.frames == 64 and pooled.per_frame is None
    joined = [
        _seen(np.concatenate([a.features["inception"]["pool3"] for a in part]))
        for part in (clips[:2], clips[2:])
    ]
    assert Fid64().summarise(*joined, recipe()).value == pooled.value
    turned = Fid64().pool(clips[1::-1], clips[:1:-1], recipe())
    assert turned.value == pytest.approx(pooled.value, rel=1e-9)
    forced = Fid64().summarise(clips[0], clips[1], FORCED)
    assert forced.facts["n"] == 32 and forced.value > 0


def test_forcing_marks_the_recipe() -> None:
    plain = recipe()
    assert plain.fid_floor == 2048
    before = plain.digest
    assert plain.model_copy(update={"fid_floor": 0}).digest != before == plain.digest
    assert [frame_floor(plain, width) for width in (2048, 64)] == [2048, 64]
    assert [frame_floor(FORCED, width) for width in (2048, 64)] == [0, 0]


@pytest.mark.parametrize("count", [0, 1])
def test_a_covariance_takes_two_frames_even_when_forced(count: int) -> None:
    one, many = _seen(np.zeros((count, 2048), np.float32)), _seen(_features(5, 2048))
    with pytest.raises(MetricError, match=rf"FID needs at least 2 frames .* {count} predicted and 5 real"):
        Fid().summarise(one, many, FORCED)
    with pytest.raises(MetricError, match=rf"KID needs at least 2 frames .* 5 predicted and {count} real"):
        Kid().summarise(many, one, FORCED)


def test_videos_without_features_are_counted() -> None:
    whole = _seen(_features(4, 2048))
    bare = Observed(whole.reel, 4, {})
    with pytest.raises(MetricError, match="1 of 3 videos have no features of Inception"):
        Kid().pool([whole, bare, whole], [whole], recipe())


def _as_torchmetrics(made: np.ndarray, real: np.ndarray) -> float:
    import torch

    return float(poly_mmd(torch.from_numpy(made).double(), torch.from_numpy(real).double(), 3, None, 1.0))


def test_kid_of_few_frames_is_the_unbiased_estimate_of_all(agree: Callable[..., None]) -> None:
    made, real = _features(30, 2048), _features(30, 2048, 1, shift=0.1)
    found = Kid().summarise(_seen(made), _seen(real), recipe())
    expected = _as_torchmetrics(made, real)
    agree("kid@inception", TORCHMETRICS, found.value, expected, within=1e-9, relative=True)
    assert found.facts == {"n": 30, "n_reference": 30, "subset": 30, "subsets": 1, "std": 0}


def test_kid_draws_its_subsets_as_torch_fidelity(agree: Callable[..., None]) -> None:
    made, real = _features(40, 16), _features(25, 16, 1, shift=0.1)
    found = kernel_distance(made, real, subset=10, subsets=7)
    draw = np.random.RandomState(2020)
    expected = []
    for _ in range(7):
        chosen = made[draw.choice(40, 10, replace=False)]
        expected.append(_as_torchmetrics(chosen, real[draw.choice(25, 10, replace=False)]))
    for each, other in zip(found, expected, strict=True):
        agree("kid@inception", TORCHMETRICS, each, other, within=1e-9, relative=True)
    assert np.array_equal(found, kernel_distance(made, real, subset=10, subsets=7))


def test_kid_of_sets_of_other_sizes_takes_subsets_of_the_smaller() -> None:
    found = Kid().pool([_seen(_features(12, 2048))], [_seen(_features(5, 2048, 1))], recipe())
    assert found.facts == {
        "n": 12,
        "n_reference": 5,
        "subset": 5,
        "subsets": 100,
        "std": pytest.approx(found.facts["std"]),
    }
    assert found.facts["std"] > 0 and found.frames == 12


def test_kid_is_unbiased_and_fid_is_not() -> None:
    rng = np.random.default_rng(0)
    kids, fids = [], []
    for _ in range(300):
        first, second = rng.normal(size=(2, 12, 8))
        kids.append(kernel_distance(first, second, subset=12)[0])
        fids.append(frechet_distance(moments(first), moments(second)))
    assert abs(np.mean(kids)) < 3 * np.std(kids) / np.sqrt(len(kids))
    assert min(kids) < 0 < max(kids)
    assert np.mean(fids) > 20 * np.std(fids) / np.sqrt(len(fids))
