"""Hair as thin ribbons that grow from the scalp, follow it, and fall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from face import window
from mesh import Floats, Ints
from parts import SKULL_CENTRE, SKULL_RADII, on_skull
from people import Person


@dataclass(frozen=True)
class Hair:
    """Strands at rest in the head's axes, cm."""

    points: Floats
    """[S, P, 3] from root to tip."""
    normals: Floats
    """[S, P, 3] outward direction of the hair's body, for shading."""
    widths: Floats
    """[S, P]"""
    tint: Floats
    """[S, P] relative brightness: dark roots, lighter locks."""
    share: Floats
    """[S, P] how much a point follows the head (tips that lie on the shoulders follow less)."""


def scalp_mask(points: Floats, person: Person) -> Floats:
    """Return where hair grows [N], 1 inside, soft over about a centimetre at the hairline."""
    x, y, z = points.T
    low = 0.4 if person.long_hair else 0.2
    line = np.interp(
        z, [-13, -8, -5.5, -3.4, -1.9, -0.2, 2.0, 3.4, 4.5], [-6, -5, -2.6, low, 1.6, 4.6, 7.1, 7.95, 8.1]
    )
    if not person.long_hair:
        line = line + (
            0.55 * np.exp(-(((np.abs(x) - 4.6) / 1.3) ** 2)) + 0.12 * np.sin(5 * x) + 0.1 * np.sin(11 * x + 1)
        ) * (z > 0)
    return window(y - line, -0.15, 0.75 if person.long_hair else 1.25)


def grow(person: Person, vertices: Floats, faces: Ints, seed: int) -> Hair:
    """Grow the person's hair from the skin mesh at rest."""
    rng = np.random.default_rng(seed)
    count = 6500 if person.long_hair else 9000
    roots = _roots(vertices, faces, person, count, rng)
    return _long(roots, rng) if person.long_hair else _short(roots, rng)


def _roots(vertices: Floats, faces: Ints, person: Person, count: int, rng: np.random.Generator) -> Floats:
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    front = 1 + 1.2 * window((a[:, 2]), -4, 3)
    density = area * scalp_mask((a + b + c) / 3, person) * front
    pick = rng.choice(len(faces), count, p=density / density.sum())
    u = rng.random((count, 2))
    u = np.where(u.sum(1, keepdims=True) > 1, 1 - u, u)
    return a[pick] + u[:, :1] * (b - a)[pick] + u[:, 1:] * (c - a)[pick]


def _lumps(roots: Floats, rng: np.random.Generator, locks: int) -> tuple[Ints, Floats]:
    """Gather strands in locks: the lock of each strand [S], and one random vector a lock [locks, 3]."""
    centres = roots[rng.choice(len(roots), locks, replace=False)]
    nearest = np.linalg.norm(roots[:, None] - centres[None], axis=2).argmin(1)
    return nearest, rng.standard_normal((locks, 3))


def _clear(points: Floats, lift: Floats) -> Floats:
    """Push points out of the skull, `lift` cm above it."""
    depth = np.linalg.norm((points - SKULL_CENTRE) / (SKULL_RADII + lift[:, None]), axis=1)
    return np.where((depth < 1)[:, None], on_skull(points, lift), points)


def _long(roots: Floats, rng: np.random.Generator) -> Hair:
    steps, count = 26, len(roots)
    lock, push = _lumps(roots, rng, 260)
    layer = rng.random(count)
    lift = 0.25 + 0.95 * layer
    part = -2.2  # the parting is on the subject's right
    away = np.where(roots[:, 0] > part, 1.0, -1.0)
    end = -13.6 + 1.3 * rng.random(count) + 0.4 * push[lock, 0]
    path = [roots]
    speed = np.full(count, 1.15)
    position = roots.copy()
    for step in range(steps - 1):
        outward = (position - SKULL_CENTRE) / SKULL_RADII**2
        outward /= np.linalg.norm(outward, axis=1, keepdims=True)
        wish = np.stack([
            away * (0.85 * window(position[:, 1], 5.0, 11.0) + 0.10),
            -1.0 + 0.5 * window(position[:, 1], 9.0, 12.0),
            -0.85 * window(position[:, 2], -3.2, 0.5) + 0.2 * window(position[:, 2], -9, -12.5) * (position[:, 1] < 0),
        ], 1)  # fmt: skip
        # In front, hair is swept aside before it may fall.
        guard = (window(position[:, 2], -1.0, 1.2) * window(np.abs(position[:, 0]), 7.3, 5.6))[:, None]
        wish = (1 - guard) * wish + guard * np.stack([away, np.full(count, -0.28), np.full(count, -0.35)], 1)
        near = window(position[:, 1], -4.0, 1.0)[:, None]
        along = wish - near * outward * (wish * outward).sum(1, keepdims=True)
        along += 0.10 * push[lock] * np.sin(0.55 * step + push[lock, :1])
        # Below the jaw the ends turn in towards the neck.
        curl = window(position[:, 1], -7.5, -12.5)
        along[:, 0] -= np.sign(position[:, 0]) * 0.55 * curl
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        left = np.clip(position[:, 1] - end, 0, None)
        stride = np.minimum(speed, np.where(position[:, 1] < -8, left + 0.02, speed))
        position = position + along * stride[:, None]
        rise = lift * min(1.0, (step + 1) / 4)
        position = _clear(position, rise)
        limit = 7.5 + 0.9 * layer + 0.2 * push[lock, 1]
        side = (position[:, 1] < 2) & (np.abs(position[:, 0]) < limit) & (position[:, 2] > -7)
        wide = np.sign(position[:, 0]) * (limit - 1.6 * curl)
        position[:, 0] = np.where(
            side, position[:, 0] + 0.5 * (wide - position[:, 0]) * (position[:, 1] < 1), position[:, 0]
        )
        path.append(position)
    points = np.stack(path, 1)
    keep = ~((np.abs(points[..., 0]) < 6.0) & (points[..., 1] < 5.6) & (points[..., 2] > 0.5)).any(1)
    points, layer, lock, count = points[keep], layer[keep], lock[keep], int(keep.sum())
    tint = (
        (0.86 + 0.20 * layer)[:, None]
        * (1 + 0.10 * push[lock, 2])[:, None]
        * np.linspace(0.85, 1.12, steps)[None]
    )
    share = 0.35 + 0.65 * window(points[..., 1], -13.5, -6.0)
    return _finish(points, 0.17, tint, share, rng)


