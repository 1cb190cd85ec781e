"""Writing video: browser-ready H.264, bit-exact FFV1, and gray mattes. A file appears whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from t2m_bench.core.atomic import atomic_path
from t2m_bench.core.errors import OutputError, ShapeError, UsageError, VideoError
from t2m_bench.media.picture import Matrix, Picture, tag_colours, yuv_of

AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
"""Sample rates the AAC encoder takes."""

_AUDIO_BLOCK = 1024


class VideoWriter:
    """Write RGB frames to a video file; use it in a `with` block.

    The default is H.264 (yuv420p, BT.709 limited range, tagged so, one encoder thread so that the bytes do not
    depend on the machine's cores) with AAC sound and the index in front: it plays in browsers. yuv420p needs even
    sides, so an odd width or height is padded by repeating the last column or row; the file is then one pixel
    larger than `size`. `lossless=True` writes FFV1 in RGB with FLAC sound, bit exact at any size, and needs `.mkv`.

    The file appears under its name when the block ends without an error. Before that, and after any error,
    nothing is there, or what was there before.

    Args:
        path: target; the suffix chooses the container (`.mp4`, `.mkv`).
        fps: frames per second, a float or a Fraction.
        size: (width, height) of the frames to come, pixels.
        audio: mono samples float [S] in [-1, 1] and their rate in Hz, sample 0 at the start of frame 0. What reaches
            beyond the last frame is cut; what is missing stays missing. None for no sound.
        lossless: write FFV1 instead of H.264.
        crf: H.264 quality, 0 (best) to 51.
        preset: of x264: how much time it takes to make the file small; `crf` decides the quality at each.
        matrix: of the `yuv420p` frames that `write_yuv` will be given; RGB frames need `bt709`.
        metadata: tags to write, with any keys; `probe(path).metadata` reads them back with keys in lower case.

    Raises:
        UsageError: fps, crf, suffix or metadata make no sense.
        ShapeError: size, audio or a frame has a wrong shape, type or content.
        OutputError: the file cannot be written (full disk, no permission).
        VideoError: the block ended without a frame.

    Example:
        >>> with VideoWriter(Path("out.mp4"), 25, (512, 512), metadata={"title": "demo"}) as video:
        ...     for frame in frames:
        ...         video.write(frame)
    """

    def __init__(
        self,
        path: Path,
        fps: float | Fraction,
        size: tuple[int, int],
        *,
        audio: tuple[NDArray[Any], int] | None = None,
        lossless: bool = False,
        crf: int = 14,
        preset: Literal["ultrafast", "superfast", "veryfast", "fast", "medium"] = "medium",
        matrix: Matrix = "bt709",
        metadata: dict[str, str] | None = None,
    ) -> None:
        self.path = Path(path)
        self.size = size
        self.frames = 0
        self._fps = _fps_fraction(fps)
        self._lossless = lossless
        self._crf = crf
        self._preset = preset
        self._matrix = matrix
        self._metadata = dict(metadata or {})
        self._sound = None if audio is None else _Sound(*_checked_audio(audio), exact=lossless)
        if min(size) < 2 or max(size) > 16384:
            raise ShapeError(f"size must be (width, height) of 2 to 16384 pixels, got {size}")
        if not 0 <= crf <= 51:
            raise UsageError(f"crf must be 0 to 51, got {crf}")
        allowed = (".mkv",) if lossless else (".mp4", ".mov", ".mkv")
        if self.path.suffix.lower() not in allowed:
            raise UsageError(
                f"{self.path} must end in {' or '.join(allowed)}", hint="Choose another file name"
            )
        _check_metadata(self._metadata)
        self._container: OutputContainer | None = None
        self._stack = ExitStack()
        self._reformatter = VideoReformatter()

    def __enter__(self) -> VideoWriter:
        with as_output_error(self.path), ExitStack() as stack:
            self._temporary = stack.enter_context(atomic_path(self.path))
            container = _open_output(self._temporary, self.path.suffix)
            stack.callback(_close_quietly, container)
            container.metadata.update(self._metadata)
            self._stream = self._add_video(container)
            if self._sound:
                self._sound.attach(container)
            self._container = container
            self._stack = stack.pop_all()
        return self

    def _add_video(self, container: OutputContainer) -> Any:
        if self._lossless:
            # `bgr0`, not `gbrp`: FFV1 stores both the same way, and packed pixels convert faster.
            return _ffv1_stream(container, self._fps, self.size, "bgr0")
        # x264's macroblock tree reads memory it never wrote where the width is no multiple of 128, so that the same
        # frames give other bytes each time.
        options = {"crf": str(self._crf), "preset": self._preset, "threads": "1", "mbtree": "0"}
        stream: Any = container.add_stream("libx264", rate=self._fps, options=options)
        stream.width, stream.height = (side + side % 2 for side in self.size)
        stream.pix_fmt = "yuv420p"
        tag_colours(stream.codec_context, self._matrix)
        return stream

    def write(self, frame: Picture) -> None:
        """Append one frame, uint8 [H, W, 3] RGB of the writer's size.

        Raises:
            ShapeError: another shape or type.
            OutputError: the disk is full or the file cannot be written.
        """
        container = self._open_container()
        width, height = self.size
        if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
            raise ShapeError(
                f"frame {self.frames} of {self.path} must be uint8 [{height}, {width}, 3], "
                f"got {frame.dtype} {list(frame.shape)}"
            )
        frame = np.ascontiguousarray(frame)
        if self._lossless:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="bgr0")
        else:
            padded = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            picture = yuv_of(padded, self._reformatter)
        self._append(container, picture)

    def write_yuv(self, frame: av.VideoFrame) -> None:
        """Append one frame that is already as H.264 will hold it: `yuv420p`, limited range, the writer's matrix.

        Raises:
            ShapeError: another size or format, or the file is lossless.
            OutputError: as `write`.
        """
        container = self._open_container()
        given = (frame.format.name, frame.width, frame.height)
        if self._lossless or given != ("yuv420p", self._stream.width, self._stream.height):
            raise ShapeError(
                f"frame {self.frames} of {self.path} must be yuv420p {self.size[0]}x{self.size[1]} for H.264, "
                f"got {given[0]} {given[1]}x{given[2]}"
            )
        self._append(container, frame)

    def _append(self, container: OutputContainer, picture: av.VideoFrame) -> None:
        with as_output_error(self.path):
            _encode(container, self._stream, picture, self.frames, self._fps)
            self.frames += 1
            if self._sound:
                self._sound.encode_until(self.frames / self._fps)

    def _open_container(self) -> OutputContainer:
        if self._container is None:
            raise UsageError(
                f"{self.path} is written in a `with` block only",
                hint="Write `with VideoWriter(...) as video:`",
            )
        return self._container

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            # The outer error is the story; what a half-written container says on closing is not.
            with suppress(OSError, FFmpegError):
                self._stack.__exit__(kind, error, trace)
            return
        with as_output_error(self.path), self._stack:
            if self.frames == 0:
                raise VideoError(f"{self.path} was not written, for not one frame came")
            container = self._open_container()
            container.mux(self._stream.encode(None))
            if self._sound:
                self._sound.finish()
            container.close()
            _check_written(self._temporary, self.path, self.frames)


def write_gray(path: Path, frames: Iterable[NDArray[np.uint8]], fps: float | Fraction) -> int:
    """Write single-channel frames without loss (FFV1, gray); `iter_gray` reads them back bit for bit.

    Args:
        path: target, must end in `.mkv`.
        frames: uint8 [H, W] each, all of one size.
        fps: frames per second.

    Returns:
        How many frames were written.

    Raises:
        UsageError: wrong suffix or fps.
        ShapeError: a frame of another shape or type.
        OutputError: the file cannot be written.
        VideoError: there was no frame.
    """
    path, rate, count, shape = Path(path), _fps_fraction(fps), 0, (0, 0)
    if path.suffix.lower() != ".mkv":
        raise UsageError(f"{path} must end in .mkv", hint="Choose another file name")
    with as_output_error(path), ExitStack() as stack:
        temporary = stack.enter_context(atomic_path(path))
        container = _open_output(temporary, path.suffix)
        stack.callback(_close_quietly, container)
        stream: Any = None
        for frame in frames:
            if stream is None and frame.ndim == 2:
                shape = frame.shape
                stream = _ffv1_stream(container, rate, (shape[1], shape[0]), "gray")
            if frame.ndim != 2 or frame.shape != shape or frame.dtype != np.uint8:
                raise ShapeError(
                    f"frame {count} of {path} must be uint8 {list(shape) if stream else '[H, W]'}, "
                    f"got {frame.dtype} {list(frame.shape)}"
                )
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="gray")
            _encode(container, stream, picture, count, rate)
            count += 1
        if not count:
            raise VideoError(f"{path} was not written, for not one frame came")
        container.mux(stream.encode(None))
        container.close()
        _check_written(temporary, path, count)
    return count


class _Sound:
    """The sound track of a file being written, fed in step with the pictures so that both lie interleaved."""

    def __init__(self, samples: NDArray[np.float32], rate: int, *, exact: bool) -> None:
        self._samples, self._rate, self._exact, self._at = samples, rate, exact, 0

    def attach(self, container: OutputContainer) -> None:
        self._container = container
        self._stream: Any = container.add_stream("flac" if self._exact else "aac", rate=self._rate)
        self._stream.codec_context.layout = "mono"
        self._stream.codec_context.format = "s16" if self._exact else "fltp"
        if not self._exact:
            self._stream.codec_context.bit_rate = min(160_000, 6 * self._rate)

    def encode_until(self, seconds: Fraction) -> None:
        """Encode whole blocks of what sounds before `seconds`, and remember the end."""
        self._end = min(len(self._samples), round(seconds * self._rate))
        while self._end - self._at >= _AUDIO_BLOCK:
            self._encode(_AUDIO_BLOCK)

    def finish(self) -> None:
        if self._end > self._at:
            self._encode(self._end - self._at)
        self._container.mux(self._stream.encode(None))

    def _encode(self, count: int) -> None:
        block = self._samples[None, self._at : self._at + count]
        if self._exact:
            pcm = np.clip(np.round(block * 32768), -32768, 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm), format="s16", layout="mono")
        else:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="mono")
        frame.sample_rate = self._rate
        frame.pts = self._at
        frame.time_base = Fraction(1, self._rate)
        self._at += count
        self._container.mux(self._stream.encode(frame))


def _fps_fraction(fps: float | Fraction) -> Fraction:
    if not 0 < fps <= 1000:
        raise UsageError(f"a frame rate of {fps} makes no sense", hint="Give a positive number such as 25")
    return Fraction(fps).limit_denominator(100_000)


def _checked_audio(audio: tuple[NDArray[Any], int]) -> tuple[NDArray[np.float32], int]:
    samples, rate = np.asarray(audio[0]), int(audio[1])
    if samples.ndim != 1 or samples.dtype.kind != "f":
        raise ShapeError(
            f"audio must be mono float [S] in [-1, 1], got {samples.dtype} {list(samples.shape)}"
        )
    if not np.isfinite(samples).all():
        raise ShapeError("audio holds values that are not finite")
    if rate not in AAC_RATES:
        raise UsageError(
            f"a sample rate of {rate} Hz cannot be written",
            hint=f"Use one of {', '.join(map(str, AAC_RATES))}",
        )
    return np.clip(samples, -1, 1).astype(np.float32), rate


def _check_metadata(metadata: dict[str, str]) -> None:
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str) or not key or "\0" in key + value:
            raise UsageError(f"the tag {key!r} and its value must be text without NUL")


def _open_output(temporary: Path, suffix: str) -> OutputContainer:
    options = {"fflags": "+bitexact"}  # no random ids and no library versions: same frames, same bytes
    if suffix.lower() in (".mp4", ".mov"):
        options["movflags"] = "+faststart+use_metadata_tags"
    return av.open(f"file:{os.fspath(temporary)}", mode="w", container_options=options)


def _ffv1_stream(container: OutputContainer, rate: Fraction, size: tuple[int, int], pixels: str) -> Any:
    # One slice for tiny pictures, which cannot be cut in four; the encoder refuses one slice for large ones.
    slices = "1" if size[0] <= 352 and size[1] <= 288 else "4"
    options = {"level": "3", "slicecrc": "1", "slices": slices, "g": "1", "threads": "1"}
    stream: Any = container.add_stream("ffv1", rate=rate, options=options)
    stream.width, stream.height = size
    stream.pix_fmt = pixels
    return stream


def _encode(
    container: OutputContainer, stream: Any, picture: av.VideoFrame, number: int, rate: Fraction
) -> None:
    picture.pts = number
    picture.time_base = 1 / rate
    container.mux(stream.encode(picture))


def _close_quietly(container: OutputContainer) -> None:
    with suppress(OSError, FFmpegError, ValueError):
        container.close()


def _check_written(temporary: Path, path: Path, frames: int) -> None:
    """Closing a file does not tell of a last block that found no room, so count what is there."""
    try:
        with av.open(f"file:{os.fspath(temporary)}") as container:
            found = sum(1 for packet in container.demux(video=0) if packet.size)
    except (FFmpegError, IndexError) as error:
        raise OutputError(
            f"{path} could not be written whole", hint="Check the space left on the disk"
        ) from error
    if found != frames:
        raise OutputError(
            f"{path} could not be written whole: {found} of {frames} frames arrived",
            hint="Check the space left on the disk",
        )


@contextmanager
def as_output_error(path: Path) -> Iterator[None]:
    """Turn what the system or the encoder says about writing `path` into an `OutputError`."""
    try:
        yield
    except (OSError, FFmpegError) as error:
        number = error.errno or 0
        if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OutputError(
                f"{path} could not be written, for the disk is full",
                hint="Free some space or choose another folder",
            ) from error
        if number in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise OutputError(
                f"{path} could not be written, for the folder does not allow it",
                hint="Check its permissions or choose another folder",
            ) from error
        reason = os.strerror(number) if 0 < number < 200 else str(error)
        raise OutputError(f"{path} could not be written ({reason})", hint="Choose another folder") from error
