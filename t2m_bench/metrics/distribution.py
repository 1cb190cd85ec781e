"""FID and KID: how far apart two sets of frames are as distributions in the features of Inception."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import MetricError
from t2m_bench.core.metric import Measured, Observed
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.inception import BLOCK0, POOL3, WIDTHS, InceptionFeatures
from t2m_bench.metrics.infos import FID, FID_64, KID

KID_SUBSETS = 100
KID_SUBSET = 1000
KID_SEED = 2020
"""Subsets that KID is averaged over, frames in each, and what they are drawn with: torch-fidelity's defaults."""
_BLOCK = 4096  # rows that are made triangular at once

Features = NDArray[np.floating]


@dataclass(frozen=True)
class Moments:
    """Mean and covariance of a set of features, the covariance as a root: it is `root.T @ root`."""

    mean: NDArray[np.float64]
    """[D]."""
    root: NDArray[np.float64]
    """[R, D], R at most D."""


def moments(features: Features) -> Moments:
    """Mean and unbiased covariance of features [N, D], in float64.

    The root comes from the features themselves by a QR decomposition. It is never formed by squaring and taking the
    square root again, so it is exact where the covariance is singular too.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    root: NDArray[np.float64] = np.zeros((0, features.shape[1]))
    for start in range(0, len(features), _BLOCK):
        centred = features[start : start + _BLOCK].astype(np.float64) - mean
        root = np.asarray(np.linalg.qr(np.concatenate([root, centred]), mode="r"))
    return Moments(mean, root / np.sqrt(len(features) - 1))


def frechet_distance(first: Moments, second: Moments) -> float:
    """Squared 2-Wasserstein distance of the two normal distributions (Dowson and Landau 1982; Heusel et al. 2017).

    |m1 - m2|^2 + tr C1 + tr C2 - 2 tr sqrt(C1 C2), where the last trace is the sum of the singular values of the
    product of the roots: the same number as a matrix square root gives, without its imaginary rests, and faster.
    """
    shift = first.mean - second.mean
    common = np.linalg.svd(first.root @ second.root.T, compute_uv=False).sum()
    spread = np.square(first.root).sum() + np.square(second.root).sum()
    return float(shift @ shift + spread - 2 * common)


def kernel_distance(
    prediction: Features,
    reference: Features,
    *,
    subset: int = KID_SUBSET,
    subsets: int = KID_SUBSETS,
    seed: int = KID_SEED,
) -> NDArray[np.float64]:
    """Unbiased squared maximum mean discrepancy of subsets under the kernel (x.y / D + 1)^3 (Binkowski et al. 2018).

    Drawn as torch-fidelity draws: for each subset first from the prediction, then from the reference, without
    replacement. Where both hold no more frames than a subset, there is one.

    Args:
        prediction: features, [N, D].
        reference: features, [M, D].
        subset: frames in a subset, at most the smaller of N and M.
        subsets: how many are drawn.
        seed: of the draw.

    Returns:
        One value a subset; around 0, and often below, for two samples of one distribution.
    """
    made, real = prediction.astype(np.float64), reference.astype(np.float64)
    if len(made) == len(real) == subset:
        return np.array([_discrepancy(made, real)])
    draw = np.random.RandomState(seed)
    found = []
    for _ in range(subsets):
        chosen = draw.choice(len(made), subset, replace=False)
        found.append(_discrepancy(made[chosen], real[draw.choice(len(real), subset, replace=False)]))
    return np.array(found)


def _discrepancy(made: NDArray[np.float64], real: NDArray[np.float64]) -> float:
    count = len(made)
    within = sum(
        float(kernel.sum() - np.trace(kernel)) for kernel in (_kernel(made, made), _kernel(real, real))
    )
    return within / (count * (count - 1)) - 2 * float(_kernel(made, real).mean())


def _kernel(rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
    base = rows @ columns.T / rows.shape[1] + 1
    cube: NDArray[np.float64] = base * base * base
    return cube


class Fid:
    """`fid@inception`: of the 2048 features of the last pooling."""

    info = FID
    array = POOL3

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """FID of one video, which is nearly always too short for it.

        Raises:
            MetricError: as `pool`.
        """
        return self.pool([prediction], _only(reference), recipe)

    def pool(self, predictions: list[Observed], references: list[Observed], recipe: Recipe) -> Measured:
        """FID of all frames of all videos; `n` and `n_reference` tell of how many.

        Raises:
            MetricError: one side has fewer frames than the floor, or lacks features.
        """
        made, real = _gathered(predictions, self.array), _gathered(references, self.array)
        floor = max(2, frame_floor(recipe, WIDTHS[self.array]))
        if min(len(made), len(real)) < floor:
            raise MetricError(
                f"{self.info.title} needs at least {floor} frames on both sides, "
                f"these are {len(made)} predicted and {len(real)} real ones",
                hint="Pool more videos, read kid@inception instead, or force it with --force",
            )
        return Measured(
            frechet_distance(moments(made), moments(real)), frames=len(made), facts=_counts(made, real)
        )


class Fid64(Fid):
    """`fid@inception.64`: of the 64 features of the first pooling, for few frames."""

    info = FID_64
    array = BLOCK0


class Kid:
    """`kid@inception`: needs no floor, since its expectation does not depend on the number of frames."""

    info = KID

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """KID of one video.

        Raises:
            MetricError: as `pool`.
        """
        return self.pool([prediction], _only(reference), recipe)

    def pool(self, predictions: list[Observed], references: list[Observed], recipe: Recipe) -> Measured:
        """Mean KID of subsets of all frames of all videos.

        The facts tell the frames on both sides (`n`, `n_reference`), the frames of a subset, the number of subsets
        and the standard deviation between them.

        Raises:
            MetricError: one side has fewer than two frames, or lacks features.
        """
        made, real = _gathered(predictions, POOL3), _gathered(references, POOL3)
        subset = min(len(made), len(real), KID_SUBSET)
        if subset < 2:
            raise MetricError(
                f"KID needs at least 2 frames on both sides, these are {len(made)} predicted and {len(real)} real ones"
            )
        found = kernel_distance(made, real, subset=subset)
        facts = {"subset": subset, "subsets": len(found), "std": float(found.std())}
        return Measured(float(found.mean()), frames=len(made), facts=_counts(made, real) | facts)


def frame_floor(recipe: Recipe, width: int) -> int:
    """Frames that features of that width need: as many as the recipe asks of all 2048, in proportion.

    A covariance of fewer frames than features is singular, and the distance then says more about their number than
    about the pictures.
    """
    return -(-recipe.fid_floor * width // WIDTHS[POOL3])


def _only(reference: Observed | None) -> list[Observed]:
    assert reference is not None, "a distance of distributions has two sides"
    return [reference]


def _gathered(videos: Sequence[Observed], array: str) -> NDArray[np.float32]:
    """Features of all frames of all videos, [N, D]."""
    lacking = sum(InceptionFeatures.name not in video.features for video in videos)
    if lacking:
        raise MetricError(f"{lacking} of {len(videos)} videos have no features of Inception")
    empty = np.zeros((0, WIDTHS[array]), np.float32)
    return np.concatenate([empty, *(video.features[InceptionFeatures.name][array] for video in videos)])


def _counts(made: Features, real: Features) -> dict[str, float]:
    return {"n": len(made), "n_reference": len(real)}
