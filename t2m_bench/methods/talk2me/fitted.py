"""A fitted avatar: what training leaves on disk, loaded, and the frames it can make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from t2m_bench.core.atomic import atomic_folder
from t2m_bench.core.errors import MethodError
from t2m_bench.core.track import Track
from t2m_bench.methods.talk2me.audio import frame_features
from t2m_bench.methods.talk2me.avatar import Frame, GaussianAvatar, compute_device
from t2m_bench.methods.talk2me.checkpoint import (
    load_arrays,
    load_json,
    load_tensors,
    save_arrays,
    save_json,
    save_tensors,
)
from t2m_bench.methods.talk2me.config import Config
from t2m_bench.methods.talk2me.motion import MotionSpace, network_pose
from t2m_bench.methods.talk2me.pose import PoseDatabase
from t2m_bench.methods.talk2me.train_avatar import expression_input
from t2m_bench.methods.talk2me.train_motion import MotionModel

Array = NDArray[np.float32]
Poses = NDArray[np.float64]

FORMAT = 1
_FACTS = "avatar.json"


@dataclass(frozen=True)
class FittedAvatar:
    """Avatar and generators of one person."""

    config: Config
    space: MotionSpace
    avatar: GaussianAvatar
    motion: MotionModel
    database: PoseDatabase
    focal_share: float
    """Focal length over the height of the frame."""
    size: tuple[int, int]
    """Width and height of the footage it was trained on, pixels."""
    fps: float
    facts: dict[str, Any]
    """Subject, seed, language and whether it is synthetic."""

    def save(self, target: Path) -> Path:
        """Write to the folder `target`, which appears whole or not at all."""
        poses: dict[str, NDArray[Any]] = {
            "keys": self.database.keys,
            "units": self.database.units,
            "starts": self.database.starts,
        }
        with atomic_folder(target) as folder:
            save_arrays(folder / "space.safetensors", self.space.as_dict())
            save_tensors(folder / "avatar.safetensors", self.avatar.state_dict())
            save_tensors(folder / "motion.safetensors", self.motion.state_dict())
            save_arrays(folder / "poses.safetensors", poses)
            save_json(
                folder / _FACTS,
                {
                    "format": FORMAT,
                    "config": self.config.as_dict(),
                    "runs": list(self.avatar.runs),
                    "unit": "decimetre",
                    "focal_share": self.focal_share,
                    "size": list(self.size),
                    "fps": self.fps,
                    **self.facts,
                },
            )
        return target

    @classmethod
    def load(cls, folder: Path) -> FittedAvatar:
        """Read a checkpoint folder.

        Raises:
            MethodError: it is missing, damaged or of another format.
        """
        told = load_json(folder / _FACTS)
        if told.get("format") != FORMAT:
            raise MethodError(
                f"{folder} is a Talk2Me checkpoint of format {told.get('format')}, this program reads {FORMAT}",
                hint="Train the subject again",
            )
        try:
            return cls._build(folder, told)
        except (
            KeyError,
            TypeError,
            ValueError,
            RuntimeError,
        ) as error:  # torch: RuntimeError for other shapes
            raise MethodError(
                f"The checkpoint {folder} is damaged or of another version ({type(error).__name__})",
                hint="Train the subject again",
            ) from error

    @classmethod
    def _build(cls, folder: Path, told: dict[str, Any]) -> FittedAvatar:
        config = Config(**told["config"])
        arrays = load_arrays(folder / "space.safetensors")
        space = MotionSpace(**{name: value.astype(np.float64) for name, value in arrays.items()})
        state = load_tensors(folder / "avatar.safetensors")
        avatar = GaussianAvatar.restore(state, space, (told["runs"][0], told["runs"][1]), config)
        motion = MotionModel(space, config)
        motion.load_state_dict(load_tensors(folder / "motion.safetensors"))
        poses = load_arrays(folder / "poses.safetensors")
        return cls(
            config=config,
            space=space,
            avatar=avatar.eval().to(compute_device()),
            motion=motion.eval(),
            database=PoseDatabase(poses["keys"], poses["units"], poses["starts"]),
            focal_share=float(told["focal_share"]),
            size=(int(told["size"][0]), int(told["size"][1])),
            fps=float(told["fps"]),
            facts={name: told.get(name) for name in ("subject", "seed", "language", "synthetic")},
        )

    def heard(self, samples: Array, frames: int) -> Array:
        """Standardised audio features [T, A] of `frames` frames of mono sound [S] at 16 kHz."""
        return self.motion.standardised(frame_features(samples, frames, self.fps))

    def seen_expression(self, track: Track) -> Array:
        """Expression [T, E] of a track."""
        return expression_input(self.space, track, self.config)

    def spoken_expression(self, heard: Array) -> Array:
        """Expression [T, E] made from sound."""
        return self.motion.generate_expression(heard)

    def spoken_pose(self, heard: Array, expression: Array) -> Poses:
        """Head pose [T, 4, 4] made from sound and expression."""
        return self.space.pose_matrices(self.motion.generate_pose(heard, expression, self.database))

    def frames(self, expression: Array, head: Poses, size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
        """Render [H, W, 3] uint8 RGB on white, one frame at a time.

        Args:
            expression: [T, E].
            head: [T, 4, 4] head to camera, decimetres.
            size: width and height, pixels.
        """
        pose_input = network_pose(self.space.pose_numbers(head))
        focal = self.focal_share * size[1]
        with torch.inference_mode():
            static = self.avatar.static_features()
            for e, p, pose in zip(expression, pose_input, head.astype(np.float32), strict=True):
                frame = Frame(torch.from_numpy(e), torch.from_numpy(p), torch.from_numpy(pose))
                image, _ = self.avatar(frame.to(self.avatar.device), size, focal, static)
                yield (image.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
