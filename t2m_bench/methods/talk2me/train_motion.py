"""Training of the expression generator and the pose refiner, jointly: one readable loop.

The last part of the training frames is held back to choose the epoch: with seconds of footage both networks memorise
within a few epochs, and the best one may be the start, which is the training mean and the retrieved pose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from t2m_bench.core.method import Reporter
from t2m_bench.methods.talk2me.audio import FEATURES
from t2m_bench.methods.talk2me.config import Config
from t2m_bench.methods.talk2me.expression import REACH as EXPRESSION_REACH
from t2m_bench.methods.talk2me.expression import ExpressionGenerator
from t2m_bench.methods.talk2me.motion import MotionSpace
from t2m_bench.methods.talk2me.pose import REACH as POSE_REACH
from t2m_bench.methods.talk2me.pose import PoseDatabase, PoseRefiner, tensor

Array = NDArray[np.float32]

PIECE = 500
"""Frames the generators work on at once when they make a video."""
_HELD_BACK = 0.2
_WEIGHT_EYES, _WEIGHT_MOUTH = 3.0, 2.0


class MotionModel(nn.Module):
    """Both generators and the constants between standardised and real features.

    Args:
        space: the person's motion space.
        config: settings.
    """

    audio_mean: Tensor
    audio_std: Tensor
    expression_mean: Tensor
    style: Tensor

    def __init__(self, space: MotionSpace, config: Config) -> None:
        super().__init__()
        size = space.expression_size
        self.config = config
        self.expression = ExpressionGenerator(
            FEATURES, size, config.motion_dim, config.motion_layers, config.motion_rank,
            torch.from_numpy(space.mouth_index),
        )  # fmt: skip
        self.refiner = PoseRefiner(
            FEATURES, size, config.motion_dim, config.motion_layers, config.motion_rank
        )
        self.register_buffer("audio_mean", torch.zeros(FEATURES))
        self.register_buffer("audio_std", torch.ones(FEATURES))
        self.register_buffer("expression_mean", torch.zeros(size))
        self.register_buffer("style", torch.zeros(size))

    def standardised(self, audio: Array) -> Array:
        """Features [T, A] with the training part's mean and spread taken out."""
        return np.asarray((audio - self.audio_mean.numpy()) / self.audio_std.numpy(), dtype=np.float32)

    @torch.no_grad()
    def generate_expression(self, audio: Array, piece: int = PIECE) -> Array:
        """e [T, E] from standardised features [T, A], `piece` frames at a time, with as much around them as is seen."""
        self.eval()
        reach = self.config.motion_layers * EXPRESSION_REACH + 20  # attention, moving average and smoothing

        def make(part: slice) -> Array:
            result = self.expression(tensor(audio[part]), self.style[None])[0] + self.expression_mean
            return np.asarray(result.numpy())

        return _in_pieces(make, len(audio), piece, reach)

    @torch.no_grad()
    def generate_pose(
        self, audio: Array, expression: Array, database: PoseDatabase, piece: int = PIECE
    ) -> Array:
        """Standardised pose numbers [T, 6] from standardised features [T, A] and expressions [T, E]."""
        self.eval()
        config = self.config
        retrieved = database.retrieve(audio, config.unit_overlap, chain=config.retrieval == "viterbi")
        if config.refiner == "off":
            return retrieved
        centred = expression - self.expression_mean.numpy()

        def make(part: slice) -> Array:
            refined = self.refiner(tensor(retrieved[part]), tensor(centred[part]), tensor(audio[part]))
            return np.asarray(refined[0].numpy())

        return _in_pieces(make, len(audio), piece, (config.motion_layers + 1) * POSE_REACH)


def _in_pieces(make: Callable[[slice], Array], length: int, piece: int, reach: int) -> Array:
    """Rows 0 to `length` of a local function, made in pieces: memory does not grow with the square of the length.

    Args:
        make: gives the rows of a stretch, right where `reach` rows before and after them are part of it.
        length: rows wanted.
        piece: rows kept of each call.
        reach: how far a row depends on others.
    """
    parts = []
    for start in range(0, length, piece):
        stop, low = min(start + piece, length), max(start - reach, 0)
        rows = make(slice(low, min(stop + reach, length)))
        parts.append(rows[start - low : stop - low])
    return np.concatenate(parts)


@dataclass(frozen=True)
class MotionData:
    """The training part as sequences."""

    audio: Array
    """[T, A] features, not standardised."""
    expression: Array
    """[T, E]"""
    pose: Array
    """[T, 6] standardised pose numbers."""


def train_motion(
    data: MotionData, space: MotionSpace, config: Config, seed: int, report: Reporter
) -> tuple[MotionModel, PoseDatabase]:
    """Train both generators on one person; the best epoch on the frames held back is returned.

    Returns:
        The model, and the pose database over the whole training part.
    """
    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(seed)
        model = MotionModel(space, config)
        _set_constants(model, data, space)
        audio = model.standardised(data.audio)
        expression = data.expression - model.expression_mean.numpy()
        database = PoseDatabase.build(audio, data.pose, min(config.unit_frames, len(audio)), config.unit_hop)
        split = int(len(audio) * (1 - _HELD_BACK))
        windows = [
            _window(audio, expression, data.pose, database, start, stop, config)
            for start, stop in _spans(split, config.motion_window)
        ]
        held_back = _window(audio, expression, data.pose, database, split, len(audio), config)
        _loop(model, windows, held_back, space, config, seed, report)
    return model, database


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch work on one thread meanwhile.

    These networks are so small that sharing an operation costs more than it saves: many times more where other
    programs keep the cores busy. The result is also the same whatever the number of cores.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class _Window:
    audio: Tensor
    expression: Tensor
    pose: Tensor
    retrieved: Tensor


