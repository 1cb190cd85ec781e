"""Picture sheet of one prediction: real frames above, the same moments of the prediction below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from t2m_bench.core.atomic import atomic_path
from t2m_bench.core.errors import ShapeError

Picture = NDArray[np.uint8]

COLUMNS = 5
SIDE = 256
"""Height of one frame in the sheet, pixels."""
_GAP = 4


def sheet(
    real: Iterable[Picture], predicted: Iterable[Picture], frames: int, columns: int = COLUMNS
) -> Picture:
    """Lay evenly spaced frames out in two rows.

    Args:
        real: frames [H, W, 3] uint8 RGB in order; read once.
        predicted: the same.
        frames: how many there are of each.
        columns: how many to show, fewer if there are fewer.

    Returns:
        [2 * 256 + gap, W, 3] uint8 on white.

    Raises:
        ShapeError: there is no frame to show.
    """
    if frames < 1:
        raise ShapeError("a picture sheet of no frames")
    wanted = sorted({round(i) for i in np.linspace(0, frames - 1, min(columns, frames))})
    rows = [_row(_pick(source, wanted)) for source in (real, predicted)]
    width = max(row.shape[1] for row in rows)
    canvas = np.full((2 * SIDE + _GAP, width, 3), 255, dtype=np.uint8)
    for top, row in zip((0, SIDE + _GAP), rows, strict=True):
        canvas[top : top + SIDE, : row.shape[1]] = row
    return canvas


def save_sheet(path: Path, picture: Picture) -> Path:
    """Write a picture [H, W, 3] uint8 RGB as PNG, atomically."""
    encoder: Any = av.CodecContext.create("png", "w")
    encoder.height, encoder.width = picture.shape[:2]
    encoder.pix_fmt, encoder.time_base = "rgb24", Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    with atomic_path(path) as temporary:
        temporary.write_bytes(
            b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
        )
    return path


def _pick(source: Iterable[Picture], wanted: list[int]) -> Iterator[Picture]:
    for index, frame in enumerate(source):
        if index in wanted:
            yield frame
        if index >= wanted[-1]:
            return


def _row(frames: Iterable[Picture]) -> Picture:
    cells: list[Picture] = []
    for frame in frames:
        height, width = frame.shape[:2]
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        small = picture.reformat(max(1, round(width * SIDE / height)), SIDE, interpolation=Interpolation.AREA)
        cells.append(np.asarray(small.to_ndarray(format="rgb24"), dtype=np.uint8))
        cells.append(np.full((SIDE, _GAP, 3), 255, dtype=np.uint8))
    return np.concatenate(cells[:-1], axis=1)
