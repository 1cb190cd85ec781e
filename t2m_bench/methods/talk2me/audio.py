"""Audio front end `mel`: one feature vector a video frame, from nothing but the sound (no pretrained weights)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
"""Samples a second."""
BANDS = 80
FEATURES = 3 * BANDS + 1
"""Numbers a frame: level, change and its change in each band, and loudness."""

_FFT = 800
_HOP = 200
_LOW_HZ, _HIGH_HZ = 55.0, 7600.0
_PRE_EMPHASIS = 0.97
_REFERENCE_DB, _FLOOR_DB = 20.0, -100.0


def log_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-mel spectrogram with Wav2Lip's constants, at 80 columns a second.

    Args:
        samples: [S] mono at 16 kHz in [-1, 1].

    Returns:
        [C, 80] in [-4, 4], C = 1 + S // 200; column k is centred on sample 200 k.
    """
    emphasised = np.append(samples[:1], samples[1:] - _PRE_EMPHASIS * samples[:-1])
    padded = np.pad(emphasised, _FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_HOP]
    window = np.hanning(_FFT + 1)[:-1]
    magnitude = np.abs(np.fft.rfft(frames * window, axis=1))
    decibel = 20 * np.log10(np.maximum(magnitude @ _mel_filters().T, 1e-5)) - _REFERENCE_DB
    scaled = 8 * (decibel - _FLOOR_DB) / -_FLOOR_DB - 4
    return scaled.clip(-4, 4).astype(np.float32)


def frame_features(samples: NDArray[np.float32], frames: int, fps: float) -> NDArray[np.float32]:
    """Features of each video frame, from the 200 ms of sound around its middle.

    The window is centred on the frame, so neither the past nor the future is preferred.

    Args:
        samples: [S] mono at 16 kHz; sample 0 is the start of frame 0.
        frames: how many; the sound may be shorter or longer (silence is assumed beyond its end).
        fps: frames a second.

    Returns:
        [frames, 241].
    """
    mel = log_mel(samples)
    delta = np.gradient(mel, axis=0) if len(mel) > 1 else np.zeros_like(mel)
    second = np.gradient(delta, axis=0) if len(mel) > 1 else np.zeros_like(mel)
    loudness = mel.mean(axis=1, keepdims=True)
    columns = np.concatenate([mel, 4 * delta, 8 * second, loudness], axis=1)
    silence = np.concatenate([np.full(BANDS, -4.0), np.zeros(2 * BANDS), [-4.0]]).astype(np.float32)
    at = (np.arange(frames) + 0.5)[:, None] / fps * RATE / _HOP + np.arange(-2, 3)
    whole = np.floor(at).astype(np.int64)
    share = (at - whole)[..., None]
    taken = _rows(columns, silence, whole) * (1 - share) + _rows(columns, silence, whole + 1) * share
    return np.einsum("k,tkf->tf", [0.1, 0.2, 0.4, 0.2, 0.1], taken).astype(np.float32)


def _rows(
    columns: NDArray[np.float32], silence: NDArray[np.float32], index: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Rows of `columns` at `index`, of any shape; silence where there are none."""
    inside = (index >= 0) & (index < len(columns))
    return np.where(inside[..., None], columns[index.clip(0, len(columns) - 1)], silence)


@lru_cache(maxsize=1)
def _mel_filters() -> NDArray[np.float64]:
    """[80, 401] triangles of equal area on the Slaney mel scale (linear to 1 kHz, logarithmic above)."""
    edges = _hertz(np.linspace(_mel(_LOW_HZ), _mel(_HIGH_HZ), BANDS + 2))
    bins = np.fft.rfftfreq(_FFT, 1 / RATE)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.asarray(np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None])


def _mel(hertz: float) -> float:
    return hertz / (200 / 3) if hertz < 1000 else 15 + np.log(hertz / 1000) / (np.log(6.4) / 27)


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * (200 / 3), 1000 * np.exp((mel - 15) * (np.log(6.4) / 27)))
