"""Mel front end: where a sound is in time and frequency, and what it does beyond the end."""

from __future__ import annotations

import numpy as np
import pytest

from t2m_bench.methods.talk2me.audio import BANDS, FEATURES, RATE, frame_features, log_mel


def _tone(hertz: float, seconds: float) -> np.ndarray:
    t = np.arange(int(RATE * seconds)) / RATE
    return (0.5 * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


@pytest.mark.parametrize(("low", "high"), [(200, 800), (800, 3000)])
def test_higher_tones_light_higher_bands(low: float, high: float) -> None:
    assert log_mel(_tone(low, 0.5))[20].argmax() < log_mel(_tone(high, 0.5))[20].argmax()


def test_columns_come_eighty_a_second_and_stay_in_range() -> None:
    mel = log_mel(_tone(440, 1.0))
    assert mel.shape == (81, BANDS)
    assert mel.min() >= -4
    assert mel.max() <= 4


def test_features_are_centred_in_time() -> None:
    sound = np.zeros(RATE, np.float32)
    middle = int((10 + 0.5) / 25 * RATE)  # the middle of frame 10
    sound[middle - 160 : middle + 160] = _tone(1000, 0.02)
    loud = frame_features(sound, 25, 25.0)[:, -1]
    assert loud.argmax() == 10
    assert loud[9] == pytest.approx(loud[11], abs=0.15)


def test_beyond_the_end_there_is_silence() -> None:
    features = frame_features(_tone(440, 1.0), 50, 25.0)
    assert features.shape == (50, FEATURES)
    assert (features[30:, :BANDS] == -4).all()
    assert (features[30:, BANDS:-1] == 0).all()


def test_later_sound_gives_the_same_features_later() -> None:
    sound = np.random.default_rng(0).normal(scale=0.1, size=RATE * 2).astype(np.float32)
    moved = np.concatenate([np.zeros(5 * 640, np.float32), sound])
    np.testing.assert_allclose(
        frame_features(moved, 40, 25.0)[12:], frame_features(sound, 35, 25.0)[7:], atol=1e-4
    )


def test_half_the_loudness_lowers_every_feature_alike() -> None:
    sound = _tone(500, 1.0)
    loud, quiet = log_mel(sound), log_mel(sound * 0.5)
    band = loud[40].argmax()
    assert loud[40, band] - quiet[40, band] == pytest.approx(8 * 6.02 / 100, abs=0.01)
