"""Picture sheet: which frames it shows, where, and in what size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torchvision.io import ImageReadMode, read_image

from t2m_bench.core.errors import ShapeError
from t2m_bench.reports.sheet import SIDE, save_sheet, sheet


def _grey(level: int, size: int = 64) -> np.ndarray:
    return np.full((size, size, 3), level, dtype=np.uint8)


def test_first_and_last_frame_are_shown_real_above_predicted_below() -> None:
    picture = sheet((_grey(i) for i in range(11)), (_grey(100 + i) for i in range(11)), 11)
    assert picture.shape == (2 * SIDE + 4, 5 * SIDE + 4 * 4, 3)
    assert picture[10, 10, 0] == 0
    assert picture[10, -10, 0] == 10
    assert picture[-10, 10, 0] == 100
    assert picture[-10, -10, 0] == 110


def test_fewer_frames_than_columns() -> None:
    assert sheet([_grey(1), _grey(2)], [_grey(3), _grey(4)], 2).shape[1] == 2 * SIDE + 4


def test_nothing_to_show() -> None:
    with pytest.raises(ShapeError, match="a picture sheet of no frames"):
        sheet([], [], 0)


def test_png_round_trip(tmp_path: Path) -> None:
    picture = sheet([_grey(7, 300)], [_grey(9, 300)], 1)
    path = save_sheet(tmp_path / "a b" / "sheet.png", picture)
    read = read_image(str(path), ImageReadMode.RGB).permute(1, 2, 0).numpy()
    assert np.array_equal(read, picture)
