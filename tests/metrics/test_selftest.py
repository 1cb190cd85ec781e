"""Planted damage, and whether metrics notice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from metric_samples import Ramp, recipe

from t2m_bench.core.method import SilentReporter
from t2m_bench.core.metric import FramePairs
from t2m_bench.core.recipe import Recipe
from t2m_bench.core.track import Track
from t2m_bench.media.audio import read_audio
from t2m_bench.media.video import VideoWriter, iter_frames, resize_frames
from t2m_bench.metrics.catalog import metric_infos
from t2m_bench.metrics.damage import LIPS, blurred, dropped, frozen_mouth, noisy, recompressed
from t2m_bench.metrics.expectations import DAMAGES, effects
from t2m_bench.metrics.pixel import Psnr
from t2m_bench.metrics.reel import VideoReel
from t2m_bench.metrics.selftest import STEPS, Card, moves_as_it_must, selftest
from t2m_bench.reports.formats import render
from t2m_bench.reports.selftest import card_json, card_table

WEIGHT_FREE = ("psnr@rgb", "ssim@rgb", "ms_ssim@rgb.3", "sharpness@ratio")
SIDE, COUNT = 96, 30


@pytest.fixture(scope="module")
def clip(demo_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo clip made small, with its track."""
    folder = tmp_path_factory.mktemp("clip")
    source = demo_clips / "demo_en.mp4"
    sound = (read_audio(source)[: COUNT * 640], 16000)
    with VideoWriter(folder / "small.mkv", 25, (SIDE, SIDE), lossless=True, audio=sound) as video:
        for frame in iter_frames(source, start=20, stop=20 + COUNT):
            video.write(resize_frames(frame[None], (SIDE, SIDE))[0])
    track = Track.load(source.with_suffix(".track.npz")).part(20, 20 + COUNT)
    track.landmarks[:] *= SIDE / track.size[0]
    track.save(folder / "small.track.npz")
    return folder / "small.mkv"


@pytest.fixture(scope="module")
def card(clip: Path) -> Card:
    return selftest(clip, recipe(), SilentReporter(), names=[*WEIGHT_FREE, "lmd@fan.mouth.px"], lacking={})


def test_every_metric_that_needs_no_weights_moves_as_it_must(card: Card) -> None:
    assert card.failed == [] and tuple(card.outcomes) == WEIGHT_FREE and card.frames == COUNT
    states = {damage: outcome.state for damage, outcome in card.outcomes["psnr@rgb"].items()}
    assert states == dict.fromkeys(DAMAGES, "ok")
    blur = card.outcomes["ssim@rgb"]["blur"]
    assert blur.clean == pytest.approx(1, abs=1e-5) and blur.clean > blur.weak > blur.strong
    assert card.outcomes["psnr@rgb"]["sound"].strong == 100
    assert list(card.unavailable) == ["lmd@fan.mouth.px"]


def test_the_card_can_be_printed_and_read_by_machines(card: Card) -> None:
    table = card_table(card, metric_infos(), ["fan2d4"])
    shown = render(table, "rich")
    assert "Self-test on small.mkv, 30 frames" in shown and "0 failures." in shown
    assert "lmd@fan.mouth.px. `t2m-bench assets fetch fan2d4` gets what they need." in shown
    line = next(line for line in shown.splitlines() if line.startswith("sharpness@ratio"))
    assert line.split() == ["sharpness@ratio", "ok", "ok", "-", "-", "-", "-", "ok", "(=)", "-"]
    assert card_json(card)["outcomes"]["psnr@rgb"]["blur"]["state"] == "ok"


