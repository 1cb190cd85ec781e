"""Region weights (paper 4.2.1, Eq. 2)."""

from __future__ import annotations

import torch
from torch import Tensor


def region_weights(points: Tensor, landmarks: Tensor, d_near: float, d_far: float) -> Tensor:
    """w_exp = clamp((d_far - d) / (d_far - d_near), 0, 1), d = distance to the nearest neutral landmark.

    Args:
        points: [N, 3] canonical positions.
        landmarks: [M, 3] neutral landmarks in the same unit.
        d_near: up to here a point follows the expression alone.
        d_far: from here on it follows the pose alone.

    Returns:
        [N] in [0, 1]; the pose weight is one minus it.
    """
    distance = torch.cdist(points, landmarks).amin(dim=1)
    return ((d_far - distance) / (d_far - d_near)).clamp(0, 1)


def nearest_weights(points: Tensor, landmarks: Tensor, count: int = 4) -> tuple[Tensor, Tensor]:
    """The `count` nearest landmarks of each point and their inverse-square-distance weights.

    Returns:
        Indices [N, count] int64 and weights [N, count] that sum to one.
    """
    distance, index = torch.cdist(points, landmarks).topk(count, dim=1, largest=False)
    weight = 1 / distance.clamp(min=1e-4).square()
    return index, weight / weight.sum(dim=1, keepdim=True)
