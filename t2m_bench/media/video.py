"""Reading video as RGB arrays, and resizing. Writing is in `writer`, whose names can be had from here too."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from t2m_bench.core.errors import ShapeError, UsageError, VideoError
from t2m_bench.media.container import REENCODE, TimedFrame, decode_video, shown_for
from t2m_bench.media.picture import Picture, rgb_of
from t2m_bench.media.writer import VideoWriter, write_gray

__all__ = [
    "MAX_GAP_SECONDS",
    "Filter",
    "VideoWriter",
    "iter_frames",
    "iter_frames_at",
    "iter_gray",
    "iter_timed_at",
    "read_frames",
    "resize_frames",
    "write_gray",
]

Filter = Literal["bicubic", "bilinear", "area", "nearest"]

MAX_GAP_SECONDS = 10
"""Longest time a picture may stand still before its timestamps are taken for damaged."""

_CHUNK = 8


def iter_frames(path: Path, *, start: int = 0, stop: int | None = None) -> Iterator[Picture]:
    """Frames `start` to `stop` (exclusive) one after another.

    Decoding starts at the beginning of the file, so that frame numbers are exact in every container; frames before
    `start` are decoded but not converted. Only one frame is held in memory.

    Args:
        path: video file.
        start: first frame, from 0.
        stop: one past the last frame; None for all. The video must have that many.

    Yields:
        uint8 [H, W, 3], RGB, full range, C-contiguous, upright.

    Raises:
        VideoError: the file cannot be decoded, or has fewer frames than `stop` (or `start`) asks for.
        UsageError: `start` is negative or after `stop`.
    """
    _check_range(start, stop)
    if stop is not None and start == stop:
        return
    reformatter, count = VideoReformatter(), 0
    for timed in decode_video(path):
        if count >= start:
            yield rgb_of(timed.frame, reformatter)
        count += 1
        if count == stop:
            return
    if count < (start if stop is None else stop):
        wanted = f"{start} to {stop}" if stop is not None else f"from {start}"
        raise VideoError(
            f"{path} has only {count} frames, frames {wanted} were asked for", hint="Ask for fewer frames"
        )


def _check_range(start: int, stop: int | None) -> None:
    if start < 0 or (stop is not None and stop < start):
        raise UsageError(f"frames {start} to {stop} are no range", hint="Give 0 <= start <= stop")


def read_frames(
    path: Path, start: int = 0, stop: int | None = None, size: tuple[int, int] | None = None
) -> Picture:
    """Frames `start` to `stop` (exclusive) as one array.

    Args:
        path: video file.
        start: first frame, from 0.
        stop: one past the last frame; None for all.
        size: (width, height) to resize to with `resize_frames`, or None.

    Returns:
        uint8 [T, H, W, 3], RGB.

    Raises:
        VideoError: as `iter_frames`.
    """
    frames = list(
        iter_frames(path, start=start, stop=stop) if size is None else _resized(path, start, stop, size)
    )
    if not frames:
        width, height = size or (0, 0)
        return np.zeros((0, height, width, 3), np.uint8)
    return np.stack(frames)


def _resized(path: Path, start: int, stop: int | None, size: tuple[int, int]) -> Iterator[Picture]:
    for frame in iter_frames(path, start=start, stop=stop):
        yield resize_frames(frame[None], size)[0]


def iter_frames_at(
    path: Path, fps: float | Fraction, *, start: float = 0.0, end: float | None = None
) -> Iterator[Picture]:
    """Frames at a constant rate, chosen by time, for sources of another or of a varying rate.

    The rule: let t0 be the time of the frame shown at `start`, counted from the first frame of the file, and D the time
    from there to the end of the last one, but at most `end - start`. There are
    max(1, floor(D * fps + 1/2)) output frames; number k is the source frame shown nearest to t0 + k / fps, the
    earlier one of two equally near. Frames are repeated or left out, never blended. A source that already has
    the rate comes through unchanged.

    Args:
        path: video file.
        fps: frames per second wanted.
        start: seconds after the first frame of the file.
        end: likewise; None for all. A file that ends earlier gives fewer frames.

    Yields:
        uint8 [H, W, 3], RGB, C-contiguous, upright.

    Raises:
        VideoError: the file cannot be decoded, or its timestamps jump by more than `MAX_GAP_SECONDS`.
        UsageError: `fps` is not positive, or `end` not after `start`.
    """
    reformatter = VideoReformatter()
    for timed, repeats in iter_timed_at(path, fps, start=start, end=end):
        picture = rgb_of(timed.frame, reformatter)
        for index in range(repeats):
            yield picture if index == 0 else picture.copy()


def iter_timed_at(
    path: Path, fps: float | Fraction, *, start: float = 0.0, end: float | None = None, threads: int = 0
) -> Iterator[tuple[TimedFrame, int]]:
    """The decoded frames that `iter_frames_at` shows, each with how often it is shown (at least once).

    The time of the first one is where sound must be cut to fit.

    Args:
        path: video file.
        fps: frames per second wanted.
        start: see `iter_frames_at`.
        end: likewise.
        threads: of the decoder; 0 lets it choose.

    Raises:
        VideoError, UsageError: as `iter_frames_at`.
    """
    rate = Fraction(fps).limit_denominator(100_000) if fps > 0 else Fraction(0)
    if rate <= 0:
        raise UsageError(f"a frame rate of {fps} makes no sense", hint="Give a positive number such as 25")
    if start < 0 or (end is not None and end <= start):
        raise UsageError(f"seconds {start:g} to {end} are no stretch", hint="Give 0 <= start < end")
    most = None
    if end is not None:
        seconds = Fraction(end - start).limit_denominator(1_000_000)
        most = max(1, int(seconds * rate + Fraction(1, 2)))
    for timed, repeats in _schedule(decode_video(path, start=start, threads=threads), rate, path):
        shown = repeats if most is None else min(repeats, most)
        if shown:
            yield timed, shown
        if most is not None:
            most -= shown
            if most <= 0:
                return


def _schedule(frames: Iterator[TimedFrame], rate: Fraction, path: Path) -> Iterator[tuple[TimedFrame, int]]:
    """Each source frame with how often it is shown; a repeat count needs the next frame's time only."""
    current, count, done, step = next(frames), 1, 0, Fraction(0)
    first = current.time
    for following in frames:
        step = following.time - current.time
        if step > MAX_GAP_SECONDS:
            raise VideoError(
                f"the timestamps of {path} jump by {float(step):.1f} s after frame {count - 1}", hint=REENCODE
            )
        middle = (
            current.time + following.time
        ) / 2 - first  # an output at the very middle is the earlier frame's
        upto = int(middle * rate) + 1
        yield current, max(0, upto - done)
        current, count, done = following, count + 1, max(done, upto)
    last = min(shown_for(current, step, 1 / rate), Fraction(MAX_GAP_SECONDS))
    total = max(1, int((current.time + last - first) * rate + Fraction(1, 2)))
    yield current, max(0, total - done)


