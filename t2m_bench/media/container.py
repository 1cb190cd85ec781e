"""Opening media files and decoding their pictures, with every failure turned into one clear sentence.

Only this module talks to the demuxers. Only the formats of `FORMATS` are opened: playlists, image sequences and
text "videos" could read other files or the network, and raw streams carry no timestamps.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError

from t2m_bench.core.errors import DataError, VideoError
from t2m_bench.media.announced import Announced, announced, exact, frame_rate

FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,nut,gif,apng,mxf,yuv4mpegpipe,ivf,"
    "wav,w64,aiff,caf,flac,mp3,aac,ac3,eac3,au,amr,wv,tta"
)
"""Demuxers that may open a file."""

MAX_SIDE = 16384
"""Largest width or height in pixels that is taken for a real picture."""

MAX_PIXELS = 8192 * 8192
"""Largest picture area: a damaged header must not make a decoder ask for gigabytes."""

_NEAR = Fraction(3)  # seconds; a start this close to the beginning is decoded up to
_STEPS_BACK = (
    Fraction(0),
    Fraction(2),
    Fraction(10),
)  # an index may name the key picture after the one asked for
_TICK = Fraction(1, 1000)  # Matroska rounds times to this

REENCODE = "Replace the file, or re-encode it with `ffmpeg -i IN OUT.mp4`"


@dataclass(frozen=True)
class TimedFrame:
    """One decoded picture and when it is shown."""

    frame: av.VideoFrame
    """As decoded: no conversion, no rotation."""
    time: Fraction
    """Seconds on the container's clock."""
    duration: Fraction
    """Seconds, 0 where the container does not say."""


@contextmanager
def open_media(path: Path, kind: type[DataError] = VideoError) -> Iterator[InputContainer]:
    """Open a media file for reading.

    Args:
        path: the file.
        kind: class of error to raise.

    Raises:
        DataError: of class `kind`: missing, a folder, unreadable, empty, or of no known media format.
    """
    path = Path(path)
    _check_file(path, kind)
    name = f"file:{os.fspath(path)}"  # a bare name with a colon would be taken for a protocol
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    try:
        try:
            container = av.open(name, mode="r", container_options=options)
        except UnicodeDecodeError:  # tags in an old encoding
            container = av.open(name, mode="r", container_options=options, metadata_errors="replace")
    except (FFmpegError, OSError, ValueError, RuntimeError) as error:
        raise kind(f"{path} {_why_not(path, kind)}", hint=REENCODE) from error
    with container:
        yield container


def _check_file(path: Path, kind: type[DataError]) -> None:
    try:
        if path.is_dir():
            raise kind(f"{path} is a folder, not a file", hint="Name a file in it")
        if path.exists() and not path.is_file():  # opening a pipe would wait for ever
            raise kind(f"{path} is no regular file", hint="Save what it gives to a file first")
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError as error:
        raise kind(f"{path} does not exist", hint="Check the name and the folder") from error
    except OSError as error:
        raise kind(
            f"{path} cannot be read ({error.strerror})", hint="Check its permissions and the disk"
        ) from error
    if empty:
        raise kind(f"{path} is empty (0 bytes)", hint="Copy or download it again")


def _why_not(path: Path, kind: type[DataError]) -> str:
    with path.open("rb") as file:
        head = file.read(64)
    if head[4:8] in (b"ftyp", b"mdat", b"moov", b"wide", b"free"):
        return "is truncated or damaged: its index (moov) is missing or unreadable"
    if head[:4] == b"\x1aE\xdf\xa3":
        return "is truncated or damaged: its Matroska header cannot be read"
    return "is not a video file" if kind is VideoError else "is not a media file"


def video_stream(container: InputContainer, path: Path) -> Any:
    """The first stream of moving pictures.

    Raises:
        VideoError: there is none, only cover art, its codec is unknown, or its size is impossible.
    """
    streams = list(container.streams.video)
    if not streams:
        raise VideoError(
            f"{path} has no video stream", hint="Name a file with pictures; sound alone is not enough"
        )
    moving = [stream for stream in streams if not _is_cover(stream)]
    if not moving:
        raise VideoError(
            f"{path} holds a cover picture but no video", hint="Name a file with moving pictures"
        )
    stream: Any = moving[0]
    context = stream.codec_context
    if context is None:
        raise VideoError(f"{path} uses a video codec that cannot be decoded here", hint=REENCODE)
    width, height = int(context.width), int(context.height)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and width * height <= MAX_PIXELS):
        raise VideoError(f"{path} announces a picture of {width}x{height} pixels", hint=REENCODE)
    context.options = {**context.options, "max_pixels": str(MAX_PIXELS)}
    return stream


def has_pictures(container: InputContainer) -> bool:
    """Whether there is a video stream that is no cover picture."""
    return any(not _is_cover(stream) for stream in container.streams.video)


def _is_cover(stream: Any) -> bool:
    return bool(int(stream.disposition) & 0x400)  # AV_DISPOSITION_ATTACHED_PIC


