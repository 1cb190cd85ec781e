"""`Method`: a thing that turns sound (and a subject) into a video, and the `Request` it gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from t2m_bench.core.card import Drive, MethodCard
from t2m_bench.core.subject import Footage, Subject
from t2m_bench.core.track import Track

Source = Literal["reference", "generated"]

DRIVES: Mapping[Drive, tuple[Source, Source]] = {
    "P1": ("reference", "reference"),
    "P2": ("generated", "reference"),
    "P3": ("generated", "generated"),
    "P4": ("generated", "generated"),
}
"""Where expression and pose come from in each drive. P4 is P3 with the sound of another clip."""


@dataclass(frozen=True)
class Request:
    """One video to be made."""

    subject: Subject
    audio: Path
    """The driving sound, 16 kHz mono PCM16 WAV, starting with the first wanted frame."""
    frames: int
    """Number of frames wanted."""
    size: tuple[int, int]
    """Width and height wanted, pixels."""
    fps: float
    seed: int
    expression: Source = "generated"
    pose: Source = "generated"
    motion: Track | None = None
    """Reference motion of the wanted frames: whole when the expression is the reference's, masked by
    `tracking.masking.rigid_only` to what fixes the head pose when only the pose is, else None."""
    held_out: Footage | None = None
    """The held-out frames themselves: only for methods whose card says `sees = ["test_frames"]`."""


class Reporter(Protocol):
    """Takes progress. Methods call it; terminals, logs and tests implement it."""

    def stage(self, name: str, total: int | None = None) -> None:
        """A new stage begins; `total` steps are expected."""
        ...

    def advance(self, steps: int = 1, note: str = "") -> None:
        """`steps` more are done; `note` is a short live figure."""
        ...

    def log(self, text: str) -> None:
        """One line for the log."""
        ...


class SilentReporter:
    """Drops everything."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Nothing."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Nothing."""

    def log(self, text: str) -> None:
        """Nothing."""


class Method(Protocol):
    """A method bound to its preset and settings. Classes are made as `Class(card, preset, settings)`."""

    card: MethodCard

    def __init__(self, card: MethodCard, preset: str, settings: Mapping[str, str]) -> None: ...

    def identity(self) -> dict[str, Any]:
        """JSON value of all that decides its results beside the inputs: preset, resolved configuration, weights."""
        ...

    def fit(self, subject: Subject, workdir: Path, seed: int, report: Reporter) -> Path:
        """Train for a subject in `workdir` (resumes what a killed run left there); return the checkpoint folder.

        Methods whose card says `fits = false` are never asked.
        """
        ...

    def synthesize(self, request: Request, checkpoint: Path | None, workdir: Path, report: Reporter) -> Path:
        """Make the video of `request` in `workdir`: picture only, lossless where the method can; return its path."""
        ...
