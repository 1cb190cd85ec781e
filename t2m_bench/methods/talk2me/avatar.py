"""The Gaussian avatar: canonical Gaussians, moved by expression and head pose (Eq. 3), rendered (Eq. 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from t2m_bench.methods.talk2me.config import Config
from t2m_bench.methods.talk2me.deform import OFFSETS, DeformationNet, scaled_offsets
from t2m_bench.methods.talk2me.encoding import LearnablePositionalEncoding, morton_rank, sinusoidal
from t2m_bench.methods.talk2me.motion import MotionSpace
from t2m_bench.methods.talk2me.points import PointCloud
from t2m_bench.methods.talk2me.region import nearest_weights, region_weights
from t2m_bench.rendering.rasterize import rasterize
from t2m_bench.tracking.canonical import MESH_POINTS

_DILATION_AT_256 = 0.3
"""gsplat's screen-space blur (`eps2d`, square pixels) at the training size of 256; it scales with the image area."""
_POSE_INPUTS = 18
_START_OPACITY = 0.8
_CHIN = 152


@dataclass(frozen=True)
class Frame:
    """What drives one rendered frame."""

    expression: Tensor
    """[E] of `MotionSpace.expression`."""
    pose_input: Tensor
    """[6] of `motion.network_pose`."""
    head: Tensor
    """[4, 4] head to camera, decimetres, OpenCV axes."""

    def to(self, device: torch.device) -> Frame:
        """The same on `device`."""
        return Frame(self.expression.to(device), self.pose_input.to(device), self.head.to(device))