def _short(roots: Floats, rng: np.random.Generator) -> Hair:
    steps, count = 9, len(roots)
    lock, push = _lumps(roots, rng, 420)
    top = window(roots[:, 1], 5.0, 9.5)
    length = 0.55 + 2.6 * top * (0.8 + 0.35 * rng.random(count)) * (1 + 0.10 * push[lock, 0])
    outward = (roots - SKULL_CENTRE) / SKULL_RADII**2
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    front = window(roots[:, 2], -2.0, 4.0)
    comb = np.stack([
        0.62 * top * (1 - 0.4 * front) + 0.10 * np.sign(roots[:, 0]) * (1 - top),
        -1.0 + 1.15 * top + 0.75 * front * top,
        -0.25 - 0.65 * top * (1 - front) - 0.30 * front * top,
    ], 1)  # fmt: skip
    comb += 0.22 * push[lock] + 0.10 * rng.standard_normal((count, 3))
    comb /= np.linalg.norm(comb, axis=1, keepdims=True)
    path = [roots - 0.05 * outward]
    lift = 0.08 + (0.12 + 1.05 * top) * rng.random(count)
    for step in range(steps - 1):
        t = (step + 0.5) / (steps - 1)
        stand = (0.35 + 0.75 * top) * (1 - t) + 0.05
        along = comb - outward * (comb * outward).sum(1, keepdims=True) * 0.7 + outward * stand[:, None]
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        path.append(_clear(path[-1] + along * (length / (steps - 1))[:, None], lift * min(1.0, 2 * t)))
    points = np.stack(path, 1)
    tint = (0.85 + 0.3 * rng.random(count))[:, None] * np.linspace(0.8, 1.15, steps)[None]
    return _finish(points, 0.13, tint, np.ones(points.shape[:2]), rng)


def _finish(points: Floats, width: float, tint: Floats, share: Floats, rng: np.random.Generator) -> Hair:
    count, steps = points.shape[:2]
    taper = np.interp(np.linspace(0, 1, steps), [0, 0.1, 0.7, 1], [0.6, 1, 0.95, 0.3])
    widths = width * taper[None] * (0.7 + 0.6 * rng.random((count, 1)))
    outward = (points - SKULL_CENTRE) / SKULL_RADII**2
    # Below the skull the body of hair is a curtain round a vertical axis.
    curtain = points * np.array([1.0, 0.0, 1.0]) + np.array([0.0, 0.0, 4.0])
    curtain /= np.maximum(np.linalg.norm(curtain, axis=-1, keepdims=True), 1e-6)
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    low = window(points[..., 1], 1.0, -5.0)[..., None]
    normals = (1 - low) * outward + low * curtain
    normals += 0.12 * rng.standard_normal((count, 1, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    return Hair(points, normals, widths, tint, share)


def ribbons(points: Floats, widths: Floats, view: Floats) -> tuple[Floats, Floats]:
    """Turn strands [S, P, 3] into ribbons that face the viewer: vertices [S * P * 2, 3] and tangents likewise."""
    along = np.gradient(points, axis=1)
    along /= np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-9)
    across = np.cross(along, view)
    across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-6)
    half = across * widths[..., None] / 2
    vertices = np.stack([points - half, points + half], 2).reshape(-1, 3)
    return vertices, np.repeat(along[:, :, None], 2, 2).reshape(-1, 3)


def ribbon_faces(strands: int, steps: int) -> Ints:
    """Triangles [M, 3] of `ribbons`."""
    base = (np.arange(strands)[:, None] * steps + np.arange(steps - 1)[None]).ravel() * 2
    return np.concatenate(
        [np.stack([base, base + 1, base + 2], 1), np.stack([base + 1, base + 3, base + 2], 1)]
    )
