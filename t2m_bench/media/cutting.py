"""A square of a decoded picture, upright and resized, without leaving the colour space it is stored in."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from t2m_bench.media.picture import Matrix, Orientation, encodable
from t2m_bench.media.resampling import Taps, bicubic_taps, resample

_LIMITED, _BT709, _BT601 = 1, 1, 6


class Cutter:
    """Cuts the same square out of each frame of a video.

    Brightness and colour planes are resampled as they are stored (antialiased bicubic), so nothing is lost to a
    conversion to RGB and back. Beyond the picture its edge is repeated.

    Args:
        size: width and height of the frames as stored.
        orientation: how they are to be turned.
        corner: left and top edge of the square in pixels of the upright picture with square pixels.
        side: of the square, likewise.
        stretch: factor for the upright picture's width that makes its pixels square.
        out: side of the result in pixels, even.
    """

    def __init__(
        self,
        size: tuple[int, int],
        orientation: Orientation,
        *,
        corner: tuple[int, int],
        side: int,
        stretch: float,
        out: int,
    ) -> None:
        self._out = out
        self._transpose = orientation.transpose
        lengths = size[::-1] if orientation.transpose else size
        mirrors = (orientation.mirror_x, orientation.mirror_y)
        self._luma: list[Taps] = []
        self._chroma: list[Taps] = []
        for axis in (0, 1):
            # H.264's colour samples lie beside the left of each pair of columns, between the rows of a pair.
            stored_left = (axis == 0) != orientation.transpose
            line = _Line(lengths[axis], mirrors[axis], corner[axis], side, stretch if axis == 0 else 1.0, out)
            self._luma.append(line.luma())
            self._chroma.append(line.chroma(stored_left=stored_left, left=axis == 0))
        self._reformatter = VideoReformatter()

    def cut(self, frame: av.VideoFrame) -> tuple[av.VideoFrame, Matrix]:
        """The square of one frame as `yuv420p` [out, out] of limited range, and its matrix."""
        stored, matrix = encodable(frame, self._reformatter)
        result = av.VideoFrame(self._out, self._out, "yuv420p")
        for number, plane in enumerate(stored.planes):
            x, y = self._chroma if number else self._luma
            lines = _lines(plane)
            rows, columns = (x, y) if self._transpose else (y, x)
            _put(result.planes[number], resample(lines, rows, columns, transpose=self._transpose))
        result.colorspace = _BT709 if matrix == "bt709" else _BT601
        result.color_range = _LIMITED
        return result, matrix


class _Line:
    """One axis of the upright picture."""

    def __init__(self, length: int, mirror: bool, start: int, side: int, stretch: float, out: int) -> None:
        self._length, self._mirror, self._out = length, mirror, out
        self._start, self._scale = start / stretch, side / out / stretch

    def luma(self) -> Taps:
        return bicubic_taps(self._stored(np.arange(self._out) + 0.5), self._scale, self._length)

    def chroma(self, *, stored_left: bool, left: bool) -> Taps:
        places = 2.0 * np.arange(self._out // 2) + (0.5 if left else 1.0)
        centres = self._stored(places) / 2 + (0.25 if stored_left else 0.0)
        return bicubic_taps(centres, self._scale, (self._length + 1) // 2)

    def _stored(self, places: NDArray[np.floating]) -> NDArray[np.floating]:
        """Places of the result on the stored line."""
        upright = self._start + places * self._scale
        return self._length - upright if self._mirror else upright


def _lines(plane: Any) -> NDArray[np.uint8]:
    """All stored bytes of a plane [H, line size], not copied."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)


def _put(plane: Any, values: NDArray[np.uint8]) -> None:
    height, width = values.shape
    lines = _lines(plane)
    lines.flags.writeable = True
    lines[:height, :width] = values
