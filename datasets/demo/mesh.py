"""Triangle meshes: Loop subdivision as one sparse matrix, smooth fields over the vertices, vertex normals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Edge = tuple[int, int]


@dataclass(frozen=True)
class Subdivision:
    """`fine = matrix @ coarse`: Loop's scheme applied a few times; coarse vertex i stays fine vertex i."""

    matrix: sp.csr_matrix
    """[F, N] weights of the coarse vertices in each fine vertex."""
    linear: sp.csr_matrix
    """[F, N] the same topology with plain midpoints, for texture coordinates."""
    faces: Ints
    """[M, 3] triangles of the fine mesh."""


def edge_map(faces: Ints) -> dict[Edge, list[int]]:
    """Map each undirected edge to the vertices opposite to it (two inside, one on a border)."""
    edges: dict[Edge, list[int]] = defaultdict(list)
    for triangle in faces.tolist():
        for corner in range(3):
            a, b, opposite = triangle[corner], triangle[(corner + 1) % 3], triangle[(corner + 2) % 3]
            edges[(min(a, b), max(a, b))].append(opposite)
    return dict(edges)


def subdivide(faces: Ints, vertices: int, levels: int) -> Subdivision:
    """Subdivide a mesh of `vertices` vertices `levels` times with Loop's rules (borders are cubic B-splines)."""
    matrix = linear = sp.identity(vertices, format="csr")
    count = vertices
    for _ in range(levels):
        step, middle, faces = _loop_step(faces, count)
        matrix, linear, count = step @ matrix, middle @ linear, step.shape[0]
    return Subdivision(sp.csr_matrix(matrix), sp.csr_matrix(linear), faces)


def _loop_step(faces: Ints, count: int) -> tuple[sp.csr_matrix, sp.csr_matrix, Ints]:
    edges = edge_map(faces)
    index = {edge: count + i for i, edge in enumerate(edges)}
    entries: list[tuple[int, int, float]] = []
    halves: list[tuple[int, int, float]] = [(i, i, 1.0) for i in range(count)]
    ring: dict[int, set[int]] = defaultdict(set)
    border: dict[int, list[int]] = defaultdict(list)
    for (a, b), opposite in edges.items():
        ring[a].add(b)
        ring[b].add(a)
        row = index[(a, b)]
        halves += [(row, a, 0.5), (row, b, 0.5)]
        if len(opposite) == 1:
            border[a].append(b)
            border[b].append(a)
            entries += [(row, a, 0.5), (row, b, 0.5)]
        else:
            entries += [
                (row, a, 0.375),
                (row, b, 0.375),
                (row, opposite[0], 0.125),
                (row, opposite[1], 0.125),
            ]
    for vertex in range(count):
        if vertex in border:
            entries += [(vertex, vertex, 0.75)] + [(vertex, near, 0.125) for near in border[vertex]]
        else:
            n = len(ring[vertex])
            beta = (0.625 - (0.375 + 0.25 * np.cos(2 * np.pi / n)) ** 2) / n
            entries += [(vertex, vertex, 1 - n * beta)] + [
                (vertex, near, beta) for near in sorted(ring[vertex])
            ]
    shape = (count + len(edges), count)
    fine: list[list[int]] = []
    for a, b, c in faces.tolist():
        ab, bc, ca = (index[(min(p, q), max(p, q))] for p, q in ((a, b), (b, c), (c, a)))
        fine += [[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]
    return _sparse(entries, shape), _sparse(halves, shape), np.array(fine, dtype=np.int64)


def _sparse(entries: list[tuple[int, int, float]], shape: tuple[int, int]) -> sp.csr_matrix:
    rows, columns, values = zip(*entries, strict=True)
    return sp.csr_matrix((values, (rows, columns)), shape=shape)


def border_loop(faces: Ints, start: int) -> list[int]:
    """Return the closed border through vertex `start`, in the order in which the triangles run along it."""
    following: dict[int, int] = {}
    edges = edge_map(faces)
    for triangle in faces.tolist():
        for corner in range(3):
            a, b = triangle[corner], triangle[(corner + 1) % 3]
            if len(edges[(min(a, b), max(a, b))]) == 1:
                following[a] = b
    loop = [start]
    while (vertex := following[loop[-1]]) != start:
        loop.append(vertex)
    return loop


def laplacian(vertices: Floats, faces: Ints) -> Floats:
    """Return the dense cotangent Laplacian [N, N] of a mesh, rows summing to zero, scaled by vertex area."""
    n = len(vertices)
    weights = np.zeros((n, n))
    area = np.zeros(n)
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        a, b, c = faces[:, i], faces[:, j], faces[:, k]
        u, v = vertices[a] - vertices[c], vertices[b] - vertices[c]
        double = np.linalg.norm(np.cross(u, v), axis=1)
        # Clipped: obtuse slivers would give negative weights, and with them fields that overshoot their handles.
        cotangent = np.clip((u * v).sum(1) / np.maximum(double, 1e-9), 0.05, 5.0) / 2
        np.add.at(weights, (a, b), cotangent)
        np.add.at(weights, (b, a), cotangent)
        np.add.at(area, a, double / 6)
    return (np.diag(weights.sum(1)) - weights) / np.maximum(area, 1e-6)[:, None]


def spread(operator: Floats, handles: Mapping[int, Any]) -> Floats:
    """Fill a field over all vertices from its values at a few of them.

    Args:
        operator: [N, N] Laplacian (the field is stretched between the handles and never overshoots) or its square
            (it is bent: round, may overshoot a little).
        handles: vertex -> value (a number or a vector).

    Returns:
        [N] or [N, D] field that takes the given values at the handles.
    """
    known = np.array(sorted(handles), dtype=np.int64)
    values = np.array([handles[int(i)] for i in known], dtype=np.float64)
    free = np.setdiff1d(np.arange(len(operator)), known)
    field = np.zeros((len(operator), *values.shape[1:]))
    field[known] = values
    field[free] = np.linalg.solve(operator[np.ix_(free, free)], -operator[np.ix_(free, known)] @ values)
    return field


@numba.njit(cache=True)
def vertex_normals(vertices: Floats, faces: Ints) -> Floats:
    """Return area-weighted unit normals [N, 3] of a triangle mesh."""
    normals = np.zeros_like(vertices)
    for t in range(len(faces)):
        a, b, c = faces[t]
        ux, uy, uz = vertices[b] - vertices[a]
        vx, vy, vz = vertices[c] - vertices[a]
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for i in (a, b, c):
            normals[i, 0] += x
            normals[i, 1] += y
            normals[i, 2] += z
    for i in range(len(normals)):
        length = np.sqrt((normals[i] ** 2).sum())
        if length > 0:
            normals[i] /= length
    return normals
