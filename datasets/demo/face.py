"""The face of a person: MediaPipe's canonical mesh with real mouth and lid openings, an identity, and its rig.

Axes and units are the canonical model's: x image right (the subject's left), y up, z toward the viewer, cm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from mesh import Floats, Ints, Subdivision, border_loop, laplacian, spread, subdivide
from people import Person

from t2m_bench.tracking.canonical import LEFT_EYE, LIPS_INNER, RIGHT_EYE, canonical_face

OUTER_UPPER = (185, 40, 39, 37, 0, 267, 269, 270, 409)
OUTER_LOWER = (146, 91, 181, 84, 17, 314, 405, 321, 375)
INNER_UPPER = (191, 80, 81, 82, 13, 312, 311, 310, 415)
INNER_LOWER = (95, 88, 178, 87, 14, 317, 402, 318, 324)
CORNERS = (61, 291, 78, 308)
LIPS = (*OUTER_UPPER, *OUTER_LOWER, *INNER_UPPER, *INNER_LOWER, *CORNERS)
EYEBALL_RADIUS = 1.45
LID = 0.09
"""Thickness of the lids: how far their skin stays in front of the eyeball."""


@dataclass(frozen=True)
class Topology:
    """The canonical mesh, opened and subdivided; the same for every person."""

    vertices: Floats
    """[468, 3] MediaPipe's canonical face."""
    faces: Ints
    """[852, 3] triangles without those that close the mouth and the eyes."""
    uv: Floats
    """[F, 2] texture coordinates of the fine mesh, v down."""
    fine: Subdivision
    operator: Floats
    """[468, 468] Laplacian of the opened mesh: fields do not jump across the lips."""
    bending: Floats
    """[468, 468] its square."""
    mirror: Ints
    """[468] vertex on the other side."""
    oval: tuple[int, ...]
    """Fine border vertices of the face, in order."""
    mouth: tuple[int, ...]
    eyes: tuple[tuple[int, ...], tuple[int, ...]]
    """Fine border vertices of the subject's right and left lid opening."""


def load_topology(levels: int = 2) -> Topology:
    """Read the canonical face that the package ships, cut the openings and subdivide it."""
    canonical = canonical_face()
    vertices, uv, faces = canonical.vertices * 10, canonical.uv, canonical.faces
    holes = [set(loop) for loop in (RIGHT_EYE, LEFT_EYE, LIPS_INNER)]
    keep = [not any(set(triangle) <= hole for hole in holes) for triangle in faces.tolist()]
    faces = faces[np.array(keep)]
    fine = subdivide(faces, len(vertices), levels)
    flipped = vertices * np.array([-1.0, 1.0, 1.0])
    mirror = np.linalg.norm(vertices[:, None] - flipped[None], axis=2).argmin(1)
    loops = [tuple(border_loop(fine.faces, start)) for start in (10, 13, 33, 263)]
    operator = laplacian(vertices, faces)
    return Topology(
        vertices, faces, fine.linear @ uv, fine, operator, operator @ operator, mirror,
        loops[0], loops[1], (loops[2], loops[3]),
    )  # fmt: skip


def window(value: Floats, low: float, high: float) -> Floats:
    """Smoothstep from 0 at `low` to 1 at `high` (which may be below `low`)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def local_field(
    top: Topology,
    handles: dict[int, tuple[float, float, float]],
    reach: float,
    hold: tuple[int, ...] = (),
) -> Floats:
    """Spread displacements [468, 3] from handles; all that is `reach` cm away from them, and `hold`, stays."""
    points = top.vertices
    near = np.linalg.norm(points[:, None] - points[list(handles)][None], axis=2).min(1)
    pinned: dict[int, tuple[float, float, float]] = {
        int(i): (0.0, 0.0, 0.0) for i in np.nonzero(near > reach)[0]
    }
    pinned.update(dict.fromkeys(hold, (0.0, 0.0, 0.0)))
    pinned.update(handles)
    return spread(top.bending, pinned)


def lid_pairs(eye: tuple[int, ...]) -> list[tuple[int, int]]:
    """Pair each inner point of the upper lid with the point of the lower lid below it."""
    return list(zip(reversed(eye[9:]), eye[1:8], strict=True))


def neutral_face(top: Topology, person: Person) -> Floats:
    """Return the person's neutral landmarks [468, 3]: lips closed, eyes open."""
    v = _proportions(top.vertices.copy(), person)
    handles: dict[int, tuple[float, float, float]] = {}
    for upper, lower in zip(INNER_UPPER, INNER_LOWER, strict=True):
        half = (v[lower] - v[upper]) / 2
        handles[upper], handles[lower] = tuple(half), tuple(-half)
    v += local_field(top, handles, 2.2, hold=(2, 97, 326, 18))
    for eye in (RIGHT_EYE, LEFT_EYE):
        lift = {
            eye[i]: (0.0, -0.25 * person.eye_open * w, 0.0) for i, w in zip(range(1, 8), _ARCH, strict=True)
        }
        lift |= {
            eye[i]: (0.0, 0.75 * person.eye_open * w, 0.0)
            for i, w in zip(range(15, 8, -1), _ARCH, strict=True)
        }
        lift[eye[0]] = (0.0, person.eye_tilt, 0.0)
        v += local_field(top, lift, 1.4)
    return v


_ARCH = (0.45, 0.8, 1.0, 1.05, 1.0, 0.75, 0.4)


