"""Compiled parts of the mesh rasteriser: visibility, interpolation with its gradient, outlines.

Everything is float64 and in screen space: `points [V, 3]` are the vertices' columns, rows (pixels) and 1/z, where
1/z = 0 marks a vertex that is not in front of the near plane. 1/z is linear on the screen, so depths are compared as
that, the greatest being the nearest.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from t2m_bench.rendering._compiled import Counter, compiled, kernel, next_task

Doubles: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.int64]

BAND = 16  # rows of the image that one task draws
# Twice the smallest area of a face that is drawn, in pixels squared: below it barycentrics mean nothing.
_SMALLEST = 1e-10


@kernel
def measure_faces(
    points: Doubles,
    faces: Indices,
    height: int,
    areas: Doubles,  # [F]
    rows: Indices,  # [F, 2]
) -> None:
    """Twice the signed area of each face, 0 if it is not drawn, and the first and last row of pixels it can reach."""
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        areas[f] = 0.0
        rows[f, 0], rows[f, 1] = 0, -1
        if min(points[a, 2], points[b, 2], points[c, 2]) <= 0.0:
            continue
        area = _cross(points, a, b, points[c, 0], points[c, 1])
        if not _SMALLEST < abs(area) < np.inf:
            continue
        areas[f] = area
        top = min(points[a, 1], points[b, 1], points[c, 1]) - 0.5
        bottom = max(points[a, 1], points[b, 1], points[c, 1]) - 0.5
        if bottom >= 0.0 and top <= height - 1:
            rows[f, 0] = np.int64(np.ceil(max(top, 0.0)))
            rows[f, 1] = np.int64(np.floor(min(bottom, height - 1.0)))


@compiled
def _cross(points: Doubles, a: int, b: int, x: float, y: float) -> float:
    """Twice the signed area of the triangle of two points and (x, y)."""
    return (points[a, 0] - x) * (points[b, 1] - y) - (points[b, 0] - x) * (points[a, 1] - y)


@compiled
def _widen(points: Doubles, a: int, b: int, y: float, span: tuple[float, float]) -> tuple[float, float]:
    """Extend a span of columns to where an edge crosses row `y`.

    An edge is taken from its upper end whatever the face it belongs to, so that its two faces get the same number:
    their spans meet in it, and no pixel falls between them.
    """
    if points[a, 1] > points[b, 1]:
        a, b = b, a
    low, high = span
    if not points[a, 1] <= y <= points[b, 1]:
        return low, high
    if points[a, 1] == points[b, 1]:
        return min(low, points[a, 0], points[b, 0]), max(high, points[a, 0], points[b, 0])
    t = (y - points[a, 1]) / (points[b, 1] - points[a, 1])
    x = points[a, 0] + t * (points[b, 0] - points[a, 0])
    return min(low, x), max(high, x)


@compiled
def _draw_face(
    points: Doubles,
    corners: Indices,  # [3]
    f: int,
    area: float,
    span: tuple[int, int],
    nearest: Doubles,
    winner: Indices,
) -> None:
    """Enter one face into the z-buffer, from row `span[0]` to row `span[1]`."""
    a, b, c = corners[0], corners[1], corners[2]
    xa, ya, qa = points[a, 0], points[a, 1], points[a, 2]
    ux, uy, uq = points[b, 0] - xa, points[b, 1] - ya, points[b, 2] - qa
    vx, vy, vq = points[c, 0] - xa, points[c, 1] - ya, points[c, 2] - qa
    slope_x, slope_y = (uq * vy - vq * uy) / area, (vq * ux - uq * vx) / area
    low, high = min(qa, points[b, 2], points[c, 2]), max(qa, points[b, 2], points[c, 2])
    width = nearest.shape[1]
    for row in range(span[0], span[1] + 1):
        y = row + 0.5
        reach = _widen(points, a, b, y, (np.inf, -np.inf))
        reach = _widen(points, b, c, y, reach)
        reach = _widen(points, c, a, y, reach)
        if reach[0] > width - 0.5 or reach[1] < 0.5:
            continue
        first = np.int64(np.ceil(max(reach[0] - 0.5, 0.0)))
        last = np.int64(np.floor(min(reach[1] - 0.5, width - 1.0)))
        start = qa + (y - ya) * slope_y
        for x in range(first, last + 1):
            q = min(max(start + (x + 0.5 - xa) * slope_x, low), high)
            if q > nearest[row, x]:  # faces come in order, so the lower index keeps a tie
                nearest[row, x] = q
                winner[row, x] = f


@kernel
def draw_faces(
    counter: Counter,
    points: Doubles,
    faces: Indices,
    areas: Doubles,
    rows: Indices,
    nearest: Doubles,  # [H, W], 1/z of what is seen, 0 = nothing
    winner: Indices,  # [H, W], face that is seen, -1 = none
) -> None:
    """Z-buffer; one task is `BAND` rows of the image and goes through all faces."""
    height = nearest.shape[0]
    while True:
        top = next_task(counter) * BAND
        if top >= height:
            return
        bottom = min(top + BAND, height) - 1
        nearest[top : bottom + 1] = 0.0
        winner[top : bottom + 1] = -1
        for f in range(faces.shape[0]):
            first, last = max(rows[f, 0], top), min(rows[f, 1], bottom)
            if first <= last:
                _draw_face(points, faces[f], f, areas[f], (first, last), nearest, winner)


@compiled
def _weights(
    points: Doubles, a: int, b: int, c: int, x: float, y: float
) -> tuple[float, float, float, float]:
    """Barycentrics of a pixel on the screen, not below 0, and twice the face's area."""
    wa, wb, wc = _cross(points, b, c, x, y), _cross(points, c, a, x, y), _cross(points, a, b, x, y)
    area = wa + wb + wc
    wa, wb, wc = max(wa / area, 0.0), max(wb / area, 0.0), max(wc / area, 0.0)
    total = wa + wb + wc
    return wa / total, wb / total, wc / total, area


