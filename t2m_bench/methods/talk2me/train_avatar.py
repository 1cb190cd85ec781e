"""Training of the Gaussian avatar: one readable loop.

Data, start values, optimiser, loop, checkpoint, in this order. The randomness of a step is a function of the seed and
the step's number alone, so that a resumed run goes on exactly as the killed one would have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from t2m_bench.core.errors import MethodError
from t2m_bench.core.method import Reporter
from t2m_bench.core.subject import Footage
from t2m_bench.core.track import Track
from t2m_bench.methods.talk2me.avatar import Frame, GaussianAvatar, compute_device
from t2m_bench.methods.talk2me.checkpoint import load_state, save_state
from t2m_bench.methods.talk2me.config import Config
from t2m_bench.methods.talk2me.losses import photometric
from t2m_bench.methods.talk2me.motion import MotionSpace, network_pose
from t2m_bench.methods.talk2me.points import View, choose_views, start_points
from t2m_bench.methods.talk2me.rig import fit_rig
from t2m_bench.tracking.canonical import MESH_POINTS

STATE = "avatar-state.safetensors"

_RATES = {
    "position": 7e-4, "log_scale": 5e-3, "quaternion": 3e-3, "opacity": 2e-2, "colour": 1e-2, "torso": 3.3e-3,
    "encoding.table": 3.3e-4, "encoding.gate": 3.3e-4, "encoding.log_scale": 7e-5, "encoding.phase": 7e-5,
}  # fmt: skip
"""Adam's learning rates by parameter name, before the factor `learning_rate`; all others are networks."""
_NETWORK_RATE = 5e-4


@dataclass(frozen=True)
class AvatarData:
    """Training frames and what drives them."""

    images: NDArray[np.uint8]
    """[T, S, S, 3] RGB on white."""
    expression: Tensor
    """[T, E]"""
    pose_input: Tensor
    """[T, 6]"""
    head: Tensor
    """[T, 4, 4]"""
    good: NDArray[np.int64]
    """Frames with a face, in order."""
    focal: float
    """Pixels at the training size."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the training frames."""
        return self.images.shape[2], self.images.shape[1]


def load_data(footage: Footage, space: MotionSpace, config: Config) -> AvatarData:
    """Read the training frames at the training size and their driving numbers."""
    size = training_size(footage.size, config.train_size)
    track = footage.track
    pose = space.head_pose(track)
    return AvatarData(
        images=np.stack(list(footage.frames(size))),
        expression=torch.from_numpy(expression_input(space, footage.track, config)),
        pose_input=torch.from_numpy(network_pose(space.pose_numbers(pose))),
        head=torch.from_numpy(pose.astype(np.float32)),
        good=np.flatnonzero(track.valid),
        focal=track.focal * size[1] / footage.size[1],
    )


def training_size(size: tuple[int, int], limit: int) -> tuple[int, int]:
    """`size` scaled down so that its height is `limit` pixels; never up."""
    if size[1] <= limit:
        return size
    return round(size[0] * limit / size[1]), limit


def expression_input(space: MotionSpace, track: Track, config: Config) -> NDArray[np.float32]:
    """e of each frame, with the eye aspect ratio blanked where the setting `ear` is off."""
    e = space.expression(track)
    if config.ear == "off":
        e[:, -2:] = 0
    return e


def start_avatar(
    data: AvatarData, footage: Footage, space: MotionSpace, config: Config, seed: int
) -> GaussianAvatar:
    """The untrained avatar: points from the tracked mesh and the silhouette, the landmark rig in closed form."""
    numbers = space.pose_numbers(data.head.numpy())
    chosen = choose_views(numbers, footage.track.valid)
    views = [View(data.images[i], data.head[i].numpy().astype(np.float64)) for i in chosen]
    cloud = start_points(
        space.shape, views, data.focal, (config.face_points, config.mouth_points, config.hull_points), seed
    )
    canonical = space.canonical(footage.track)[data.good]
    rig = fit_rig(data.expression.numpy()[data.good], canonical, space.shape[:MESH_POINTS], config.rig_ridge)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GaussianAvatar.start(cloud, space, rig, config).to(compute_device())


def train(
    avatar: GaussianAvatar, data: AvatarData, config: Config, workdir: Path, seed: int, report: Reporter
) -> None:
    """Optimise `avatar` in place; resumes from `workdir` where a state lies there.

    Raises:
        MethodError: the loss is no longer finite.
    """
    optimizer = torch.optim.Adam(_groups(avatar, config), eps=1e-15)
    base_rates = [group["lr"] for group in optimizer.param_groups]
    step = load_state(workdir / STATE, avatar, optimizer)
    report.stage("avatar", config.steps)
    report.advance(step)
    running = 0.0
    while step < config.steps:
        for group, rate in zip(optimizer.param_groups, base_rates, strict=True):
            group["lr"] = rate * _schedule(step, config)
        loss = _step(avatar, data, config, seed, step)
        if not math.isfinite(loss.item()):
            raise MethodError(
                f"The avatar's loss is {loss.item()} at step {step}",
                hint="Train with a smaller setting learning_rate, or look at the clip's track for errors",
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
        running = loss.item() if step == 1 else 0.95 * running + 0.05 * loss.item()
        report.advance(1, f"loss {running:.4f}")
        if step % config.save_every == 0 and step < config.steps:
            save_state(workdir / STATE, avatar, optimizer, step)
    save_state(workdir / STATE, avatar, optimizer, step)


def _step(avatar: GaussianAvatar, data: AvatarData, config: Config, seed: int, step: int) -> Tensor:
    """Loss of one training frame."""
    random = torch.Generator().manual_seed(seed * 1_000_003 + step)
    index = _frame_of(step, data.good, seed)
    noise_e = torch.randn(data.expression.shape[1], generator=random) * config.noise_expression
    noise_p = torch.randn(6, generator=random) * config.noise_pose
    frame = Frame(data.expression[index] + noise_e, data.pose_input[index] + noise_p, data.head[index])
    image, magnitude = avatar(frame.to(avatar.device), data.size, data.focal)
    target = torch.from_numpy(data.images[index]).to(avatar.device).float() / 255
    return photometric(image, target, config.w_ssim) + config.w_offset * magnitude


def _frame_of(step: int, good: NDArray[np.int64], seed: int) -> int:
    """The frame of a step: every frame once an epoch, in an order that is new each epoch."""
    epoch, place = divmod(step, len(good))
    order = np.random.default_rng([seed, epoch]).permutation(len(good))
    return int(good[order[place]])


def _schedule(step: int, config: Config) -> float:
    """Linear warm-up, then half a cosine down to `final_rate`."""
    progress = step / max(config.steps, 1)
    cosine = config.final_rate + (1 - config.final_rate) * 0.5 * (1 + math.cos(math.pi * progress))
    return min(1.0, (step + 1) / config.warmup) * cosine


def _groups(avatar: nn.Module, config: Config) -> list[dict[str, object]]:
    return [
        {"params": [parameter], "lr": _RATES.get(name, _NETWORK_RATE) * config.learning_rate}
        for name, parameter in avatar.named_parameters()
    ]
