"""One decoded picture to RGB and back: colour matrix, range and orientation."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Literal

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

# swscale flags: bilinear, full chroma interpolation, accurate rounding, bit exact. Its default is faster, but it
# truncates (-1.2 levels on average) and differs between processors.
_FLAGS = 0x2 | 0x2000 | 0x40000 | 0x80000

Matrix = Literal["bt709", "bt601"]

_BT709, _BT601, _LIMITED, _FULL = 1, 5, 1, 2
_SMPTE170M = 6
_LIKE_BT601 = (2, 5, 6)  # unspecified is read as BT.601
# AVColorSpace of a frame -> swscale's number of the matrix.
_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}


@dataclass(frozen=True)
class Orientation:
    """How stored pixels must be turned to be shown: transpose first, then mirror."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @classmethod
    def from_matrix(cls, matrix: tuple[int, ...]) -> Orientation:
        """From a container's display matrix `a b u c d v x y w` (16.16 fixed point, y down), row vectors on the left:
        x' = ax + cy, y' = bx + dy. Angles that are no quarter turns are taken for the nearest one."""
        a, b, _, c, d = matrix[:5]
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(transpose=False, mirror_x=a < 0, mirror_y=d < 0)
        return cls(transpose=True, mirror_x=c < 0, mirror_y=b < 0)

    @property
    def degrees(self) -> int:
        """Clockwise turn that shows the picture upright: 0, 90, 180 or 270. A mirror image counts as its turn."""
        if self.transpose:
            return 90 if self.mirror_x else 270
        return 180 if self.mirror_y else 0

    def apply(self, picture: Picture) -> Picture:
        """Turn a picture [H, W, ...]; the result is C-contiguous, [W, H, ...] after a quarter turn."""
        if self.transpose:
            picture = picture.swapaxes(0, 1)
        if self.mirror_x:
            picture = picture[:, ::-1]
        if self.mirror_y:
            picture = picture[::-1]
        return np.ascontiguousarray(picture)


# By PyAV's `rotation`: quarter turns counter-clockwise.
_QUARTER_TURNS = (
    Orientation(),
    Orientation(transpose=True, mirror_y=True),
    Orientation(mirror_x=True, mirror_y=True),
    Orientation(transpose=True, mirror_x=True),
)


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """Orientation that the container asks for; upright where it says nothing."""
    try:
        data: Any = frame.side_data.get("DISPLAYMATRIX")
    except (ValueError, IndexError):  # a kind of side data that this PyAV has no name for; turns still count
        return _QUARTER_TURNS[round(frame.rotation / 90) % 4]
    if data is None or data.buffer_size < 36:
        return Orientation()
    return Orientation.from_matrix(struct.unpack("9i", bytes(data)[:36]))


def rgb_of(frame: av.VideoFrame, reformatter: VideoReformatter) -> Picture:
    """RGB picture [H, W, 3] uint8, full range, C-contiguous, turned upright.

    The frame's own matrix and range tags are used. A picture without tags is read as BT.601 limited range at every
    size, as ffmpeg and OpenCV do. An alpha channel is dropped.
    """
    rgb = reformatter.reformat(frame, format="rgb24", interpolation=_FLAGS, **_source_colours(frame))
    picture: Any = rgb.to_ndarray()
    return orientation_of(frame).apply(picture)


def _source_colours(frame: av.VideoFrame) -> dict[str, int]:
    name = frame.format.name
    if frame.format.is_rgb or name.startswith(("pal", "gray", "mono")):
        return {}
    full = int(frame.color_range) == _FULL or name.startswith("yuvj")
    return {
        "src_colorspace": _MATRIX.get(int(frame.colorspace), _BT601),
        "src_color_range": _FULL if full else _LIMITED,
        "dst_color_range": _FULL,
    }


def yuv_of(picture: Picture, reformatter: VideoReformatter) -> av.VideoFrame:
    """`yuv420p` frame of an RGB picture [H, W, 3] uint8 with even sides: BT.709 matrix, limited range, tagged so."""
    frame = reformatter.reformat(
        av.VideoFrame.from_ndarray(picture, format="rgb24"),
        format="yuv420p",
        interpolation=_FLAGS,
        src_color_range=_FULL,
        dst_colorspace=_BT709,
        dst_color_range=_LIMITED,
    )
    frame.colorspace = _BT709
    frame.color_range = _LIMITED
    return frame


def tag_colours(encoder: Any, matrix: Matrix) -> None:
    """Make an encoder's codec context announce the matrix and the limited range."""
    encoder.color_range = _LIMITED
    encoder.colorspace = _BT709 if matrix == "bt709" else _SMPTE170M
    if matrix == "bt709":
        encoder.color_primaries = 1
        encoder.color_trc = 1


def encodable(frame: av.VideoFrame, reformatter: VideoReformatter) -> tuple[av.VideoFrame, Matrix]:
    """A decoded frame as `yuv420p` of limited range, with its matrix; not turned.

    Most frames are so already and come back as they are. Other sampling, depth and range is converted and keeps its
    matrix; what is neither BT.601 nor BT.709 becomes BT.709.
    """
    colours = _source_colours(frame)
    if not colours or int(frame.colorspace) not in (_BT709, *_LIKE_BT601):
        picture: Any = reformatter.reformat(
            frame, format="rgb24", interpolation=_FLAGS, **colours
        ).to_ndarray()
        height, width = picture.shape[:2]
        return yuv_of(
            np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge"), reformatter
        ), "bt709"
    matrix: Matrix = "bt709" if int(frame.colorspace) == _BT709 else "bt601"
    if frame.format.name == "yuv420p" and colours["src_color_range"] == _LIMITED:
        return frame, matrix
    changed = reformatter.reformat(
        frame,
        format="yuv420p",
        interpolation=_FLAGS,
        src_colorspace=colours["src_colorspace"],
        dst_colorspace=colours["src_colorspace"],
        src_color_range=colours["src_color_range"],
        dst_color_range=_LIMITED,
    )
    return changed, matrix
