"""Antialiased bicubic resampling of single planes, compiled: the arithmetic of `resize_frames` at a tenth of its time.

Each plane is filtered along its rows' direction, turned, filtered again, and turned back, so that the inner loops run
over neighbouring numbers. No operation is fused or reordered: every processor gives the same bits.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

_A = -0.5  # of the cubic kernel, as Pillow's
_REACH = 2.0
_TILE = 32


@dataclass(frozen=True)
class Taps:
    """For each of M outputs on a line: which inputs count, and how much."""

    first: NDArray[np.int64]
    """[M], the first input."""
    count: NDArray[np.int64]
    """[M], how many inputs from there."""
    weights: NDArray[np.float32]
    """[M, K], of those inputs; they sum to one."""


def bicubic_taps(centres: NDArray[np.floating], scale: float, length: int) -> Taps:
    """Weights for outputs at given places of a line.

    Args:
        centres: [M], where each output lies; input n covers n to n + 1, so that its centre is n + 0.5.
        scale: inputs per output; the kernel widens by it where it is above one.
        length: number of inputs; beyond them the last one is repeated.

    Returns:
        Taps within 0 to `length`.
    """
    wide = max(scale, 1.0)
    low = np.floor(centres - _REACH * wide + 0.5).astype(np.int64)
    inputs = low[:, None] + np.arange(int(np.ceil(2 * _REACH * wide)) + 1)
    weights = _cubic(np.abs(inputs + 0.5 - centres[:, None]) / wide)
    weights /= weights.sum(axis=1, keepdims=True)
    inside = np.clip(inputs, 0, length - 1)
    first = inside.min(axis=1)
    count = np.ones(len(centres), np.int64)
    folded = np.zeros_like(weights)
    for index, row in enumerate(inside - first[:, None]):
        np.add.at(folded[index], row, weights[index])
        count[index] = np.flatnonzero(folded[index])[-1] + 1
    return Taps(first, count, folded[:, : count.max()].astype(np.float32))


def _cubic(x: NDArray[np.floating]) -> NDArray[np.floating]:
    inner = ((_A + 2) * x - (_A + 3)) * x * x + 1
    outer = (((x - 5) * x + 8) * x - 4) * _A
    return np.where(x < 1, inner, np.where(x < 2, outer, 0.0))


def resample(
    plane: NDArray[np.uint8], rows: Taps, columns: Taps, *, transpose: bool = False
) -> NDArray[np.uint8]:
    """Resample a plane.

    Args:
        plane: uint8 [H, W], C-contiguous; columns beyond those that `columns` names are not looked at.
        rows: of the outputs along the first axis.
        columns: of the outputs along the second.
        transpose: give the result's axes swapped.

    Returns:
        uint8 [rows, columns], or [columns, rows] if `transpose`.
    """
    filtered, turned, rounded, turned_back = _kernels()
    low, high = int(columns.first.min()), int((columns.first + columns.count).max())
    tall = np.empty((len(rows.first), high - low), np.float32)
    filtered(plane, low, rows.first, rows.count, rows.weights, tall)
    across = np.empty(tall.shape[::-1], np.float32)
    turned(tall, across)
    done = np.empty((len(columns.first), len(rows.first)), np.float32)
    filtered(across, 0, columns.first - low, columns.count, columns.weights, done)
    result = np.empty(done.shape if transpose else done.shape[::-1], np.uint8)
    (rounded if transpose else turned_back)(done, result)
    return result


@functools.cache
def _kernels() -> tuple[Callable[..., None], ...]:
    """Compiled at the first use on this machine, kept beside this file where that is allowed."""
    return tuple(_compiled(part) for part in (_filtered, _turned, _rounded, _turned_back))


def _compiled(function: Callable[..., None]) -> Callable[..., None]:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        made: Callable[..., None] = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to write to: compile in every process
        made = numba.njit(**options)(function)
    return made


def _filtered(plane: Any, low: int, first: Any, count: Any, weights: Any, out: Any) -> None:
    width = out.shape[1]
    for index in range(out.shape[0]):
        line = out[index]
        row = plane[first[index], low:]
        weight = weights[index, 0]
        for x in range(width):
            line[x] = weight * np.float32(row[x])
        for tap in range(1, count[index]):
            row = plane[first[index] + tap, low:]
            weight = weights[index, tap]
            for x in range(width):
                line[x] += weight * np.float32(row[x])


def _turned(plane: Any, out: Any) -> None:
    height, width = plane.shape
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            for x in range(left, min(left + _TILE, width)):
                for y in range(top, min(top + _TILE, height)):
                    out[x, y] = plane[y, x]


def _rounded(plane: Any, out: Any) -> None:
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            value = plane[y, x] + np.float32(0.5)
            out[y, x] = np.uint8(min(max(value, np.float32(0)), np.float32(255)))


def _turned_back(plane: Any, out: Any) -> None:
    height, width = plane.shape
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            for x in range(left, min(left + _TILE, width)):
                for y in range(top, min(top + _TILE, height)):
                    value = plane[y, x] + np.float32(0.5)
                    out[x, y] = np.uint8(min(max(value, np.float32(0)), np.float32(255)))
