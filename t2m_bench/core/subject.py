"""`Subject`: one identity and the part of its footage that a method may look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.track import Track


class Footage(Protocol):
    """A stretch of one clip: frames on white, their track and their sound. Reads lazily."""

    @property
    def clip_id(self) -> str: ...

    @property
    def start(self) -> int:
        """First frame, counted from the start of the clip."""
        ...

    @property
    def fps(self) -> float: ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        ...

    @property
    def track(self) -> Track:
        """Of this stretch only: `len(track) == len(footage)`."""
        ...

    @property
    def digest(self) -> str:
        """Hash of everything that decides the frames, the track and the sound."""
        ...

    def __len__(self) -> int:
        """Number of frames."""
        ...

    def frames(self, size: tuple[int, int] | None = None) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames [H, W, 3] uint8 RGB, the person composited on white, resized to `size` (width, height)."""
        ...

    def audio(self, rate: int = 16000) -> NDArray[np.float32]:
        """The sound of this stretch, [S] float32 in [-1, 1], S = frames * rate / fps."""
        ...


@dataclass(frozen=True)
class Subject:
    """One identity as a method gets to know it: nothing here reaches the held-out frames."""

    id: str
    """Names the checkpoint folder."""
    speaker: str
    language: str
    """BCP 47 tag."""
    train: Footage
    """The first part of the clip."""
    synthetic: bool = False
    """True when no person was filmed."""
