"""Which way each metric must move when a video is damaged on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Effect = Literal["worse", "lower", "higher", "same", "shift"]
"""`worse`: by the metric's own direction. `same`: no change at all. `shift`: by as many frames as were planted."""

DAMAGES: Mapping[str, str] = {
    "blur": "Gaussian blur",
    "noise": "Gaussian noise",
    "codec": "H.264 at a low bit rate",
    "late": "pictures late against the sound",
    "early": "pictures early against the sound",
    "dropped": "frames dropped, the last one held",
    "sound": "sound of another time",
    "mouth": "mouth held from the first frame",
}
"""Each damage and what is done."""

Effects = Mapping[str, Effect]

_PICTURE: Effects = {
    **dict.fromkeys(("blur", "noise", "codec", "late", "early", "dropped", "mouth"), "worse"),
    "sound": "same",
}
_DISTRIBUTION: Effects = {"blur": "worse", "noise": "worse", "codec": "worse", "sound": "same"}
_SHAPE: Effects = {**dict.fromkeys(("late", "early", "dropped", "mouth"), "worse"), "sound": "same"}
_SYNC: Effects = {"sound": "worse", "mouth": "worse"}
_EYES: Effects = {"late": "worse", "early": "worse", "dropped": "worse", "sound": "same"}
_DEAF: Effects = {"sound": "same"}

_BY_ID: Mapping[str, Effects] = {
    # At its best shift the distance knows no delay; at zero shift it must.
    "lse_d@strict.zero": {**_SYNC, "late": "worse", "early": "worse"},
    # Over all 68 points a still mouth may be outweighed by the detector's noise on the jaw.
    "lmd@face.px": {name: effect for name, effect in _SHAPE.items() if name != "mouth"},
    "lmd@fan.face.px": {name: effect for name, effect in _SHAPE.items() if name != "mouth"},
}
_BY_FAMILY: Mapping[str, Effects] = {
    **dict.fromkeys(("psnr", "ssim", "ms_ssim", "lpips"), _PICTURE),
    **dict.fromkeys(("fid", "kid"), _DISTRIBUTION),
    "lmd": _SHAPE,
    **dict.fromkeys(("lse_d", "lse_c"), _SYNC),
    "av_offset": {"late": "shift", "early": "shift"},
    "mouth_energy": _SYNC,
    "sharpness": {"blur": "lower", "noise": "higher", "sound": "same"},
    "ear": _EYES,
    **dict.fromkeys(("head_motion", "pose_fd", "blink_rate", "jitter", "id_sim"), _DEAF),
}


def effects(metric: str) -> Effects:
    """What is expected of a metric, by damage; damages that are not there may do anything. Empty for unknown metrics.

    Args:
        metric: id; what holds for its part before `@` holds for all variants that are not told apart.
    """
    return _BY_ID.get(metric) or _BY_FAMILY.get(metric.partition("@")[0], {})
