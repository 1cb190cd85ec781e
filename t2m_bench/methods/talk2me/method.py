"""Talk2Me as a `Method`: fit an avatar and its motion model to a subject, and make videos from requests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.card import MethodCard
from t2m_bench.core.errors import MethodError
from t2m_bench.core.method import Reporter, Request
from t2m_bench.core.subject import Footage, Subject
from t2m_bench.media.audio import read_audio
from t2m_bench.media.writer import VideoWriter
from t2m_bench.methods.talk2me.audio import RATE, frame_features
from t2m_bench.methods.talk2me.config import resolve
from t2m_bench.methods.talk2me.fitted import FORMAT, FittedAvatar
from t2m_bench.methods.talk2me.motion import MotionSpace
from t2m_bench.methods.talk2me.train_avatar import expression_input, load_data, start_avatar, train
from t2m_bench.methods.talk2me.train_motion import MotionData, train_motion


class Talk2Me:
    """The reference method. Settings are the fields of `Config`."""

    def __init__(self, card: MethodCard, preset: str, settings: Mapping[str, str]) -> None:
        self.card = card
        self.preset = preset
        self.config = resolve(preset, settings)

    def identity(self) -> dict[str, Any]:
        """Preset and resolved configuration."""
        return {"name": self.card.name, "config": self.config.as_dict(), "audio": "mel", "format": FORMAT}

    def fit(self, subject: Subject, workdir: Path, seed: int, report: Reporter) -> Path:
        """Train the avatar, then the generators; a killed run goes on where its last state was written."""
        target = workdir / "checkpoint"
        if target.is_dir():
            return target
        footage, config = subject.train, self.config
        space = MotionSpace.learn(footage.track, config.lip_components)
        data = load_data(footage, space, config)
        avatar = start_avatar(data, footage, space, config, seed)
        width, height = data.size
        report.log(f"{subject.id}: {len(data.good)} frames of {width}x{height}, {config.points} Gaussians")
        train(avatar, data, config, workdir, seed, report)
        motion, database = train_motion(self._motion_data(footage, space), space, config, seed, report)
        fitted = FittedAvatar(
            config=config,
            space=space,
            avatar=avatar,
            motion=motion,
            database=database,
            focal_share=footage.track.focal / footage.size[1],
            size=footage.size,
            fps=footage.fps,
            facts={
                "subject": subject.id,
                "seed": seed,
                "language": subject.language,
                "synthetic": subject.synthetic,
            },
        )
        return fitted.save(target)

    def synthesize(self, request: Request, checkpoint: Path | None, workdir: Path, report: Reporter) -> Path:
        """Render the frames of `request` to a lossless video."""
        if checkpoint is None:
            raise MethodError(
                "talk2me was asked for a video without a checkpoint", hint="Fit the subject first"
            )
        fitted = FittedAvatar.load(checkpoint)
        expression, head = _drive(request, fitted)
        path = workdir / "talk2me.mkv"
        report.stage("render", request.frames)
        with VideoWriter(path, request.fps, request.size, lossless=True) as writer:
            for image in fitted.frames(expression, head, request.size):
                writer.write(image)
                report.advance()
        return path

    def _motion_data(self, footage: Footage, space: MotionSpace) -> MotionData:
        track = footage.track
        return MotionData(
            audio=frame_features(footage.audio(RATE), len(track), footage.fps),
            expression=expression_input(space, track, self.config),
            pose=space.pose_numbers(space.head_pose(track)),
        )


def _drive(request: Request, fitted: FittedAvatar) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Expression [T, E] and head pose [T, 4, 4] of each wanted frame."""
    heard = fitted.heard(read_audio(request.audio, RATE), request.frames)
    if request.expression == "generated":
        expression = fitted.spoken_expression(heard)
    elif request.motion is None:
        raise MethodError("The request wants the reference expression but brings no reference motion")
    else:
        expression = fitted.seen_expression(request.motion)
    if request.pose == "generated":
        return expression, fitted.spoken_pose(heard, expression)
    if request.motion is None:
        raise MethodError("The request wants the reference pose but brings no reference motion")
    return expression, fitted.space.head_pose(request.motion)