@kernel
def interpolate(
    counter: Counter,
    points: Doubles,
    faces: Indices,
    attributes: Doubles,  # [V, D]
    winner: Indices,  # [H, W]
    background: Doubles,  # [D]
    planes: Doubles,  # [H, W, D + 1], attributes and alpha
    depth: Doubles,  # [H, W]
) -> None:
    """Perspective-correct attributes and depth of every covered pixel, the background in the others."""
    height, width = winner.shape
    channels = attributes.shape[1]
    while True:
        top = next_task(counter) * BAND
        if top >= height:
            return
        for row in range(top, min(top + BAND, height)):
            for col in range(width):
                f = winner[row, col]
                if f < 0:
                    planes[row, col, :channels] = background
                    planes[row, col, channels] = depth[row, col] = 0.0
                    continue
                a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                wa, wb, wc, _ = _weights(points, a, b, c, col + 0.5, row + 0.5)
                wa, wb, wc = wa * points[a, 2], wb * points[b, 2], wc * points[c, 2]
                z = 1.0 / (wa + wb + wc)
                depth[row, col] = z
                planes[row, col, channels] = 1.0
                for d in range(channels):
                    total = wa * attributes[a, d] + wb * attributes[b, d] + wc * attributes[c, d]
                    planes[row, col, d] = total * z