def iter_gray(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Single-channel frames, as mattes are stored.

    A gray file gives its values exactly; of a colour video each pixel is the rounded mean of R, G and B.

    Yields:
        uint8 [H, W], C-contiguous.

    Raises:
        VideoError: as `iter_frames`.
    """
    reformatter = VideoReformatter()
    for timed in decode_video(path):
        if timed.frame.format.name == "gray":
            yield np.ascontiguousarray(timed.frame.to_ndarray())
        else:
            total = rgb_of(timed.frame, reformatter).sum(axis=2, dtype=np.uint16)
            yield ((total + 1) // 3).astype(np.uint8)


def resize_frames(frames: Picture, size: tuple[int, int], filter: Filter = "bicubic") -> Picture:
    """Resize frames with antialiasing.

    `bicubic` (a = -0.5 with antialiasing, as Pillow's) and `bilinear` widen their kernel when making smaller;
    `area` averages; `nearest` picks pixel centres. Computed in float32 by torch and rounded half up, so that
    the result does not depend on the processor's uint8 code path.

    Args:
        frames: uint8 [T, H, W, C].
        size: (width, height) wanted, pixels.
        filter: kernel.

    Returns:
        uint8 [T, height, width, C]; `frames` itself if it already has that size.

    Raises:
        ShapeError: `frames` is not uint8 [T, H, W, C], or a side of `size` is below 1.
        UsageError: unknown filter.
    """
    if frames.ndim != 4 or frames.dtype != np.uint8:
        raise ShapeError(f"frames must be uint8 [T, H, W, C], got {frames.dtype} {list(frames.shape)}")
    if filter not in get_args(Filter):
        raise UsageError(
            f"no resize filter is called {filter!r}", hint=f"Use one of {', '.join(get_args(Filter))}"
        )
    width, height = size
    if width < 1 or height < 1:
        raise ShapeError(f"size must be (width, height) of at least 1 pixel, got {size}")
    if frames.shape[1:3] == (height, width):
        return frames
    out = np.empty((len(frames), height, width, frames.shape[3]), np.uint8)
    for begin in range(0, len(frames), _CHUNK):
        out[begin : begin + _CHUNK] = _resize_chunk(frames[begin : begin + _CHUNK], (height, width), filter)
    return out


def _resize_chunk(frames: Picture, size: tuple[int, int], filter: Filter) -> Picture:
    x = torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))).float()  # [T, C, H, W]
    if filter in ("bicubic", "bilinear"):
        x = F.interpolate(x, size=size, mode=filter, align_corners=False, antialias=True)
    else:
        x = F.interpolate(x, size=size, mode="nearest-exact" if filter == "nearest" else filter)
    rounded: Picture = x.add_(0.5).floor_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return rounded
