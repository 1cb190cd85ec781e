"""Mouths and the sound they make."""

from __future__ import annotations

import math

import numpy as np
import pytest
from face_samples import landmarks, poses, seen, shape, swaying
from metric_samples import StillFootage, recipe
from numpy.typing import NDArray

from t2m_bench.core.errors import AudioMissing, MetricError
from t2m_bench.core.metric import Measured
from t2m_bench.metrics.mouth_energy import (
    MouthEnergy,
    SoundLevel,
    correlation,
    frame_levels,
    loudness,
    shifted_correlation,
    smoothed,
)

FRAMES = 150
Array = NDArray[np.float64]


def _syllables(seed: int = 0) -> Array:
    """Loudness of each frame, [0, 1], a syllable every few frames."""
    rng = np.random.default_rng(seed)
    knots = rng.uniform(0, 1, FRAMES // 5 + 2)
    knots[::3] = 0
    return np.interp(np.arange(FRAMES), 5 * np.arange(len(knots)), knots)


def _speech(loud: Array, seed: int = 0) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(0, 0.2, 640 * len(loud))
    return (noise * np.repeat(10 ** (2 * loud - 2), 640)).astype(np.float32)


def _measure(opening: Array, level: Array, fps: float = 25.0) -> Measured:
    faces = np.stack([shape(opening=value) for value in opening])
    points = landmarks(poses(*swaying(len(faces))), faces)
    return MouthEnergy().summarise(seen(points, fps=fps, sound_level={"level": level}), None, recipe())


def _levels(samples: NDArray[np.float32]) -> Array:
    return frame_levels(samples, FRAMES, 25, 16000)


@pytest.mark.parametrize("fps", [25.0, 30000 / 1001])
def test_levels_are_those_of_a_plain_loop(fps: float) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    found = frame_levels(samples, 40, fps, 16000)
    for frame in range(40):
        start, stop = round(frame * 16000 / fps), round((frame + 1) * 16000 / fps)
        if stop > 16000:
            assert np.isnan(found[frame])
        else:
            part = [float(value) ** 2 for value in samples[start:stop]]
            assert found[frame] == pytest.approx(10 * math.log10(sum(part) / len(part)))
    assert np.isnan(found).any()


def test_silence_is_far_below_and_no_sound_is_no_number() -> None:
    assert (frame_levels(np.zeros(6400), 10, 25, 16000) == -np.inf).all()
    assert np.isnan(frame_levels(np.zeros(0), 10, 25, 16000)).all()
    half = np.concatenate([np.full(6400, 0.5), np.zeros(6400)])
    np.testing.assert_allclose(
        loudness(frame_levels(half, 20, 25, 16000))[[0, 19]], [-6.0206, -36.0206], atol=1e-3
    )


def test_quiet_noise_counts_as_silence() -> None:
    levels = np.array([-20.0, -20, -20, -40, -51, -80, np.nan])
    np.testing.assert_array_equal(loudness(levels), [-20, -20, -20, -40, -50, -50, np.nan])


@pytest.mark.parametrize("gaps", [(), (0, 7, 8, 29)])
def test_smoothing_is_that_of_a_plain_loop(gaps: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=30)
    values[list(gaps)] = np.nan
    found = smoothed(values, 2.0)
    for t in range(30):
        if t in gaps:
            assert np.isnan(found[t])
            continue
        near = [
            (math.exp(-0.5 * ((s - t) / 2) ** 2), values[s])
            for s in range(30)
            if abs(s - t) <= 8 and s not in gaps
        ]
        assert found[t] == pytest.approx(sum(w * v for w, v in near) / sum(w for w, _ in near))


def test_correlation_is_pearsons() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 50))
    a[3], b[9] = np.nan, np.nan
    keep = [index for index in range(50) if index not in (3, 9)]
    assert correlation(a, b) == pytest.approx(np.corrcoef(a[keep], b[keep])[0, 1])
    assert correlation(a, 2 - 3 * a) == pytest.approx(-1)
    assert correlation(np.ones(5), a[10:15]) == 0
    assert np.isnan(correlation(a[3:4], b[3:4]))
    assert shifted_correlation(a[10:], a[:-10], -10) == pytest.approx(1)
    assert shifted_correlation(a[:-10], a[10:], 10) == pytest.approx(1)


def test_a_mouth_that_follows_the_voice_scores_high_and_other_sound_does_not() -> None:
    loud = _syllables()
    level = _levels(_speech(loud))
    right = _measure(0.2 * loud, level)
    assert right.value > 0.8 and right.facts["best_shift_frames"] == 0 and right.frames == FRAMES
    assert _measure(0.2 - 0.2 * loud, level).value < -0.8
    others = [_measure(0.2 * _syllables(seed), level).value for seed in range(1, 5)]
    assert max(map(abs, others)) < 0.5 < right.value - 0.3
    order = np.random.default_rng(0).permutation(FRAMES)
    assert abs(_measure(0.2 * loud, level[order]).value) < 0.3


@pytest.mark.parametrize("shift", [-4, 3])
def test_a_shift_lowers_it_and_is_found(shift: int) -> None:
    loud = _syllables()
    level = _levels(_speech(loud))
    found = _measure(0.2 * np.roll(loud, shift), level)
    assert found.facts["best_shift_frames"] == shift
    assert found.facts["best"] > 0.8 > found.value + 0.1


def test_a_mouth_that_never_moves_follows_nothing() -> None:
    level = _levels(_speech(_syllables()))
    points = np.repeat(landmarks(poses(*swaying(1)), shape()), FRAMES, axis=0)
    found = MouthEnergy().summarise(seen(points, sound_level={"level": level}), None, recipe())
    assert found.value == 0


def test_what_cannot_be_judged_is_refused() -> None:
    loud = _syllables()
    level = _levels(_speech(loud))
    with pytest.raises(MetricError, match="The sound is silent"):
        _measure(loud, np.full(FRAMES, -np.inf))
    with pytest.raises(MetricError, match="The sound is silent"):
        _measure(loud, np.full(FRAMES, np.nan))
    with pytest.raises(MetricError, match="The sound is equally loud all along"):
        _measure(loud, np.full(FRAMES, -20.0))
    with pytest.raises(MetricError, match="at least 50 frames with a face and sound, there are 49"):
        _measure(loud, np.where(np.arange(FRAMES) < 49, level, np.nan))
    lost = seen(np.full((FRAMES, 478, 3), np.nan, np.float32), sound_level={"level": level})
    with pytest.raises(MetricError, match="No face was found in any of the 150 frames of the prediction"):
        MouthEnergy().summarise(lost, None, recipe())


class _Talking(StillFootage):
    def audio(self, rate: int = 16000) -> NDArray[np.float32]:
        assert rate == 16000
        return _speech(_syllables())


class _Mute(StillFootage):
    def audio(self, rate: int = 16000) -> NDArray[np.float32]:
        raise AudioMissing("it has no sound")


def test_the_feature_hears_as_many_frames_as_it_sees() -> None:
    frames = np.zeros((4, 8, 8, 3), np.uint8)
    with SoundLevel().open(recipe()) as maker:
        listener = maker(_Talking(frames))
        listener.add(frames[:3])
        listener.add(frames[3:])
        np.testing.assert_array_equal(listener.finish()["level"], _levels(_speech(_syllables()))[:4])
        with pytest.raises(AudioMissing):
            maker(_Mute(frames))
    assert SoundLevel().key(recipe()) != SoundLevel().key(recipe(fps=30.0))
