from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2m_bench.core.errors import ShapeError
from t2m_bench.media.loudness import measure_loudness

RATE = 16000


def sine(seconds: float, height: float) -> np.ndarray:
    return (height * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def test_level_of_a_sine() -> None:
    found = measure_loudness(sine(1, 0.5), RATE)
    assert found.rms_dbfs == pytest.approx(-9.03, abs=0.02)
    assert found.peak_dbfs == pytest.approx(-6.02, abs=0.02)
    assert (found.seconds, found.silent_share, found.clipped_share) == (1.0, 0.0, 0.0)


def test_share_of_silence() -> None:
    found = measure_loudness(np.concatenate([sine(1, 0.1), sine(3, 0.001)]), RATE)
    assert found.silent_share == pytest.approx(0.75)


@pytest.mark.parametrize("length", [0, 1, 319, 321, 16000])
def test_digital_silence(length: int) -> None:
    found = measure_loudness(np.zeros(length, np.float32), RATE)
    assert (found.rms_dbfs, found.silent_share, found.clipped_share) == (-120.0, 1.0, 0.0)


def test_a_cut_off_wave_is_clipped_and_a_peak_is_not() -> None:
    cut = np.clip(sine(1, 2.0), -1, 1)
    # Of a sine of twice the scale, 1 - 2/pi asin(0.985/2) lies beyond 0.985.
    assert measure_loudness(cut, RATE).clipped_share == pytest.approx(0.672, abs=0.02)
    peaks = sine(1, 0.5)
    peaks[100], peaks[5000:5002] = 1.0, -1.0
    assert measure_loudness(peaks, RATE).clipped_share == 0


def test_full_scale_jumping_from_end_to_end_is_not_one_run() -> None:
    assert measure_loudness(np.float32([1, -1, 1, -1] * 100), RATE).clipped_share == 0


@given(st.lists(st.floats(-1, 1, width=32), max_size=2000), st.sampled_from([1, 50, 8000, 48000]))
def test_shares_are_shares(values: list[float], rate: int) -> None:
    found = measure_loudness(np.array(values, np.float32), rate)
    assert 0 <= found.silent_share <= 1 and 0 <= found.clipped_share <= 1
    assert -120 <= found.rms_dbfs <= found.peak_dbfs + 1e-6 <= 1e-5


def test_refuses_what_is_no_sound() -> None:
    with pytest.raises(ShapeError, match="samples must be finite"):
        measure_loudness(np.float32([[0.0]]), RATE)
    with pytest.raises(ShapeError, match="samples must be finite"):
        measure_loudness(np.float32([np.nan]), RATE)
