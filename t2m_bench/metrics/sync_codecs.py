"""The lossy files that the public SyncNet pipeline makes on its way, without making them.

Its `ffmpeg` commands are repeated with the same codecs in this process: `-q:v 2` into an AVI (MPEG-4), JPEG pictures
with `-q:v 2` out of it, and JPEG pictures of default quality out of the cropped AVI. All with one thread, for
encoders with several cut the picture into as many slices, and the numbers would depend on the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from t2m_bench.metrics.syncnet import FPS

Picture = NDArray[np.uint8]

# `-q:v 2` fixes the Lagrange multiplier at 2 * 118 as well as the quantiser. This binding cannot hand over a quality
# with each frame, so rate control is left no other choice instead.
_QUALITY_2 = {"qmin": "2", "qmax": "2", "lmin": "236", "lmax": "236", "i_qfactor": "1"}
_BICUBIC = 0x4  # the flag that the command line sets, and no other


def _full_range(levels: int, scale: int, offset: int, bits: int) -> Picture:
    """Table from limited to full range, in the 15-bit fixed point of the scaler up to ffmpeg 7.0; later ones cut off
    where it rounds, which moves colours by half a level."""
    wide = np.minimum(np.arange(256) * 128, levels)
    return np.clip((((wide * scale + offset) >> bits) + 64) >> 7, 0, 255).astype(np.uint8)


_LUMA = _full_range(30189, 19077, -39057361, 14)
_CHROMA = _full_range(30775, 4663, -9289992, 12)


class Mpeg4:
    """Pictures through MPEG-4 and back, one after another.

    Args:
        size: width and height in pixels.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._encoder = _encoder("mpeg4", size, "yuv420p", _QUALITY_2)
        self._decoder: Any = av.CodecContext.create("mpeg4", "r")
        self._decoder.thread_count = 1
        self._reformatter = VideoReformatter()
        self._count = 0

    def add(self, picture: Picture) -> Iterator[av.VideoFrame]:
        """Take a picture [H, W, 3] RGB; give those that are through, yuv420p."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame = self._reformatter.reformat(frame, format="yuv420p", interpolation=_BICUBIC)
        frame.pts, frame.time_base = self._count, Fraction(1, FPS)
        self._count += 1
        yield from self._decoded(self._encoder.encode(frame))

    def finish(self) -> Iterator[av.VideoFrame]:
        """The rest."""
        yield from self._decoded(self._encoder.encode(None))
        yield from self._decoder.decode(None)

    def _decoded(self, packets: list[Any]) -> Iterator[av.VideoFrame]:
        for packet in packets:
            yield from self._decoder.decode(packet)


class Jpeg:
    """Pictures as JPEG files.

    Args:
        size: width and height in pixels.
        fixed: quality 2 for each; otherwise what the encoder's rate control makes of 200 kbit/s, which depends on
            the pictures before.
    """

    def __init__(self, size: tuple[int, int], *, fixed: bool) -> None:
        self._encoder = _encoder("mjpeg", size, "yuvj420p", _QUALITY_2 if fixed else {})
        self._count = 0

    def encode(self, frame: av.VideoFrame) -> bytes:
        """The file of a yuv420p picture of limited range."""
        whole = av.VideoFrame(frame.width, frame.height, "yuvj420p")
        for old, new, table in zip(frame.planes, whole.planes, (_LUMA, _CHROMA, _CHROMA), strict=True):
            _rows(new)[:] = table[_rows(old)]
        whole.pts, whole.time_base = self._count, Fraction(1, FPS)
        self._count += 1
        return b"".join(bytes(packet) for packet in self._encoder.encode(whole))


def bgr_of(frame: av.VideoFrame) -> Picture:
    """A decoded picture as OpenCV's video reader gives it, [H, W, 3] BGR."""
    picture: Any = frame.to_ndarray(format="bgr24", interpolation=_BICUBIC)
    return np.asarray(picture, np.uint8)


def frames_of(path: Path) -> Iterator[av.VideoFrame]:
    """The pictures of a file."""
    with av.open(str(path)) as container:
        yield from container.decode(video=0)


def _rows(plane: Any) -> Picture:
    """The samples of one component, [h, w], without what fills up the lines."""
    lines: Picture = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return lines[: plane.height, : plane.width]


def _encoder(name: str, size: tuple[int, int], pixels: str, options: dict[str, str]) -> Any:
    codec: Any = av.CodecContext.create(name, "w")
    codec.width, codec.height = size
    codec.pix_fmt, codec.time_base, codec.framerate = pixels, Fraction(1, FPS), Fraction(FPS)
    codec.thread_count = 1
    codec.options = {"aspect": "1:1", **options}  # a JPEG file says so, and the bytes count in rate control
    return codec
