"""Hand-made displacement fields for MediaPipe's 52 blendshapes on its canonical face."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from face import (
    CORNERS,
    INNER_LOWER,
    INNER_UPPER,
    LIPS,
    OUTER_LOWER,
    OUTER_UPPER,
    FaceRig,
    Topology,
    interpolating_control,
    lid_pairs,
    local_field,
    neutral_face,
    seal_fields,
)
from mesh import Floats, spread
from people import Person

from t2m_bench.core.track import BLENDSHAPES
from t2m_bench.tracking.canonical import LEFT_EYE, RIGHT_EYE

Vector = tuple[float, float, float]
LEFT_BROW = {
    276: 0.5,
    283: 0.8,
    282: 0.9,
    295: 0.8,
    285: 0.7,
    300: 0.6,
    293: 0.9,
    334: 1.0,
    296: 0.9,
    336: 0.7,
}
INNER_BROW = {
    285: 1.0,
    336: 1.0,
    295: 0.65,
    296: 0.65,
    55: 1.0,
    107: 1.0,
    65: 0.65,
    66: 0.65,
    9: 0.5,
    8: 0.25,
}
HINGE = np.array([0.0, 0.6, -3.0])
JAW_ANGLE = 0.36
"""Radians at `jawOpen` 1."""
JAW_SLIDE = np.array([0.0, -0.55, 1.1])
"""The joint also slides forward and down when the jaw opens, cm at `jawOpen` 1."""


def jaw_motion(points: Floats) -> Floats:
    """Displacement [N, 3] of points fixed to the lower jaw at `jawOpen` 1 (linearised, so that it can be blended)."""
    arm = points - HINGE
    rotation = np.stack([np.zeros(len(arm)), -arm[:, 2], arm[:, 1]], 1) * np.sin(JAW_ANGLE)
    return rotation + JAW_SLIDE


def jaw_weights(top: Topology) -> Floats:
    """Return how much each vertex [468] follows the lower jaw."""
    v = top.vertices
    one: list[int] = [
        *OUTER_LOWER[1:-1],
        *INNER_LOWER[1:-1],
        18,
        200,
        199,
        175,
        152,
        148,
        377,
        176,
        400,
        83,
        313,
        201,
        421,
    ]
    weights: dict[int, float] = dict.fromkeys(one, 1.0)
    weights |= {
        149: 0.96,
        378: 0.96,
        150: 0.88,
        379: 0.88,
        136: 0.74,
        365: 0.74,
        172: 0.5,
        397: 0.5,
        58: 0.27,
        288: 0.27,
    }
    weights |= {132: 0.1, 361: 0.1, 146: 0.66, 375: 0.66, 95: 0.66, 324: 0.66}
    weights |= dict.fromkeys((*OUTER_UPPER[1:-1], *INNER_UPPER[1:-1]), 0.0)
    weights |= {185: 0.2, 409: 0.2, 191: 0.2, 415: 0.2}
    weights |= dict.fromkeys(CORNERS, 0.42)
    still = (
        (v[:, 1] > -1.2)
        | ((v[:, 1] > -3.3) & (np.abs(v[:, 0]) < 2.2))
        | ((v[:, 1] > -2.4) & (np.abs(v[:, 0]) > 6.5))
    )
    weights |= {int(i): 0.0 for i in np.nonzero(still)[0]}
    return np.clip(spread(top.operator, weights), 0, 1)


def _ramp(x: float) -> float:
    """Share of a left-side shape at horizontal position x: 0.5 in the middle, so that both sides add up to 1."""
    t = float(np.clip((x + 0.9) / 1.8, 0, 1))
    return t * t * (3 - 2 * t)


def _lip_shapes(top: Topology) -> dict[str, Floats]:
    v = top.vertices
    upper, lower = (*OUTER_UPPER, *INNER_UPPER), (*OUTER_LOWER, *INNER_LOWER)

    def build(indices: Iterable[int], rule: Mapping[str, tuple[float, ...]], reach: float) -> Floats:
        """Rule: displacement of the upper and lower, outer and inner lip at the middle, and x scale of all."""
        handles: dict[int, Vector] = {}
        for i in indices:
            arch = 1 - (v[i, 0] / 2.6) ** 2
            part = ("upper" if i in upper else "lower") + (
                "_in" if i in INNER_UPPER or i in INNER_LOWER else "_out"
            )
            dy, dz = rule.get("corner", (0.0, 0.0)) if i in CORNERS else rule.get(part, (0.0, 0.0))
            arch = 1.0 if i in CORNERS else arch
            scale = rule.get("x", (0.0,))[0]
            handles[i] = (scale * v[i, 0], dy * arch, dz * (0.35 + 0.65 * arch) if i not in CORNERS else dz)
        return local_field(top, handles, reach)

    pucker = {"x": (-0.40,), "upper_out": (-0.02, 0.75), "lower_out": (0.10, 0.75), "upper_in": (0.08, 0.85),
              "lower_in": (-0.10, 0.85), "corner": (0.0, 0.45)}  # fmt: skip
    funnel = {"x": (-0.30,), "upper_out": (0.25, 0.6), "lower_out": (-0.30, 0.6), "upper_in": (0.35, 0.55),
              "lower_in": (-0.50, 0.55), "corner": (0.0, 0.45)}  # fmt: skip
    roll_low = {"lower_out": (0.22, -0.30), "lower_in": (0.10, -0.55)}
    roll_up = {"upper_out": (-0.18, -0.30), "upper_in": (-0.05, -0.40)}
    shrug = {"lower_out": (0.35, 0.2), "lower_in": (0.30, 0.1)}
    return {
        "mouthPucker": build(LIPS, pucker, 2.6),
        "mouthFunnel": build(LIPS, funnel, 2.6),
        "mouthRollLower": build((*lower, *CORNERS), roll_low, 1.6),
        "mouthRollUpper": build((*upper, *CORNERS), roll_up, 1.6),
        "mouthShrugLower": build((*lower, *CORNERS), shrug, 2.2),
        "mouthShrugUpper": build(
            (*upper, *CORNERS), {"upper_out": (0.2, 0.15), "upper_in": (0.18, 0.1)}, 2.0
        ),
    }


def _left_mouth_shapes(top: Topology) -> dict[str, Floats]:
    v = top.vertices

    def pull(corner: Vector, reach: float, extra: dict[int, Vector] | None = None) -> Floats:
        handles: dict[int, Vector] = {}
        for i in LIPS:
            w = float(np.clip(v[i, 0] / 2.45, 0, 1)) ** 1.3
            handles[i] = (corner[0] * w, corner[1] * w, corner[2] * w)
        return local_field(top, handles | (extra or {}), reach)

    def lift(
        indices: tuple[int, ...], amount: Vector, reach: float, extra: dict[int, Vector] | None = None
    ) -> Floats:
        handles: dict[int, Vector] = {}
        for i in (*indices, *CORNERS):
            w = 0.0 if i in CORNERS else _ramp(v[i, 0]) * (1 - (v[i, 0] / 2.6) ** 2)
            handles[i] = (amount[0] * w, amount[1] * w, amount[2] * w)
        return local_field(top, handles | (extra or {}), reach)

    lower, upper = (*OUTER_LOWER, *INNER_LOWER), (*OUTER_UPPER, *INNER_UPPER)
    press: dict[int, Vector] = {}
    for i in LIPS:
        w = _ramp(v[i, 0]) * (1 - (v[i, 0] / 2.7) ** 2)
        dy = -0.16 if i in OUTER_UPPER else 0.2 if i in OUTER_LOWER else 0.0
        press[i] = (0.0, dy * w, -0.16 * w)
    cheek = {280: (0.1, 0.35, 0.25), 425: (0.15, 0.3, 0.2)}
    return {
        "mouthSmileLeft": pull((0.62, 0.62, -0.3), 3.0, cheek),
        "mouthFrownLeft": pull((0.05, -0.6, 0.0), 2.4),
        "mouthStretchLeft": pull((0.62, -0.12, -0.28), 3.0),
        "mouthDimpleLeft": pull((0.3, 0.05, -0.4), 2.0),
        "mouthPressLeft": local_field(top, press, 1.6),
        "mouthLowerDownLeft": lift(lower, (0.0, -0.75, -0.02), 2.2),
        "mouthUpperUpLeft": lift(upper, (0.0, 0.55, 0.05), 2.2, {327: (0.05, 0.15, 0.0)}),
    }


def _left_upper_shapes(top: Topology) -> dict[str, Floats]:
    v = top.vertices
    lower = LEFT_EYE[1:8]
    upper = LEFT_EYE[9:]
    blink: dict[int, Vector] = {LEFT_EYE[0]: (0.0, -0.04, 0.0), LEFT_EYE[8]: (0.0, 0.0, 0.0)}
    for up, low in lid_pairs(LEFT_EYE):
        gap = v[low] - v[up]
        blink[up] = tuple(0.9 * gap)
        blink[low] = tuple(-0.1 * gap)
    brow = {i: (0.0, 0.62 * w, 0.05 * w) for i, w in LEFT_BROW.items()}
    frown = {i: (-0.16 * w, -0.42 * w, 0.05 * w) for i, w in LEFT_BROW.items()}
    return {
        "eyeBlinkLeft": local_field(top, blink, 1.25),
        "eyeWideLeft": local_field(top, dict.fromkeys(upper[1:-1], (0.0, 0.16, 0.0)), 1.2),
        "eyeSquintLeft": local_field(top, dict.fromkeys(lower[1:-1], (0.0, 0.18, 0.04)), 1.4),
        "eyeLookDownLeft": local_field(top, dict.fromkeys(upper[1:-1], (0.0, -0.24, 0.0)), 1.2),
        "eyeLookUpLeft": local_field(top, dict.fromkeys(upper[1:-1], (0.0, 0.14, 0.0)), 1.2),
        "browOuterUpLeft": local_field(top, {i: d for i, d in brow.items() if i not in (285, 336)}, 2.2),
        "browDownLeft": local_field(top, frown, 1.8),
        "cheekSquintLeft": local_field(top, {280: (0.1, 0.4, 0.3), 330: (0.0, 0.25, 0.15)}, 2.4),
        "noseSneerLeft": local_field(
            top, {327: (0.08, 0.3, 0.0), 358: (0.1, 0.35, 0.0), 429: (0.0, 0.3, 0.1)}, 1.8
        ),
    }


def blendshape_fields(top: Topology, control: Floats) -> Floats:
    """Return the displacement fields [52, 468, 3] for a person with these control points."""
    jaw = jaw_weights(top)[:, None]
    fields = _lip_shapes(top)
    left = _left_mouth_shapes(top) | _left_upper_shapes(top)
    for name, field in left.items():
        fields[name] = field
        fields[name.replace("Left", "Right")] = field[top.mirror] * np.array([-1.0, 1.0, 1.0])
    for side, eye in (("Left", LEFT_EYE), ("Right", RIGHT_EYE)):
        fields["eyeBlink" + side] = _fit_blink(fields["eyeBlink" + side], control, eye)
    fields["jawOpen"] = jaw * jaw_motion(control)
    fields["jawForward"] = jaw * np.array([0.0, 0.0, 0.6])
    fields["jawLeft"], fields["jawRight"] = jaw * np.array([0.6, 0, 0]), jaw * np.array([-0.6, 0, 0])
    sideways = local_field(top, dict.fromkeys(LIPS, (0.55, 0.0, 0.0)), 3.0)
    fields["mouthLeft"], fields["mouthRight"] = sideways, -sideways
    fields["browInnerUp"] = local_field(
        top, {i: (0.0, 0.6 * w, 0.04 * w) for i, w in INNER_BROW.items()}, 1.9
    )
    puff = {i: (0.7 * float(np.sign(top.vertices[i, 0])), 0.0, 0.5) for i in (205, 425, 207, 427, 187, 411)}
    fields["cheekPuff"] = local_field(top, puff, 2.6)
    none = np.zeros_like(control)
    return np.stack([fields.get(name, none) for name in BLENDSHAPES])


def _fit_blink(field: Floats, control: Floats, eye: tuple[int, ...]) -> Floats:
    """Replace the lid edges' part by one that meets exactly for this person."""
    result = field.copy()
    for up, low in lid_pairs(eye):
        meet = 0.12 * control[up] + 0.88 * control[low]
        result[up] = meet - control[up]
        result[low] = meet - control[low]
    return result


def build_rig(top: Topology, person: Person) -> FaceRig:
    """Build the movable face of a person."""
    neutral = neutral_face(top, person)
    control = interpolating_control(top, neutral)
    eyes = np.array([[-3.12, 2.60, 2.38], [3.12, 2.60, 2.38]])
    return FaceRig(top, neutral, control, blendshape_fields(top, control), seal_fields(top), eyes)
