from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2m_bench.reports.drawing import stroke, text_size, tint, write

RED, BLACK = (255, 0, 0), (0, 0, 0)


def paper(height: int = 40, width: int = 60) -> np.ndarray:
    return np.full((height, width, 3), 255, dtype=np.uint8)


def test_a_line_covers_its_pixels_and_no_others() -> None:
    picture = paper()
    stroke(picture, [(10, 20.5), (50, 20.5)], BLACK, width=1)
    assert (picture[20, 11:49] == 0).all()
    assert (picture[18] == 255).all() and (picture[22] == 255).all()
    assert (picture[:, :8] == 255).all() and (picture[:, 53:] == 255).all()


def test_width_opacity_and_colour() -> None:
    picture = paper()
    stroke(picture, [(-5, 20), (70, 20)], RED, width=8, opacity=0.5)
    assert picture[20, 30].tolist() == [255, 128, 128]
    assert (np.abs(picture[:, 30, 1].astype(int) - 128) < 2).sum() == 8


def test_crossings_are_not_drawn_twice_and_gaps_interrupt() -> None:
    picture = paper()
    stroke(picture, [(5, 20), (55, 20), (30, 5), (30, 35)], BLACK, width=5, opacity=0.5)
    assert picture.min() == 128
    gap = paper()
    stroke(gap, [(5, 20), (20, 20), (np.nan, np.nan), (40, 20), (55, 20)], BLACK, width=3)
    assert (gap[:, 25:36] == 255).all() and gap[20, 12, 0] == 0 and gap[20, 48, 0] == 0


def test_closed_lines_come_back() -> None:
    square = [(10, 10), (50, 10), (50, 30), (10, 30)]
    open_, closed = paper(), paper()
    stroke(open_, square, BLACK, width=3)
    stroke(closed, square, BLACK, width=3, closed=True)
    assert open_[20, 10, 0] == 255 and closed[20, 10, 0] == 0


points = st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4) | st.just(float("nan")))


@settings(max_examples=40, deadline=None)
@given(st.lists(points, min_size=1, max_size=5), st.floats(0.5, 9), st.booleans())
def test_any_points_are_taken(path: list[tuple[float, float]], width: float, closed: bool) -> None:
    picture = paper(13, 17)
    stroke(picture, path, BLACK, width=width, closed=closed)
    assert picture.shape == (13, 17, 3)


def test_text_is_as_large_as_it_says() -> None:
    for scale in (1, 3):
        picture = paper(60, 200)
        write(picture, (7, 5), "E0E", BLACK, scale=scale)
        rows, columns = np.nonzero(picture[..., 0] == 0)
        width, height = text_size("E0E", scale)
        assert (columns.min(), rows.min()) == (7, 5)
        assert (columns.max() + 1 - 7, rows.max() + 1 - 5) == (width, height)
    edge = paper(8, 8)
    write(edge, (5, 4), "8888", BLACK)  # what does not fit is cut
    assert (edge == 0).any()


def test_tint_spares_the_person() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    alpha = np.zeros((20, 30), dtype=np.uint8)
    alpha[5:15, 5:15] = 255
    mixed = tint(picture, alpha, (10, 20, 30), 0.75)
    np.testing.assert_array_equal(mixed[alpha == 255], picture[alpha == 255])
    assert mixed[0, 0] == pytest.approx(0.25 * picture[0, 0] + 0.75 * np.array([10, 20, 30]), abs=0.6)
    np.testing.assert_array_equal(tint(picture, alpha, (0, 0, 0), 0.0), picture)
