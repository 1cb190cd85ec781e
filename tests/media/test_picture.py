"""Colour matrices, ranges and orientation of single pictures."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from t2m_bench.media.picture import Orientation, Picture, rgb_of, yuv_of

ONE = 1 << 16
MATRICES = {
    "upright": (ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30),
    "clockwise": (0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30),
    "upside_down": (-ONE, 0, 0, 0, -ONE, 0, 0, 0, 1 << 30),
    "counter_clockwise": (0, -ONE, 0, ONE, 0, 0, 0, 0, 1 << 30),
    "mirrored": (-ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30),
    "flipped": (ONE, 0, 0, 0, -ONE, 0, 0, 0, 1 << 30),
    "transposed": (0, ONE, 0, ONE, 0, 0, 0, 0, 1 << 30),
    "anti_transposed": (0, -ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30),
}
PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def shown(picture: Picture, matrix: tuple[int, ...]) -> Picture:
    """Slow twin: move each pixel by the matrix, then shift the result into the positive quadrant."""
    a, b, _, c, d = (value // ONE for value in matrix[:5])
    height, width = picture.shape[:2]
    moved = {(a * x + c * y, b * x + d * y): picture[y, x] for y in range(height) for x in range(width)}
    left, top = min(x for x, _ in moved), min(y for _, y in moved)
    size = (width, height) if b else (height, width)
    out = np.zeros((*size, 3), np.uint8)
    for (x, y), value in moved.items():
        out[y - top, x - left] = value
    return out


@pytest.mark.parametrize("name", MATRICES)
def test_orientation_moves_each_pixel_where_the_matrix_says(name: str) -> None:
    turned = Orientation.from_matrix(MATRICES[name]).apply(PICTURE)
    np.testing.assert_array_equal(turned, shown(PICTURE, MATRICES[name]))
    assert turned.flags.c_contiguous


@pytest.mark.parametrize(
    ("name", "degrees", "turns"),
    [("upright", 0, 0), ("clockwise", 90, -1), ("upside_down", 180, 2), ("counter_clockwise", 270, 1)],
)
def test_degrees_are_clockwise(name: str, degrees: int, turns: int) -> None:
    orientation = Orientation.from_matrix(MATRICES[name])
    assert orientation.degrees == degrees
    np.testing.assert_array_equal(orientation.apply(PICTURE), np.rot90(PICTURE, turns))


def test_slanted_angles_go_to_the_nearest_quarter() -> None:
    cos, sin = round(0.9 * ONE), round(0.436 * ONE)
    assert Orientation.from_matrix((cos, sin, 0, -sin, cos, 0, 0, 0, 1 << 30)) == Orientation()


def flat(red: int, green: int, blue: int) -> Picture:
    return np.broadcast_to(np.array([red, green, blue], np.uint8), (8, 8, 3)).copy()


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_bt709_planes_are_those_of_the_standard(colour: tuple[int, int, int]) -> None:
    frame = yuv_of(flat(*colour), VideoReformatter())
    red, green, blue = (value / 255 for value in colour)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    expected = (16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748)
    got = [int(np.frombuffer(plane, np.uint8)[0]) for plane in frame.planes]
    np.testing.assert_allclose(got, expected, atol=1.0)
    assert (int(frame.colorspace), int(frame.color_range)) == (1, 1)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_colours_survive_yuv_and_back(colour: tuple[int, int, int]) -> None:
    back = rgb_of(yuv_of(flat(*colour), VideoReformatter()), VideoReformatter())
    np.testing.assert_allclose(back[4, 4].astype(int), colour, atol=3)


def constant_yuv(luma: int, blue: int, red: int, *, name: str = "yuv420p") -> av.VideoFrame:
    planes = np.concatenate([np.full(64, luma), np.full(16, blue), np.full(16, red)]).astype(np.uint8)
    return av.VideoFrame.from_ndarray(planes.reshape(12, 8), format=name)


@pytest.mark.parametrize(
    ("space", "kr", "kb"), [(2, 0.299, 0.114), (1, 0.2126, 0.0722), (6, 0.299, 0.114), (9, 0.2627, 0.0593)]
)
def test_each_matrix_is_read_by_its_tag(space: int, kr: float, kb: float) -> None:
    """2 is "unspecified", which is read as BT.601 as ffmpeg and OpenCV do."""
    frame = constant_yuv(120, 110, 160)
    frame.colorspace = space
    y, cb, cr = (120 - 16) / 219, (110 - 128) / 224, (160 - 128) / 224
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    got = rgb_of(frame, VideoReformatter())[4, 4]
    np.testing.assert_allclose(got, np.array([red, green, blue]) * 255, atol=1.5)


def test_full_range_is_read_by_tag_and_by_name() -> None:
    limited = rgb_of(constant_yuv(100, 128, 128), VideoReformatter())[4, 4]
    np.testing.assert_allclose(limited, round((100 - 16) * 255 / 219), atol=1)
    tagged = constant_yuv(100, 128, 128)
    tagged.color_range = 2
    np.testing.assert_allclose(rgb_of(tagged, VideoReformatter())[4, 4], 100, atol=1)
    np.testing.assert_allclose(
        rgb_of(constant_yuv(100, 128, 128, name="yuvj420p"), VideoReformatter())[4, 4], 100, atol=1
    )


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 70), st.just(3))))
def test_rgb_frames_pass_unchanged(picture: Picture) -> None:
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    for name in ("rgb24", "bgr0", "gbrp"):
        got = rgb_of(frame.reformat(format=name), VideoReformatter())
        np.testing.assert_array_equal(got, picture)
        assert got.flags.c_contiguous and got.flags.writeable
