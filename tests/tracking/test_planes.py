from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from t2m_bench.tracking.planes import box_mean, guided_filter, resized

sides = st.integers(1, 40)


@settings(max_examples=60, deadline=None)
@given(sides, sides, sides, sides)
def test_resized_equals_the_antialiased_resize_of_torch(h: int, w: int, height: int, width: int) -> None:
    planes = np.random.default_rng(h * 41 + w).random((2, h, w), dtype=np.float32)
    np.testing.assert_allclose(
        resized(planes, height, width), _torch_resized(planes, height, width), atol=2e-5
    )


def _torch_resized(planes: np.ndarray, height: int, width: int) -> np.ndarray:
    """torch's resize, one axis after the other.

    In one call it repeats rows where the result is one pixel wide (2 rows to 3 give 0, 0, 0 in place of 0, .5, 1), so
    the heights are changed on a picture of at least two columns.
    """
    picture = torch.from_numpy(np.repeat(planes, 2, axis=2) if planes.shape[2] == 1 else planes)[None]
    for size in ((height, picture.shape[3]), (height, width)):
        picture = torch.nn.functional.interpolate(
            picture, size, mode="bilinear", antialias=True, align_corners=False
        )
    return picture[0].numpy()


def test_one_pixel_wide_picture_is_resized_along_its_height() -> None:
    column = np.array([0.0, 1.0], dtype=np.float32).reshape(1, 2, 1)
    np.testing.assert_allclose(resized(column, 3, 1).ravel(), [0.0, 0.5, 1.0], atol=1e-6)


@pytest.mark.parametrize("radius", [0, 1, 3])
def test_box_mean_equals_the_plain_loop(radius: int) -> None:
    planes = np.random.default_rng(0).random((2, 7, 9), dtype=np.float32)
    padded = np.pad(planes, ((0, 0), (radius, radius), (radius, radius)), mode="edge")
    expected = np.empty_like(planes)
    for y in range(7):
        for x in range(9):
            expected[:, y, x] = padded[:, y : y + 2 * radius + 1, x : x + 2 * radius + 1].mean(axis=(1, 2))
    np.testing.assert_allclose(box_mean(planes, radius), expected, rtol=1e-5)


def test_guided_filter_equals_its_definition() -> None:
    rng = np.random.default_rng(1)
    guide, plane = rng.random((3, 8, 8)), rng.random((1, 8, 8))
    padded = [np.pad(array, ((0, 0), (1, 1), (1, 1)), mode="edge") for array in (guide, plane)]
    slope, offset = np.empty((3, 8, 8)), np.empty((8, 8))
    for y in range(8):
        for x in range(8):
            colours = padded[0][:, y : y + 3, x : x + 3].reshape(3, 9)
            levels = padded[1][0, y : y + 3, x : x + 3].reshape(9)
            covariance = np.cov(colours, bias=True) + 1e-2 * np.eye(3)
            joint = (colours * levels).mean(axis=1) - colours.mean(axis=1) * levels.mean()
            slope[:, y, x] = np.linalg.solve(covariance, joint)
            offset[y, x] = levels.mean() - slope[:, y, x] @ colours.mean(axis=1)
    model = box_mean(np.concatenate([slope, offset[None]]).astype(np.float32), 1)
    expected = (model[:3] * guide).sum(axis=0) + model[3]
    found = guided_filter(guide.astype(np.float32), plane.astype(np.float32), 1, 1e-2)
    np.testing.assert_allclose(found[0], expected, atol=1e-4)


def test_guided_filter_moves_an_edge_to_the_edge_of_the_picture() -> None:
    guide = np.zeros((3, 32, 32), dtype=np.float32)
    guide[0, :, 16:] = 1.0
    plane = np.zeros((1, 32, 32), dtype=np.float32)
    plane[..., 14:] = 1.0  # two pixels too far out
    found = guided_filter(guide, plane, 3, 1e-3)[0]
    assert (found[:, 16:] > 0.95).all()
    assert (found[:, 14:16] < 0.65).all()  # was 1
