"""A whole person in front of a camera: puts the parts together for one frame and draws it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from face import EYEBALL_RADIUS, FaceRig, load_topology, window
from hair import Hair, grow, ribbon_faces, ribbons, scalp_mask
from mesh import Floats, Ints, vertex_normals
from numpy.typing import NDArray
from paint import Skin, linear, paint_face, skin_tone
from parts import (
    IRIS_RADIUS,
    Sheet,
    body,
    ear,
    eyeball,
    garment,
    grid_faces,
    head_share,
    lid_wall,
    loft,
    loft_faces,
    mouth_bag,
    teeth,
    tongue,
)
from people import Person
from raster import gather, occlusion, rasterize, shadow
from shade import CLOTH, EYE, HAIR, KEY, LASH, SKIN, WET, encode, shade
from shapes import build_rig, jaw_motion

from t2m_bench.core.track import BLENDSHAPES

SIZE = 256
SUPER = 3
FOV_DEG = 20.0
FOCAL = SIZE / 2 / np.tan(np.radians(FOV_DEG) / 2)
CAMERA = np.array([0.0, 0.6, 102.0])
"""Camera in the axes of the head at rest, cm; it looks along -z."""
PIVOT = np.array([0.0, -9.0, -4.5])
"""The head turns about this place in the neck."""
SHADOW_SIZE, SHADOW_SPAN = 440, 44.0
GAZE = np.radians(32.0)
"""Turn of the eye when an eyeLook value is 1."""
JAW, CLOSE = BLENDSHAPES.index("jawOpen"), BLENDSHAPES.index("mouthClose")


@dataclass(frozen=True)
class FrameState:
    """All that moves in one frame."""

    blendshapes: Floats
    """[52]"""
    tongue: float
    """0 rests on the floor of the mouth, 1 touches behind the upper teeth."""
    rotation: Floats
    """[3, 3] head turn about `PIVOT`, head axes."""
    shift: Floats
    """[3] cm"""


@dataclass
class Batch:
    """Constant attributes of all vertices, collected part by part."""

    faces: list[Ints] = field(default_factory=list)
    attributes: list[Floats] = field(default_factory=list)
    count: int = 0

    def add(
        self, faces: Ints, colour: Floats, gloss: float | Floats, material: int, uv: Floats | None = None
    ) -> None:
        """Append a part with linear vertex colours [N, 3]; `uv` [N, 3] is texture place and texture share."""
        n = len(colour)
        rows = np.zeros((n, 11))
        rows[:, 3:6] = 0 if uv is None else uv
        rows[:, 6:9], rows[:, 9], rows[:, 10] = colour, gloss, material
        self.faces.append(faces + self.count)
        self.attributes.append(rows)
        self.count += n


class Scene:
    """One person, ready to be drawn in any state."""

    def __init__(self, person: Person, seed: int) -> None:
        self.person = person
        self.top = load_topology()
        self.rig: FaceRig = build_rig(self.top, person)
        rest = self.rig.surface(np.zeros(len(BLENDSHAPES)), 1.0)
        self.fine_count = len(rest)
        self.skin_faces = np.concatenate([self.top.fine.faces, loft_faces(self.top, self.fine_count)])
        skin = np.concatenate([rest, loft(rest[list(self.top.oval)])])
        self.texture: Skin = paint_face(self.top, rest, person, seed)
        self.eye, self.tongue = eyeball(), tongue()
        self.teeth = (teeth(upper=True), teeth(upper=False))
        self.ears = (ear(-1.0), ear(1.0))
        self.body, self.garment = body(person), garment(person)
        self.hair: Hair = grow(person, skin, self.skin_faces, seed)
        self.eye_colour = _eye_colours(self.eye, person, seed)
        batch = self._batch(skin)
        self.faces = np.concatenate(batch.faces)
        self.attributes = np.concatenate(batch.attributes).astype(np.float32)
        self.parts = [int(f.min()) for f in batch.faces]

    def _batch(self, skin: Floats) -> Batch:
        person, batch = self.person, Batch()
        colour = skin_tone(skin, person)
        roots = scalp_mask(skin, person)[:, None]
        colour += (linear(person.hair) * 0.5 - colour) * 0.92 * roots**1.5
        uv = np.zeros((len(skin), 3))
        uv[: self.fine_count, :2], uv[: self.fine_count, 2] = self.top.uv, 1.0
        uv[self.fine_count :, :2] = np.tile(
            self.top.uv[list(self.top.oval)], (len(uv) // len(self.top.oval), 1)
        )[: len(skin) - self.fine_count]
        uv[list(self.top.oval), 2] = 0.5
        batch.add(self.skin_faces, colour, 0.22 * (1 - roots[:, 0]), SKIN, uv)
        flesh = linear((0.72, 0.46, 0.42))
        for loop in self.top.eyes:
            rows = np.repeat([[1.0], [0.75], [0.30]], len(loop), 0)
            batch.add(grid_faces(3, len(loop), closed=True), rows * flesh, 0.35, WET)
        deep = np.repeat([[0.85], [0.80], [0.55], [0.26], [0.08], [0.05]], len(self.top.mouth), 0)
        batch.add(
            grid_faces(6, len(self.top.mouth), closed=True), deep * linear((0.62, 0.24, 0.24)), 0.25, WET
        )
        for _ in range(2):
            batch.add(self.eye.faces, self.eye_colour, 0.9, EYE)
        for row in self.teeth:
            batch.add(row.faces, _teeth_colours(row), 0.5, WET)
        back = window(self.tongue.vertices[:, 2], 0.2, 3.6)[:, None]
        batch.add(self.tongue.faces, linear((0.66, 0.33, 0.33)) * (0.25 + 0.95 * back), 0.4, WET)
        for piece in self.ears:
            dark = 1 - 0.45 * np.exp(-((piece.grid[:, :1] / 0.4) ** 2))
            batch.add(piece.faces, skin_tone(piece.vertices, person) * dark, 0.22, SKIN)
        neck = linear(person.skin) * np.array([0.93, 0.90, 0.90])
        batch.add(self.body.faces, np.broadcast_to(neck, self.body.vertices.shape), 0.18, SKIN)
        batch.add(self.garment.faces, _cloth_colours(self.garment, person), 0.10, CLOTH)
        for loop in self.top.eyes:
            batch.add(
                _lash_faces(len(loop)), np.tile(linear(person.brows) * 0.35, (2 * len(loop), 1)), 0.05, LASH
            )
        strands, steps = self.hair.tint.shape
        shades = np.repeat(linear(person.hair) * self.hair.tint[..., None] ** 2.2, 2, axis=1).reshape(-1, 3)
        batch.add(ribbon_faces(strands, steps), shades, 0.9, HAIR)
        return batch

    def landmarks(self, state: FrameState) -> Floats:
        """Return the 478 landmarks [478, 3] of a frame in the head's own axes, cm."""
        fine = self._surface(state)
        return np.concatenate([fine[:468], *(self._iris(state, side) for side in (0, 1))])

    def _surface(self, state: FrameState) -> Floats:
        weights = state.blendshapes
        close = float(np.clip(weights[CLOSE] / max(weights[JAW], 0.05), 0, 1))
        return self.rig.surface(weights, close)

    def _gaze(self, state: FrameState, side: int) -> Floats:
        look = {name: state.blendshapes[BLENDSHAPES.index(f"eyeLook{name}{'Right' if side == 0 else 'Left'}")]
                for name in ("In", "Out", "Up", "Down")}  # fmt: skip
        outward = -1.0 if side == 0 else 1.0
        yaw, pitch = GAZE * outward * (look["Out"] - look["In"]), GAZE * (look["Up"] - look["Down"])
        turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        nod = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
        return turn @ nod

    def _iris(self, state: FrameState, side: int) -> Floats:
        """MediaPipe's five iris points: centre, then image right, top, image left, bottom."""
        r = IRIS_RADIUS
        rim = np.array([[0, 0], [r, 0], [0, r], [-r, 0], [0, -r]])
        points = np.concatenate([rim, np.sqrt(EYEBALL_RADIUS**2 - (rim**2).sum(1, keepdims=True))], 1)
        return points @ self._gaze(state, side).T + self.rig.eyes[side]

    def render(self, state: FrameState) -> NDArray[np.uint8]:
        """Draw one frame [256, 256, 3] on white."""
        vertices, normals, tangents, colours = self._pose(state)
        attributes = np.concatenate([self.attributes, vertices.astype(np.float32)], 1)
        attributes[:, :3] = normals
        start = self.parts[-1]
        attributes[start:, 3:6] = tangents
        attributes[self.parts[4] : self.parts[6], 6:9] = colours
        size = SIZE * SUPER
        depth = CAMERA[2] - vertices[:, 2]
        scale = FOCAL * SUPER / depth
        screen = np.stack(
            [
                (vertices[:, 0] - CAMERA[0]) * scale + size / 2,
                (CAMERA[1] - vertices[:, 1]) * scale + size / 2,
                depth,
            ],
            1,
        )
        ids, weights, zbuffer = rasterize(screen, self.faces, size, size)
        where, values = gather(ids, weights, self.faces, attributes)
        image = np.ones((size * size, 3), np.float32)
        image[where] = self._shade(where, values, vertices, zbuffer)
        return _shrink(image.reshape(size, size, 3))

    def _shade(
        self,
        where: NDArray[np.int64],
        values: NDArray[np.float32],
        vertices: Floats,
        zbuffer: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        normal = values[:, :3] / np.maximum(np.linalg.norm(values[:, :3], axis=1, keepdims=True), 1e-6)
        material = np.rint(values[:, 10]).astype(np.int64)
        # Cloth and lids may show their inner side; light them from where they are seen.
        flip = (normal[:, 2] < 0) & ((material == WET) | (material == CLOTH))
        normal[flip] *= -1
        colour, gloss = values[:, 6:9].copy(), values[:, 9].copy()
        skin = (material == SKIN) & (values[:, 5] > 0)
        painted, shine = _sample(self.texture, values[skin, 3:5])
        share = values[skin, 5:6]
        colour[skin] += (painted - colour[skin]) * share
        gloss[skin] += (shine - gloss[skin]) * share[:, 0]
        light = shadow(
            _light_view(values[:, 11:14].astype(np.float64) + 0.10 * normal),
            self._shadow_map(vertices),
            0.16,
            3,
        )
        unit = FOCAL * SUPER / CAMERA[2]
        near = occlusion(where, normal, zbuffer, 1.1 * unit, unit)
        far = occlusion(where, normal, zbuffer, 3.6 * unit, unit)
        openness = near * (0.45 + 0.55 * far)
        sheen = linear(self.person.sheen).astype(np.float32)
        return encode(shade(material, normal, values[:, 3:6], colour, gloss, sheen, light, openness))

    def _shadow_map(self, vertices: Floats) -> NDArray[np.float32]:
        return rasterize(_light_view(vertices), self.faces, SHADOW_SIZE, SHADOW_SIZE)[2]

    def _pose(self, state: FrameState) -> tuple[Floats, Floats, Floats, Floats]:
        """Place all vertices of a frame: positions, normals, strand tangents and the eyes' colours."""
        fine = self._surface(state)
        skin = np.concatenate([fine, loft(fine[list(self.top.oval)])])
        loops = [fine[list(loop)] for loop in self.top.eyes]
        jaw = state.blendshapes[JAW]
        lower = self.teeth[1].vertices + jaw * jaw_motion(self.teeth[1].vertices)
        lick = self.tongue.vertices + 0.85 * jaw * jaw_motion(self.tongue.vertices)
        lick = lick + _tongue_lift(self.tongue, state.tongue * (0.8 + 2.2 * jaw))
        eyes = [self.eye.vertices @ self._gaze(state, side).T + self.rig.eyes[side] for side in (0, 1)]
        colours = np.concatenate([self.eye_colour * _lid_shadow(eyes[i], loops[i])[:, None] for i in (0, 1)])
        moving: list[Floats] = [
            skin, *(lid_wall(loops[i], self.rig.eyes[i]) for i in (0, 1)), mouth_bag(fine[list(self.top.mouth)]), *eyes,
            self.teeth[0].vertices, lower, lick, *(piece.vertices for piece in self.ears),
        ]  # fmt: skip
        world = [self.to_world(part, state) for part in moving]
        world += [
            self._skinned(self.body.vertices, head_share(self.body.vertices), state),
            self.garment.vertices,
        ]
        world += [self.to_world(_lashes(loops[i], self.rig.eyes[i], self.person), state) for i in (0, 1)]
        solid = np.concatenate(world)
        normals = vertex_normals(solid, self.faces[: len(self.faces) - self._hair_faces()])
        hair = self._skinned(self.hair.points.reshape(-1, 3), self.hair.share.ravel(), state).reshape(
            self.hair.points.shape
        )
        strands, tangents = ribbons(hair, self.hair.widths, np.array([0.0, 0.0, 1.0]))
        outward = np.repeat((self.hair.normals @ state.rotation.T)[:, :, None], 2, 2).reshape(-1, 3)
        return np.concatenate([solid, strands]), np.concatenate([normals, outward]), tangents, colours

    def _hair_faces(self) -> int:
        strands, steps = self.hair.tint.shape
        return 2 * strands * (steps - 1)

    def to_world(self, points: Floats, state: FrameState) -> Floats:
        """Move points [N, 3] with the head."""
        return (points - PIVOT) @ state.rotation.T + PIVOT + state.shift

    def _skinned(self, points: Floats, share: Floats, state: FrameState) -> Floats:
        return points + share[:, None] * (self.to_world(points, state) - points)


def _light_view(points: Floats) -> Floats:
    """Look along the key light: x, y in pixels of the shadow map, third the distance."""
    forward = KEY.astype(np.float64)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    up = np.cross(forward, right)
    unit = SHADOW_SIZE / SHADOW_SPAN
    centre = np.array([0.0, -2.0, -3.0])
    p = points - centre
    return np.stack([p @ right * unit + SHADOW_SIZE / 2, SHADOW_SIZE / 2 - p @ up * unit, -(p @ forward)], 1)


def _sample(skin: Skin, uv: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Read the painted skin at texture coordinates [P, 2], bilinearly."""
    size = skin.gloss.shape[0]
    at = np.clip(uv * size - 0.5, 0, size - 1.001)
    low = at.astype(np.int64)
    f = at - low
    x, y = low.T
    stack = np.concatenate([skin.colour, skin.gloss[..., None]], 2)
    fx, fy = f[:, :1], f[:, 1:]
    value = (stack[y, x] * (1 - fx) + stack[y, x + 1] * fx) * (1 - fy) + (
        stack[y + 1, x] * (1 - fx) + stack[y + 1, x + 1] * fx
    ) * fy
    return value[:, :3], value[:, 3]


def _shrink(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Average the supersamples and round to bytes."""
    small = image.reshape(SIZE, SUPER, SIZE, SUPER, 3).mean((1, 3))
    return np.clip(np.rint(small * 255), 0, 255).astype(np.uint8)


def _eye_colours(eye: Sheet, person: Person, seed: int) -> Floats:
    rng = np.random.default_rng(seed + 7)
    polar, around = eye.grid.T
    r = EYEBALL_RADIUS * np.sin(np.minimum(polar, np.pi / 2)) / IRIS_RADIUS
    streak = sum(rng.normal() * np.cos(k * around + rng.uniform(0, 6.28)) for k in range(5, 26)) / 4.5
    iris = linear(person.iris) * (1 + 0.28 * streak * window(r, 0.3, 0.6))[:, None]
    iris = iris * (0.75 + 0.75 * window(r, 0.45, 0.8) * window(r, 0.97, 0.8))[:, None]
    iris = iris * (1 - 0.8 * window(r, 0.82, 1.0))[:, None]
    white = linear((0.90, 0.87, 0.86)) * (
        1 - 0.25 * window(polar, 0.7, 1.3)[:, None] * np.array([0.3, 1.0, 1.0])
    )
    colour = np.where(
        (polar < np.pi / 2)[:, None], white + (iris - white) * window(r, 1.06, 0.96)[:, None], white
    )
    return colour + (np.array([0.004, 0.004, 0.004]) - colour) * window(r, 0.44, 0.36)[:, None]


def _teeth_colours(row: Sheet) -> Floats:
    along, height = row.grid.T
    white = 1.25 * linear((0.96, 0.93, 0.86)) * (1 - 0.72 * window(np.abs(along), 0.9, 2.6))[:, None]
    gum = linear((0.70, 0.38, 0.38)) * (1 - 0.75 * window(np.abs(along), 0.9, 2.6))[:, None]
    return gum + (white - gum) * window(height, 0.18, 0.3)[:, None]


def _cloth_colours(garment: Sheet, person: Person) -> Floats:
    from_neck, angle = garment.grid.T
    knit = 1 + 0.05 * np.sin(from_neck * 160) * np.sin(angle * 90)
    colour = linear(person.cloth) * knit[:, None]
    trim = linear(person.trim) * (1 + 0.12 * np.sign(np.sin(angle * 96)))[:, None]
    return colour + (trim - colour) * window(from_neck, 0.13, 0.11)[:, None]


def _lid_shadow(eye: Floats, loop: Floats) -> Floats:
    """The upper lid and its lashes shade the eyeball below them."""
    upper = loop[loop[:, 1] >= np.median(loop[:, 1])]
    distance = np.linalg.norm(eye[:, None, :2] - upper[None, :, :2], axis=2).min(1)
    everything = np.linalg.norm(eye[:, None, :2] - loop[None, :, :2], axis=2).min(1)
    return (1 - 0.62 * np.exp(-((distance / 0.30) ** 2))) * (1 - 0.22 * np.exp(-((everything / 0.18) ** 2)))


def _lashes(loop: Floats, centre: Floats, person: Person) -> Floats:
    """A fringe [2 * B, 3] along the lid border: full on the upper lid, nearly nothing on the lower."""
    low, high = loop[:, 0].min(), loop[:, 0].max()
    corner = loop[[int(loop[:, 0].argmin()), int(loop[:, 0].argmax())]]
    chord = corner[0, 1] + (loop[:, 0] - low) / (high - low) * (corner[1, 1] - corner[0, 1])
    order = np.arange(len(loop))
    upper = loop[:, 1] > chord + 1e-3
    outer = np.clip((np.abs(loop[:, 0]) - 1.9) / 2.4, 0.15, 1)
    comb = np.where(order % 2 == 0, 1.0, 0.5)
    length = np.where(upper, person.lashes * (0.5 + 0.7 * outer**2) * comb, 0.10 * person.lashes)
    out = loop - centre
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    rise = np.where(upper, 0.55, -0.9)[:, None] * np.array([0.0, 1.0, 0.0])
    side = np.sign(loop[:, :1]) * 0.35 * outer[:, None] * np.array([1.0, 0.0, 0.0])
    return np.concatenate(
        [loop + 0.015 * out, loop + 0.015 * out + length[:, None] * (0.75 * out + rise + side)]
    )


def _lash_faces(size: int) -> Ints:
    return grid_faces(2, size, closed=True)


def _tongue_lift(tongue: Sheet, amount: float) -> Floats:
    """Raise the tip towards the upper teeth."""
    tip = window(tongue.vertices[:, 2], 1.2, 3.9)
    lift = np.zeros_like(tongue.vertices)
    lift[:, 1], lift[:, 2] = 0.75 * amount * tip, 0.25 * amount * tip
    return lift
