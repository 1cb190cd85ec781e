"""Raw videos whose pictures and sound tell their own time, and the measure of a clip's A/V offset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from t2m_bench.data.manifest import ClipRow
from t2m_bench.media.audio import read_audio
from t2m_bench.media.video import iter_frames, resize_frames

RATE = 16000
LOOK = 48
"""Side of the pictures that are compared."""
Picture = NDArray[np.uint8]


def row(name: str = "clip", **values: Any) -> ClipRow:
    """A manifest row."""
    return ClipRow.model_validate(
        {"id": name, "speaker": "someone", "language": "en", "video": name, **values}
    )


def window(x: int, y: int, side: int, height: int) -> dict[str, int]:
    """Columns of a square window."""
    return {"x": x, "y": y, "width": side, "height": side, "reference_height": height}


def scene(
    seconds: float, size: tuple[int, int], corner: tuple[int, int] = (0, 0), step: float = 1.0
) -> Picture:
    """A smooth pattern that drifts, so that pictures 5 ms apart differ; seen from `corner` on, every `step` pixels."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
    x, y = ((start + (line + 0.5) * step - 0.5) / 40 for start, line in zip(corner, (x, y), strict=True))
    return np.stack(
        [
            127 + 100 * np.sin(x + 4 * seconds),
            127 + 100 * np.cos(y - 3 * seconds),
            127 + 100 * np.sin(x + y + 2.3 * seconds),
        ],
        -1,
    ).astype(np.uint8)


def noise(seconds: float, rate: int, seed: int = 1) -> NDArray[np.float32]:
    """Noise below 3 kHz [S], the same at every rate."""
    coarse = np.random.default_rng(seed).normal(0, 0.15, int(seconds * 6000) + 10)
    at = np.arange(round(seconds * rate)) / rate * 6000
    return np.interp(at, np.arange(len(coarse)), coarse).clip(-1, 1).astype(np.float32)


def write_raw(
    path: Path,
    times: Sequence[Fraction],
    pictures: Callable[[Fraction], Picture],
    sound: NDArray[np.float32],
    *,
    rate: int,
    sound_start: float = 0.0,
    rotation: int = 0,
    channels: int = 1,
    gop: int = 30,
    codec: str = "libx264",
    fps: Fraction = Fraction(25),
) -> Path:
    """A video of `pictures(time)` at `times`, and sound whose first sample sounds at `sound_start`.

    `rotation` is what the container says about showing it; the pictures are stored so that they show upright.
    """
    with av.open(str(path), "w") as container:
        x264 = {"crf": "6", "g": str(gop), "bf": "2", "preset": "veryfast"}
        stream: Any = container.add_stream(codec, rate=fps, options=x264 if codec == "libx264" else {})
        if codec != "libx264":
            stream.bit_rate = 20_000_000
        clock = Fraction(1, 90000) if codec == "libx264" else 1 / fps
        stream.codec_context.time_base = clock
        stream.pix_fmt = "yuv420p"
        if rotation:
            stream.set_display_rotation(rotation)
        layout = "mono" if channels == 1 else "stereo"
        track: Any = container.add_stream(
            "aac" if path.suffix in (".mp4", ".mov") else "pcm_s16le", rate=rate
        )
        track.codec_context.layout = layout
        if path.suffix in (".mp4", ".mov"):
            track.codec_context.bit_rate = 192_000
        for number, time in enumerate(times):
            picture = np.ascontiguousarray(np.rot90(pictures(time), -rotation // 90))
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round(time / clock), clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        resampler = av.AudioResampler(format=track.codec_context.format.name, layout=layout, rate=rate)
        for at in range(0, len(sound) - 1023, 1024):
            block = np.repeat(sound[None, at : at + 1024], channels, 0)
            piece = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=layout)
            piece.sample_rate, piece.time_base = rate, Fraction(1, rate)
            piece.pts = at + round(sound_start * rate)
            for out in resampler.resample(piece):
                container.mux(track.encode(out))
        container.mux(track.encode(None))
    return path


def lag_seconds(sound: NDArray[np.float32], truth: NDArray[np.float32], rate: int = RATE) -> float:
    """By how much `sound` comes later than `truth`, both [S], by cross-correlation to a fraction of a sample."""
    size = 1 << int(np.ceil(np.log2(len(sound) + len(truth))))
    both = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(truth, size)), size)
    peak = int(np.argmax(both))
    a, b, c = (float(both[(peak + step) % size]) for step in (-1, 0, 1))
    shift = peak + 0.5 * (a - c) / (a - 2 * b + c)
    return (shift - size if shift > size / 2 else shift) / rate


def picture_lags(
    clip: Path, begin: float, candidates: Callable[[float], Iterator[tuple[float, Picture]]], every: int = 3
) -> NDArray[np.float64]:
    """Seconds by which pictures of a clip that starts at `begin` show what comes later than it should.

    Each picture is compared with those of `candidates(time it should show)`: (time, picture of the clip's framing at
    `LOOK` x `LOOK` pixels).
    """
    lags = []
    for number, frame in enumerate(iter_frames(clip)):
        if number % every:
            continue
        due = begin + number / 25
        small = resize_frames(frame[None], (LOOK, LOOK))[0].astype(np.float32)
        best = min(candidates(due), key=lambda pair: float(((pair[1] - small) ** 2).mean()))
        lags.append(best[0] - due)
    return np.array(lags)


def sound_of(path: Path) -> NDArray[np.float32]:
    """Of a wav file, 16 kHz."""
    return read_audio(path, RATE)
