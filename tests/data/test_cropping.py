"""Which square of the picture becomes the clip."""

from __future__ import annotations

import numpy as np
import pytest
from data_samples import picture
from hypothesis import given
from hypothesis import strategies as st

from t2m_bench.data import cropping
from t2m_bench.data.cropping import Crop, choose_crop, cut_out, square_pixels, window_crop, zoomed
from t2m_bench.data.manifest import ClipRow

_SIDES = st.integers(64, 1920)


@given(_SIDES, _SIDES, st.floats(0.05, 0.9), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_a_crop_lies_in_the_picture_unless_the_face_is_too_large(
    width: int, height: int, share: float, x: float, y: float
) -> None:
    face = share * min(width, height)
    box = np.array(
        [x * (width - face), y * (height - face), x * (width - face) + face, y * (height - face) + face]
    )
    crop = choose_crop(np.tile(box, (3, 1)).astype(np.float32), (width, height))
    got = face / crop.side
    assert cropping.FACE_SHARE * 0.9 < got < cropping.LARGEST_FACE_SHARE * 1.1 or crop.side < 12
    for start, length, low, high in ((crop.x, width, box[0], box[2]), (crop.y, height, box[1], box[3])):
        if crop.side <= length:
            assert start >= 0 and start + crop.side <= length
        else:
            assert start <= 0 and start + crop.side >= length
        assert start <= low + 1.5 and high - 1.5 <= start + crop.side


def test_a_head_that_moves_gets_a_larger_crop_and_one_outlier_does_not() -> None:
    still = np.tile(np.float32([400, 400, 500, 520]), (50, 1))
    moving = still + np.linspace(0, 300, 50, dtype=np.float32)[:, None] * np.float32([1, 0, 1, 0])
    stray = still.copy()
    stray[7] = (0, 0, 50, 50)
    size = (1280, 1000)
    assert choose_crop(still, size).side == round(100 / cropping.FACE_SHARE)
    assert choose_crop(stray, size) == choose_crop(still, size)
    crop = choose_crop(moving, size)
    assert crop.side > 400 and crop.x < 400 and crop.x + crop.side > 800


def test_beyond_the_picture_the_edge_is_repeated() -> None:
    frame = picture(0, (8, 6))
    out = cut_out(frame, Crop(-2, -1, 10))
    assert out.shape == (10, 10, 3)
    assert np.array_equal(out[1:7, 2:10], frame)
    assert np.array_equal(out[0], out[1]) and np.array_equal(out[9], out[6])
    assert np.array_equal(out[:, 0], out[:, 2])


def _row(x: int, y: int, width: int, height: int, reference_height: int, zoom: float = 1.0) -> ClipRow:
    return ClipRow.model_validate(
        {
            "id": "a", "speaker": "s", "language": "en", "video": "v", "zoom": zoom,
            "x": x, "y": y, "width": width, "height": height, "reference_height": reference_height,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "size", "expected"),
    [
        (_row(483, 0, 390, 390, 720), (1280, 720), Crop(483, 0, 390)),
        (_row(483, 0, 390, 390, 720), (1920, 1080), Crop(724, 0, 585)),  # 724.5 to even
        (_row(483, 0, 390, 390, 720), (640, 360), Crop(242, 0, 195)),
        (_row(100, 200, 300, 200, 720), (1280, 720), Crop(100, 150, 300)),  # square about its centre
        (_row(1000, 500, 400, 400, 720), (1280, 720), Crop(880, 320, 400)),  # moved into the picture
        (_row(0, 0, 800, 800, 720), (1280, 720), Crop(0, 0, 800)),  # too tall: all of the height is shown
        (_row(483, 0, 390, 390, 720, zoom=1.2), (1280, 720), Crop(483, 0, 390)),  # a window includes its zoom
    ],
)
def test_a_window_is_scaled_squared_and_moved_inside(
    row: ClipRow, size: tuple[int, int], expected: Crop
) -> None:
    assert window_crop(row, size) == expected
    assert expected.reaches_beyond(size) == (expected.side > min(size))


def test_zoom_is_about_the_centre() -> None:
    assert zoomed(Crop(100, 100, 100), 1.2, (1280, 720)) == Crop(90, 90, 120)
    assert zoomed(Crop(0, 5, 100), 1.2, (1280, 720)) == Crop(0, 0, 120)


def test_square_pixels() -> None:
    assert square_pixels(2.0, 0) == 2.0 and square_pixels(2.0, 90) == 0.5 and square_pixels(1.0004, 0) == 1.0
