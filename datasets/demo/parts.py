"""What a head has besides its face: skull, eyeballs, mouth, ears, neck, shoulders and clothes, as plain meshes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from face import EYEBALL_RADIUS, Topology, window
from mesh import Floats, Ints
from people import Person

SKULL_CENTRE = np.array([0.0, 2.5, -3.2])
SKULL_RADII = np.array([8.1, 10.2, 9.4])
BACK = np.array([0.0, 1.5, -12.6])
LOFT_RINGS = 16
IRIS_RADIUS = 0.60


@dataclass(frozen=True)
class Sheet:
    """A mesh with what does not change: where it is at rest and which triangles it has."""

    vertices: Floats
    """[N, 3] rest position in the head's axes, cm."""
    faces: Ints
    """[M, 3]"""
    grid: Floats
    """[N, 2] the two parameters of the sheet, for colouring."""


def grid_faces(rows: int, columns: int, *, closed: bool) -> Ints:
    """Triangles [M, 3] of a rows x columns vertex grid; `closed` joins the last column to the first."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    a, b = r * columns + c, r * columns + (c + 1) % columns
    return np.concatenate(
        [
            np.stack([a, a + columns, b], -1).reshape(-1, 3),
            np.stack([b, a + columns, b + columns], -1).reshape(-1, 3),
        ]
    )


def on_skull(points: Floats, lift: Floats | float = 0.0) -> Floats:
    """Project points [N, 3] from the middle of the skull onto its ellipsoid, `lift` cm above it."""
    ray = points - SKULL_CENTRE
    scale = 1 / np.linalg.norm(ray / SKULL_RADII, axis=-1)
    on = ray * scale[..., None]
    return SKULL_CENTRE + on * (1 + np.asarray(lift) / np.linalg.norm(on, axis=-1))[..., None]


def loft(oval: Floats) -> Floats:
    """Continue the border of the face [B, 3] round the skull to the back of the head: [rings * B, 3]."""
    rings = []
    for k in range(1, LOFT_RINGS + 1):
        t = k / LOFT_RINGS
        straight = oval + (BACK - oval) * t
        w = float(window(np.array(t), 0.0, 0.3))
        rings.append((1 - w) * straight + w * on_skull(straight))
    return np.concatenate(rings)


def loft_faces(top: Topology, fine_count: int) -> Ints:
    """Triangles of the loft; ring 0 is the border of the face itself, so that shading has no seam."""
    size = len(top.oval)
    local = grid_faces(LOFT_RINGS + 1, size, closed=True)
    index = np.concatenate([np.array(top.oval), fine_count + np.arange(LOFT_RINGS * size)])
    return index[local][:, ::-1]


def lid_wall(loop: Floats, centre: Floats) -> Floats:
    """From the lid border [B, 3] back onto the eyeball: [3 * B, 3], the wet edge of the lids."""
    ray = loop - centre
    foot = centre + ray * ((EYEBALL_RADIUS - 0.04) / np.linalg.norm(ray, axis=1))[:, None]
    return np.concatenate([loop, (loop + foot) / 2, foot])


def mouth_bag(loop: Floats) -> Floats:
    """From the lip border [B, 3] back into a closed bag: [6 * B, 3]."""
    middle = loop.mean(0)
    rings = [loop]
    for depth, wide, tall in (
        (0.35, 1.0, 1.25),
        (0.9, 1.05, 1.9),
        (1.8, 1.0, 2.0),
        (3.5, 0.9, 1.6),
        (4.0, 0.02, 0.02),
    ):
        ring = middle + (loop - middle) * np.array([wide, tall, 0.8])
        spread = np.clip(np.sign(loop[:, 1] - middle[1]), -1, 1) * 0.5 * (depth > 0.5) * (tall > 1)
        ring[:, 1] += spread * (1 - (loop[:, 0] / 2.4) ** 2).clip(0)
        ring[:, 2] = loop[:, 2] * 0.8 + middle[2] * 0.2 - depth
        rings.append(ring)
    return np.concatenate(rings)


def eyeball() -> Sheet:
    """The front of an eyeball round the z axis; the grid holds the angle from the axis and the angle around it."""
    polar = np.concatenate([np.linspace(0, 0.56, 36), np.linspace(0.62, 1.9, 14)])
    around = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    p, a = (grid.ravel() for grid in np.meshgrid(polar, around, indexing="ij"))
    points = EYEBALL_RADIUS * np.stack([np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p)], 1)
    return Sheet(points, grid_faces(50, 64, closed=True), np.stack([p, a], 1))


def teeth(*, upper: bool) -> Sheet:
    """One row of teeth; the grid holds the place along the row and the height (0 gum, 1 edge)."""
    columns, rows = 97, 12
    along, height = np.meshgrid(np.linspace(-2.75, 2.75, columns), np.linspace(0, 1, rows))
    x, v = along.ravel(), height.ravel()
    edges = np.array([0.0, 0.86, 1.5, 2.12, 2.75]) * (1.0 if upper else 0.78)
    inside = np.abs(x)[:, None] - edges[None]
    cell = np.clip((inside >= 0).sum(1) - 1, 0, 3)
    place = np.clip((np.abs(x) - edges[cell]) / (edges[cell + 1] - edges[cell]), 0, 1)
    round_ = 1 - (2 * place - 1) ** 4
    drop = np.array([1.0, 0.86, 0.95, 0.8])[cell] * (0.93 + 0.07 * round_)
    z = 4.38 - 0.30 * x**2 - 0.16 * (1 - round_) - (0.0 if upper else 0.12) - 0.12 * v
    tall = 1.15 if upper else 0.95
    y = (-3.42 - tall * v * drop) if upper else (-5.72 + tall * v * drop)
    grid = np.stack([x, v + 0.18 * (1 - round_) * (v < 0.4)], 1)
    return Sheet(np.stack([x, y, z], 1), grid_faces(rows, columns, closed=False), grid)


def tongue() -> Sheet:
    """A flattened ellipsoid on the floor of the mouth."""
    polar, around = np.linspace(0.02, np.pi - 0.02, 18), np.linspace(0, 2 * np.pi, 28, endpoint=False)
    p, a = (grid.ravel() for grid in np.meshgrid(polar, around, indexing="ij"))
    ball = np.stack([np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p)], 1)
    points = np.array([0.0, -5.55, 1.9]) + ball * np.array([1.7, 0.62, 2.1])
    points[:, 1] -= 0.22 * np.exp(-((points[:, 0] / 0.35) ** 2)) * (ball[:, 1] > 0)
    return Sheet(points, grid_faces(18, 28, closed=True), np.stack([p, a], 1))


def ear(side: float) -> Sheet:
    """One ear (`side` -1 right, 1 left); the grid holds the distance from its middle in [0, 1] and the angle."""
    radial, around = np.linspace(0.02, 1, 22), np.linspace(0, 2 * np.pi, 48, endpoint=False)
    r, a = (grid.ravel() for grid in np.meshgrid(radial, around, indexing="ij"))
    back, up = np.cos(a), np.sin(a)
    wide = np.where(back > 0, 1.75 * (1 + 0.22 * up), 1.05)
    x, y = r * back * wide, r * up * np.where(up > 0, 2.9, 2.95) * (1 - 0.12 * np.clip(-up, 0, 1))
    helix = np.clip(0.35 + up * 0.8 + back * 0.7, 0.1, 1.0)
    height = (
        -0.55 * np.exp(-((r / 0.34) ** 2))
        + 0.32 * np.exp(-(((r - 0.56) / 0.12) ** 2)) * np.clip(back + 0.5, 0, 1)
        - 0.05 * np.exp(-(((r - 0.76) / 0.08) ** 2))
        + 0.42 * np.exp(-(((r - 0.92) / 0.09) ** 2)) * helix
        - 0.9 * window(r, 0.94, 1.0)
    )
    flare = 0.62
    forward = np.array([-np.sin(flare), 0.0, np.cos(flare)])
    out = np.array([np.cos(flare), 0.0, np.sin(flare)])
    lean = y * 0.10
    points = np.array([7.55, 0.55, -4.0]) - (x + lean)[:, None] * forward + height[:, None] * out
    points[:, 1] += y
    points[:, 0] *= side
    faces = grid_faces(22, 48, closed=True)
    return Sheet(points, faces if side > 0 else faces[:, ::-1], np.stack([r, a], 1))


def shoulder_surface(s: Floats, angle: Floats, person: Person, lift: float) -> Floats:
    """Point of the neck and shoulders: s < 0 up the neck, 0 its base, 1 the edge of the shoulders, > 1 the arms."""
    r = person.neck_radius
    flat = np.clip(s, 0, 1)
    side = np.abs(np.cos(angle)) ** 1.4
    flare = 0.9 * np.exp(s.clip(-9, 0) * 6)
    a = r + flare + (person.shoulder - r - 0.9) * flat**0.85 + lift
    b = r * (0.98 - 0.35 * np.clip(-s, 0, 1)) + 0.5 * flare + (9.5 - r) * flat**0.7 + lift
    fall = 13.4 + side * 5.2 * flat**1.5 + (1 - side) * 11.0 * flat**0.9
    y = -fall + np.clip(-s, 0, 1) * 11.5 - np.clip(s - 1, 0, 1) * 14 + lift * 0.7 * flat
    z = -6.2 + np.clip(-s, 0, 1) * 2.6 + b * np.sin(angle)
    return np.stack([a * np.cos(angle), y, z], -1)


def body(person: Person) -> Sheet:
    """Neck and shoulders; the grid holds s and the angle of `shoulder_surface`."""
    rows, columns = 44, 96
    s, angle = np.meshgrid(
        np.linspace(-1, 1.0, rows), np.linspace(0, 2 * np.pi, columns, endpoint=False), indexing="ij"
    )
    points = shoulder_surface(s.ravel(), angle.ravel(), person, 0.0)
    # The two muscles from behind the ears to the collar bones, and the windpipe between them.
    front = np.sin(angle.ravel())
    height = np.clip(-s.ravel(), 0, 1)
    muscle = np.exp(
        -(((np.cos(angle.ravel()) * (1 - 0.2 * height)) ** 2 - (0.18 + 0.5 * height) ** 2) ** 2) / 0.02
    )
    points[:, 2] += 0.35 * muscle * (front > 0) * window(s.ravel(), 0.25, 0.0)
    return Sheet(
        points, grid_faces(rows, columns, closed=True)[:, ::-1], np.stack([s.ravel(), angle.ravel()], 1)
    )


def garment(person: Person) -> Sheet:
    """The top that the person wears; the grid holds the distance from the neckline (in s) and the angle."""
    rows, columns = 60, 192
    angle = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    front = np.clip(np.sin(angle), 0, 1)
    start = 0.05 + (0.16 if person.long_hair else 0.0) + person.neckline / 11.0 * front**1.5
    steps = np.concatenate([[0.0, 0.0, 0.0], np.linspace(0, 1, rows - 3) ** 1.2])
    s = start[None] + (2.0 - start[None]) * steps[:, None]
    lift = np.full(rows, 0.38)
    lift[:3] = (-0.25, 0.2, 0.36)
    points = np.stack([shoulder_surface(s[i], angle, person, float(lift[i])) for i in range(rows)])
    folds = 0.22 * np.sin(9 * angle[None] + 5 * s + 2 * np.sin(3 * angle)[None]) * window(s, 0.35, 0.8)
    points[..., 2] += folds
    grid = np.stack([s - start[None], np.broadcast_to(angle, s.shape)], -1).reshape(-1, 2)
    return Sheet(points.reshape(-1, 3), grid_faces(rows, columns, closed=True)[:, ::-1], grid)


def head_share(points: Floats) -> Floats:
    """How much a point of the neck [N] follows the head: 0 at the collar, 1 under the jaw."""
    return window(points[:, 1], -14.5, -5.0)