class GaussianAvatar(nn.Module):
    """N Gaussians in canonical space and what moves them.

    Points are kept in three runs, so that each network sees one slice: those that follow the expression alone, both,
    and the pose alone.

    Args:
        start: start values of all tensors by name (`GaussianAvatar.start` makes them).
        space: the person's motion space.
        runs: ends of the first and the second run.
        config: settings.
    """

    region_weight: Tensor
    rig_index: Tensor
    rig_weight: Tensor
    rig: Tensor
    mean_pose: Tensor

    def __init__(
        self, start: dict[str, Tensor], space: MotionSpace, runs: tuple[int, int], config: Config
    ) -> None:
        super().__init__()
        self.config = config
        self.runs = runs
        position = start["position"]
        self.position = nn.Parameter(position)
        self.log_scale = nn.Parameter(start["log_scale"])
        self.quaternion = nn.Parameter(torch.tensor([1.0, 0, 0, 0]).repeat(len(position), 1))
        self.opacity = nn.Parameter(torch.full((len(position),), _START_OPACITY).logit())
        self.colour = nn.Parameter(start["colour"])
        self.torso = nn.Parameter(start["torso"])
        self.encoding = LearnablePositionalEncoding(
            start["rank"], config.lpe_dim, cycles=config.lpe_cycles, gate=config.lpe_gate,
            learnable=config.lpe == "on",
        )  # fmt: skip
        self.expression_net = DeformationNet(config.lpe_dim, space.expression_size, config.width)
        self.pose_net = DeformationNet(config.lpe_dim, _POSE_INPUTS, config.width)
        for name in ("region_weight", "rig_index", "rig_weight", "rig"):
            self.register_buffer(name, start[name])
        self.register_buffer("mean_pose", torch.from_numpy(space.mean_pose.astype(np.float32)))

    @classmethod
    def start(
        cls, cloud: PointCloud, space: MotionSpace, rig: NDArray[np.float32], config: Config
    ) -> GaussianAvatar:
        """The untrained avatar.

        Args:
            cloud: start values of the points, in any order.
            space: the person's motion space.
            rig: [1 + E, 468, 2] landmark rig.
            config: settings.
        """
        neutral = torch.from_numpy(space.shape[:MESH_POINTS].astype(np.float32))
        position = torch.from_numpy(cloud.position)
        weight = region_weights(position, neutral, config.d_near, config.d_far)
        weight[torch.from_numpy(cloud.mouth)] = 1.0
        order = torch.argsort(weight, descending=True, stable=True)
        position, weight = position[order], weight[order]
        index, near = nearest_weights(position, neutral)
        start = {
            "position": position,
            "log_scale": _spacing(position).log()[:, None].repeat(1, 3),
            "colour": torch.from_numpy(cloud.colour)[order].clamp(0.02, 0.98).logit(),
            "torso": _torso_logit(position[:, 1], float(neutral[_CHIN, 1])),
            "rank": morton_rank(position),
            "region_weight": weight,
            "rig_index": index,
            "rig_weight": near * weight[:, None],
            "rig": torch.from_numpy(rig),
        }
        return cls(start, space, (int((weight >= 1).sum()), int((weight > 0).sum())), config)

    @classmethod
    def restore(
        cls, state: dict[str, Tensor], space: MotionSpace, runs: tuple[int, int], config: Config
    ) -> GaussianAvatar:
        """The avatar of a saved state dictionary."""
        ranks = (state["encoding.position"] * len(state["position"])).round().long()
        avatar = cls({**state, "rank": ranks}, space, runs, config)
        avatar.load_state_dict(state)
        return avatar

    @property
    def device(self) -> torch.device:
        """Where the avatar lives and is rendered: gsplat draws on CUDA, our kernels on a CPU."""
        return self.position.device

    def static_features(self) -> tuple[Tensor, Tensor]:
        """The networks' first layers for each point, [N, W] each: the same for all frames once trained."""
        z = self.encoding(self.position)
        return self.expression_net.static(z), self.pose_net.static(z)

    def offsets(self, frame: Frame, static: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Attribute offsets [N, 14] of Eq. 3 blended by the region weights, and the mean squared raw output."""
        pose = sinusoidal(frame.pose_input, 1)
        if self.config.region == "off":
            by_expression = self.expression_net(static[0], frame.expression)
            by_pose = self.pose_net(static[1], pose)
            size = by_expression.square().mean() + by_pose.square().mean()
            return scaled_offsets(by_expression) + scaled_offsets(by_pose), size
        face, head = self.runs
        by_expression = self.expression_net(static[0][:head], frame.expression)
        by_pose = self.pose_net(static[1][face:], pose)
        weight = self.region_weight[:, None]
        moved = torch.cat(
            [scaled_offsets(by_expression) * weight[:head], by_pose.new_zeros(len(weight) - head, OFFSETS)]
        ) + torch.cat([by_pose.new_zeros(face, OFFSETS), scaled_offsets(by_pose) * (1 - weight[face:])])
        return moved, by_expression.square().mean() + by_pose.square().mean()

    def rigged(self, expression: Tensor) -> Tensor:
        """Displacement [N, 3] of the points by the landmark rig (none in depth), decimetres."""
        landmark = self.rig[0] + torch.einsum("e,elk->lk", expression, self.rig[1:])
        moved = (landmark[self.rig_index] * self.rig_weight[..., None]).sum(dim=1)
        return torch.cat([moved, moved.new_zeros(len(moved), 1)], dim=1)

    def forward(
        self, frame: Frame, size: tuple[int, int], focal: float, static: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Render one frame on white.

        Args:
            frame: what drives it.
            size: width and height in pixels.
            focal: pixels at that size.
            static: `static_features()`, computed here if None.

        Returns:
            Image [H, W, 3] in [0, 1] and the mean squared raw offset (for the regulariser).
        """
        offset, magnitude = self.offsets(frame, static or self.static_features())
        local = self.position + offset[:, :3]
        if self.config.rig == "on":
            local = local + self.rigged(frame.expression)
        share = torch.sigmoid(self.torso)
        world, bone = self._bend(local, share, frame.head)
        image, _, _ = rasterize(
            world,
            _multiply(bone, self.quaternion + offset[:, 9:13]),
            (self.log_scale + offset[:, 6:9]).clamp(-9, 1).exp(),
            torch.sigmoid(self.opacity + offset[:, 13]),
            torch.sigmoid(self.colour + offset[:, 3:6]),
            torch.eye(4, dtype=world.dtype, device=world.device)[None],
            _intrinsics(focal, size).to(world)[None],
            size[0],
            size[1],
            backgrounds=torch.ones(1, 3, dtype=world.dtype, device=world.device),
            eps2d=_DILATION_AT_256 * (size[1] / 256) ** 2,
        )
        return image[0], magnitude

    def _bend(self, local: Tensor, share: Tensor, head: Tensor) -> tuple[Tensor, Tensor]:
        """Two bones: each point follows the head by its share and the resting shoulders by the rest.

        Returns camera-space positions [N, 3] and the bones' rotation as quaternions [N, 4].
        """
        rest = self.mean_pose
        moved = local @ head[:3, :3].T + head[:3, 3]
        still = local @ rest[:3, :3].T + rest[:3, 3]
        world = still + share[:, None] * (moved - still)
        turn, base = _quaternion(head[:3, :3]), _quaternion(rest[:3, :3])
        turn = torch.where((turn * base).sum() < 0, -turn, turn)
        return world, base + share[:, None] * (turn - base)


def compute_device() -> torch.device:
    """CUDA where there is a GPU, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _spacing(points: Tensor) -> Tensor:
    """Root mean square distance [N] to the three nearest neighbours."""
    distance = torch.cat(
        [torch.cdist(part, points).topk(4, largest=False).values for part in points.split(2048)]
    )
    return distance[:, 1:].square().mean(dim=1).clamp(min=1e-7).sqrt()


def _torso_logit(height: Tensor, chin: float) -> Tensor:
    """Start of the head's share: 1 above the chin line, falling to 0 nearly a decimetre below it."""
    x = ((height - (chin - 0.9)) / 0.8).clamp(0, 1)
    return (x * x * (3 - 2 * x)).clamp(0.03, 0.97).logit()


def _intrinsics(focal: float, size: tuple[int, int]) -> Tensor:
    return torch.tensor([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1]])


def _quaternion(rotation: Tensor) -> Tensor:
    """Unit quaternion (w, x, y, z) of a rotation [3, 3]: the best-conditioned column of its outer product."""
    r = rotation
    trace = r[0, 0] + r[1, 1] + r[2, 2]
    w = torch.stack([1 + trace, r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]])
    x = torch.stack([r[2, 1] - r[1, 2], 1 + 2 * r[0, 0] - trace, r[0, 1] + r[1, 0], r[0, 2] + r[2, 0]])
    y = torch.stack([r[0, 2] - r[2, 0], r[0, 1] + r[1, 0], 1 + 2 * r[1, 1] - trace, r[1, 2] + r[2, 1]])
    z = torch.stack([r[1, 0] - r[0, 1], r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], 1 + 2 * r[2, 2] - trace])
    columns = torch.stack([w, x, y, z])
    best = columns[columns.diagonal().argmax()]
    return best / best.norm()


def _multiply(a: Tensor, b: Tensor) -> Tensor:
    """Hamilton product of quaternions [..., 4] in the order w, x, y, z."""
    aw, ax, ay, az = a.unbind(-1)
    bw, bx, by, bz = b.unbind(-1)
    return torch.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        dim=-1,
    )
