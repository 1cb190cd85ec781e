"""Retrieval-Based Pose Generator (paper 4.3.2): a database of pose units, retrieval by sound, and the Pose Refiner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from t2m_bench.core.errors import MethodError
from t2m_bench.methods.talk2me.expression import HEADS, local_mask
from t2m_bench.methods.talk2me.fusion import KroneckerFusion

Array = NDArray[np.float32]

_CANDIDATES = 8
_SEAM_WEIGHT = 0.3
REACH = 25


@dataclass(frozen=True)
class PoseDatabase:
    """Pose units of the training part and the sound that went with them."""

    keys: Array
    """[U, K] unit vectors."""
    units: Array
    """[U, N, 6] standardised pose numbers."""
    starts: NDArray[np.int64]
    """[U] first training frame of each unit."""

    @classmethod
    def build(cls, audio: Array, pose: Array, frames: int, hop: int) -> PoseDatabase:
        """Cut the training part into units.

        Args:
            audio: [T, A] standardised features.
            pose: [T, 6].
            frames: length N of a unit.
            hop: frames between units.

        Raises:
            MethodError: the training part is shorter than one unit.
        """
        starts = np.arange(0, len(pose) - frames + 1, hop)
        if not len(starts):
            raise MethodError(
                f"{len(pose)} training frames hold no pose unit of {frames}", hint="Set unit_frames to less"
            )
        keys = np.stack([unit_key(audio[s : s + frames]) for s in starts])
        return cls(keys, np.stack([pose[s : s + frames] for s in starts]).astype(np.float32), starts)

    def retrieve(
        self, audio: Array, overlap: int, *, chain: bool, exclude: tuple[int, int] | None = None
    ) -> Array:
        """Pose numbers [T, 6] for `audio` [T, A], from units joined by cross-fades.

        Args:
            audio: standardised features.
            overlap: frames over which neighbouring units are blended.
            chain: choose the units together, so that each starts where the one before ends (Viterbi); else each slot
                takes its most similar unit.
            exclude: first and one past the last training frame that `audio` comes from: units that touch it are left
                out, or retrieval would return the truth and the refiner learn nothing. Where none is left, the mean
                pose (zeros) is returned.
        """
        length = self.units.shape[1]
        hop = length - overlap
        slots = np.arange(0, max(len(audio) - overlap, 1), hop)
        allowed = self._allowed(exclude, length)
        if not len(allowed):
            return np.zeros((len(audio), 6), dtype=np.float32)
        queries = np.stack([unit_key(_window(audio, slot, length)) for slot in slots])
        similarity = queries @ self.keys[allowed].T
        chosen = allowed[self._chain(similarity, allowed, overlap) if chain else similarity.argmax(axis=1)]
        return _join(self.units[chosen], hop, overlap)[: len(audio)]

    def _allowed(self, exclude: tuple[int, int] | None, length: int) -> NDArray[np.int64]:
        if exclude is None:
            return np.arange(len(self.starts))
        return np.flatnonzero((self.starts + length <= exclude[0]) | (self.starts >= exclude[1]))

    def _chain(self, similarity: Array, allowed: NDArray[np.int64], overlap: int) -> NDArray[np.int64]:
        """Viterbi over the most similar candidates of each slot."""
        count = min(_CANDIDATES, len(allowed))
        candidates = np.argsort(-similarity, axis=1, kind="stable")[:, :count]
        cost = 1 - np.take_along_axis(similarity, candidates, axis=1)
        total, back = cost[0], []
        for before, after, own in zip(candidates[:-1], candidates[1:], cost[1:], strict=True):
            seam = self._seams(allowed[before], allowed[after], overlap)
            path = total[:, None] + _SEAM_WEIGHT * seam
            back.append(path.argmin(axis=0))
            total = path.min(axis=0) + own
        last = int(total.argmin())
        picked = [last]
        for pointer in reversed(back):
            picked.append(int(pointer[picked[-1]]))
        return candidates[np.arange(len(candidates)), picked[::-1]]

    def _seams(self, before: NDArray[np.int64], after: NDArray[np.int64], overlap: int) -> Array:
        """[B, A] mean jump of position and speed where one unit fades into the other."""
        tail, head = self.units[before][:, -overlap:], self.units[after][:, :overlap]
        jump = np.abs(tail[:, None] - head[None]).mean(axis=(2, 3))
        speed = np.abs(np.diff(tail, axis=1)[:, None] - np.diff(head, axis=1)[None]).mean(axis=(2, 3))
        return np.asarray(jump + speed)


def unit_key(audio: Array) -> Array:
    """Unit vector of a stretch of sound [N, A]: mean and spread of each feature, and the loudness at five points."""
    contour = audio[np.linspace(0, len(audio) - 1, 5).round().astype(np.int64), -1]
    key = np.concatenate([audio.mean(axis=0), audio.std(axis=0), contour])
    return np.asarray(key / max(float(np.linalg.norm(key)), 1e-9), dtype=np.float32)


class PoseRefiner(nn.Module):
    """p = p_hat + delta: Kronecker fusion of retrieved pose and expression (Eq. 9), cross-attention to the sound.

    The last layer starts at zero, so an untrained refiner returns what was retrieved.

    Args:
        audio: features a frame.
        expression: numbers of e.
        dim: channels.
        layers: decoder layers.
        rank: of the Kronecker factors.
    """

    def __init__(self, audio: int, expression: int, dim: int, layers: int, rank: int) -> None:
        super().__init__()
        self.pose = nn.Linear(6, dim)
        self.expression = nn.Linear(expression, dim)
        self.audio = nn.Linear(audio, dim)
        self.fusion = KroneckerFusion(2, dim, rank)
        layer = nn.TransformerDecoderLayer(
            dim, HEADS, 4 * dim, dropout=0.1, batch_first=True, norm_first=True
        )
        self.decoder = nn.TransformerDecoder(layer, layers)
        self.output = nn.Linear(dim, 6)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, retrieved: Tensor, expression: Tensor, audio: Tensor) -> Tensor:
        """Refined pose numbers [B, T, 6] from [B, T, 6], [B, T, E] and [B, T, A]."""
        pose = self.pose(retrieved)
        fused = pose + self.fusion(pose, self.expression(expression))
        mask = local_mask(fused.shape[1], REACH, fused)
        return retrieved + self.output(
            self.decoder(fused, self.audio(audio), tgt_mask=mask, memory_mask=mask)
        )


def _window(values: Array, start: int, length: int) -> Array:
    """Rows `start` to `start + length`, the last row repeated where there are fewer."""
    return values[np.arange(start, start + length).clip(0, len(values) - 1)]


def _join(units: Array, hop: int, overlap: int) -> Array:
    """Overlap-add of units [K, N, 6] with a smoothstep cross-fade."""
    length = units.shape[1]
    result = np.zeros((hop * (len(units) - 1) + length, units.shape[2]), dtype=np.float32)
    x = (np.arange(overlap) + 1) / (overlap + 1)
    rise = (x * x * (3 - 2 * x))[:, None]
    for index, unit in enumerate(units):
        at, fade = index * hop, overlap if index else 0
        result[at : at + fade] = result[at : at + fade] * (1 - rise[:fade]) + unit[:fade] * rise[:fade]
        result[at + fade : at + length] = unit[fade:]
    return result


def tensor(values: NDArray[np.floating]) -> Tensor:
    """A batch of one, float32."""
    return torch.from_numpy(np.asarray(values, dtype=np.float32))[None]
