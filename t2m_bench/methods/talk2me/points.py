"""Where the Gaussians start: on the tracked face mesh, in the mouth, and on the hull of hair, neck and shoulders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2m_bench.tracking.canonical import FACE_OVAL, LIPS_INNER, LIPS_OUTER, MESH_POINTS, canonical_face
from t2m_bench.tracking.geometry import project, transform

Array = NDArray[np.float64]

_REFERENCE_SHARE = 0.7
_PERSON = 250
"""A pixel darker than this in any channel is no longer the white background."""


@dataclass(frozen=True)
class View:
    """One training frame to take points and colours from."""

    image: NDArray[np.uint8]
    """[H, W, 3] RGB on white."""
    pose: Array
    """[4, 4] head to camera, decimetres."""


@dataclass(frozen=True)
class PointCloud:
    """Start values of the Gaussians, in canonical space."""

    position: NDArray[np.float32]
    """[N, 3] decimetres."""
    colour: NDArray[np.float32]
    """[N, 3] in [0, 1]."""
    mouth: NDArray[np.bool_]
    """[N] True for points of the mouth cavity."""


def start_points(
    shape: Array, views: Sequence[View], focal: float, counts: tuple[int, int, int], seed: int
) -> PointCloud:
    """Place all Gaussians.

    Args:
        shape: [478, 3] neutral landmarks, decimetres.
        views: the first is the frame nearest to the mean pose and gives most hull points, the others see the sides.
        focal: pixels, for images of the views' size.
        counts: points on the face, in the mouth, on the hull.
        seed: of the sampling.
    """
    rng = np.random.default_rng(seed)
    face = _face_points(shape, counts[0], rng)
    mouth = _mouth_points(shape, counts[1], rng)
    near = [face, mouth]
    colours = [_colours(points, views[0], focal) for points in near]
    shares = _shares(counts[2], len(views))
    for view, share in zip(views, shares, strict=True):
        points, colour = _hull_points(shape, view, focal, share, rng)
        near.append(points)
        colours.append(colour)
    position = np.concatenate(near).astype(np.float32)
    is_mouth = np.zeros(len(position), dtype=np.bool_)
    is_mouth[len(face) : len(face) + len(mouth)] = True
    return PointCloud(position, np.concatenate(colours).astype(np.float32), is_mouth)


def choose_views(numbers: NDArray[np.float32], valid: NDArray[np.bool_]) -> list[int]:
    """Frames to start from: the one nearest to the mean pose, then the four extremes of pitch and yaw.

    Args:
        numbers: [T, 6] standardised pose numbers.
        valid: [T] frames with a face.
    """
    good = np.flatnonzero(valid)
    pose = numbers[good]
    chosen = [int(good[np.linalg.norm(pose, axis=1).argmin()])]
    for axis in (0, 1):
        chosen += [int(good[pose[:, axis].argmin()]), int(good[pose[:, axis].argmax()])]
    return chosen


def _face_points(shape: Array, count: int, rng: np.random.Generator) -> Array:
    """Uniform by area on the face mesh."""
    corners = shape[:MESH_POINTS][canonical_face().faces]  # [F, 3, 3]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    triangle = rng.choice(len(corners), size=count, p=area / area.sum())
    u, v = np.sort(rng.random((2, count)), axis=0)
    weights = np.stack([u, v - u, 1 - v], axis=1)
    return np.asarray(np.einsum("nk,nki->ni", weights, corners[triangle]))


def _mouth_points(shape: Array, count: int, rng: np.random.Generator) -> Array:
    """A box behind the lips: as wide as the mouth, as high as the lips, three centimetres deep."""
    lips = shape[[*LIPS_OUTER, *LIPS_INNER]]
    low, high = lips.min(axis=0), lips.max(axis=0)
    middle, half = (low + high) / 2, (high - low) / 2
    box_low = np.array([middle[0] - 0.8 * half[0], middle[1] - 0.9 * half[1], low[2] - 0.3])
    box_high = np.array([middle[0] + 0.8 * half[0], middle[1] + 0.9 * half[1], low[2] + 0.02])
    return box_low + rng.random((count, 3)) * (box_high - box_low)


def _hull_points(
    shape: Array, view: View, focal: float, count: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Cast person pixels outside the face oval to a surface that falls back with the distance from the oval."""
    height, width = view.image.shape[:2]
    person = (view.image < _PERSON).any(axis=2)
    oval = project(transform(view.pose[None], shape[list(FACE_OVAL)])[0], focal, (width, height))
    rows, columns = np.nonzero(person & ~_inside(oval, width, height))
    if not len(rows):
        rows, columns = np.nonzero(~_inside(oval, width, height))
    picked = rng.choice(len(rows), size=count, replace=len(rows) < count)
    pixels = np.stack([columns[picked], rows[picked]], axis=1) + rng.random((count, 2))
    colour = view.image[rows[picked], columns[picked]] / 255.0

    rays = np.concatenate([(pixels - [width / 2, height / 2]) / focal, np.ones((count, 1))], axis=1)
    direction = rays @ view.pose[:3, :3]
    origin = -view.pose[:3, :3].T @ view.pose[:3, 3]
    outline = shape[list(FACE_OVAL), :2]
    depth = np.full(count, -0.25)
    for _ in range(4):  # the depth depends on where the ray lands, and the other way round
        step = (depth - origin[2]) / direction[:, 2]
        landed = origin + step[:, None] * direction
        distance = _distance_to_outline(landed[:, :2], outline)
        depth = -0.25 - 0.75 * np.minimum(1.0, distance) ** 0.7
    step = (depth - origin[2]) / direction[:, 2]
    return origin + step[:, None] * direction, colour


def _colours(points: Array, view: View, focal: float) -> Array:
    height, width = view.image.shape[:2]
    pixel = project(transform(view.pose[None], points)[0], focal, (width, height))
    column, row = np.floor(pixel).astype(np.int64).clip([0, 0], [width - 1, height - 1]).T
    return np.asarray(view.image[row, column] / 255.0)


def _shares(count: int, views: int) -> list[int]:
    if views == 1:
        return [count]
    side = int(count * (1 - _REFERENCE_SHARE)) // (views - 1)
    return [count - side * (views - 1), *[side] * (views - 1)]


def _inside(polygon: Array, width: int, height: int) -> NDArray[np.bool_]:
    """[H, W] mask of pixel centres inside a polygon [K, 2], by the even-odd rule."""
    x = np.arange(width) + 0.5
    mask = np.zeros((height, width), dtype=np.bool_)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        y = np.arange(height) + 0.5
        crossing = (y0 > y) != (y1 > y)
        if crossing.any():
            at = x0 + (y[crossing] - y0) / (y1 - y0) * (x1 - x0)
            mask[crossing] ^= x[None] < at[:, None]
    return mask


def _distance_to_outline(points: Array, outline: Array) -> Array:
    """Distance [N] of points [N, 2] to a closed polyline [K, 2]."""
    start = outline
    edge = np.roll(outline, -1, axis=0) - start  # [K, 2]
    offset = points[:, None] - start  # [N, K, 2]
    along = np.einsum("nki,ki->nk", offset, edge) / np.einsum("ki,ki->k", edge, edge)
    foot = offset - along.clip(0, 1)[..., None] * edge
    return np.asarray(np.sqrt(np.einsum("nki,nki->nk", foot, foot).min(axis=1)))
