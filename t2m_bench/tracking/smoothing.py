"""Head poses without the detector's tremor, and without a delay."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import ShapeError

WINDOW = 5
ORDER = 3

Array = NDArray[np.float64]


def smooth_poses(pose: NDArray[np.floating], valid: NDArray[np.bool_]) -> Array:
    """Savitzky-Golay filter (5 frames, cubic) on translations and rotation matrices; the latter are then made
    rotations again.

    A symmetric filter has no lag. Each unbroken run of valid frames is filtered by itself: nothing flows over a gap.
    Frames near the ends of a run get the cubic of the nearest five; runs of fewer than five frames stay.

    Args:
        pose: [T, 4, 4] rigid.
        valid: [T] bool; invalid frames are returned as they are.

    Returns:
        [T, 4, 4] rigid.

    Raises:
        ShapeError: the shapes do not fit.
    """
    if pose.ndim != 3 or pose.shape != (len(valid), 4, 4):
        raise ShapeError(f"pose must have shape [{len(valid)}, 4, 4], got {list(pose.shape)}")
    smooth = np.array(pose, dtype=np.float64)
    for start, stop in _runs(valid):
        if stop - start >= WINDOW:
            smooth[start:stop, :3] = _filtered(smooth[start:stop, :3])
            u, _, vt = np.linalg.svd(smooth[start:stop, :3, :3])
            u[..., 2] *= np.linalg.det(u @ vt)[:, None]
            smooth[start:stop, :3, :3] = u @ vt
    return smooth


def _runs(valid: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], valid, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _filtered(values: Array) -> Array:
    """[T, ...] along the first axis, T >= `WINDOW`."""
    powers = np.vander(np.arange(WINDOW) - WINDOW // 2, ORDER + 1).astype(np.float64)
    fit = powers @ np.linalg.pinv(
        powers
    )  # [5, 5]: from five values to the cubic nearest to them, at each of the five
    windows = np.lib.stride_tricks.sliding_window_view(values, WINDOW, axis=0)  # [T - 4, ..., 5]
    half = WINDOW // 2
    return np.concatenate(
        [
            np.moveaxis(windows[0] @ fit[:half].T, -1, 0),
            windows @ fit[half],
            np.moveaxis(windows[-1] @ fit[half + 1 :].T, -1, 0),
        ]
    )
