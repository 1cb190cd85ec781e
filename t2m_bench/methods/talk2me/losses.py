"""Photometric losses of the avatar (Eq. 10)."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import avg_pool2d, l1_loss

_C1, _C2 = 0.01**2, 0.03**2


def ssim(a: Tensor, b: Tensor, window: int = 7, stride: int = 2) -> Tensor:
    """Mean structural similarity with a box window (Wang et al. 2004), on every `stride`-th position.

    Args:
        a: [H, W, 3] in [0, 1].
        b: the same.
        window: side of the box in pixels.
        stride: step of the box: 2 costs a quarter and moves the mean by little.

    Returns:
        Scalar in [-1, 1].
    """

    def mean(x: Tensor) -> Tensor:
        return avg_pool2d(x, window, stride)

    x, y = a.permute(2, 0, 1)[None], b.permute(2, 0, 1)[None]
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    top = (2 * mx * my + _C1) * (2 * cov + _C2)
    return (top / ((mx * mx + my * my + _C1) * (vx + vy + _C2))).mean()


def photometric(image: Tensor, target: Tensor, w_ssim: float) -> Tensor:
    """(1 - w) L1 + w (1 - SSIM) of two images [H, W, 3] in [0, 1]."""
    if w_ssim == 0:
        return l1_loss(image, target)
    return (1 - w_ssim) * l1_loss(image, target) + w_ssim * (1 - ssim(image, target))
