"""Light: turns interpolated surface attributes into colours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats32 = NDArray[np.float32]

KEY = np.array([-0.46, 0.52, 0.72], np.float32) / np.float32(np.linalg.norm([-0.46, 0.52, 0.72]))
FILL = np.array([0.75, 0.10, 0.65], np.float32) / np.float32(np.linalg.norm([0.75, 0.10, 0.65]))
KEY_COLOUR = np.array([1.62, 1.53, 1.42], np.float32)
FILL_COLOUR = np.array([0.44, 0.48, 0.54], np.float32)
SKY = np.array([0.60, 0.61, 0.64], np.float32)
GROUND = np.array([0.34, 0.29, 0.26], np.float32)
SKIN, EYE, WET, CLOTH, HAIR, LASH = range(6)
WRAP = {SKIN: (0.42, 0.22, 0.16), EYE: (0.5, 0.5, 0.5), WET: (0.4, 0.3, 0.3), CLOTH: (0.15, 0.15, 0.15)}


def shade(
    material: NDArray[np.int64],  # [P]
    normal: Floats32,  # [P, 3]
    tangent: Floats32,  # [P, 3] direction of the strand, where there is one
    colour: Floats32,  # [P, 3] linear
    gloss: Floats32,  # [P]
    sheen: Floats32,  # [3] colour of the second highlight of hair
    light: Floats32,  # [P] share of the key light that arrives
    openness: Floats32,  # [P] share of the surroundings that is seen
) -> Floats32:
    """Return linear radiance [P, 3]. The viewer is far away on +z."""
    result = np.zeros_like(colour)
    for kind, wrap in WRAP.items():
        pick = material == kind
        if pick.any():
            result[pick] = _surface(
                normal[pick],
                colour[pick],
                gloss[pick],
                light[pick],
                openness[pick],
                np.array(wrap, np.float32),
                kind,
            )
    pick = material >= HAIR
    if pick.any():
        result[pick] = _strand(
            normal[pick], tangent[pick], colour[pick], gloss[pick], sheen, light[pick], openness[pick]
        )
    return result


def _surface(
    normal: Floats32,
    colour: Floats32,
    gloss: Floats32,
    light: Floats32,
    openness: Floats32,
    wrap: Floats32,
    kind: int,
) -> Floats32:
    key = np.clip((normal @ KEY)[:, None] * (1 - wrap) + wrap, 0, None) / (1 + 0.4 * wrap)
    fill = np.clip((normal @ FILL)[:, None] * 0.7 + 0.3, 0, None)
    # Blood scatters light under the edge of a shadow: red fades later than blue.
    soft = light[:, None] ** (np.array([0.75, 1.0, 1.1], np.float32) if kind == SKIN else np.float32(1.0))
    up = (normal[:, 1:2] * 0.5 + 0.5) * openness[:, None]
    ambient = (SKY * up + GROUND * (openness[:, None] - up)) * openness[:, None] ** (
        np.array([0.0, 0.25, 0.35], np.float32) if kind == SKIN else np.float32(0.2)
    )
    diffuse = colour * (key * soft * KEY_COLOUR + fill * FILL_COLOUR * openness[:, None] + ambient)
    facing = np.clip(normal[:, 2], 0, 1)
    edge = 0.04 + 0.5 * (1 - facing) ** 5
    power = {SKIN: 22.0, EYE: 220.0, WET: 50.0}.get(kind, 8.0)
    shine = np.zeros(len(colour), np.float32)
    for direction, strength in ((KEY, 1.0), (FILL, 0.35)):
        half = direction + np.array([0, 0, 1], np.float32)
        half /= np.linalg.norm(half)
        glint = np.clip(normal @ half, 0, 1) ** power * (power + 8) / 25
        shine += glint * strength * (light if strength == 1.0 else openness)
    return (
        diffuse
        + (shine * gloss * edge * 9 * (0.22 if kind == SKIN else 0.35))[:, None]
        + (0.10 * edge * openness * gloss)[:, None]
    )


def _strand(
    normal: Floats32, tangent: Floats32, colour: Floats32, gloss: Floats32, sheen: Floats32, light: Floats32,
    openness: Floats32,
) -> Floats32:  # fmt: skip
    """Kajiya-Kay strands whose diffuse part follows the body of the hair, so that it reads as a volume."""
    result = colour * (SKY * 0.75 * openness[:, None])
    for direction, tint, lit in ((KEY, KEY_COLOUR, 0.25 + 0.75 * light), (FILL, FILL_COLOUR, openness)):
        along = tangent @ direction
        sine = np.sqrt(np.clip(1 - along**2, 0, 1))
        body = np.clip(normal @ direction * 0.75 + 0.25, 0, None)
        half = direction + np.array([0, 0, 1], np.float32)
        half /= np.linalg.norm(half)
        across = tangent @ half
        near = np.sqrt(np.clip(1 - (across - 0.10) ** 2, 0, 1)) ** 70
        far = np.sqrt(np.clip(1 - (across + 0.16) ** 2, 0, 1)) ** 22
        strength = (lit * openness * body)[:, None]
        result += tint * strength * colour * (0.35 + 0.65 * sine[:, None])
        result += (
            tint
            * strength
            * gloss[:, None]
            * (0.10 * near[:, None] + 0.24 * far[:, None] * colour * 2 + 0.03 * far[:, None] * sheen)
        )
    return result


def encode(radiance: Floats32) -> Floats32:
    """Linear radiance to display values in [0, 1]: a soft shoulder, then the sRGB curve."""
    exposed = np.clip(radiance, 0, None) * np.float32(0.62)
    mapped = np.where(exposed < 0.55, exposed, 0.55 + 0.45 * (1 - np.exp(-(exposed - 0.55) / 0.45)))
    return np.where(
        mapped <= 0.0031308, 12.92 * mapped, 1.055 * np.maximum(mapped, 1e-8) ** (1 / 2.4) - 0.055
    )
