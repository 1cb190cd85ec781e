"""Software rasteriser: z-buffer, attribute interpolation, shadow map and screen-space ambient occlusion."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@numba.njit(cache=True)
def rasterize(
    screen: Floats,  # [N, 3] x and y in pixels, third the depth: smaller is nearer
    faces: Ints,  # [M, 3]
    height: int,
    width: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Draw triangles into a z-buffer, both sides visible.

    Returns:
        The triangle at each pixel centre [H, W] (-1 = none), its barycentric weights of the second and third
        corner [H, W, 2], and the depth [H, W] (infinity = none). Depth is interpolated linearly on the screen,
        which is exact for an orthographic light and close enough for a long lens.
    """
    ids = np.full((height, width), -1, np.int32)
    weights = np.zeros((height, width, 2), np.float32)
    depth = np.full((height, width), np.inf, np.float32)
    for t in range(len(faces)):
        i, j, k = faces[t]
        x0, y0, z0 = screen[i]
        x1, y1, z1 = screen[j]
        x2, y2, z2 = screen[k]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        left = max(0, int(np.ceil(min(x0, x1, x2) - 0.5)))
        right = min(width - 1, int(np.floor(max(x0, x1, x2) - 0.5)))
        top = max(0, int(np.ceil(min(y0, y1, y2) - 0.5)))
        bottom = min(height - 1, int(np.floor(max(y0, y1, y2) - 0.5)))
        for row in range(top, bottom + 1):
            py = row + 0.5
            for column in range(left, right + 1):
                px = column + 0.5
                b = ((px - x0) * (y2 - y0) - (x2 - x0) * (py - y0)) / area
                c = ((x1 - x0) * (py - y0) - (px - x0) * (y1 - y0)) / area
                if b < 0 or c < 0 or b + c > 1:
                    continue
                z = z0 + b * (z1 - z0) + c * (z2 - z0)
                if z < depth[row, column]:
                    depth[row, column] = z
                    ids[row, column] = t
                    weights[row, column, 0] = b
                    weights[row, column, 1] = c
    return ids, weights, depth


@numba.njit(cache=True)
def gather(
    ids: NDArray[np.int32],  # [H, W]
    weights: NDArray[np.float32],  # [H, W, 2]
    faces: Ints,  # [M, 3]
    attributes: NDArray[np.float32],  # [N, K]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Interpolate vertex attributes at the covered pixels: flat pixel indices [P] and values [P, K]."""
    height, width = ids.shape
    count = 0
    for row in range(height):
        for column in range(width):
            if ids[row, column] >= 0:
                count += 1
    where = np.empty(count, np.int64)
    values = np.empty((count, attributes.shape[1]), np.float32)
    p = 0
    for row in range(height):
        for column in range(width):
            t = ids[row, column]
            if t < 0:
                continue
            b = weights[row, column, 0]
            c = weights[row, column, 1]
            a = 1 - b - c
            i, j, k = faces[t]
            for q in range(attributes.shape[1]):
                values[p, q] = a * attributes[i, q] + b * attributes[j, q] + c * attributes[k, q]
            where[p] = row * width + column
            p += 1
    return where, values


@numba.njit(cache=True)
def shadow(
    points: Floats,  # [P, 3] x and y in pixels of the shadow map, third the depth from the light
    depth: NDArray[np.float32],  # [S, S]
    bias: float,
    reach: int,
) -> NDArray[np.float32]:
    """Return how much of the light reaches each point [P] in [0, 1], softened over (2 reach + 1)^2 texels."""
    size = depth.shape[0]
    light = np.ones(len(points), np.float32)
    for p in range(len(points)):
        column, row = int(points[p, 0]), int(points[p, 1])
        if column < reach or row < reach or column >= size - reach or row >= size - reach:
            continue
        lit = 0.0
        total = 0.0
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                weight = 1.0 / (1.0 + 0.15 * (dx * dx + dy * dy))
                total += weight
                # The bias grows with the distance from the texel, else slanted surfaces shade themselves.
                slack = bias * (1.0 + 0.35 * (abs(dx) + abs(dy)))
                if points[p, 2] <= depth[row + dy, column + dx] + slack:
                    lit += weight
        light[p] = lit / total
    return light


@numba.njit(cache=True)
def occlusion(
    where: NDArray[np.int64],  # [P] flat pixel indices
    normals: NDArray[np.float32],  # [P, 3] x right, y up, z toward the viewer
    depth: NDArray[np.float32],  # [H, W] distance from the camera
    radius: float,  # pixels
    unit: float,  # pixels a length unit of `depth`
) -> NDArray[np.float32]:
    """Return screen-space openness [P] in [0, 1]: 1 where nothing near rises above the surface."""
    height, width = depth.shape
    result = np.ones(len(where), np.float32)
    samples = 14
    for p in range(len(where)):
        row, column = where[p] // width, where[p] % width
        z = depth[row, column]
        blocked = 0.0
        for s in range(samples):
            # A golden-angle spiral: even cover with no random numbers, so frames do not flicker.
            angle = 2.399963 * s
            r = radius * np.sqrt((s + 0.5) / samples)
            dx, dy = r * np.cos(angle), r * np.sin(angle)
            y, x = row + int(np.rint(dy)), column + int(np.rint(dx))
            if y < 0 or x < 0 or y >= height or x >= width:
                continue
            other = depth[y, x]
            if not np.isfinite(other):
                continue
            rise = (z - other) * unit
            length = np.sqrt(dx * dx + dy * dy + rise * rise) + 1e-6
            cosine = (normals[p, 0] * dx - normals[p, 1] * dy + normals[p, 2] * rise) / length
            fade = min(1.0, max(0.0, 2.0 - length / radius))
            blocked += max(0.0, cosine - 0.12) * fade
        result[p] = max(0.0, 1.0 - 1.9 * blocked / samples)
    return result
