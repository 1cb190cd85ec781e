"""Pixel metrics of 8-bit RGB frames: PSNR, SSIM and MS-SSIM."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from t2m_bench.core.errors import MetricError
from t2m_bench.core.metric import FramePairs
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics._structure import GAUSSIAN, WINDOW, scales
from t2m_bench.metrics.infos import MS_SSIM, MS_SSIM_3, PSNR, SSIM, SSIM_MIRRORED

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of MS-SSIM from the finest scale to the coarsest (Wang et al. 2003)."""


class Psnr:
    """`psnr@rgb`: 10 log10(255^2 / MSE) of each frame, at most the recipe's cap, which equal frames get."""

    info = PSNR

    def measure(self, pairs: FramePairs, recipe: Recipe) -> NDArray[np.float64]:
        """Decibels, [B]."""
        error = np.subtract(pairs.prediction, pairs.reference, dtype=np.int32)  # [B, H, W, 3]
        return decibels(np.square(error).mean(axis=(1, 2, 3), dtype=np.float64), recipe)


def decibels(squared_error: NDArray[np.float64], recipe: Recipe) -> NDArray[np.float64]:
    """PSNR of mean squared errors of 8-bit values, [B]; at most the recipe's cap, NaN for NaN."""
    # A mean of 1e-9 is far above any cap, and cannot come of 8-bit frames that differ.
    found: NDArray[np.float64] = 10 * np.log10(255.0**2 / np.maximum(squared_error, 1e-9))
    return np.minimum(found, recipe.psnr_cap_db)


class Ssim:
    """`ssim@rgb`: over the windows that lie within the picture, as its authors and scikit-image have it."""

    info = SSIM

    def measure(self, pairs: FramePairs, recipe: Recipe) -> NDArray[np.float64]:
        """Values in [-1, 1], [B].

        Raises:
            MetricError: a side is under 11 pixels.
        """
        return _each(pairs, lambda terms: terms[:, 0, 0].mean(), 1)


class SsimMirrored:
    """`ssim@rgb.mirrored`: one window a pixel, the picture mirrored beyond its edges, as torchmetrics has it."""

    info = SSIM_MIRRORED

    def measure(self, pairs: FramePairs, recipe: Recipe) -> NDArray[np.float64]:
        """Values in [-1, 1], [B].

        Raises:
            MetricError: a side is under 11 pixels.
        """
        return _each(pairs, lambda terms: terms[:, 0, 1].mean(), 1)


class MsSsim:
    """`ms_ssim@rgb.5`: MS-SSIM of each frame on [0, 1] as torchmetrics has it, terms below 0 set to 0.

    With fewer scales the exponents are the first of the standard ones, divided by their sum.
    """

    info = MS_SSIM
    count = 5

    def measure(self, pairs: FramePairs, recipe: Recipe) -> NDArray[np.float64]:
        """Values in [0, 1], [B].

        Raises:
            MetricError: a side is too short for the number of scales.
        """
        weights = np.array(SCALE_WEIGHTS[: self.count])
        return _each(pairs, lambda terms: _product(terms, weights / weights.sum()), self.count)


class MsSsim3(MsSsim):
    """`ms_ssim@rgb.3`: for pictures too small for five scales."""

    info = MS_SSIM_3
    count = 3


def _product(terms: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """MS-SSIM from the means `[3, scales, 3]` of the channels."""
    mean = np.maximum(terms.mean(axis=0), 0)  # [scales, 3]
    factors = np.append(mean[:-1, 2], mean[-1, 1])  # contrast, and at the coarsest scale the whole index
    return float(np.prod(factors**weights))


def smallest_side(count: int) -> int:
    """Least side in pixels for `count` scales: the window must fit after every halving."""
    return int(WINDOW * 2 ** (count - 1))


def _each(
    pairs: FramePairs, combine: Callable[[NDArray[np.float64]], float], count: int
) -> NDArray[np.float64]:
    """`combine` of the structure terms `[3, count, 3]` of every pair, the frames shared among threads."""
    height, width = pairs.reference.shape[1:3]
    least = smallest_side(count)
    if min(width, height) < least:
        many = f"MS-SSIM with {count} scales" if count > 1 else "SSIM"
        raise MetricError(
            f"{many} needs sides of at least {least} pixels, these are {width}x{height}",
            hint="Score at a larger size" + (", or with `ms_ssim@rgb.3`" if count > 3 else ""),
        )

    def one(index: int) -> float:
        made, real = _planes(pairs.prediction[index]), _planes(pairs.reference[index])
        return float(
            combine(np.stack([scales(x, y, GAUSSIAN, count) for x, y in zip(made, real, strict=True)]))
        )

    with ThreadPoolExecutor(max(1, torch.get_num_threads())) as pool:
        return np.array(list(pool.map(one, range(len(pairs.reference)))))


def _planes(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A frame [H, W, 3] as planes [3, H, W] on [0, 1]."""
    return np.ascontiguousarray(frame.transpose(2, 0, 1)).astype(np.float32) / np.float32(255)