def decode_video(path: Path, *, start: Fraction | float = 0, threads: int = 0) -> Iterator[TimedFrame]:
    """Every picture of the first video stream, in the order shown; never fewer than the file announces.

    Times never run backward: a picture with an earlier time than the one before it gets that one's time.

    Args:
        path: video file.
        start: seconds after the first picture; the first one given is the one shown then. MP4, MOV, Matroska and
            WebM files are entered at a key picture before it; others, whose indexes are not to be trusted, and
            files whose index leads astray are decoded from the beginning.
        threads: of the decoder; 0 lets it choose.

    Raises:
        VideoError: the file cannot be opened, a picture cannot be decoded whole, pictures announced are missing,
            there is none at all, the picture changes its size on the way, or the file ends before `start`.
    """
    path, wanted = Path(path), Fraction(start).limit_denominator(1_000_000)
    if wanted <= 0:
        yield from _decoded(path, None, threads)
        return
    first = next(_decoded(path, None, threads))
    target = first.time + wanted
    frames = _entered(path, target, threads) if wanted > _NEAR else None
    yield from _shown_from(frames or _decoded(path, None, threads), target, wanted, path)


def _entered(path: Path, target: Fraction, threads: int) -> Iterator[TimedFrame] | None:
    """The pictures from a key picture at or before `target` on, or None where the file cannot be entered there."""
    for back in _STEPS_BACK:
        frames = _decoded(path, target - back, threads)
        try:
            head = next(frames, None)
        except VideoError:  # told better by decoding from the beginning
            return None
        if head is None:
            return None
        if head.time <= target:
            return chain([head], frames)
    return None


def _shown_from(
    frames: Iterator[TimedFrame], target: Fraction, wanted: Fraction, path: Path
) -> Iterator[TimedFrame]:
    """Drop pictures that are over at `target`."""
    held: TimedFrame | None = None
    gap = Fraction(0)
    for timed in frames:
        if timed.time > target + _TICK:
            if held is not None:
                yield held
            yield timed
            yield from frames
            return
        gap = timed.time - held.time if held is not None else gap
        held = timed
    if held is None or held.time + shown_for(held, gap, Fraction(1, 25)) <= target:
        raise VideoError(
            f"{path} ends before second {float(wanted):g}, where the clip starts",
            hint="Check the start, and that this is the right video",
        )
    yield held


def _decoded(path: Path, enter: Fraction | None, threads: int) -> Iterator[TimedFrame]:
    """All pictures, or those from the key picture before the time `enter` on; nothing where it cannot be entered."""
    with open_media(path) as container:
        stream = video_stream(container, path)
        stream.codec_context.thread_count = threads
        promise = announced(container, stream, path)
        step = 1 / (frame_rate(stream) or Fraction(25))
        count, size, end = 0, (0, 0), Fraction(0)
        last: Fraction | None = None
        if enter is not None and not _moved_to(container, stream, enter):
            return
        try:
            for frame in container.decode(stream):
                if enter is not None and not count and not frame.key_frame:
                    continue  # refers to pictures before the place where the file was entered
                if frame.is_corrupt:
                    raise _damaged(path, count, promise, end if enter is not None else None)
                if count and (frame.width, frame.height) != size:
                    raise VideoError(
                        f"{path} changes its picture size from {size[0]}x{size[1]} to "
                        f"{frame.width}x{frame.height} at frame {count}",
                        hint=REENCODE,
                    )
                timed = _timed(frame, last, step)
                last, size, end = (
                    timed.time,
                    (frame.width, frame.height),
                    timed.time + (timed.duration or step),
                )
                yield timed
                count += 1
        except (FFmpegError, ValueError, RuntimeError) as error:
            raise _damaged(path, count, promise, end if enter is not None else None) from error
    # Where the file was entered late the count says nothing, and the end alone decides.
    if count == 0 or promise.lacks(count if enter is None else 0, end, step):
        raise _damaged(path, count, promise, end if enter is not None else None)


def _moved_to(container: InputContainer, stream: Any, time: Fraction) -> bool:
    """Go to the key picture before `time`; False where the container's index is none or not to be trusted."""
    tick = exact(stream.time_base)
    if tick <= 0 or not set(container.format.name.split(",")) & {"mp4", "matroska"}:
        return False
    try:
        container.seek(int(max(time, Fraction(0)) / tick), stream=stream, backward=True)
    except (FFmpegError, OSError):
        return False
    return True


def shown_for(last: TimedFrame, gap: Fraction, otherwise: Fraction) -> Fraction:
    """How long the last picture of a file is shown, in seconds.

    Args:
        last: the last picture.
        gap: time between it and the one before, 0 if there is none.
        otherwise: what to take where nothing is known.

    The stated duration and the last gap may both be wrong (MP4 states decoding intervals, which B-frames of a
    varying rate permute), so the shorter one counts.
    """
    return min((value for value in (last.duration, gap) if value > 0), default=otherwise)


def _timed(frame: Any, last: Fraction | None, step: Fraction) -> TimedFrame:
    tick = exact(frame.time_base)
    known = frame.pts is not None and tick > 0
    time = frame.pts * tick if known else Fraction(0) if last is None else last + step
    duration = max(0, frame.duration or 0) * tick
    return TimedFrame(frame, time if last is None else max(time, last), duration)


def _damaged(path: Path, count: int, promise: Announced, end: Fraction | None = None) -> VideoError:
    of = f" of {'' if promise.counted else 'about '}{promise.frames}" if promise.frames else ""
    if end is not None:
        return VideoError(
            f"{path} is truncated or damaged: it decodes only up to {float(end):.2f} s", hint=REENCODE
        )
    if count == 0:
        return VideoError(
            f"{path} holds no frame that decodes{of and f' ({of[1:]} announced)'}", hint=REENCODE
        )
    return VideoError(
        f"{path} is truncated or damaged: only the first {count}{of} frames decode",
        hint=f"Copy or download it again, or keep the good part with `ffmpeg -i IN -frames:v {count} OUT.mp4`",
    )
