"""Kronecker-product fusion (Eq. 8 and 9) in low rank, and the gated concatenation."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor, nn

from t2m_bench.core.errors import ShapeError


class KroneckerFusion(nn.Module):
    """phi(x1 (x) x2, x1 (x) x3, ...): pairwise Kronecker products of streams, projected back to their size.

    Each stream is first reduced to `rank` numbers, which makes the map a bilinear one of that rank and its size
    independent of the square of the channels.

    Args:
        streams: how many.
        dim: channels of each and of the result.
        rank: numbers each stream is reduced to.
    """

    def __init__(self, streams: int, dim: int, rank: int) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(nn.Linear(dim, rank) for _ in range(streams))
        pairs = streams * (streams - 1) // 2
        self.project = nn.Sequential(
            nn.LayerNorm(pairs * rank * rank), nn.Linear(pairs * rank * rank, dim), nn.ReLU()
        )

    def forward(self, *streams: Tensor) -> Tensor:
        """Fuse [..., D] streams into one [..., D].

        Raises:
            ShapeError: another number of streams than at construction.
        """
        if len(streams) != len(self.reduce):
            raise ShapeError(f"KroneckerFusion of {len(self.reduce)} streams was given {len(streams)}")
        small = [layer(stream) for layer, stream in zip(self.reduce, streams, strict=True)]
        products = [torch.einsum("...i,...j->...ij", a, b).flatten(-2) for a, b in combinations(small, 2)]
        return self.project(torch.cat(products, dim=-1))


class FeatureGate(nn.Module):
    """g a + (1 - g) s with g = sigmoid(W [a; s])."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gate = nn.Linear(2 * dim, dim)

    def forward(self, a: Tensor, s: Tensor) -> Tensor:
        """Blend two streams [..., D]."""
        g = torch.sigmoid(self.gate(torch.cat([a, s], dim=-1)))
        return g * a + (1 - g) * s