def test_a_metric_that_does_not_move_is_a_failure(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def numb(self: Psnr, pairs: FramePairs, recipe: Recipe) -> np.ndarray:
        return np.full(len(pairs.reference), 30.0)

    monkeypatch.setattr(Psnr, "measure", numb)
    card = selftest(clip, recipe(), SilentReporter(), names=["psnr@rgb"], frames=4)
    assert {damage for _, damage in card.failed} == set(DAMAGES) - {"sound"}
    shown = render(card_table(card, metric_infos()), "rich")
    assert "FAILED 30, 30, 30" in shown and "7 failures." in shown


def test_without_landmarks_no_mouth_is_frozen(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "alone.mkv").write_bytes(clip.read_bytes())
    card = selftest(tmp_path / "alone.mkv", recipe(), SilentReporter(), names=["psnr@rgb"], frames=8)
    assert card.failed == [] and card.outcomes["psnr@rgb"]["mouth"].state == "not applicable"
    assert "Not measurable: psnr@rgb under mouth: no landmarks are known." in render(
        card_table(card, metric_infos()), "rich"
    )


@pytest.mark.parametrize(
    ("expected", "direction", "values", "good"),
    [
        ("worse", "higher", (3.0, 2.0, 1.0), True),
        ("worse", "higher", (3.0, 2.0, 2.0), False),
        ("worse", "higher", (3.0, 3.0, 1.0), False),
        ("worse", "lower", (0.0, 1.0, 2.0), True),
        ("worse", "lower", (0.0, -1.0, 2.0), False),
        ("lower", "none", (1.0, 0.5, 0.2), True),
        ("higher", "none", (1.0, 0.5, 0.2), False),
        ("higher", "none", (1.0, 1.5, 2.2), True),
        ("same", "lower", (1.0, 1.0, 1.0), True),
        ("same", "lower", (1.0, 1.0, 1.1), False),
        ("shift", "none", (2.0, 3.0, 6.0), True),
        ("shift", "none", (2.0, 1.0, -2.0), True),
        ("shift", "none", (2.0, 3.0, 7.0), False),
    ],
)
def test_what_counts_as_moving(expected: str, direction: str, values: tuple[float, ...], good: bool) -> None:
    assert moves_as_it_must(expected, direction, values, (1, 4)) is good  # type: ignore[arg-type]


def test_expectations_name_damages_and_reach_every_metric() -> None:
    assert list(STEPS) == list(DAMAGES)
    for name in metric_infos():
        assert effects(name), f"nothing is expected of {name}"
        assert set(effects(name)) <= set(DAMAGES)
    assert effects("nobody@knows") == {}


def test_frames_are_dropped_noise_repeats_and_blur_keeps_the_mean() -> None:
    base = Ramp(8)
    levels = [int(frame[0, 0, 0]) for frame in dropped(base, 3).frames()]
    assert levels == [0, 0, 0, 3, 3, 3, 6, 6]
    first, again = (list(noisy(Ramp(3, 64, 100), 8).frames()) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], first[1])
    assert np.std(first[0].astype(float)) == pytest.approx(8, rel=0.05)
    edge = Ramp(1, 32)
    edge.pictures[:, :, 16:] = 200
    (soft,) = blurred(edge, 2.0).frames()
    assert soft.mean() == pytest.approx(100, abs=0.5) and soft[5, 16, 0] == pytest.approx(120, abs=2)


def test_recompression_keeps_size_and_number(tmp_path: Path) -> None:
    base = Ramp(3, 33, 20)
    coded = list(recompressed(base, 48, tmp_path).frames())
    assert [frame.shape for frame in coded] == [(33, 33, 3)] * 3


def test_a_frozen_mouth_stays_while_the_head_moves(clip: Path) -> None:
    landmarks = Track.load(clip.with_suffix(".track.npz")).landmarks
    base = VideoReel(clip)
    frozen, real = list(frozen_mouth(base, landmarks, 1.0).frames()), list(base.frames())
    changed = [np.abs(a.astype(int) - b).max(axis=2) > 3 for a, b in zip(frozen, real, strict=True)]
    assert not changed[0].any() and max(mask.sum() for mask in changed) > 50
    for mask, points in zip(changed, landmarks, strict=True):
        y, x = np.nonzero(mask)
        if len(x):
            centre = points[list(LIPS.points), :2].mean(axis=0)
            assert np.hypot(x - centre[0], y - centre[1]).max() < 0.3 * SIDE
    missing = landmarks.copy()
    missing[:3] = np.nan
    late = list(frozen_mouth(base, missing, 1.0).frames())
    assert all(np.array_equal(a, b) for a, b in zip(late[:3], real[:3], strict=True))
    none = frozen_mouth(base, np.full_like(landmarks, np.nan), 1.0)
    assert all(np.array_equal(a, b) for a, b in zip(none.frames(), real, strict=True))