@kernel
def interpolate_backward(
    points: Doubles,
    faces: Indices,
    attributes: Doubles,
    winner: Indices,
    depth: Doubles,
    grad_planes: Doubles,  # [H, W, D + 1]
    grad_depth: Doubles,  # [H, W]
    grad_points: Doubles,  # [V, 3], added to
    grad_attributes: Doubles,  # [V, D], added to
) -> None:
    """Gradient of `interpolate`. On one thread, because pixels of a vertex have to be added up in a fixed order.

    With m_k = w_k / z_k, z = 1 / sum m and value = z sum m_k a_k:
    d value / d m_k = z (a_k - value) and d z / d m_k = -z^2.
    """
    height, width = winner.shape
    pull = np.empty(3)  # dL/dm_k, then dL/dw_k
    weight = np.empty(3)
    for row in range(height):
        for col in range(width):
            f = winner[row, col]
            if f < 0:
                continue
            x, y, z = col + 0.5, row + 0.5, depth[row, col]
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            weight[0], weight[1], weight[2], area = _weights(points, a, b, c, x, y)
            mean = 0.0
            for k in range(3):
                vertex = faces[f, k]
                m = weight[k] * points[vertex, 2] * z
                pull[k] = 0.0
                for d in range(attributes.shape[1]):
                    grad = grad_planes[row, col, d]
                    pull[k] += grad * attributes[vertex, d]
                    grad_attributes[vertex, d] += grad * m
                mean += pull[k] * m
            common = 0.0
            for k in range(3):
                vertex = faces[f, k]
                slope = z * (pull[k] - mean) - grad_depth[row, col] * z * z
                grad_points[vertex, 2] += slope * weight[k]
                pull[k] = slope * points[vertex, 2]
                common += pull[k] * weight[k]
            for k in range(3):  # w_k is the area that the pixel spans with the other two corners
                u, v = faces[f, (k + 1) % 3], faces[f, (k + 2) % 3]
                slope = (pull[k] - common) / area
                grad_points[u, 0] += slope * (points[v, 1] - y)
                grad_points[u, 1] -= slope * (points[v, 0] - x)
                grad_points[v, 0] -= slope * (points[u, 1] - y)
                grad_points[v, 1] += slope * (points[u, 0] - x)


@kernel
def add_rows(
    planes: Doubles,  # [P, C]
    places: Indices,  # [n]
    rows: Doubles,  # [n, C]
) -> None:
    """Add each row to the place it names; places may repeat."""
    for i in range(places.shape[0]):
        for d in range(planes.shape[1]):
            planes[places[i], d] += rows[i, d]


@kernel
def find_outlines(points: Doubles, faces: Indices, areas: Doubles) -> Any:
    """Edges where the surface ends on the screen: all drawn faces of the edge lie on one side of it.

    Returns:
        `[n, 3]` int64: the two vertices, the lower index first, and the sign of (second - first) x (face - first).
    """
    starts = np.zeros(points.shape[0] + 2, np.int64)  # entries by lower vertex, by counting
    for f in range(faces.shape[0]):
        if areas[f] != 0.0:
            for k in range(3):
                starts[min(faces[f, k], faces[f, (k + 1) % 3]) + 2] += 1
    for v in range(1, starts.shape[0]):
        starts[v] += starts[v - 1]
    entries = np.empty((starts[-1], 2), np.int64)  # upper vertex, side
    for f in range(faces.shape[0]):
        if areas[f] != 0.0:
            for k in range(3):
                a, b = faces[f, k], faces[f, (k + 1) % 3]
                side = 1 if (areas[f] > 0.0) == (a < b) else -1
                low = min(a, b)
                entries[starts[low + 1], 0], entries[starts[low + 1], 1] = max(a, b), side
                starts[low + 1] += 1
    found = np.empty((entries.shape[0], 3), np.int64)
    n = 0
    for v in range(points.shape[0]):
        for i in range(starts[v], starts[v + 1]):
            ends, first = True, True
            for j in range(starts[v], starts[v + 1]):
                if entries[j, 0] == entries[i, 0]:
                    first = first and j >= i
                    ends = ends and entries[j, 1] == entries[i, 1]
            if ends and first:
                found[n, 0], found[n, 1], found[n, 2] = v, entries[i, 0], entries[i, 1]
                n += 1
    return found[:n].copy()


