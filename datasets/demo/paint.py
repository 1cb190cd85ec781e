"""The painted skin of a face: colour and gloss over MediaPipe's texture coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from face import INNER_LOWER, INNER_UPPER, OUTER_LOWER, OUTER_UPPER, Topology, window
from hair import scalp_mask
from mesh import Floats
from people import Colour, Person
from PIL import Image, ImageDraw
from raster import gather, rasterize
from scipy.ndimage import distance_transform_edt, gaussian_filter

from t2m_bench.tracking.canonical import LEFT_EYE, RIGHT_EYE

SIZE = 1024
RIGHT_BROW = ((46, 70), (53, 63), (52, 105), (65, 66), (55, 107))
LEFT_BROW = ((276, 300), (283, 293), (282, 334), (295, 296), (285, 336))
Layer = Floats
"""[SIZE, SIZE] in [0, 1]."""


@dataclass(frozen=True)
class Skin:
    """Linear colour [SIZE, SIZE, 3] and gloss [SIZE, SIZE] of the face."""

    colour: Floats
    gloss: Floats


def linear(colour: Colour | Floats) -> Floats:
    """sRGB in [0, 1] to linear light."""
    c = np.asarray(colour, dtype=np.float64)
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def skin_tone(points: Floats, person: Person) -> Floats:
    """Linear skin colour [N, 3] at places of the head, with the zones that every face has."""
    x, y, z = points.T
    ax = np.abs(x)
    cheeks = np.exp(-(((ax - 4.3) / 1.7) ** 2) - ((y + 0.6) / 1.6) ** 2) * (z > -1)
    nose = np.exp(-((x / 1.3) ** 2) - ((y + 1.2) / 1.2) ** 2) * window(z, 5.0, 6.5)
    ears = window(ax, 7.6, 8.4) * window(y, -4, -2) * window(y, 5, 3)
    sockets = np.exp(-(((ax - 3.2) / 1.7) ** 2) - ((y - 2.2) / 1.15) ** 2) * (z > 1)
    below = np.exp(-(((ax - 3.0) / 1.2) ** 2) - ((y - 1.45) / 0.45) ** 2) * (z > 1)
    jaw = window(y + 0.16 * ax, -0.6, -4.4) * window(z, -3.6, -0.5) * window(y, -12.5, -9.8)
    moustache = np.exp(-((x / 2.1) ** 4) - ((y + 2.9) / 0.55) ** 2) * (z > 3)
    mouth = np.exp(-((x / 2.6) ** 4) - ((y + 4.3) / 0.8) ** 2) * (z > 3)
    beard = np.clip(jaw * (1 - mouth) * (1 - 0.55 * cheeks) + moustache, 0, 1) * person.beard
    skin, blush = np.array(person.skin), np.array(person.blush)
    tone = np.broadcast_to(skin, points.shape).copy()
    tone += (blush - skin) * np.clip(0.42 * cheeks + 0.36 * nose + 0.6 * ears, 0, 1)[:, None]
    tone *= (
        1 - (sockets[:, None] * np.array([0.08, 0.13, 0.11])) - below[:, None] * np.array([0.04, 0.06, 0.03])
    )
    tone *= 1 - beard[:, None] * np.array([0.27, 0.22, 0.15])
    return linear(np.clip(tone, 0, 1))


def paint_face(top: Topology, neutral: Floats, person: Person, seed: int) -> Skin:
    """Paint the face of a person; `neutral` is the neutral fine mesh [F, 3]."""
    rng = np.random.default_rng(seed)
    uv = top.uv * SIZE
    position = _positions(top, neutral)
    colour = skin_tone(position.reshape(-1, 3), person).reshape(SIZE, SIZE, 3)
    fade = np.clip(distance_transform_edt(_polygon([uv[i] for i in top.oval], 0)) / 40, 0, 1)
    colour *= (1 + fade * _mottle(rng))[..., None] ** np.array([0.6, 1.0, 1.1])
    colour = _freckles(colour, position, person, rng)
    gloss = 0.26 + 0.16 * np.exp(-((position[..., 0] / 2.2) ** 2)) * window(position[..., 1], -3, 0)
    colour, gloss = _paint_lips(colour, gloss, uv, person, rng)
    colour = _paint_eyes(colour, uv, person)
    colour = _paint_folds(colour, position, uv, person)
    colour = _paint_brows(colour, uv, person, rng)
    roots = gaussian_filter(scalp_mask(position.reshape(-1, 3), person).reshape(SIZE, SIZE), 5)
    colour = _mix(colour, linear(person.hair) * 0.5, 0.92 * roots**1.5)
    return Skin(colour.astype(np.float32), np.clip(gloss * (1 - roots), 0, 1).astype(np.float32))


def _positions(top: Topology, neutral: Floats) -> Floats:
    """Where on the head each texel lies [SIZE, SIZE, 3]; texels outside take the nearest inside."""
    flat = np.concatenate([top.uv * SIZE, np.zeros((len(top.uv), 1))], 1)
    ids, weights, _ = rasterize(flat, top.fine.faces, SIZE, SIZE)
    where, values = gather(ids, weights, top.fine.faces, neutral.astype(np.float32))
    result = np.zeros((SIZE * SIZE, 3))
    result[where] = values
    nearest = distance_transform_edt(ids < 0, return_distances=False, return_indices=True)
    return result.reshape(SIZE, SIZE, 3)[nearest[0], nearest[1]]


def _mix(colour: Floats, other: Floats, amount: Layer) -> Floats:
    return colour + (other - colour) * amount[..., None]


def _polygon(points: list[Floats], blur: float) -> Layer:
    image = Image.new("L", (SIZE, SIZE))
    ImageDraw.Draw(image).polygon([(float(p[0]), float(p[1])) for p in points], fill=255)
    layer = np.asarray(image, dtype=np.float64) / 255
    return gaussian_filter(layer, blur) if blur else layer


def _line(points: list[Floats], width: int, blur: float) -> Layer:
    image = Image.new("L", (SIZE, SIZE))
    ImageDraw.Draw(image).line(
        [(float(p[0]), float(p[1])) for p in points], fill=255, width=width, joint="curve"
    )
    return np.clip(gaussian_filter(np.asarray(image, dtype=np.float64) / 255, blur), 0, 1)


def _noise(rng: np.random.Generator, sigma: float) -> Layer:
    field = gaussian_filter(rng.standard_normal((SIZE, SIZE)), sigma, mode="wrap")
    return field / field.std()


def _mottle(rng: np.random.Generator) -> Layer:
    return 0.022 * _noise(rng, 28) + 0.020 * _noise(rng, 9) + 0.022 * _noise(rng, 2.2)


def _freckles(colour: Floats, position: Floats, person: Person, rng: np.random.Generator) -> Floats:
    x, y, z = (position[..., i] for i in range(3))
    zone = np.exp(-((np.abs(x) / 4.5) ** 4) - ((y + 0.2) / 1.4) ** 2) * (z > 2)
    speckle = window(_noise(rng, 2.6), 2.0, 2.9) * zone * (0.6 if person.long_hair else 0.12)
    colour = _mix(colour, colour * np.array([0.72, 0.55, 0.45]), speckle)
    mole = (2.9, -2.6, 4.4) if person.long_hair else (-4.6, -1.7, 3.2)
    spot = np.exp(-((x - mole[0]) ** 2 + (y - mole[1]) ** 2) / 0.012) * (z > 0)
    return _mix(colour, linear((0.33, 0.2, 0.16)), 0.85 * spot)


def _paint_lips(
    colour: Floats, gloss: Layer, uv: Floats, person: Person, rng: np.random.Generator
) -> tuple[Floats, Layer]:
    upper = [uv[i] for i in (61, *OUTER_UPPER, 291)]
    lower = [uv[i] for i in (61, *OUTER_LOWER, 291)]
    whole = _polygon(upper + lower[::-1], 4.5)
    inner = [uv[i] for i in (78, *INNER_UPPER, 308)], [uv[i] for i in (78, *INNER_LOWER, 308)]
    lips = linear(person.lips)
    crease = gaussian_filter(rng.standard_normal((SIZE, SIZE)), (14, 1.6), mode="wrap")
    crease /= crease.std()
    tone = lips * (1 + 0.07 * crease[..., None])
    strength = 0.86 if person.long_hair else 0.62
    colour = _mix(colour, tone, strength * whole)
    top = _polygon(upper + inner[0][::-1], 5)
    colour = _mix(colour, colour * np.array([0.78, 0.70, 0.70]), 0.7 * top)
    for line in inner:
        colour = _mix(colour, lips * np.array([0.35, 0.22, 0.24]), 0.85 * _line(line, 7, 3.2))
    return colour, gloss + 0.30 * whole


def _paint_eyes(colour: Floats, uv: Floats, person: Person) -> Floats:
    creases = ((RIGHT_EYE, (247, 30, 29, 27, 28, 56, 190)), (LEFT_EYE, (467, 260, 259, 257, 258, 286, 414)))
    for eye, crease in creases:
        lower = [uv[i] for i in eye[:9]]
        upper = [uv[i] for i in (*eye[8:], eye[0])]
        fold = [0.55 * uv[i] + 0.45 * uv[j] for i, j in zip(crease, reversed(eye[9:]), strict=True)]
        shade = np.array([0.62, 0.47, 0.44])
        colour = _mix(colour, colour * shade, 0.9 * _line(fold, 4, 2.6))
        colour = _mix(colour, colour * shade * 1.15, 0.35 * _polygon(upper + fold, 7))
        pink = linear((0.80, 0.52, 0.48))
        colour = _mix(colour, pink, 0.35 * np.clip(1.6 * _line(lower, 6, 2.2), 0, 1))
        colour = _mix(colour, linear((0.20, 0.12, 0.10)), 0.45 * np.clip(1.5 * _line(lower, 3, 2.0), 0, 1))
        dark = linear((0.10, 0.06, 0.05))
        strong = 0.95 if person.lashes > 0.2 else 0.8
        colour = _mix(
            colour, dark, strong * np.clip(1.8 * _line(upper, 8 if person.lashes > 0.2 else 6, 2.0), 0, 1)
        )
    return colour


def _paint_folds(colour: Floats, position: Floats, uv: Floats, person: Person) -> Floats:
    shade = np.array([0.70, 0.56, 0.52])
    for side, wing, mid, corner in ((1, 358, 426, 287), (-1, 129, 206, 57)):
        line = [uv[wing], 0.75 * uv[mid] + 0.25 * uv[corner], uv[corner]]
        colour = _mix(colour, colour * shade, (0.35 if person.beard else 0.25) * _line(line, 9, 7))
        x, y, z = (position[..., i] for i in range(3))
        hole = np.exp(-(((x - side * 0.80) / 0.36) ** 2) - ((z - 6.0) / 0.36) ** 2) * window(y, -1.15, -1.35)
        colour = _mix(colour, linear((0.16, 0.06, 0.05)), 0.9 * np.clip(1.4 * hole * (y > -2.05), 0, 1))
    return colour


def _paint_brows(colour: Floats, uv: Floats, person: Person, rng: np.random.Generator) -> Floats:
    image = Image.new("L", (2 * SIZE, 2 * SIZE))
    draw = ImageDraw.Draw(image)
    body = np.zeros((SIZE, SIZE))
    for brow in (RIGHT_BROW, LEFT_BROW):
        middle = np.array([0.45 * uv[low] + 0.55 * uv[high] for low, high in brow])
        t = np.linspace(0, 1, 5)
        thick = person.brow_thickness * 62
        for _ in range(420):
            u = rng.random() ** 0.85
            half = thick * np.interp(u, [0, 0.25, 0.6, 0.9, 1], [0.25, 0.5, 0.85, 1.0, 0.75])
            at = np.array([np.interp(u, t, middle[:, k]) for k in (0, 1)])
            ahead = np.array([np.interp(u - 0.08, t, middle[:, k]) for k in (0, 1)])
            behind = np.array([np.interp(u + 0.08, t, middle[:, k]) for k in (0, 1)])
            flow = (ahead - behind) / (np.linalg.norm(ahead - behind) + 1e-6)
            offset = (rng.random() * 2 - 1) * half
            # Hairs rise at the inner end and lie along the brow at the outer end.
            lean = np.array([0.0, -1.0]) * np.interp(u, [0, 0.5, 0.85, 1], [-0.25, 0.15, 0.75, 1.3])
            stroke = (flow + lean) / np.linalg.norm(flow + lean) * (13 + 7 * rng.random())
            start = (at + np.array([0, offset])) * 2
            end = start + stroke * 2
            draw.line(
                [tuple(start.tolist()), tuple(end.tolist())], fill=int(150 + 90 * rng.random()), width=3
            )
        outline = [
            np.array([p[0], p[1] + thick * w]) for p, w in zip(middle, (0.2, 0.6, 0.8, 0.9, 0.6), strict=True)
        ]
        outline += [
            np.array([p[0], p[1] - thick * w])
            for p, w in zip(middle[::-1], (0.7, 0.9, 0.8, 0.6, 0.2), strict=True)
        ]
        body = np.maximum(body, _polygon(outline, 9))
    strokes = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BOX), dtype=np.float64) / 255
    dark = linear(person.brows)
    colour = _mix(colour, dark, 0.78 * body)
    return _mix(colour, dark * 0.8, np.clip(1.1 * gaussian_filter(strokes, 0.7), 0, 0.95))
