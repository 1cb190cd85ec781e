"""Speakers whose mouth follows their voice, and a stand-in for SyncNet that sees and hears just that."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.metric import Arrays, Observed
from t2m_bench.metrics.sync_curves import Track, unpack
from t2m_bench.metrics.syncnet import SAMPLES, WINDOW

SIDE = 160
FACE = np.array([[48.0, 32.0, 112.0, 104.0, 0.99]])
"""Where the speaker's face is, of 64x72 pixels."""
Frames = NDArray[np.uint8]
Sound = NDArray[np.float32]


def levels_of(count: int, *, seed: int = 0, loop: int | None = None) -> NDArray[np.float64]:
    """How loud each frame is, [count] in [0.1, 1], with a period of `loop` frames if that is given."""
    drawn = np.random.default_rng(seed).uniform(0.1, 1, loop or count)
    return np.resize(drawn, count)


def voice(levels: NDArray[np.float64]) -> Sound:
    """A hum as loud as each frame says, [640 a frame]."""
    time = np.arange(len(levels) * SAMPLES) / 16000
    hum = np.sin(2 * np.pi * 200 * time) * np.repeat(levels, SAMPLES) * 0.5
    return hum.astype(np.float32)


def speaker(levels: NDArray[np.float64], *, side: int = SIDE) -> Frames:
    """Pictures of a face whose mouth is as bright as each frame is loud, [T, side, side, 3]."""
    y, x = np.mgrid[:side, :side] * (160 / side)
    face = ((x - 80) / 32) ** 2 + ((y - 68) / 36) ** 2 < 1
    mouth = ((x - 80) / 14) ** 2 + ((y - 88) / 8) ** 2 < 1
    still = np.where(face[..., None], [200, 150, 120], [60, 90, 110]).astype(np.uint8)
    frames = np.repeat(still[None], len(levels), axis=0)
    frames[:, mouth] = np.rint(40 + 200 * levels)[:, None, None].astype(np.uint8)
    return frames


# What the hum at level 1 amounts to, after the pre-emphasis that MFCC start with.
_EMPHASIS = (1 + 0.97**2 - 2 * 0.97 * np.cos(2 * np.pi * 200 / 16000)) ** 0.5
_FULL_SCALE = np.float32(0.5 * 32768 / np.sqrt(2) * _EMPHASIS * np.sqrt(200))


class Mimic:
    """In place of SyncNet: both embeddings are the five levels of a window, seen in the mouth or heard.

    One and the same window gives the same numbers wherever it lies, as with the network.
    """

    def lips(self, faces: Frames) -> NDArray[np.float32]:
        # In the crop the centre lies at row 1 of 2.8 halves, the mouth 20/36 of a half below it.
        mouth = faces[:, 118:130, 104:120].astype(np.float32).mean(axis=(1, 2, 3))
        return _windows((mouth - 40) / 200)

    def sound(self, columns: NDArray[np.float64]) -> NDArray[np.float32]:
        if len(columns) < 20:
            return np.zeros((0, WINDOW), np.float32)
        # The first coefficient is the logarithm of half the energy of 400 samples.
        loud = np.exp(columns[:, 0] / 2).astype(np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(loud / _FULL_SCALE, 20)[::4]
        # The first two columns of a frame lie within it.
        return np.ascontiguousarray(windows[:, [0, 4, 8, 12, 16]])


def _windows(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(values.astype(np.float32), WINDOW))


def still_face(frame: Frames) -> NDArray[np.float64]:
    """In place of S3FD."""
    return FACE * frame.shape[0] / SIDE


def no_face(frame: Frames) -> NDArray[np.float64]:
    """In place of S3FD, where nobody is."""
    return np.zeros((0, 5))


def until(
    end: int, detect: Callable[[Frames], NDArray[np.float64]]
) -> Callable[[Frames], NDArray[np.float64]]:
    """A detector that finds nothing any more after `end` pictures."""
    seen = [0]

    def find(frame: Frames) -> NDArray[np.float64]:
        seen[0] += 1
        return detect(frame) if seen[0] <= end else no_face(frame)

    return find


class Voiced:
    """A reel of which only rate and sound are asked for."""

    digest, size = "d0", (SIDE, SIDE)

    def __init__(self, sound: Sound, fps: float = 25.0) -> None:
        self._sound, self.fps = sound, fps

    def frames(self, size: object = None) -> object:
        raise AssertionError("frames are handed over by the walk")

    def audio(self, rate: int = 16000) -> Sound:
        return self._sound


def observed(feature: str, arrays: Arrays, frames: int) -> Observed:
    """A video of which one feature is known."""
    return Observed(Voiced(np.zeros(0, np.float32)), frames, {feature: arrays})  # type: ignore[arg-type]


def only_track(arrays: Arrays) -> Track:
    """The track of a video with one face."""
    tracks, _ = unpack(arrays)
    assert len(tracks) == 1
    return tracks[0]