def _proportions(v: Floats, person: Person) -> Floats:
    x, y, z = v.T
    lower = window(y, 1.0, -7.0)
    out = v.copy()
    out[:, 0] *= 1 + person.jaw_width * lower
    out[:, 1] -= person.chin * window(y, -4.5, -8.5) * window(z, -2.0, 2.0)
    cheek = np.exp(-(((np.abs(x) - 5.4) / 1.6) ** 2) - ((y + 0.3) / 1.8) ** 2)
    out[:, 0] += np.sign(x) * person.cheeks * cheek
    out[:, 2] += person.cheeks * cheek
    nose = window(np.abs(x), 2.6, 1.3) * window(y, -3.2, -2.4) * window(y, 2.6, 0.2) * window(z, 4.2, 5.4)
    out[:, 0] *= 1 + person.nose_width * nose
    out[:, 2] += person.nose_length * nose * window(z, 5.0, 7.0)
    # Lips: fuller away from the mouth line, wider at the corners.
    lips = np.exp(-((x / 2.6) ** 4)) * window(np.abs(y + 4.25), 2.2, 1.0) * window(z, 3.4, 4.4)
    out[:, 1] += person.lip_fullness * lips * np.clip((y + 4.25) / 0.9, -1, 1)
    out[:, 2] += 0.6 * person.lip_fullness * lips
    out[:, 0] += (
        person.mouth_width * x / 2.5 * window(np.abs(y + 4.25), 2.0, 0.6) * window(np.abs(x), 5.0, 2.8)
    )
    for side in (-1.0, 1.0):
        aside, above = x - side * 3.15, y - 2.63
        eye = np.exp(-((aside / 2.2) ** 4) - (above / 1.5) ** 4) * window(z, 0.0, 2.0)
        out[:, 0] += person.eye_scale * eye * aside
        out[:, 1] += person.eye_scale * eye * above
    brow = window(np.abs(y - 4.7), 1.5, 0.4) * window(z, 1.5, 3.0)
    out[:, 1] += person.brow_height * brow
    return out


@dataclass(frozen=True)
class FaceRig:
    """A person's face that can move."""

    top: Topology
    neutral: Floats
    """[468, 3] neutral landmarks."""
    control: Floats
    """[468, 3] control points whose subdivided surface passes through the neutral landmarks."""
    shapes: Floats
    """[52, 468, 3] displacement at blendshape value 1, in MediaPipe's order."""
    seal: Floats
    """[9, 468] how much each vertex follows the middle of a lip pair when the mouth is closed over an open jaw."""
    eyes: Floats
    """[2, 3] eyeball centres, right then left."""

    def surface(self, weights: Floats, close: float) -> Floats:
        """Return the fine mesh [F, 3]; its first 468 vertices are the landmarks.

        Args:
            weights: [52] blendshape values.
            close: share of the gap between the lips that is closed, in [0, 1].
        """
        control = self.control + np.tensordot(weights, self.shapes, 1)
        upper, lower = control[list(INNER_UPPER)], control[list(INNER_LOWER)]
        gap = upper - lower
        # Lips can meet but not cross, whatever the weights add up to.
        crossing = np.maximum(-gap[:, 1], 0)[:, None] * np.array([0.0, 1.0, 0.0])
        move_lower = 0.62 * close * gap - 0.5 * crossing
        move_upper = -0.38 * close * gap + 0.5 * crossing
        control = control + self.seal[0].T @ move_upper + self.seal[1].T @ move_lower
        control[list(INNER_UPPER)] = upper + move_upper
        control[list(INNER_LOWER)] = lower + move_lower
        _part_lids(control)
        fine = self.top.fine.matrix @ control
        return self._over_eyeballs(fine)

    def _over_eyeballs(self, fine: Floats) -> Floats:
        for centre in self.eyes:
            offset = fine - centre
            distance = np.linalg.norm(offset, axis=1)
            inside = (distance < EYEBALL_RADIUS + LID) & (offset[:, 2] > 0.2)
            scale = (EYEBALL_RADIUS + LID) / np.maximum(distance, 1e-6)
            fine = np.where(inside[:, None], centre + offset * scale[:, None], fine)
        return fine


def _part_lids(control: Floats) -> None:
    """Let lids that would cross meet halfway, in place."""
    for eye in (RIGHT_EYE, LEFT_EYE):
        for up, low in lid_pairs(eye):
            if control[up, 1] < control[low, 1]:
                control[up] = control[low] = (control[up] + control[low]) / 2


def interpolating_control(top: Topology, landmarks: Floats) -> Floats:
    """Find control points whose subdivided surface passes close to the landmarks (a few residual corrections)."""
    control = landmarks.copy()
    for _ in range(3):
        control += landmarks - (top.fine.matrix @ control)[: len(landmarks)]
    # The two lip lines share their control points, so that a closed mouth has no slit.
    for upper, lower in zip(INNER_UPPER, INNER_LOWER, strict=True):
        control[upper] = control[lower] = (control[upper] + control[lower]) / 2
    return control


def seal_fields(top: Topology) -> Floats:
    """Return [2, 9, 468]: how the skin around follows each inner point of the upper and of the lower lip."""
    near = np.linalg.norm(top.vertices[:, None] - top.vertices[list(LIPS_INNER)][None], axis=2).min(1)
    still = (*np.nonzero(near > 1.7)[0].tolist(), *LIPS_INNER)
    fields = []
    for lip in (INNER_UPPER, INNER_LOWER):
        handles = dict.fromkeys(still, np.zeros(len(lip)))
        handles |= dict(zip(lip, np.eye(len(lip)), strict=True))
        fields.append(spread(top.bending, handles).T)
    return np.stack(fields)
