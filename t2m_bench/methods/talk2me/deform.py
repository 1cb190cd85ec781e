"""Deformation network phi_D (paper 4.2.1, Eq. 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

OFFSETS = 14
"""3 position, 3 colour logit, 3 log-scale, 4 quaternion, 1 opacity logit."""

_REACH = torch.tensor([0.3] * 3 + [2.0] * 3 + [0.2] * 7 + [0.5])
"""What one unit of raw output is worth: decimetres, logits, log-scale, quaternion, logit."""


class DeformationNet(nn.Module):
    """Raw offsets of points from their feature z and one condition for all of them (e with beta, or p).

    The first layer is split, W [z; c] = W_z z + W_c c, so that the part of the condition is computed once a frame
    and the part of the points once for all frames.

    Args:
        feature: channels of z.
        condition: numbers of the condition.
        width: hidden channels.
    """

    def __init__(self, feature: int, condition: int, width: int) -> None:
        super().__init__()
        self.static = nn.Linear(feature, width)
        self.dynamic = nn.Linear(condition, width, bias=False)
        self.hidden = nn.Linear(width, width)
        self.last = nn.Linear(width, OFFSETS)
        nn.init.normal_(self.last.weight, std=1e-3)
        nn.init.zeros_(self.last.bias)

    def forward(self, static: Tensor, condition: Tensor) -> Tensor:
        """Raw offsets [N, 14].

        Args:
            static: [N, W] `self.static(z)`.
            condition: [C].
        """
        x = nn.functional.leaky_relu(static + self.dynamic(condition))
        return self.last(nn.functional.leaky_relu(self.hidden(x)))


def scaled_offsets(raw: Tensor) -> Tensor:
    """Raw offsets [N, 14] in the units of the attributes; the position saturates at 0.3 dm (tanh)."""
    position = torch.tanh(raw[:, :3])
    return torch.cat([position, raw[:, 3:]], dim=1) * _REACH.to(raw)
