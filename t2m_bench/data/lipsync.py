"""Whether a clip's sound belongs to its lips, and by how much it is late.

Eight measures of the mouth are predicted from the sound (16 log-mel bands of one instant) by ridge regression, fitted
on four fifths of the clip and tried on the rest, five times. The mean of their correlations with the truth is taken
at each lag from -12 to +12 frames of 25 fps: sound that belongs to the lips has a peak, other sound has chance. How
high chance reaches is found by doing the same with the mouth shifted around in a circle by more than a second; the
share of shifts whose peak stands as high over their own median is the p-value.

Positive lags mean sound later than picture. Lips move before they sound: clips that are in sync show 0 to +4 frames.

Measured on three filmed and two rendered clips: of 15 pieces of 8 s all show their link, within a frame of the whole
clip's lag; of 6 s three quarters do, of 4 s six in ten. Of 133 pairs of 8 s of lips with 8 s of sound from elsewhere
3% pass. The inner opening alone finds the link in 7 of 10 pieces of 8 s, and several instants of sound as
input blur the peak by 1 to 4 frames.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import ShapeError
from t2m_bench.core.track import BLENDSHAPES

SyncVerdict = Literal["in sync", "offset", "no reliable link", "too short to say"]

FPS = 25.0
MAX_LAG = 12
"""Frames of 25 fps either way."""
IN_SYNC_LAG = 4
"""Largest lag, in frames of 25 fps, that is called in sync."""
MIN_SECONDS = 4.0
SURE_SECONDS = 7.5
"""In less than this, a link that is not found proves nothing."""
MAX_SECONDS = 120.0
"""Only so much of a long clip is looked at: from its start."""
P_LINK = 0.02
"""A link is reliable when at most this share of the shifted mouths does as well."""

_SHIFTS = 200
_LEAST_SHIFT = 26  # frames: over a second
_FOLDS = 5
_RIDGE = 0.1
_BANDS = 16
_RATE = 16_000
_HOP, _WINDOW, _FFT = 160, 400, 512
_LOW_HZ, _HIGH_HZ = 100.0, 7600.0

_SHAPES = ("jawOpen", "mouthRollLower", "mouthFunnel", "mouthPucker")
_PAIRED_SHAPES = ("mouthPress", "mouthLowerDown")


@dataclass(frozen=True)
class LipSync:
    """What lips and sound have to do with each other."""

    verdict: SyncVerdict
    lag_frames: int | None
    """Best lag in frames of 25 fps; positive: the sound is late. None where nothing could be measured."""
    offset_ms: float | None
    """The same to a fraction of a frame, milliseconds."""
    correlation: float | None
    """Mean cross-validated correlation at the best lag."""
    chance: float | None
    """Its median over all lags."""
    p_value: float | None
    """Share of shifted mouths with a peak as high over their own chance."""
    seconds: float
    """Length of what was looked at, frames without a face left out."""
    curve: tuple[float, ...] = ()
    """Correlation at lags -12 to +12."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def mouth_measures(
    landmarks: NDArray[np.float32],  # [T, 478, 3]
    blendshapes: NDArray[np.float32],  # [T, 52]
) -> NDArray[np.float64]:
    """[T, 8]: inner opening over width, width over the distance of the eyes, and six blendshapes of lips and jaw."""

    def gap(first: int, second: int) -> NDArray[np.float64]:
        return np.linalg.norm(landmarks[:, first, :2] - landmarks[:, second, :2], axis=1).astype(np.float64)

    width, eyes = np.maximum(gap(61, 291), 1e-6), np.maximum(gap(33, 263), 1e-6)
    single = [blendshapes[:, BLENDSHAPES.index(name)] for name in _SHAPES]
    paired = [
        blendshapes[:, BLENDSHAPES.index(f"{name}Left")] + blendshapes[:, BLENDSHAPES.index(f"{name}Right")]
        for name in _PAIRED_SHAPES
    ]
    return np.stack([gap(13, 14) / width, width / eyes, *single, *paired], axis=1).astype(np.float64)


def lip_sync(
    mouth: NDArray[np.float64],  # [T, K]
    times: NDArray[np.float64],  # [T]
    samples: NDArray[np.float32],  # [S]
    valid: NDArray[np.bool_] | None = None,  # [T]
) -> LipSync:
    """Find the lag between a mouth and a sound.

    Args:
        mouth: measures of each frame (`mouth_measures`).
        times: when each frame is shown, seconds, rising; the first one is the start of the sound.
        samples: mono sound at 16 kHz.
        valid: False where the face was not seen; those frames are left out. None for everywhere.

    Returns:
        The lag with its p-value. Deterministic.

    Raises:
        ShapeError: arrays that do not fit each other, or measures that are not finite.
    """
    valid = np.ones(len(mouth), np.bool_) if valid is None else valid
    if mouth.ndim != 2 or times.shape != (len(mouth),) or valid.shape != times.shape or samples.ndim != 1:
        raise ShapeError(
            f"mouth must be [T, K], times and valid [T], samples [S]; got {list(mouth.shape)}, "
            f"{list(times.shape)}, {list(valid.shape)}, {list(samples.shape)}"
        )
    if not np.isfinite(mouth).all():
        raise ShapeError("mouth holds values that are not finite")
    even, seen = _evenly(mouth, times, valid, len(samples) / _RATE)
    seconds = float(seen.sum() / FPS)
    if seconds < MIN_SECONDS or not even.std(axis=0).any():
        return LipSync("too short to say", None, None, None, None, None, round(seconds, 3))
    features = _band_levels(samples, len(even))
    curves = _curves(even, features, seen)
    return _read(curves, seconds)


