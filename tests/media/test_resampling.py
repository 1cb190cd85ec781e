"""Compiled resampling equals `resize_frames`; cutting keeps place, colour and orientation of any stored format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from hypothesis import given, settings
from hypothesis import strategies as st

from t2m_bench.core.errors import ShapeError
from t2m_bench.media.container import decode_video
from t2m_bench.media.cutting import Cutter
from t2m_bench.media.picture import Orientation, rgb_of
from t2m_bench.media.resampling import bicubic_taps, resample
from t2m_bench.media.video import VideoWriter, resize_frames


def taps(length: int, start: float, side: float, out: int) -> Any:
    return bicubic_taps(start + (np.arange(out) + 0.5) * side / out, side / out, length)


@settings(max_examples=25, deadline=None)
@given(st.integers(8, 70), st.integers(8, 70), st.integers(4, 60), st.integers(4, 60), st.integers(0, 99))
def test_a_whole_plane_is_resized_as_resize_frames_does(
    height: int, width: int, rows: int, columns: int, seed: int
) -> None:
    plane = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    found = resample(plane, taps(height, 0, height, rows), taps(width, 0, width, columns))
    expected = resize_frames(plane[None, :, :, None], (columns, rows))[0, :, :, 0]
    # Where the kernel reaches beyond the border one repeats the edge, the other leaves it out.
    inner = tuple(
        slice(margin, -margin)
        for margin in (int(2 * max(out / size, 1)) + 2 for out, size in ((rows, height), (columns, width)))
    )
    assert np.abs(found[inner].astype(int) - expected[inner]).max(initial=0) <= 1
    turned = resample(plane, taps(height, 0, height, rows), taps(width, 0, width, columns), transpose=True)
    assert np.array_equal(turned, found.T)


def test_weights_sum_to_one_and_stay_inside() -> None:
    for length, start, side, out in (
        (10, 0.0, 10.0, 7),
        (10, -8.0, 30.0, 9),
        (5, 1.3, 2.0, 64),
        (1, 0.0, 1.0, 8),
    ):
        found = taps(length, start, side, out)
        assert np.allclose(found.weights.sum(axis=1), 1, atol=1e-6)
        assert found.first.min() >= 0 and (found.first + found.count).max() <= length


def stored(
    format_name: str, matrix: int, *, full: bool = False
) -> tuple[av.VideoFrame, np.ndarray[Any, Any]]:
    """A smooth picture [96, 128, 3] stored in some way."""
    y, x = np.mgrid[0:96, 0:128]
    picture = np.stack([x * 2, y * 2.5, 255 - x - y], -1).clip(0, 255).astype(np.uint8)
    colours: dict[str, Any] = {}
    if not format_name.startswith(("rgb", "gbr")):
        colours = {
            "src_color_range": 2,
            "dst_color_range": 2 if full else 1,
            "dst_colorspace": matrix if matrix != 2 else 5,
        }
    frame = VideoReformatter().reformat(
        av.VideoFrame.from_ndarray(picture, format="rgb24"), format=format_name, **colours
    )
    if colours:
        frame.colorspace, frame.color_range = matrix, 2 if full else 1
    return frame, picture


@pytest.mark.parametrize(
    ("name", "matrix", "full"),
    [
        ("yuv420p", 1, False),
        ("yuv420p", 2, False),
        ("yuv420p", 5, True),
        ("yuv422p", 1, False),
        ("yuv444p10le", 1, False),
        ("yuv420p10le", 5, False),
        ("nv12", 1, False),
        ("yuvj420p", 5, True),
        ("rgb24", 0, True),
    ],
)
def test_a_cut_keeps_place_and_colour(name: str, matrix: int, full: bool) -> None:
    frame, picture = stored(name, matrix, full=full)
    cutter = Cutter((128, 96), Orientation(), corner=(21, 11), side=70, stretch=1.0, out=112)
    cut, tag = cutter.cut(frame)
    assert tag == ("bt709" if matrix in (0, 1) else "bt601")
    expected = resize_frames(picture[None, 11:81, 21:91], (112, 112))[0].astype(int)
    assert np.abs(rgb_of(cut, VideoReformatter()) - expected)[3:-3, 3:-3].mean() < 1.6


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("mirror_x", [False, True])
@pytest.mark.parametrize("mirror_y", [False, True])
def test_all_orientations(transpose: bool, mirror_x: bool, mirror_y: bool) -> None:
    frame, picture = stored("yuv420p", 1)
    orientation = Orientation(transpose, mirror_x, mirror_y)
    upright = orientation.apply(picture)
    cutter = Cutter((128, 96), orientation, corner=(13, 17), side=64, stretch=1.0, out=96)
    expected = resize_frames(upright[None, 17:81, 13:77], (96, 96))[0].astype(int)
    assert np.abs(rgb_of(cutter.cut(frame)[0], VideoReformatter()) - expected).mean() < 1.6


def test_pixels_that_are_not_square() -> None:
    frame, picture = stored("yuv420p", 1)
    cutter = Cutter((128, 96), Orientation(), corner=(40, 8), side=80, stretch=2.0, out=80)
    wide = resize_frames(picture[None], (256, 96))[0]
    expected = wide[8:88, 40:120].astype(int)
    assert np.abs(rgb_of(cutter.cut(frame)[0], VideoReformatter()) - expected).mean() < 1.6


def test_frames_are_written_as_they_are(tmp_path: Path) -> None:
    frame, picture = stored("yuv420p", 5)
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 25, (128, 96), crf=1, preset="superfast", matrix="bt601") as video:
        video.write_yuv(frame)
        other, _ = stored("yuv422p", 5)
        with pytest.raises(
            ShapeError, match="frame 1 of .*a.mp4 must be yuv420p 128x96 for H.264, got yuv422p"
        ):
            video.write_yuv(other)
    found = next(decode_video(path)).frame
    assert (int(found.colorspace), int(found.color_range)) == (6, 1)
    assert np.abs(rgb_of(found, VideoReformatter()).astype(int) - picture).mean() < 2
