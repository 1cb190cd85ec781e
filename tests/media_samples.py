"""Tiny media files made on the spot, with full control of timestamps, rotation and sound."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

TICKS = 90_000
"""Time base of the pictures, per second."""


def picture(number: int, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """A smooth picture [H, W, 3] whose mean gray level, `level(number)`, tells its number."""
    base = np.full((height, width, 3), level(number), np.int16)
    base[: height // 2] += 10
    base[height // 2 :] -= 10
    return np.clip(base, 0, 255).astype(np.uint8)


def level(number: int) -> int:
    """Gray level of picture `number`, 7 apart from the next."""
    return 30 + 7 * (number % 28)


def number_of(frame: NDArray[np.uint8]) -> int:
    """Which picture (0 to 27) this is."""
    half = frame.shape[0] // 2 * 2
    return round((float(frame[:half].mean()) - 30) / 7)


def tone(seconds: float, rate: int, hertz: float = 440.0) -> NDArray[np.float32]:
    """A sine [S] of half the full scale."""
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def make_video(
    path: Path,
    *,
    times: Sequence[float] | None = None,
    frames: int = 10,
    fps: float | Fraction = 25,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rotation: int = 0,
    mirror: bool = False,
    sound: NDArray[np.float32] | None = None,
    sound_rate: int = 16000,
    sound_start: float = 0.0,
    sound_codec: str = "aac",
    options: dict[str, str] | None = None,
) -> Path:
    """Write pictures 0, 1, ... at `times` seconds (default: `frames` of them at `fps`) and `sound` [C, S] or [S]."""
    stamps = times if times is not None else [float(index / Fraction(fps)) for index in range(frames)]
    with av.open(str(path), "w", options=options or {}) as container:
        stream: Any = container.add_stream(codec, rate=Fraction(fps).limit_denominator(10_000))
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        # MPEG-1, 2 and 4 know no clock but the frame rate.
        clock = Fraction(1, TICKS) if codec == "libx264" else 1 / Fraction(fps)
        stream.codec_context.time_base = clock
        if rotation or mirror:
            stream.set_display_rotation(rotation, hflip=mirror)
        track = None if sound is None else _Track(container, np.atleast_2d(sound), sound_rate, sound_codec)
        for index, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(picture(index, *size), format="rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = round(stamp / clock), clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track:
            track.write(sound_start)
    return path


def make_sound(path: Path, sound: NDArray[np.float32], rate: int, codec: str) -> Path:
    """Write a file with sound [C, S] or [S] only."""
    with av.open(str(path), "w") as container:
        _Track(container, np.atleast_2d(sound), rate, codec).write(0.0)
    return path


class _Track:
    def __init__(self, container: Any, sound: NDArray[np.float32], rate: int, codec: str) -> None:
        self.container, self.sound, self.rate = container, sound, rate
        self.stream: Any = container.add_stream(codec, rate=rate)
        self.layout = "mono" if len(sound) == 1 else "stereo"
        self.stream.codec_context.layout = self.layout

    def write(self, start: float) -> None:
        resampler = av.AudioResampler(
            format=self.stream.codec_context.format.name, layout=self.layout, rate=self.rate
        )
        for at in range(0, self.sound.shape[1], 1024):
            block = np.ascontiguousarray(self.sound[:, at : at + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=self.layout)
            frame.sample_rate, frame.time_base = self.rate, Fraction(1, self.rate)
            frame.pts = at + round(start * self.rate)
            for piece in resampler.resample(frame):
                self.container.mux(self.stream.encode(piece))
        for piece in resampler.resample(None):
            self.container.mux(self.stream.encode(piece))
        self.container.mux(self.stream.encode(None))