@kernel
def find_crossings(
    points: Doubles,
    outlines: Indices,  # [n, 3]
    nearest: Doubles,
    winner: Indices,
    best: Doubles,  # [2, H, W], zeros: 1/z of the outline between a pixel and its right [0] or lower [1] neighbour
    edge: Indices,  # [2, H, W], -1 everywhere: which outline that is, times 2, plus 1 if the neighbour is inside
) -> None:
    """Outlines that cross between two adjacent centres, the nearest of each pair, if what is outside lies behind.

    Steep outlines are looked for between horizontal neighbours and flat ones between vertical neighbours, so that none
    counts twice.
    """
    for n in range(outlines.shape[0]):
        a, b, side = outlines[n, 0], outlines[n, 1], outlines[n, 2]
        flat = abs(points[b, 0] - points[a, 0]) > abs(points[b, 1] - points[a, 1])
        along, across = (0, 1) if flat else (1, 0)  # the axis it is followed along, and the one it crosses
        if points[a, along] > points[b, along]:
            a, b, side = b, a, -side
        second = (side > 0) == flat
        length = nearest.shape[0] if along == 1 else nearest.shape[1]
        limit = nearest.shape[1] if along == 1 else nearest.shape[0]
        begin = np.ceil(max(points[a, along] - 0.5, 0.0))
        end = np.ceil(min(points[b, along] - 0.5, np.float64(length)))
        if not begin < end:
            continue
        for i in range(np.int64(begin), np.int64(end)):
            t = (i + 0.5 - points[a, along]) / (points[b, along] - points[a, along])
            place = points[a, across] + t * (points[b, across] - points[a, across]) - 0.5
            if not 0.0 <= place < limit - 1:
                continue
            j = np.int64(place)
            row, col = (j, i) if flat else (i, j)
            row2, col2 = (row + 1, col) if flat else (row, col + 1)
            q = points[a, 2] + t * (points[b, 2] - points[a, 2])
            inside, outside = winner[row, col], winner[row2, col2]
            behind = nearest[row2, col2]
            if second:
                inside, outside, behind = outside, inside, nearest[row, col]
            if inside >= 0 and inside != outside and q > behind and q > best[across, row, col]:
                best[across, row, col] = q
                edge[across, row, col] = 2 * n + (1 if second else 0)


@kernel
def find_closest(
    points: Doubles,
    outlines: Indices,
    winner: Indices,
    reach: float,
    best: Doubles,  # [H, W], filled with reach^2: squared distance to the nearest outline
    edge: Indices,  # [H, W], -1 everywhere: which outline that is
) -> None:
    """The nearest outline of every uncovered pixel that has one within `reach` pixels."""
    height, width = winner.shape
    for n in range(outlines.shape[0]):
        a, b = outlines[n, 0], outlines[n, 1]
        xa, ya, dx, dy = points[a, 0], points[a, 1], points[b, 0] - points[a, 0], points[b, 1] - points[a, 1]
        size = dx * dx + dy * dy
        top, bottom = min(ya, ya + dy) - reach - 0.5, max(ya, ya + dy) + reach + 0.5
        left, right = min(xa, xa + dx) - reach - 0.5, max(xa, xa + dx) + reach + 0.5
        if bottom < 0.0 or right < 0.0 or top > height or left > width:
            continue
        for row in range(np.int64(max(top, 0.0)), np.int64(min(bottom, height - 1.0)) + 1):
            for col in range(np.int64(max(left, 0.0)), np.int64(min(right, width - 1.0)) + 1):
                if winner[row, col] >= 0:
                    continue
                px, py = col + 0.5 - xa, row + 0.5 - ya
                t = min(max((px * dx + py * dy) / size, 0.0), 1.0) if size > 0.0 else 0.0
                distance = (px - t * dx) ** 2 + (py - t * dy) ** 2
                if distance < best[row, col]:
                    best[row, col] = distance
                    edge[row, col] = n
