"""How much a face trembles."""

from __future__ import annotations

import numpy as np
import pytest
from face_samples import landmarks, poses, seen, shape, swaying
from metric_samples import recipe
from numpy.typing import NDArray

from t2m_bench.core.errors import MetricError
from t2m_bench.core.metric import Measured, Observed
from t2m_bench.metrics.jitter import LandmarkJitter, second_differences


def _video(noise: float = 0.0, frames: int = 60, *, still: bool = False) -> Observed:
    turn, shift = swaying(frames)
    points = landmarks(poses(turn * (not still), shift * (not still)), shape())
    shaken = points + np.random.default_rng(0).normal(0, noise, points.shape) * [1, 1, 0]
    return seen(shaken.astype(np.float32))


def _jitter(video: Observed, reference: Observed | None = None) -> Measured:
    return LandmarkJitter().summarise(video, reference, recipe())


def _slow(faces: NDArray[np.float64], t: int) -> float:
    """Of one frame, in head space."""
    eyes = sorted(float(np.linalg.norm(face[33] - face[263])) for face in faces)
    apart = (eyes[(len(eyes) - 1) // 2] + eyes[len(eyes) // 2]) / 2
    total = 0.0
    for point in range(468):
        x, y = (faces[t + 1][point][i] - 2 * faces[t][point][i] + faces[t - 1][point][i] for i in (0, 1))
        total += (x * x + y * y) ** 0.5
    return 100 * total / 468 / apart


def test_second_differences_are_those_of_a_plain_loop() -> None:
    faces = shape() + np.random.default_rng(1).normal(0, 0.02, (8, 478, 3))
    found = second_differences(faces)
    assert found.shape == (8, 468) and np.isnan(found[[0, 7]]).all()
    for t in range(1, 7):
        assert found[t].mean() == pytest.approx(_slow(faces, t))


def test_steady_motion_of_a_point_does_not_tremble_and_depth_is_not_seen() -> None:
    t = np.arange(6.0)[:, None, None]
    assert np.nanmax(second_differences(shape() + 0.01 * t * [1, 1, 0])) < 1e-9
    assert np.nanmax(second_differences(shape() + 0.01 * t**2 * [0, 0, 1])) < 1e-9


def test_it_grows_with_the_noise_and_hardly_with_the_heads_motion() -> None:
    found = [_jitter(_video(noise)).value for noise in (0, 0.25, 0.5, 1)]
    assert found == sorted(found) and found[0] < 0.1 * found[1]
    assert found[3] == pytest.approx(2 * found[2], rel=0.1)
    assert _jitter(_video(0.5, still=True)).value == pytest.approx(found[2], rel=0.1)
    assert _jitter(_video(still=True)).value < 1e-3


def test_frames_beside_a_lost_face_have_no_value() -> None:
    video = _video(0.5)
    whole = _jitter(video).per_frame
    video.features["face_mesh"]["points"][20] = np.nan
    found = _jitter(video).per_frame
    assert whole is not None and found is not None
    assert np.isnan(found).nonzero()[0].tolist() == [0, 19, 20, 21, 59]
    good = np.isfinite(found)
    np.testing.assert_allclose(found[good], whole[good], rtol=1e-3)


def test_facts_tell_lips_and_the_reference() -> None:
    faces = np.stack([shape(opening=0.05 * (t % 2)) for t in range(60)])
    talking = seen(landmarks(poses(*swaying(60)), faces))
    found = _jitter(talking, _video())
    assert found.facts["lips"] > 5 * found.facts["rigid"]
    assert found.facts["reference"] == pytest.approx(_jitter(_video()).value)
    assert "reference" not in _jitter(talking).facts
    assert "reference" not in _jitter(talking, seen(other={"x": np.zeros(60)})).facts
    lost = seen(np.full((60, 478, 3), np.nan, np.float32))
    assert "reference" not in _jitter(talking, lost).facts


@pytest.mark.parametrize("frames", [2, 24])
def test_short_clips_are_refused(frames: int) -> None:
    text = f"at least 23 runs of three frames with a face, there are {frames - 2}"
    with pytest.raises(MetricError, match=text):
        _jitter(_video(frames=frames))
    assert _jitter(_video(frames=25)).value >= 0
