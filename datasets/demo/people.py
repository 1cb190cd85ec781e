"""The two invented people: proportions, colours, hair and clothes. Nobody real was measured for them."""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Person:
    """One invented person. Lengths are centimetres added to MediaPipe's canonical face, colours sRGB in [0, 1]."""

    name: str
    jaw_width: float
    """Relative widening of the lower face."""
    chin: float
    """How much longer the lower face is."""
    cheeks: float
    """Outward bulge of the cheekbones."""
    nose_width: float
    nose_length: float
    """How far the tip stands out."""
    eye_scale: float
    """Relative enlargement of the eye region."""
    eye_open: float
    """Extra height of the lid opening."""
    eye_tilt: float
    """How much the outer corner is raised."""
    lip_fullness: float
    mouth_width: float
    brow_height: float
    brow_thickness: float
    """Half height of the brow at its thickest."""
    neck_radius: float
    shoulder: float
    """Half width of the shoulders."""
    skin: Colour
    blush: Colour
    """What the cheeks, nose and ears tend to."""
    lips: Colour
    brows: Colour
    hair: Colour
    sheen: Colour
    """Colour of the second, tinted highlight of the hair."""
    iris: Colour
    cloth: Colour
    trim: Colour
    beard: float
    """Strength of the shaved-beard shadow in [0, 1]."""
    lashes: float
    """Length of the upper lashes."""
    long_hair: bool
    neckline: float
    """How deep the neckline is cut at the front."""


AMBER = Person(
    name="amber", jaw_width=-0.095, chin=-0.35, cheeks=0.14, nose_width=-0.12, nose_length=-0.45, eye_scale=0.10,
    eye_open=0.22, eye_tilt=0.10, lip_fullness=0.24, mouth_width=0.0, brow_height=0.16, brow_thickness=0.23,
    neck_radius=4.6, shoulder=17.5, skin=(0.90, 0.725, 0.635), blush=(0.88, 0.53, 0.47), lips=(0.76, 0.37, 0.37),
    brows=(0.36, 0.22, 0.14), hair=(0.40, 0.215, 0.115), sheen=(0.95, 0.66, 0.40), iris=(0.30, 0.47, 0.42),
    cloth=(0.15, 0.42, 0.47), trim=(0.11, 0.34, 0.39), beard=0.0, lashes=0.34, long_hair=True, neckline=4.2,
)  # fmt: skip

BO = Person(
    name="bo", jaw_width=0.05, chin=0.25, cheeks=0.0, nose_width=0.08, nose_length=-0.1, eye_scale=0.02, eye_open=0.15,
    eye_tilt=0.05, lip_fullness=0.02, mouth_width=0.08, brow_height=-0.12, brow_thickness=0.42, neck_radius=5.75,
    shoulder=21.5, skin=(0.79, 0.60, 0.47), blush=(0.74, 0.44, 0.36), lips=(0.66, 0.40, 0.36),
    brows=(0.09, 0.07, 0.06), hair=(0.085, 0.07, 0.065), sheen=(0.45, 0.42, 0.42), iris=(0.24, 0.14, 0.08),
    cloth=(0.58, 0.19, 0.17), trim=(0.48, 0.14, 0.13), beard=0.55, lashes=0.14, long_hair=False, neckline=0.6,
)  # fmt: skip