def _evenly(
    mouth: NDArray[np.float64], times: NDArray[np.float64], valid: NDArray[np.bool_], sound_seconds: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The mouth at the middles of frames of 25 fps, [N, K], as far as there is sound, and where it was seen, [N]."""
    if len(times) < 2:
        return mouth[:0], valid[:0]
    since = times - times[0]
    step = float(np.median(np.diff(since)))
    length = min(float(since[-1]) + step, sound_seconds, MAX_SECONDS)
    at = (np.arange(int(length * FPS + 1e-6)) + 0.5) / FPS
    shown = since + step / 2
    even = np.stack([np.interp(at, shown, column) for column in mouth.T], axis=1)
    return even, np.interp(at, shown, valid.astype(np.float64)) > 0.99


def _band_levels(samples: NDArray[np.float32], frames: int) -> NDArray[np.float64]:
    """Log-mel levels [frames + 2 * MAX_LAG, 16] at the middles of frames -MAX_LAG to frames + MAX_LAG."""
    needed = int((frames + 1) / FPS * _RATE) + MAX_LAG * _RATE
    padded = np.pad(samples[:needed].astype(np.float64), (_WINDOW // 2, _WINDOW))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP] * np.hanning(_WINDOW)
    power = np.abs(np.fft.rfft(windows, _FFT, axis=1)) ** 2
    levels = np.log10(power @ _mel_filters().T + 1e-6 * power.mean() + 1e-10)
    middles = (np.arange(-MAX_LAG, frames + MAX_LAG) + 0.5) / FPS
    columns = np.arange(len(levels)) * _HOP / _RATE
    return np.stack([np.interp(middles, columns, band) for band in levels.T], axis=1)


def _mel_filters() -> NDArray[np.float64]:
    """[16, 257] triangles, evenly spaced in mel."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (_LOW_HZ, _HIGH_HZ))
    edges = 700 * (10 ** (np.linspace(low, high, _BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(_FFT, 1 / _RATE)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.asarray(np.maximum(0, np.minimum(rising, falling)))


def _curves(
    mouth: NDArray[np.float64], features: NDArray[np.float64], seen: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Correlation at each lag [2 * MAX_LAG + 1, 1 + shifts]: of the mouth itself, then of its shifted copies."""
    frames, measures = mouth.shape
    rows = np.flatnonzero(seen)
    shown = mouth[rows]  # only what was seen is shifted, so that nothing unseen gets in
    shifts = np.arange(_LEAST_SHIFT, len(rows) - _LEAST_SHIFT + 1)
    if len(shifts) > _SHIFTS:
        shifts = shifts[np.linspace(0, len(shifts) - 1, _SHIFTS).astype(np.intp)]
    targets = np.stack([shown, *(np.roll(shown, shift, axis=0) for shift in shifts)], axis=1)
    inner = (rows >= MAX_LAG) & (rows < frames - MAX_LAG)  # those that have sound at every lag
    rows, targets = rows[inner], targets[inner]
    flat = targets.reshape(len(rows), -1)
    fold = np.arange(len(rows)) * _FOLDS // len(rows)
    curves = []
    for lag in range(-MAX_LAG, MAX_LAG + 1):
        predicted = _predicted(features[rows + MAX_LAG + lag], flat, fold)
        each = _correlation(predicted, flat).reshape(-1, measures)
        curves.append(each.mean(axis=1))
    return np.array(curves)


def _predicted(
    features: NDArray[np.float64], targets: NDArray[np.float64], fold: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Ridge prediction of each row by a fit to the rows of the other folds, [N, M]."""
    predicted = np.empty_like(targets)
    for number in range(_FOLDS):
        held = fold == number
        known = features[~held]
        mean, spread = known.mean(axis=0), known.std(axis=0) + 1e-6
        known, centre = (known - mean) / spread, targets[~held].mean(axis=0)
        gram = known.T @ known + _RIDGE * len(known) * np.eye(known.shape[1])
        weights = np.linalg.solve(gram, known.T @ (targets[~held] - centre))
        predicted[held] = (features[held] - mean) / spread @ weights + centre
    return predicted


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each column, [M]; 0 for one that never changes."""
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    scale = np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))
    return np.asarray((first * second).sum(axis=0) / np.maximum(scale, 1e-12))


def _read(curves: NDArray[np.float64], seconds: float) -> LipSync:
    """The verdict on curves [lags, 1 + shifts]."""
    heights = curves.max(axis=0) - np.median(curves, axis=0)
    p_value = float((1 + (heights[1:] >= heights[0]).sum()) / len(heights))
    own = curves[:, 0]
    best = int(own.argmax())
    lag = best - MAX_LAG
    at_the_border = best in (0, len(own) - 1)  # still rising there: not a peak
    linked = p_value <= P_LINK and not at_the_border
    verdict: SyncVerdict = "in sync" if abs(lag) <= IN_SYNC_LAG else "offset"
    if not linked:
        verdict = "no reliable link" if seconds >= SURE_SECONDS else "too short to say"
    return LipSync(
        verdict=verdict,
        lag_frames=lag,
        offset_ms=round(
            (lag + (0.0 if at_the_border else _vertex(own[best - 1 : best + 2]))) * 1000 / FPS, 1
        ),
        correlation=round(float(own[best]), 4),
        chance=round(float(np.median(own)), 4),
        p_value=round(p_value, 4),
        seconds=round(seconds, 3),
        curve=tuple(round(float(value), 4) for value in own),
    )


def _vertex(three: NDArray[np.float64]) -> float:
    """Where the parabola through three even points has its top, in steps from the middle one."""
    bend = three[0] - 2 * three[1] + three[2]
    return float(np.clip((three[0] - three[2]) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0
