"""Learnable Positional Encoding (paper 4.2.2, Eq. 5-7) and the order of the points that it needs."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from t2m_bench.core.errors import ShapeError

_MAX_LOG_SCALE = math.log(4.0)


def morton_rank(points: Tensor, bits: int = 10) -> Tensor:
    """Rank of each point along a Z-order curve through the bounding box.

    Eq. 5 encodes the *index* of a primitive, so neighbours in space must be neighbours in index: with any other
    order the code is noise to the networks behind it.

    Args:
        points: [N, 3] positions, any unit.
        bits: resolution of the curve per axis.

    Returns:
        [N] int64, a permutation of 0..N-1.
    """
    if points.ndim != 2 or points.shape[1] != 3:
        raise ShapeError(f"points must have shape [N, 3], got {list(points.shape)}")
    low, high = points.amin(0), points.amax(0)
    cell = ((points - low) / (high - low).clamp(min=1e-9) * (2**bits - 1)).to(torch.int64)
    code = torch.zeros(len(points), dtype=torch.int64, device=points.device)
    for bit in range(bits):
        for axis in range(3):
            code |= ((cell[:, axis] >> bit) & 1) << (3 * bit + axis)
    order = torch.argsort(code, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    return rank


class LearnablePositionalEncoding(nn.Module):
    """z_i = PC(x_i) + sig(gate) L(i) + (1 - sig(gate)) S(i), with S(i) = [sin(u_i gamma f + phi), cos(...)].

    The index enters as u_i = rank_i / N along the Morton curve, so the bands are cycles over the whole table. The
    table has one row a point: the number of points never changes. Without `learnable` z is a linear map of four
    sinusoidal bands of the coordinate: the conventional encoding of the ablation.

    Args:
        rank: [N] int64 rank of each point.
        dim: channels D of z, even.
        cycles: highest band, cycles over the table; the lowest is 1.
        gate: initial logit of the gate (the paper's alpha).
        learnable: False for the ablation.
        seed: of the initial table.
    """

    frequency: Tensor
    position: Tensor

    def __init__(self, rank: Tensor, dim: int, *, cycles: float, gate: float, learnable: bool) -> None:
        super().__init__()
        self.learnable = learnable
        self.register_buffer("position", rank.to(torch.float32) / len(rank))
        bands = torch.logspace(0, math.log10(cycles), dim // 2) * 2 * math.pi
        self.register_buffer("frequency", bands)
        self.coordinate = nn.Linear(3 if learnable else 27, dim)
        if learnable:
            self.table = nn.Parameter(torch.randn(len(rank), dim) * 0.01)
            self.gate = nn.Parameter(torch.tensor(float(gate)))
            self.log_scale = nn.Parameter(torch.zeros(()))
            self.phase = nn.Parameter(torch.zeros(dim // 2))

    def sinusoid(self) -> Tensor:
        """S(i) of Eq. 5, [N, D]."""
        scale = self.log_scale.clamp(-_MAX_LOG_SCALE, _MAX_LOG_SCALE).exp()
        angle = self.position[:, None] * (scale * self.frequency) + self.phase
        return torch.cat([angle.sin(), angle.cos()], dim=1)

    def forward(self, points: Tensor) -> Tensor:
        """z of Eq. 7.

        Args:
            points: [N, 3] canonical positions, decimetres.

        Returns:
            [N, D].
        """
        if not self.learnable:
            return self.coordinate(sinusoidal(points, 4))
        weight = torch.sigmoid(self.gate)
        return self.coordinate(points) + weight * self.table + (1 - weight) * self.sinusoid()


def sinusoidal(values: Tensor, bands: int) -> Tensor:
    """[x, sin x, cos x, sin 2x, cos 2x, ...] with `bands` octaves: [..., C] to [..., C (1 + 2 bands)]."""
    parts = [values]
    for band in range(bands):
        parts += [(values * 2**band).sin(), (values * 2**band).cos()]
    return torch.cat(parts, dim=-1)
