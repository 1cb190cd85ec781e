"""What all controls share: no training, no settings, and a lossless video."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.card import MethodCard
from t2m_bench.core.errors import MethodError
from t2m_bench.core.method import Reporter, Request
from t2m_bench.core.registry import check_keys
from t2m_bench.core.subject import Footage, Subject
from t2m_bench.media.video import VideoWriter

Frame = NDArray[np.uint8]
"""[H, W, 3] RGB at the size of the request."""


class Control(ABC):
    """A method without a model: a bar that a real one must clear, or a ceiling that it cannot pass.

    Args:
        card: the control's card.
        preset: one of its presets.
        settings: must be empty.

    Raises:
        UnknownName: there is a setting.
    """

    def __init__(self, card: MethodCard, preset: str, settings: Mapping[str, str]) -> None:
        check_keys(settings, (), f"setting of method {card.name!r}, which has none:")
        self.card = card
        self.preset = preset

    def identity(self) -> dict[str, Any]:
        """Nothing but its preset decides what a control makes."""
        return {"preset": self.preset}

    def fit(self, subject: Subject, workdir: Path, seed: int, report: Reporter) -> Path:
        """Never asked for.

        Raises:
            MethodError: always.
        """
        raise MethodError(f"Method {self.card.name!r} is not trained", clip=subject.id)

    def synthesize(self, request: Request, checkpoint: Path | None, workdir: Path, report: Reporter) -> Path:
        """Write the frames of `frames` to a lossless video in `workdir` and return its path.

        Raises:
            MethodError: the request lacks what the control looks at, or that is not as long as asked.
        """
        path = workdir / "prediction.mkv"
        report.stage("writing", request.frames)
        with VideoWriter(path, request.fps, request.size, lossless=True) as video:
            for frame in self.frames(request, workdir):
                video.write(frame)
                report.advance()
            if video.frames != request.frames:
                raise MethodError(
                    f"Method {self.card.name!r} made {video.frames} frames of {request.frames}",
                    clip=request.subject.id,
                )
        return path

    @abstractmethod
    def frames(self, request: Request, workdir: Path) -> Iterator[Frame]:
        """The frames of the video, one at a time. `workdir` is free for what does not fit into memory."""

    def held_out(self, request: Request) -> Footage:
        """The held-out frames, for controls whose card says that they see them.

        Raises:
            MethodError: the request does not have them.
        """
        if request.held_out is None:
            raise MethodError(
                f"Method {self.card.name!r} needs the held-out frames, which its request does not hold",
                hint="Its card must say sees = ['test_frames']",
                clip=request.subject.id,
            )
        return request.held_out
