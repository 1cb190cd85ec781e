"""Pixel metrics of 8-bit RGB frames: PSNR and MS-SSIM."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from t2m_bench.core.errors import MetricError
from t2m_bench.core.metric import FramePairs
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.infos import MS_SSIM, PSNR

MS_SSIM_MIN_SIDE = 176
"""Smallest side in pixels: the 11-pixel window must fit four halvings down, and 16 * 11 = 176."""


class Psnr:
    """`psnr@rgb`: 10 log10(255^2 / MSE) of each frame, at most the recipe's cap, which equal frames get."""

    info = PSNR

    def measure(self, pairs: FramePairs, recipe: Recipe) -> NDArray[np.float64]:
        """Decibels, [B]."""
        error = np.subtract(pairs.prediction, pairs.reference, dtype=np.int32)  # [B, H, W, 3]
        mean = np.square(error).mean(axis=(1, 2, 3), dtype=np.float64)  # [B]
        # A mean of 1e-9 is far above any cap, and cannot come of 8-bit frames that differ.
        decibels: NDArray[np.float64] = 10 * np.log10(255.0**2 / np.maximum(mean, 1e-9))
        return np.minimum(decibels, recipe.psnr_cap_db)


class MsSsim:
    """`ms_ssim@rgb.5`: torchmetrics' MS-SSIM of each frame on [0, 1], 5 scales, negative contrast terms set to 0."""

    info = MS_SSIM

    def measure(self, pairs: FramePairs, recipe: Recipe) -> NDArray[np.float64]:
        """Values in [0, 1], [B].

        Raises:
            MetricError: a side is under 176 pixels.
        """
        height, width = pairs.reference.shape[1:3]
        if min(width, height) < MS_SSIM_MIN_SIDE:
            raise MetricError(
                f"MS-SSIM with 5 scales needs sides of at least {MS_SSIM_MIN_SIDE} pixels, these are {width}x{height}",
                hint="Score at a larger size",
            )
        values = multiscale_structural_similarity_index_measure(
            _unit(pairs.prediction), _unit(pairs.reference), data_range=1.0, reduction="none"
        )
        return np.atleast_1d(values.double().numpy())


def _unit(frames: NDArray[np.uint8]) -> torch.Tensor:
    """Frames [B, H, W, 3] uint8 as [B, 3, H, W] float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255
