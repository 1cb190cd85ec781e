"""From phonemes to the shape of the mouth in each frame."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np
from mesh import Floats
from scipy.ndimage import gaussian_filter1d
from speech import FPS, Phoneme, Timing

from t2m_bench.core.track import BLENDSHAPES

GRID = 500
"""Steps a second in which the curves are built."""


@dataclass(frozen=True)
class Viseme:
    """A mouth shape; every value in [0, 1]."""

    jaw: float = 0.06
    funnel: float = 0.0
    pucker: float = 0.0
    stretch: float = 0.0
    smile: float = 0.0
    lower: float = 0.0
    upper: float = 0.0
    bite: float = 0.0
    """Lower lip rolled in to the upper teeth."""
    press: float = 0.0
    seal: float = 0.0
    """1 closes the lips whatever the jaw does."""
    tongue: float = 0.0


CHANNELS = tuple(field.name for field in fields(Viseme))
SILENT = Viseme(jaw=0.03, seal=1.0)
CLOSED = Viseme(jaw=0.05, press=0.45, seal=1.0)
_A = Viseme(jaw=0.52, lower=0.16, upper=0.10)
_E = Viseme(jaw=0.27, stretch=0.38, smile=0.12, lower=0.24, upper=0.16)
_I = Viseme(jaw=0.10, stretch=0.55, smile=0.22, lower=0.30, upper=0.20)
_O = Viseme(jaw=0.32, funnel=0.58, pucker=0.25)
_U = Viseme(jaw=0.10, funnel=0.35, pucker=0.85)
_SCHWA = Viseme(jaw=0.20, lower=0.10, upper=0.05)
_TEETH = Viseme(jaw=0.08, stretch=0.22, lower=0.26, upper=0.14, tongue=0.75)
_HUSH = Viseme(jaw=0.10, funnel=0.62, pucker=0.18, lower=0.18, upper=0.12, tongue=0.5)
_BACK = Viseme(jaw=0.16, lower=0.08)
_BITE = Viseme(jaw=0.07, bite=0.85, upper=0.28)
_R = Viseme(jaw=0.10, funnel=0.30, pucker=0.42)
_TH = Viseme(jaw=0.14, lower=0.16, upper=0.10, tongue=1.0)
_SOFT = Viseme(jaw=0.07, stretch=0.38, smile=0.12, lower=0.28, upper=0.16, tongue=0.6)

UNITS: dict[str, Viseme] = {
    **dict.fromkeys(("a", "ɑ", "ɐ"), _A), "æ": Viseme(jaw=0.46, stretch=0.28, lower=0.18, upper=0.12),
    "ʌ": Viseme(jaw=0.36, lower=0.12, upper=0.06), **dict.fromkeys(("e", "ɛ"), _E),
    **dict.fromkeys(("i", "ɪ", "ᵻ", "j", "ʲ"), _I), **dict.fromkeys(("o", "ɔ", "ɒ"), _O),
    **dict.fromkeys(("u", "ʊ", "w"), _U),
    "y": Viseme(jaw=0.08, funnel=0.30, pucker=0.92), **dict.fromkeys(("ə", "ɜ"), _SCHWA),
    "ɚ": Viseme(jaw=0.17, funnel=0.20, pucker=0.22), "o-": Viseme(jaw=0.26, stretch=0.1, lower=0.12),
    "i.": Viseme(jaw=0.08, stretch=0.15, funnel=0.15, lower=0.22, upper=0.12), **dict.fromkeys(("m", "b", "p"), CLOSED),
    **dict.fromkeys(("f", "v"), _BITE), **dict.fromkeys(("θ", "ð"), _TH),
    **dict.fromkeys(("t", "d", "s", "z", "ɾ", "ʔ", "ts"), _TEETH),
    **dict.fromkeys(("n", "l"), Viseme(jaw=0.14, stretch=0.12, lower=0.16, upper=0.08, tongue=1.0)),
    **dict.fromkeys(("ʃ", "ʒ", "tʃ", "dʒ", "s.", "ts.", "ʐ"), _HUSH), **dict.fromkeys(("ɕ", "tɕ"), _SOFT),
    **dict.fromkeys(("k", "ɡ", "g", "ŋ", "h", "x", "χ"), _BACK), **dict.fromkeys(("ɹ", "r"), _R),
}  # fmt: skip
BILABIAL = ("m", "b", "p")
OPEN_VOWELS = ("a", "ɑ", "ɐ")
_SILENT_MARKS = "ːˈˌ.012345˥˦˧˨˩h-"


def units(ipa: str) -> list[str]:
    """Split an IPA name into known units, longest first; marks of length, stress, tone and aspiration are dropped.

    >>> units("aɪ"), units("tɕh"), units("onɡ")
    (['a', 'ɪ'], ['tɕ'], ['o', 'n', 'ɡ'])
    """
    found: list[str] = []
    at = 0
    while at < len(ipa):
        for size in (3, 2, 1):
            piece = ipa[at : at + size]
            if piece in UNITS and not (piece == "h" and found):
                found.append(piece)
                at += len(piece)
                break
        else:
            if ipa[at] not in _SILENT_MARKS:
                raise ValueError(f"no mouth shape is known for {ipa[at]!r} in phoneme {ipa!r}")
            at += 1
    return found


def segments(phonemes: tuple[Phoneme, ...]) -> list[tuple[float, float, Viseme]]:
    """Lay out mouth shapes in time: diphthongs are split, short gaps belong to the stop that follows them."""
    result: list[tuple[float, float, Viseme]] = []
    for index, phoneme in enumerate(phonemes):
        names = units(phoneme.ipa)
        if not names:
            following = units(phonemes[index + 1].ipa) if index + 1 < len(phonemes) else []
            short = phoneme.end - phoneme.start < 0.09 and following
            result.append((phoneme.start, phoneme.end, UNITS[following[0]] if short else SILENT))
            continue
        share = np.full(len(names), 1.0)
        share[0] = 1.25 if len(names) > 1 else 1.0
        cuts = phoneme.start + (phoneme.end - phoneme.start) * np.concatenate(
            [[0], np.cumsum(share) / share.sum()]
        )
        result += [(float(cuts[k]), float(cuts[k + 1]), UNITS[name]) for k, name in enumerate(names)]
    return result


def frame_times(frames: int) -> Floats:
    """Middle of the time during which each frame is shown, seconds."""
    return (np.arange(frames) + 0.5) / FPS


def mouth_curves(timing: Timing) -> dict[str, Floats]:
    """Return every channel of `Viseme` over the frames [T], smooth as muscles are but closed where lips must meet."""
    times = np.arange(int(timing.frames / FPS * GRID) + 1) / GRID
    target = np.zeros((len(times), len(CHANNELS)))
    for start, end, shape in segments(timing.phonemes):
        target[(times >= start) & (times < end)] = astuple(shape)
    target[times >= timing.phonemes[-1].end] = astuple(SILENT)
    at = np.clip(np.rint(frame_times(timing.frames) * GRID).astype(int), 0, len(times) - 1)
    spread = {"jaw": 0.030, "seal": 0.012, "bite": 0.020, "press": 0.020, "pucker": 0.034, "funnel": 0.034}
    curves = {
        name: gaussian_filter1d(target[:, k], spread.get(name, 0.028) * GRID, mode="nearest")[at]
        for k, name in enumerate(CHANNELS)
    }
    for phoneme in timing.phonemes:
        names = units(phoneme.ipa)
        if names and names[0] in BILABIAL:
            middle = int(np.clip((phoneme.start + phoneme.end) / 2 * FPS, 0, timing.frames - 1))
            curves["seal"][middle] = 1.0
    curves["seal"] = np.where(curves["seal"] > 0.8, 1.0, curves["seal"])
    return curves


def mouth_blendshapes(timing: Timing) -> tuple[Floats, Floats]:
    """Return blendshape values [T, 52] (mouth and jaw only) and the height of the tongue [T]."""
    curves = mouth_curves(timing)
    values = np.zeros((timing.frames, len(BLENDSHAPES)))
    open_ = 1 - 0.8 * curves["seal"]

    def put(name: str, curve: Floats) -> None:
        values[:, BLENDSHAPES.index(name)] = curve

    put("jawOpen", curves["jaw"])
    put("mouthClose", curves["seal"] * np.maximum(curves["jaw"], 0.05))
    put("mouthFunnel", curves["funnel"])
    put("mouthPucker", curves["pucker"])
    put("mouthRollLower", curves["bite"])
    put("mouthRollUpper", 0.35 * curves["press"])
    for side, bias in (("Left", 1.0), ("Right", 0.93)):
        put("mouthStretch" + side, bias * curves["stretch"])
        put("mouthSmile" + side, bias * (curves["smile"] + 0.12))
        put("mouthLowerDown" + side, bias * curves["lower"] * open_)
        put("mouthUpperUp" + side, bias * curves["upper"] * open_)
        put("mouthPress" + side, bias * curves["press"])
    return values, curves["tongue"]
