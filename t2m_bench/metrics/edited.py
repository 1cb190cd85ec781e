"""Reels made of other reels: cut, moved in time, with other sound, or spoilt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.digest import digest_of
from t2m_bench.core.metric import Reel
from t2m_bench.media.video import resize_frames

EDIT_VERSION = 1
"""Raised when the same edit of the same reel would give other frames or another sound."""

Frames = Iterator[NDArray[np.uint8]]
Samples = NDArray[np.float32]


class EditedReel:
    """A reel whose frames or sound are changed on the way; implements `core.metric.Reel`.

    Args:
        base: the reel it is made of.
        facts: what decides the change, a JSON value; part of the digest.
        frames: turns the base's frames, at the base's size, into this reel's; None leaves them.
        sound: turns samples [S] at a rate into this reel's; None leaves them.
    """

    def __init__(
        self,
        base: Reel,
        facts: Mapping[str, Any],
        *,
        frames: Callable[[Frames], Frames] | None = None,
        sound: Callable[[Samples, int], Samples] | None = None,
    ) -> None:
        self._base = base
        self._facts = dict(facts)
        self._frames = frames
        self._sound = sound

    @property
    def digest(self) -> str:
        """Hash of the base and of the change."""
        return digest_of({"version": EDIT_VERSION, "base": self._base.digest, "edit": self._facts}, length=32)

    @property
    def fps(self) -> float:
        """Of the base."""
        return self._base.fps

    @property
    def size(self) -> tuple[int, int]:
        """Of the base."""
        return self._base.size

    def frames(self, size: tuple[int, int] | None = None) -> Frames:
        """The changed frames [H, W, 3], resized to `size` (width, height) after the change."""
        if self._frames is None:
            yield from self._base.frames(size)
            return
        for frame in self._frames(self._base.frames()):
            yield frame if size is None else resize_frames(frame[None], size)[0]

    def audio(self, rate: int = 16000) -> Samples:
        """The changed sound, [S].

        Raises:
            AudioMissing: the base has none.
        """
        samples = self._base.audio(rate)
        return samples if self._sound is None else self._sound(samples, rate)


def cut(base: Reel, count: int) -> EditedReel:
    """The first `count` frames and the sound that belongs to them."""

    def sound(samples: Samples, rate: int) -> Samples:
        return samples[: round(count * rate / base.fps)] if base.fps else samples

    return EditedReel(base, {"cut": count}, frames=lambda frames: islice(frames, count), sound=sound)


def moved(base: Reel, by: int) -> EditedReel:
    """The pictures `by` frames late (early where negative) against the sound; the first (last) one stands meanwhile."""

    def late(frames: Frames) -> Frames:
        held: list[NDArray[np.uint8]] = []
        for index, frame in enumerate(frames):
            if index == 0:
                held = [frame] * by
            held.append(frame)
            yield held.pop(0)

    def early(frames: Frames) -> Frames:
        last = next(
            islice(frames, -by - 1, None), None
        )  # of those that are skipped; shown if no other follows
        if last is None:
            return
        for frame in frames:
            last = frame
            yield frame
        yield from repeat(last, -by)

    return EditedReel(base, {"moved": by}, frames=late if by >= 0 else early)


def other_sound(base: Reel, share: float = 1.0) -> EditedReel:
    """The sound of another time: shifted in a circle by half its length, mixed by `share` into the right one."""

    def sound(samples: Samples, rate: int) -> Samples:
        rolled = np.roll(samples, len(samples) // 2)
        return (share * rolled + (1 - share) * samples).astype(np.float32)

    return EditedReel(base, {"other_sound": share}, sound=sound)
