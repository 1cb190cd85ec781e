"""How eyes open and close."""

from __future__ import annotations

import numpy as np
import pytest
from face_samples import landmarks, poses, seen, shape, swaying
from metric_samples import recipe
from numpy.typing import NDArray

from t2m_bench.core.errors import MetricError
from t2m_bench.core.metric import Observed
from t2m_bench.metrics.eyes import BlinkRateDifference, EarError, count_blinks
from t2m_bench.metrics.heads import eye_openings

FRAMES = 200
LIDS = np.array([0.8, 0.45, 0.3, 0.35, 0.65, 0.9])
"""Of a blink, from frame to frame."""


def _lids(starts: tuple[int, ...], frames: int = FRAMES) -> NDArray[np.float64]:
    lids = np.ones(frames)
    for start in starts:
        lids[start : start + len(LIDS)] = LIDS[: frames - start]
    return lids


def _openings(lids: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([0.3 * lids, 0.25 * lids], axis=1)


def _video(starts: tuple[int, ...], fps: float = 25.0) -> Observed:
    faces = np.stack([shape(lids=value) for value in _lids(starts)])
    return seen(landmarks(poses(*swaying(FRAMES)), faces), fps=fps)


def test_a_turned_head_opens_its_eyes_no_wider() -> None:
    lids = np.linspace(0.2, 1.2, 60)
    faces = np.stack([shape(lids=value) for value in lids])
    found = eye_openings(landmarks(poses(*swaying(60)), faces), (512, 512))
    straight = eye_openings(landmarks(poses(*(0 * part for part in swaying(60))), faces), (512, 512))
    np.testing.assert_allclose(found, straight, atol=0.01)
    assert np.corrcoef(found[:, 0], lids)[0, 1] > 0.99


@pytest.mark.parametrize("starts", [(), (50,), (10, 60, 61 + 30, 150), (20, 26, 100)])
def test_blinks_are_counted(starts: tuple[int, ...]) -> None:
    found = count_blinks(_openings(_lids(starts)), 25)
    assert [start for start, _ in found.frames] == [start + 1 for start in starts]
    assert all(stop - start == 4 for start, stop in found.frames)
    assert found.per_minute == pytest.approx(len(starts) * 60 / 8)
    assert (found.rests, found.seconds, found.open_level) == (0, 8, pytest.approx(0.275))


def test_a_lid_that_trembles_between_the_thresholds_blinks_once_or_not() -> None:
    lids = np.ones(FRAMES)
    lids[50:60] = [0.8, 0.59, 0.69, 0.58, 0.69, 0.59, 0.65, 0.69, 0.71, 1]
    lids[100:110] = [0.8, 0.61, 0.75, 0.61, 0.75, 0.65, 0.62, 0.61, 0.8, 1]
    assert count_blinks(_openings(lids), 25).frames == ((51, 58),)


def test_eyes_that_rest_or_are_shut_at_an_end_do_not_blink() -> None:
    lids = np.ones(FRAMES)
    lids[:3] = lids[-4:] = lids[60:76] = 0.2  # 16 frames are longer than 0.6 s
    lids[120:135] = 0.2
    found = count_blinks(_openings(lids), 25)
    assert found.frames == ((120, 135),) and found.rests == 3


def test_a_closure_beside_a_lost_face_does_not_count() -> None:
    openings = _openings(_lids((50, 100, 150)))
    openings[53] = np.nan
    openings[97:101] = np.nan
    found = count_blinks(openings, 25)
    assert [start for start, _ in found.frames] == [151]
    assert found.rests == 2 and found.seconds == pytest.approx(195 / 25)


def test_the_rate_depends_on_the_frame_rate() -> None:
    openings = _openings(_lids((50, 100)))
    assert count_blinks(openings, 12.5).per_minute == pytest.approx(count_blinks(openings, 25).per_minute / 2)


def test_short_clips_and_closed_eyes_are_refused() -> None:
    with pytest.raises(MetricError, match=r"at least 5 s with a face, there are 4\.96 s"):
        count_blinks(_openings(np.ones(124)), 25)
    with pytest.raises(MetricError, match="The eyes are never open"):
        count_blinks(np.zeros((200, 2)), 25)


def test_missing_and_added_blinks_are_told() -> None:
    metric = BlinkRateDifference()
    real = _video((20, 80, 140))
    same = metric.summarise(real, real, recipe())
    assert same.value == 0 and same.facts["blinks"] == same.facts["blinks_reference"] == 3
    never = metric.summarise(_video(()), real, recipe())
    assert never.value == pytest.approx(3 * 60 / 8) and never.facts["per_minute"] == 0
    more = metric.summarise(_video((20, 50, 80, 140)), real, recipe())
    assert more.value == pytest.approx(60 / 8) and more.frames == FRAMES


def test_where_the_video_does_not_say_its_rate_the_recipe_does() -> None:
    found = BlinkRateDifference().summarise(_video((20, 80), fps=0.0), _video(()), recipe())
    assert found.value == pytest.approx(2 * 60 / 8)


def test_the_error_of_openings_is_that_of_a_plain_loop() -> None:
    made, real = _video((20, 80)), _video((22, 140))
    real.features["face_mesh"]["points"][7] = np.nan
    found = EarError().summarise(made, real, recipe())
    assert found.per_frame is not None and np.isnan(found.per_frame).nonzero()[0].tolist() == [7]
    a, b = (eye_openings(video.features["face_mesh"]["points"], (512, 512)) for video in (made, real))
    each = [(abs(a[t][0] - b[t][0]) + abs(a[t][1] - b[t][1])) / 2 for t in range(FRAMES) if t != 7]
    assert found.value == pytest.approx(sum(each) / len(each))
    assert EarError().summarise(made, made, recipe()).value == 0
    assert EarError().summarise(_video(()), real, recipe()).value > 0.005
