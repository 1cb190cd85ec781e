"""Expression Generator (paper 4.3.1): from audio features to e (and EAR), in one piece of any length.

Audio-expression temporal fusion (encoders, K-product, gate, Transformer), a global decoder, the direct
audio-to-expression pathway, and the smoothing layer. All outputs start at zero, which is the training mean.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from t2m_bench.methods.talk2me.fusion import FeatureGate, KroneckerFusion

HEADS = 4
_SLOW_FRAMES = 25
"""Frames of the moving average that stands for the emotion: one second."""
REACH = 12
"""Frames to each side that attention can look at."""


class ExpressionGenerator(nn.Module):
    """e_hat = smooth(main(a, e, s) + direct(a)).

    Args:
        audio: audio features a frame.
        expression: E, numbers of e.
        dim: channels D.
        layers: Transformer layers.
        rank: of the K-product.
        mouth: [M] indices of e that the direct pathway drives fully from the start.
    """

    def __init__(self, audio: int, expression: int, dim: int, layers: int, rank: int, mouth: Tensor) -> None:
        super().__init__()
        self.audio_encoder = _encoder(audio, dim)
        self.emotion_encoder = _encoder(audio, dim)
        self.style_encoder = _encoder(expression, dim)
        self.fusion = KroneckerFusion(3, dim, rank)
        self.gate = FeatureGate(dim)
        self.merge = nn.Linear(2 * dim, dim)
        self.temporal = temporal_encoder(dim, layers)
        self.decoder = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), _zero(nn.Linear(dim, expression)))
        self.direct = nn.Sequential(
            nn.Conv1d(audio, dim, 5, padding=2), nn.ReLU(), _zero(nn.Conv1d(dim, expression, 5, padding=2))
        )
        blend = torch.full((expression,), -4.0)
        blend[mouth] = 0.0
        self.blend = nn.Parameter(blend)
        self.smoothing = nn.Parameter(torch.tensor([0.02, 0.08, 0.8, 0.08, 0.02]).log().repeat(expression, 1))

    def encode(self, audio: Tensor, style: Tensor) -> Tensor:
        """Fused temporal features [B, T, D] (the paper's f_e behind the Transformer).

        Args:
            audio: [B, T, A] standardised features.
            style: [B, E] expression of the reference frame.
        """
        a = self.audio_encoder(audio)
        e = self.emotion_encoder(moving_average(audio, _SLOW_FRAMES))
        s = self.style_encoder(style)[:, None].expand_as(a)
        fused = self.merge(torch.cat([self.gate(a, s), self.fusion(a, e, s)], dim=-1))
        return self.temporal(fused, mask=local_mask(fused.shape[1], REACH, fused))

    def forward(self, audio: Tensor, style: Tensor) -> Tensor:
        """Expression of each frame [B, T, E], standardised.

        Args:
            audio: [B, T, A].
            style: [B, E].
        """
        main = self.decoder(self.encode(audio, style))
        direct = self.direct(audio.transpose(1, 2)).transpose(1, 2)
        return self.smooth(main + torch.sigmoid(self.blend) * direct)

    def smooth(self, expression: Tensor) -> Tensor:
        """Depthwise convex 5-tap filter along time [B, T, E], ends replicated: it cannot overshoot."""
        kernel = self.smoothing.softmax(dim=1)[:, None]
        padded = nn.functional.pad(expression.transpose(1, 2), (2, 2), mode="replicate")
        return nn.functional.conv1d(padded, kernel, groups=kernel.shape[0]).transpose(1, 2)


def temporal_encoder(dim: int, layers: int) -> nn.TransformerEncoder:
    """Pre-norm Transformer encoder. It gets no positions: a local mask makes it blind to how long the audio is."""
    layer = nn.TransformerEncoderLayer(dim, HEADS, 4 * dim, dropout=0.1, batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


def local_mask(frames: int, reach: int, like: Tensor) -> Tensor:
    """Additive attention mask [T, T]: minus infinity beyond `reach`, falling off linearly within it.

    The fall-off tells near from far (symmetric ALiBi), in place of absolute positions.
    """
    index = torch.arange(frames, device=like.device)
    distance = (index[:, None] - index[None]).abs().to(like.dtype)
    return torch.where(distance > reach, torch.full_like(distance, -torch.inf), -0.2 * distance)


def moving_average(values: Tensor, window: int) -> Tensor:
    """Centred mean over `window` frames along the second axis of [B, T, A], ends replicated."""
    half = window // 2
    padded = nn.functional.pad(values.transpose(1, 2), (half, window - 1 - half), mode="replicate")
    return nn.functional.avg_pool1d(padded, window, 1).transpose(1, 2)


def _encoder(inputs: int, dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 2 * dim), nn.ReLU(), nn.Dropout(0.2), nn.Linear(2 * dim, dim))


def _zero(layer: nn.Linear | nn.Conv1d) -> nn.Linear | nn.Conv1d:
    """`layer` with all parameters at zero."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
