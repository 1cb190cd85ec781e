"""The square around a head that holds for a whole clip: chosen by the face or by a window, and cut out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import NoFaceFound
from t2m_bench.core.method import Reporter
from t2m_bench.data.manifest import ClipRow
from t2m_bench.tracking.landmarks import LandmarkDetector

FACE_SHARE = 0.44
"""Width of the face box over the side of the crop: room for hair and shoulders (HDTF's crops have about 0.5)."""
LARGEST_FACE_SHARE = 0.65
"""A crop is made smaller to stay in the picture, rather than padded, until the face has this share."""
FACE_HEIGHT = 0.55
"""Where the centre of the face box lies in the crop, from the top."""
ROOM_FOR_MOTION = 1.25
"""A head that moves gets a crop of at least this many times what its face sweeps."""
LOOK_EVERY = 5
"""Every n-th frame is searched for a face."""


@dataclass(frozen=True)
class Crop:
    """A square of the source picture with square pixels; it may reach beyond the picture."""

    x: int
    """Left edge, pixels."""
    y: int
    """Top edge, pixels."""
    side: int
    """Pixels."""

    def reaches_beyond(self, size: tuple[int, int]) -> bool:
        """Whether a part of it lies outside a picture of this width and height."""
        return min(self.x, self.y) < 0 or self.x + self.side > size[0] or self.y + self.side > size[1]


def face_boxes(
    frames: Iterable[NDArray[np.uint8]], detector: LandmarkDetector, video: Path, report: Reporter
) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """Face boxes [N, 4] of every `LOOK_EVERY`th frame that shows a face, and the picture's (width, height).

    Args:
        frames: of a clip, upright, [H, W, 3].
        detector: finds the face.
        video: named in errors.
        report: takes progress, one step a frame.

    Raises:
        NoFaceFound: no frame looked at shows a face.
    """
    boxes, size, looked = [], (0, 0), 0
    for index, frame in enumerate(frames):
        report.advance()
        if index % LOOK_EVERY:
            continue
        looked += 1
        size = (frame.shape[1], frame.shape[0])
        face = detector.detect(frame)
        if face is not None:
            boxes.append(face.box)
    if not boxes:
        raise NoFaceFound(
            f"No face was found in any of {looked} frames of {video}",
            hint="Use a video where one face looks roughly at the camera and fills a fifth of the height or more",
        )
    return np.stack(boxes), size


def choose_crop(boxes: NDArray[np.float32], size: tuple[int, int]) -> Crop:
    """The square that shows head and shoulders of a face for a whole clip.

    Its side makes the median face `FACE_SHARE` wide, and is larger when the head moves about. It is made smaller to
    fit into the picture as long as the face keeps below `LARGEST_FACE_SHARE`, and is moved into the picture
    where it fits.

    Args:
        boxes: face boxes x0, y0, x1, y1 in pixels, [N, 4].
        size: width and height of the picture.
    """
    face = float(np.median(boxes[:, 2] - boxes[:, 0]))
    # Percentiles: one false detection must not decide.
    low, high = np.percentile(boxes[:, :2], 5, axis=0), np.percentile(boxes[:, 2:], 95, axis=0)
    sweep = float((high - low).max())
    wanted = max(face / FACE_SHARE, ROOM_FOR_MOTION * sweep)
    smallest = max(face / LARGEST_FACE_SHARE, sweep)
    side = max(2, round(min(wanted, max(smallest, min(size)))))
    centre_x, centre_y = (float(np.median(boxes[:, [axis, axis + 2]].mean(axis=1))) for axis in (0, 1))
    x = inside(round(centre_x - side / 2), side, size[0])
    y = inside(round(centre_y - side * FACE_HEIGHT), side, size[1])
    return Crop(x, y, side)


def inside(start: int, side: int, length: int) -> int:
    """`start` moved so that `side` lies within `length`; where it cannot, so that all of `length` is shown."""
    low, high = sorted((0, length - side))
    return min(max(start, low), high)


def cut_out(
    frame: NDArray[np.uint8],  # [H, W, 3]
    crop: Crop,
) -> NDArray[np.uint8]:
    """The crop of a frame, [side, side, 3]; beyond the picture its edge is repeated."""
    rows = np.clip(np.arange(crop.y, crop.y + crop.side), 0, frame.shape[0] - 1)
    columns = np.clip(np.arange(crop.x, crop.x + crop.side), 0, frame.shape[1] - 1)
    return frame[rows[:, None], columns[None, :]]


def window_crop(row: ClipRow, size: tuple[int, int]) -> Crop:
    """The square of a manifest row's window in a picture of another size.

    The window is scaled by the picture's height over the one it was measured at, made square about its centre by its
    longer side, and moved into the picture; where it is larger than the picture it reaches beyond. It is not
    enlarged by `zoom`, which it includes already.

    Args:
        row: with a window.
        size: width and height of the upright picture with square pixels.
    """
    if row.x is None or row.y is None or row.width is None or row.height is None or not row.reference_height:
        raise ValueError(f"row {row.id} has no window")
    scale = size[1] / row.reference_height
    side = max(2, round(max(row.width, row.height) * scale))
    x = round((row.x + row.width / 2) * scale - side / 2)
    y = round((row.y + row.height / 2) * scale - side / 2)
    return Crop(inside(x, side, size[0]), inside(y, side, size[1]), side)


def zoomed(crop: Crop, zoom: float, size: tuple[int, int]) -> Crop:
    """The crop with its side times `zoom` about its centre, moved into the picture."""
    side = max(2, round(crop.side * zoom))
    x, y = (round(start + crop.side / 2 - side / 2) for start in (crop.x, crop.y))
    return Crop(inside(x, side, size[0]), inside(y, side, size[1]), side)


def square_pixels(pixel_aspect: float, rotation: int) -> float:
    """Factor for the width, as shown, that makes pixels square.

    Args:
        pixel_aspect: width of a stored pixel over its height.
        rotation: clockwise turn, in degrees, that showing the picture needs.
    """
    aspect = pixel_aspect if rotation in (0, 180) else 1 / pixel_aspect
    return aspect if abs(aspect - 1) > 1e-3 else 1.0
