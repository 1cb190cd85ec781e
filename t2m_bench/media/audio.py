"""Sound as mono float arrays whose sample 0 is the time of the first video frame."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from numpy.typing import NDArray

from t2m_bench.core.atomic import atomic_path
from t2m_bench.core.errors import AudioError, AudioMissing, ShapeError, UsageError
from t2m_bench.media.announced import announced, exact
from t2m_bench.media.container import decode_video, has_pictures, open_media
from t2m_bench.media.writer import as_output_error

Samples = NDArray[np.float32]

MAX_GAP_SECONDS = 600
"""Longest silence that timestamps may ask for before they are taken for damaged."""

_JITTER_SECONDS = Fraction(1, 50)
_AROUND = Fraction(1, 5)  # a whole number of samples at every usual rate
_LOST_SECONDS = Fraction(1, 10)
_HINT = "Replace the file, or extract its sound with `ffmpeg -i IN OUT.wav`"


def read_audio(path: Path, rate: int = 16000) -> Samples:
    """The first sound stream as one mono array, in time with the pictures.

    Channels are averaged with equal weight, then the rate is converted by swresample. Sample 0 is the time of the
    first video frame: sound that starts later is preceded by silence, what sounds earlier is cut. In a file without
    pictures sample 0 is the first sample. Gaps of more than 20 ms in the timestamps become silence, overlaps are cut.

    Args:
        path: video or sound file of any codec, rate and channel count.
        rate: samples per second wanted.

    Returns:
        float32 [S] in [-1, 1].

    Raises:
        AudioMissing: the file has no sound stream.
        AudioError: the file cannot be opened, or its sound cannot be decoded to the end.
        VideoError: it has pictures, but the first one does not decode.
    """
    if rate < 1:
        raise UsageError(
            f"a sample rate of {rate} Hz makes no sense", hint="Give a positive number such as 16000"
        )
    path = Path(path)
    with open_media(path, AudioError) as container:
        stream = audio_stream(container, path)
        pictures = has_pictures(container)
        blocks = list(decode_audio(container, stream, path))
    if not blocks:
        raise AudioError(f"the sound of {path} holds no sample that decodes", hint=_HINT)
    origin = _first_frame_time(path) if pictures else blocks[0][0]
    source = blocks[0][2]
    return _resampled(_placed(blocks, origin, source, path), source, rate)


def read_audio_span(path: Path, rate: int, begin: Fraction, seconds: Fraction) -> Samples:
    """A stretch of the first sound stream, mono, by the clock of the container.

    Sound is decoded from the beginning of the file, so that its place is exact in every container, but only the
    stretch is kept. Channels, gaps and rates are treated as by `read_audio`.

    Args:
        path: video or sound file.
        rate: samples per second wanted.
        begin: time of sample 0, seconds on the container's clock, as `TimedFrame.time`.
        seconds: how much is wanted.

    Returns:
        float32 [S] in [-1, 1]; silence before the sound starts, and shorter than asked where it ends early.

    Raises:
        AudioMissing: the file has no sound stream.
        AudioError: its sound cannot be decoded, or there is none in this stretch.
    """
    path, stop = Path(path), begin + seconds
    blocks: list[tuple[Fraction, Samples, int]] = []
    with open_media(path, AudioError) as container:
        for time, samples, source in decode_audio(container, audio_stream(container, path), path):
            if time >= stop + _AROUND:
                break
            if time + Fraction(len(samples), source) > begin - _AROUND:
                blocks.append((time, samples, source))
    if not any(
        time < stop and time + Fraction(len(samples), source) > begin for time, samples, source in blocks
    ):
        raise AudioError(
            f"{path} has no sound from {float(begin):.2f} to {float(stop):.2f} s of its clock", hint=_HINT
        )
    source = blocks[0][2]
    # The filter of the resampler must not see a step at the cut.
    around = _resampled(_placed(blocks, begin - _AROUND, source, path), source, rate)
    cut = round(_AROUND * rate)
    return around[cut : cut + round(seconds * rate)]


def audio_stream(container: InputContainer, path: Path) -> Any:
    """The first sound stream.

    Raises:
        AudioMissing: there is none.
        AudioError: its codec is unknown.
    """
    if not container.streams.audio:
        raise AudioMissing(
            f"{path} has no sound", hint="Name a file with a sound track, or a separate sound file"
        )
    stream: Any = container.streams.audio[0]
    if stream.codec_context is None:
        raise AudioError(f"{path} uses a sound codec that cannot be decoded here", hint=_HINT)
    return stream


def decode_audio(
    container: InputContainer, stream: Any, path: Path
) -> Iterator[tuple[Fraction, Samples, int]]:
    """Blocks of sound: time of the first sample in seconds, mono samples [N], samples per second.

    Raises:
        AudioError: a block cannot be decoded, holds values that are not finite, the rate changes on the way, or the
            sound ends before the header says.
    """
    promise = announced(container, stream, path)
    rate, time = 0, Fraction(0)
    try:
        for frame in container.decode(stream):
            if frame.samples == 0:
                continue
            if rate and frame.sample_rate != rate:
                raise AudioError(
                    f"the sound of {path} changes from {rate} to {frame.sample_rate} Hz at {float(time):.2f} s",
                    hint=_HINT,
                )
            rate = int(frame.sample_rate)
            if frame.pts is not None and frame.time_base:
                time = frame.pts * exact(frame.time_base)
            samples = _mono(frame)[: _stated_length(frame)]
            if not np.isfinite(samples).all():
                raise AudioError(
                    f"the sound of {path} holds values that are not numbers at {float(time):.2f} s",
                    hint=_HINT,
                )
            yield time, samples, rate
            time += Fraction(len(samples), rate)
        if promise.cut if promise.end is None else time < promise.end - _LOST_SECONDS:
            due = "" if promise.end is None else f", not at {float(promise.end):.2f} s"
            raise AudioError(
                f"the sound of {path} is truncated: it ends at {float(time):.2f} s{due}", hint=_HINT
            )
    except (FFmpegError, ValueError, RuntimeError) as error:
        raise AudioError(
            f"the sound of {path} cannot be decoded after {float(time):.2f} s", hint=_HINT
        ) from error


def _stated_length(frame: Any) -> int:
    """Samples that count: MP4 cuts the padding of the last AAC block by stating a shorter duration."""
    ticks = int(frame.duration or 0)
    in_samples = exact(frame.time_base) == Fraction(1, frame.sample_rate)
    return ticks if in_samples and 0 < ticks < frame.samples else int(frame.samples)


def _mono(frame: av.AudioFrame) -> Samples:
    """Mean over the channels [N], with integer formats scaled to [-1, 1)."""
    values: Any = frame.to_ndarray()
    channels = len(frame.layout.channels)
    if not frame.format.is_planar:
        values = values.reshape(-1, channels).T
    if values.dtype == np.uint8:
        scaled = (values.astype(np.float64) - 128) / 128
    elif values.dtype.kind == "i":
        scaled = values.astype(np.float64) / float(-int(np.iinfo(values.dtype).min))
    else:
        scaled = values.astype(np.float64)
    return scaled.mean(axis=0).astype(np.float32)


def _first_frame_time(path: Path) -> Fraction:
    return next(decode_video(path)).time


def _placed(blocks: list[tuple[Fraction, Samples, int]], origin: Fraction, rate: int, path: Path) -> Samples:
    """One array [S] in which each block lies at its time after `origin`."""
    parts: list[Samples] = []
    filled = 0
    for time, samples, _ in blocks:
        late = round((time - origin) * rate) - filled
        # Containers round times to their ticks: only the first samples and real jumps move anything.
        if filled and abs(late) <= _JITTER_SECONDS * rate:
            late = 0
        if late > MAX_GAP_SECONDS * rate:
            raise AudioError(f"the timestamps of the sound of {path} jump by {late / rate:.0f} s", hint=_HINT)
        if late > 0:
            parts.append(np.zeros(late, np.float32))
            filled += late
        elif late < 0:
            samples = samples[-late:]
        parts.append(samples)
        filled += len(samples)
    return np.clip(np.concatenate(parts), -1, 1).astype(np.float32)


def _resampled(samples: Samples, source: int, rate: int) -> Samples:
    """Convert [S] from `source` to `rate` Hz: round(S * rate / source) samples, in phase with the input."""
    wanted = round(Fraction(len(samples) * rate, source))
    if source == rate or not len(samples):
        return samples[:wanted]
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=rate)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = source, 0, Fraction(1, source)
    parts = [out.to_ndarray()[0] for piece in (frame, None) for out in resampler.resample(piece)]
    result = np.concatenate(parts)[:wanted] if parts else np.zeros(0, np.float32)
    padded = np.pad(result, (0, wanted - len(result)))
    return np.clip(padded, -1, 1).astype(np.float32)


def write_wav(path: Path, samples: NDArray[Any], rate: int) -> Path:
    """Write mono samples as 16-bit PCM, atomically.

    Args:
        path: target.
        samples: float [S] in [-1, 1]; what is beyond is clipped.
        rate: samples per second.

    Returns:
        `path`.

    Raises:
        ShapeError: not float [S], or values that are not finite.
        OutputError: the file cannot be written.
    """
    path, samples = Path(path), np.asarray(samples)
    if samples.ndim != 1 or samples.dtype.kind != "f":
        raise ShapeError(f"samples must be float [S] in [-1, 1], got {samples.dtype} {list(samples.shape)}")
    if not np.isfinite(samples).all():
        raise ShapeError("samples hold values that are not finite")
    if rate < 1:
        raise UsageError(
            f"a sample rate of {rate} Hz makes no sense", hint="Give a positive number such as 16000"
        )
    pcm = np.clip(np.round(samples.astype(np.float64) * 32768), -32768, 32767).astype("<i2")
    with (
        as_output_error(path),
        atomic_path(path) as temporary,
        temporary.open("wb") as file,
        wave.open(file, "wb") as wav,
    ):
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(rate)
        wav.writeframes(pcm.tobytes())
    return path


def cut_audio(samples: Samples, rate: int, start_frame: int, frames: int, fps: float | Fraction) -> Samples:
    """The sound of `frames` video frames from `start_frame` on: exactly round(frames * rate / fps) samples.

    What the array does not hold is zero; `missing_seconds` says how much that is.

    Args:
        samples: float32 [S], sample 0 at the start of frame 0.
        rate: samples per second.
        start_frame: first frame, from 0.
        frames: how many.
        fps: frames per second.

    Returns:
        float32 [round(frames * rate / fps)].

    Raises:
        UsageError: a negative count or start, or a rate that is not positive.
    """
    begin, length = _span(rate, start_frame, frames, fps)
    part = samples[begin : begin + length]
    return np.pad(part, (0, length - len(part))).astype(np.float32, copy=False)


def missing_seconds(length: int, rate: int, start_frame: int, frames: int, fps: float | Fraction) -> float:
    """Seconds of silence that `cut_audio` has to add to an array of `length` samples; 0.0 if none."""
    begin, wanted = _span(rate, start_frame, frames, fps)
    return float(wanted - min(wanted, max(0, length - begin))) / rate


def _span(rate: int, start_frame: int, frames: int, fps: float | Fraction) -> tuple[int, int]:
    if rate < 1 or fps <= 0 or start_frame < 0 or frames < 0:
        raise UsageError(
            f"{frames} frames from {start_frame} at {fps} fps and {rate} Hz are no range",
            hint="Give counts from 0 and positive rates",
        )
    per_second = Fraction(fps).limit_denominator(100_000)
    return round(start_frame * rate / per_second), round(frames * rate / per_second)