def _loop(
    model: MotionModel, windows: list[_Window], held_back: _Window, space: MotionSpace, config: Config, seed: int,
    report: Reporter,
) -> None:  # fmt: skip
    weight = _weights(space)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.motion_rate)
    best = _Best(model)
    best.offer(_losses(model, held_back, weight, config))
    report.stage("expression and pose", config.motion_epochs)
    for epoch in range(config.motion_epochs):
        model.train()
        for index in np.random.default_rng([seed, epoch]).permutation(len(windows)):
            expression_loss, pose_loss = _losses_train(model, windows[index], weight, config)
            optimizer.zero_grad(set_to_none=True)
            (expression_loss + pose_loss).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        best.offer(_losses(model, held_back, weight, config))
        report.advance(1, f"held back {best.loss[0]:.3f} {best.loss[1]:.3f}")
        if epoch - max(best.epoch) >= config.motion_patience:
            break
    best.restore()
    report.log(
        f"expression generator: epoch {best.epoch[0]} of {config.motion_epochs}, weighted L1 on the frames held back "
        f"{best.loss[0]:.3f} (training mean {best.first[0]:.3f}); pose refiner: epoch {best.epoch[1]}, "
        f"loss {best.loss[1]:.3f} (retrieved pose {best.first[1]:.3f})"
    )
    model.eval()


def _losses_train(
    model: MotionModel, window: _Window, weight: Tensor, config: Config
) -> tuple[Tensor, Tensor]:
    """Eq. 11 and Eq. 12 (its adversarial term apart) on one window."""
    predicted = model.expression(window.audio, model.style[None])
    expression_loss = (weight * (predicted - window.expression).abs()).mean()
    # Detached: a pose error must not pull at the lips.
    pose = model.refiner(window.retrieved, predicted.detach(), window.audio)
    rec = (pose - window.pose).abs().mean()
    velocity = pose.diff(dim=1).abs().mean()
    return expression_loss, config.lambda_rec * rec + config.lambda_vel * velocity


@torch.no_grad()
def _losses(model: MotionModel, window: _Window, weight: Tensor, config: Config) -> tuple[float, float]:
    model.eval()
    expression_loss, pose_loss = _losses_train(model, window, weight, config)
    return float(expression_loss), float(pose_loss)


class _Best:
    """The best state of each generator so far."""

    def __init__(self, model: MotionModel) -> None:
        self.parts = (model.expression, model.refiner)
        self.loss = [float("inf"), float("inf")]
        self.first = [float("inf"), float("inf")]
        self.epoch = [0, 0]
        self.states: list[dict[str, Tensor]] = [{}, {}]
        self._seen = 0

    def offer(self, losses: tuple[float, float]) -> None:
        """Keep the parts that are better than ever."""
        for index, (part, loss) in enumerate(zip(self.parts, losses, strict=True)):
            if self._seen == 0:
                self.first[index] = loss
            if loss < self.loss[index]:
                self.loss[index], self.epoch[index] = loss, self._seen
                self.states[index] = {name: value.clone() for name, value in part.state_dict().items()}
        self._seen += 1

    def restore(self) -> None:
        """Put the best states back into the model."""
        for part, state in zip(self.parts, self.states, strict=True):
            part.load_state_dict(state)


def _set_constants(model: MotionModel, data: MotionData, space: MotionSpace) -> None:
    model.audio_mean.copy_(torch.from_numpy(data.audio.mean(axis=0)))
    model.audio_std.copy_(torch.from_numpy(np.maximum(data.audio.std(axis=0), 0.05)))
    mean = data.expression.mean(axis=0)
    model.expression_mean.copy_(torch.from_numpy(mean))
    # The reference frame of the style: the one whose face is nearest to its mean.
    reference = np.linalg.norm(data.expression - mean, axis=1).argmin()
    model.style.copy_(torch.from_numpy(data.expression[reference] - mean))


def _weights(space: MotionSpace) -> Tensor:
    """Weights w of Eq. 11: eyes highest, then mouth."""
    weight = torch.ones(space.expression_size)
    weight[torch.from_numpy(space.mouth_index)] = _WEIGHT_MOUTH
    weight[torch.from_numpy(space.eye_index)] = _WEIGHT_EYES
    return weight


def _spans(frames: int, length: int) -> list[tuple[int, int]]:
    """Training windows: `length` frames each (all there are, if fewer), a third apart, the last one at the end."""
    if frames <= length:
        return [(0, frames)]
    starts = sorted({*range(0, frames - length, max(length // 3, 1)), frames - length})
    return [(start, start + length) for start in starts]


def _window(
    audio: Array,
    expression: Array,
    pose: Array,
    database: PoseDatabase,
    start: int,
    stop: int,
    config: Config,
) -> _Window:
    retrieved = database.retrieve(
        audio[start:stop], config.unit_overlap, chain=config.retrieval == "viterbi", exclude=(start, stop)
    )
    part = slice(start, stop)
    return _Window(tensor(audio[part]), tensor(expression[part]), tensor(pose[part]), tensor(retrieved))
