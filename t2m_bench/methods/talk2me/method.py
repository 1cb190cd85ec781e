"""Talk2Me as a `Method`: fit an avatar and its motion model to a subject, and make videos from requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from t2m_bench.core.atomic import atomic_folder
from t2m_bench.core.card import MethodCard
from t2m_bench.core.errors import MethodError
from t2m_bench.core.method import Reporter, Request
from t2m_bench.core.subject import Footage, Subject
from t2m_bench.media.audio import read_audio
from t2m_bench.media.writer import VideoWriter
from t2m_bench.methods.talk2me.audio import RATE, frame_features
from t2m_bench.methods.talk2me.avatar import Frame, GaussianAvatar
from t2m_bench.methods.talk2me.checkpoint import (
    load_arrays,
    load_json,
    load_tensors,
    save_arrays,
    save_json,
    save_tensors,
)
from t2m_bench.methods.talk2me.config import Config, resolve
from t2m_bench.methods.talk2me.motion import MotionSpace, network_pose
from t2m_bench.methods.talk2me.pose import PoseDatabase
from t2m_bench.methods.talk2me.train_avatar import expression_input, load_data, start_avatar, train
from t2m_bench.methods.talk2me.train_motion import MotionData, MotionModel, train_motion

Array = NDArray[np.float32]

_FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """A fitted subject, loaded."""

    space: MotionSpace
    avatar: GaussianAvatar
    motion: MotionModel
    database: PoseDatabase
    focal_share: float
    """Focal length over the height of the frame."""


class Talk2Me:
    """The reference method. Settings are the fields of `Config`."""

    def __init__(self, card: MethodCard, preset: str, settings: Mapping[str, str]) -> None:
        self.card = card
        self.preset = preset
        self.config = resolve(preset, settings)

    def identity(self) -> dict[str, Any]:
        """Preset and resolved configuration."""
        return {"name": self.card.name, "config": self.config.as_dict(), "audio": "mel", "format": _FORMAT}

    def fit(self, subject: Subject, workdir: Path, seed: int, report: Reporter) -> Path:
        """Train the avatar, then the generators; a killed run goes on where its last state was written."""
        target = workdir / "checkpoint"
        if target.is_dir():
            return target
        footage, config = subject.train, self.config
        space = MotionSpace.learn(footage.track, config.lip_components)
        data = load_data(footage, space, config)
        avatar = start_avatar(data, footage, space, config, seed)
        report.log(
            f"{subject.id}: {len(data.good)} frames of {data.size[0]}x{data.size[1]}, {config.points} Gaussians"
        )
        train(avatar, data, config, workdir, seed, report)
        motion, database = train_motion(self._motion_data(footage, space), space, config, seed, report)
        with atomic_folder(target) as folder:
            save_arrays(folder / "space.safetensors", space.as_dict())
            save_tensors(folder / "avatar.safetensors", avatar.state_dict())
            save_tensors(folder / "motion.safetensors", motion.state_dict())
            save_arrays(
                folder / "poses.safetensors",
                {"keys": database.keys, "units": database.units, "starts": database.starts},
            )
            save_json(folder / "avatar.json", {
                "format": _FORMAT, "config": config.as_dict(), "runs": list(avatar.runs), "unit": "decimetre",
                "focal_share": footage.track.focal / footage.size[1], "subject": subject.id, "seed": seed,
                "synthetic": subject.synthetic, "language": subject.language,
            })  # fmt: skip
        return target

    def synthesize(self, request: Request, checkpoint: Path | None, workdir: Path, report: Reporter) -> Path:
        """Render the frames of `request` to a lossless video."""
        if checkpoint is None:
            raise MethodError(
                "talk2me was asked for a video without a checkpoint", hint="Fit the subject first"
            )
        fitted = self.load(checkpoint)
        expression, head = self._drive(request, fitted)
        pose_input = network_pose(fitted.space.pose_numbers(head))
        focal = fitted.focal_share * request.size[1]
        path = workdir / "talk2me.mkv"
        report.stage("render", request.frames)
        with torch.inference_mode(), VideoWriter(path, request.fps, request.size, lossless=True) as writer:
            static = fitted.avatar.static_features()
            for e, p, pose in zip(expression, pose_input, head.astype(np.float32), strict=True):
                frame = Frame(torch.from_numpy(e), torch.from_numpy(p), torch.from_numpy(pose))
                image, _ = fitted.avatar(frame, request.size, focal, static)
                writer.write((image.clamp(0, 1) * 255).round().to(torch.uint8).numpy())
                report.advance()
        return path

    def load(self, folder: Path) -> Checkpoint:
        """Read a checkpoint folder.

        Raises:
            MethodError: it is damaged or of another format.
        """
        facts = load_json(folder / "avatar.json")
        if facts.get("format") != _FORMAT:
            raise MethodError(
                f"{folder} is a Talk2Me checkpoint of format {facts.get('format')}, this program reads {_FORMAT}",
                hint="Train the subject again",
            )
        config = Config(**facts["config"])
        space = MotionSpace(
            **{k: v.astype(np.float64) for k, v in load_arrays(folder / "space.safetensors").items()}
        )
        avatar = GaussianAvatar.restore(
            load_tensors(folder / "avatar.safetensors"), space, tuple(facts["runs"]), config
        )
        motion = MotionModel(space, config)
        motion.load_state_dict(load_tensors(folder / "motion.safetensors"))
        poses = load_arrays(folder / "poses.safetensors")
        database = PoseDatabase(poses["keys"], poses["units"], poses["starts"])
        return Checkpoint(space, avatar.eval(), motion.eval(), database, float(facts["focal_share"]))

    def _motion_data(self, footage: Footage, space: MotionSpace) -> MotionData:
        track = footage.track
        return MotionData(
            audio=frame_features(footage.audio(RATE), len(track), footage.fps),
            expression=expression_input(space, track, self.config),
            pose=space.pose_numbers(space.head_pose(track)),
        )

    def _drive(self, request: Request, fitted: Checkpoint) -> tuple[Array, NDArray[np.float64]]:
        """Expression [T, E] and head pose [T, 4, 4] of each wanted frame."""
        space, motion = fitted.space, request.motion
        audio = fitted.motion.standardised(
            frame_features(read_audio(request.audio, RATE), request.frames, request.fps)
        )
        if request.expression == "generated":
            expression = fitted.motion.generate_expression(audio)
        elif motion is None:
            raise MethodError("The request wants the reference expression but brings no reference motion")
        else:
            expression = expression_input(space, motion, self.config)
        if request.pose == "generated":
            return expression, space.pose_matrices(
                fitted.motion.generate_pose(audio, expression, fitted.database)
            )
        if motion is None:
            raise MethodError("The request wants the reference pose but brings no reference motion")
        return expression, space.head_pose(motion)
