"""Measuring videos that were made elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metric_samples import Detector, Ramp, StillFootage, pairs, recipe, smooth_frames, spoilt, write_frames

from t2m_bench.core.errors import MetricError, UnknownName
from t2m_bench.core.method import SilentReporter
from t2m_bench.core.metric import Measured, MetricInfo, Observed
from t2m_bench.core.recipe import Recipe
from t2m_bench.core.record import MetricValue
from t2m_bench.media.video import VideoWriter
from t2m_bench.metrics import evaluate as module
from t2m_bench.metrics.controls import better_than_real
from t2m_bench.metrics.edited import cut, moved, other_sound
from t2m_bench.metrics.evaluate import evaluate, metric_names
from t2m_bench.metrics.evaluation import Evaluation
from t2m_bench.metrics.faces import FaceMesh
from t2m_bench.metrics.pairs import Pair, Pairs, find_pairs
from t2m_bench.metrics.pixel import Psnr

PSNR, SSIM, LMD = "psnr@rgb", "ssim@rgb", "lmd@mouth.px"
SIDE = 48


@pytest.fixture(autouse=True)
def detector(monkeypatch: pytest.MonkeyPatch) -> Detector:
    found = Detector()
    monkeypatch.setattr(FaceMesh, "open", lambda self, recipe: found.open(self, recipe))
    return found


def _frames(count: int = 6, seed: int = 0) -> np.ndarray:
    frames = smooth_frames(count, SIDE, seed=seed)
    frames[:, 0, 0, 0] = 40 + np.arange(count)
    return frames


def _evaluate(folder: Path, found: Pairs | tuple[Pair, ...], **options: Any) -> Evaluation:
    given = found if isinstance(found, Pairs) else Pairs(found)
    options = {"names": [PSNR, SSIM], "cache": folder / "cache", **options}
    return evaluate(given, options.pop("recipe", recipe()), SilentReporter(), **options)


def _pair(folder: Path, name: str, made: np.ndarray, real: np.ndarray, **options: Any) -> Pair:
    return Pair(
        name,
        write_frames(folder / f"{name}.made.mkv", made, **options),
        write_frames(folder / f"{name}.real.mkv", real),
    )


def test_one_pair_is_what_the_metric_says(tmp_path: Path) -> None:
    real = _frames()
    found = _evaluate(tmp_path, (_pair(tmp_path, "a", spoilt(real, 10), real),))
    expected = Psnr().measure(pairs(spoilt(real, 10), real), recipe())
    (row,) = found.pairs
    assert row.values[PSNR].per_frame == pytest.approx(tuple(expected))
    assert found.means()[PSNR].value == pytest.approx(expected.mean())
    assert (row.frames, row.size, found.failed, found.metrics) == (6, (SIDE, SIDE), 0, (PSNR, SSIM))
    assert found.recipe_digest == recipe().digest and found.recipe["name"] == "native"
    assert len(row.prediction_sha256 or "") == 64


def test_a_pair_that_fails_is_a_row_and_the_others_are_measured(tmp_path: Path) -> None:
    real = _frames()
    good = _pair(tmp_path, "good", spoilt(real, 10), real)
    assert good.reference is not None
    (tmp_path / "junk.mp4").write_bytes(b"junk")
    found = _evaluate(
        tmp_path,
        (
            Pair("gone", tmp_path / "gone.mp4", good.reference),
            good,
            Pair("junk", tmp_path / "junk.mp4", good.reference),
            _pair(tmp_path, "short", real[:4], real),
            _pair(tmp_path, "fast", real, real, fps=30),
        ),
    )
    told = {row.id: row.failure for row in found.pairs if row.failure}
    assert list(told) == ["gone", "junk", "short", "fast"] and found.failed == 4
    assert told["gone"].message.endswith("gone.mp4") and told["gone"].kind == "MissingData"
    assert told["junk"].kind == "VideoError"
    assert told["short"].message == "The prediction has 4 frames, the reference 6"
    assert "--shortest" in told["short"].hint
    assert (
        "fast.made.mkv runs at 30 fps, " in told["fast"].message and "real.mkv at 25" in told["fast"].message
    )
    assert "ffmpeg -i IN -r 25" in told["fast"].hint
    mean = found.means()[PSNR]
    assert (mean.n, mean.total) == (1, 5)


def test_shortest_cuts_both_and_says_so(tmp_path: Path) -> None:
    real = _frames()
    made = spoilt(real, 10)
    for name, cut_made, cut_real in (("a", made[:4], real), ("b", made, real[:4])):
        (row,) = _evaluate(tmp_path, (_pair(tmp_path, name, cut_made, cut_real),), shortest=True).pairs
        same = _evaluate(tmp_path, (_pair(tmp_path, f"{name}same", made[:4], real[:4]),)).pairs[0]
        assert row.values == same.values and row.frames == 4
        counts = (4, 6) if name == "a" else (6, 4)
        note = f"cut to the first 4 frames: the prediction has {counts[0]}, the reference {counts[1]}"
        assert row.notes == (note,)
    (row,) = _evaluate(tmp_path, (_pair(tmp_path, "equal", made, real),), shortest=True).pairs
    assert row.notes == () and row.frames == 6


def test_without_reference_what_needs_one_is_unavailable(tmp_path: Path) -> None:
    video = write_frames(tmp_path / "alone.mkv", _frames())
    (row,) = _evaluate(tmp_path, find_pairs(video, None), names=[PSNR]).pairs
    assert row.failure is None and list(row.unavailable) == [PSNR] and row.values == {}


def test_what_the_machine_lacks_is_kept_apart(tmp_path: Path) -> None:
    real = _frames()
    found = _evaluate(
        tmp_path, (_pair(tmp_path, "a", real, real),), names=[PSNR, LMD], lacking={LMD: "no model", "x": "y"}
    )
    assert found.lacking == {LMD: "no model"} and list(found.pairs[0].values) == [PSNR]


def test_names_may_be_aliases_and_wrong_ones_get_a_suggestion() -> None:
    chosen = recipe()
    assert metric_names(["lmd", PSNR, "psnr"], chosen) == (LMD, PSNR)
    assert metric_names([], chosen) == chosen.metrics
    with pytest.raises(UnknownName, match="Unknown metric 'pnsr'. Did you mean 'psnr'"):
        metric_names(["pnsr"], chosen)


def test_the_whole_result_can_be_written_and_read(tmp_path: Path) -> None:
    real = _frames()
    found = _evaluate(tmp_path, (_pair(tmp_path, "a", spoilt(real, 5), real),), controls=True)
    shown = found.as_json(per_frame=True)
    assert len(shown["pairs"][0]["values"][PSNR]["per_frame"]) == 6 and shown["means"][PSNR]["n"] == 1
    assert "per_frame" not in found.as_json(per_frame=False)["pairs"][0]["values"][PSNR]
    assert Evaluation.model_validate_json(found.model_dump_json()) == found


def test_order_and_batch_change_no_number(tmp_path: Path) -> None:
    real, other = _frames(), _frames(seed=5)
    a, b = _pair(tmp_path, "a", spoilt(real, 10), real), _pair(tmp_path, "b", spoilt(other, 10), other)
    first = _evaluate(tmp_path, (a, b), names=[PSNR, SSIM, LMD])
    second = _evaluate(tmp_path / "2", (b, a), names=[PSNR, SSIM, LMD], batch=5)
    assert {row.id: row.values for row in first.pairs} == {row.id: row.values for row in second.pairs}


class _Spread:
    """Over many videos: how many frames there were; for one, nothing."""

    info = MetricInfo("spread@all", "Spread", "lower", "", "", features=("face_mesh",))

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        raise MetricError("Too few frames in one video")

    def pool(self, predictions: list[Observed], references: list[Observed], recipe: Recipe) -> Measured:
        if len(predictions) < 2:
            raise MetricError("Too few frames in all")
        assert all(set(side.features) == {"face_mesh"} for side in [*predictions, *references])
        total = sum(observed.frames for observed in predictions)
        return Measured(0.5, frames=total, facts={"n": float(total)})


def test_metrics_over_many_videos_are_pooled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = module.metrics()
    registry.register("spread@all", _Spread, origin="a test")
    for place in ("t2m_bench.metrics.evaluate", "t2m_bench.metrics.score"):
        monkeypatch.setattr(f"{place}.metrics", lambda: registry)
    real = _frames()
    both = (_pair(tmp_path, "a", spoilt(real, 10), real), _pair(tmp_path, "b", spoilt(real, 20), real))
    found = _evaluate(tmp_path, both, names=[PSNR, "spread@all"])
    assert found.pooled["spread@all"].facts == {"n": 12.0} and found.pooled["spread@all"].frames == 12
    assert found.pairs[0].unavailable == {"spread@all": "Too few frames in one video."}
    alone = _evaluate(tmp_path, both[:1], names=["spread@all"])
    assert alone.pooled == {} and alone.unpooled == {"spread@all": "Too few frames in all."}


def test_controls_measure_the_reference_once(tmp_path: Path, detector: Detector) -> None:
    real = _frames(12)
    pair = _pair(tmp_path, "a", spoilt(real, 10), real)
    again = Pair("b", pair.prediction, pair.reference)
    found = _evaluate(tmp_path, (pair, again), names=[PSNR, LMD], controls=True)
    controls = found.pairs[0].controls
    assert set(controls) == {"real", "late"}  # nothing that was asked for hears
    assert controls["real"][PSNR].value == 100 and controls["real"][LMD].value == 0
    assert controls["late"][PSNR].value < 40 and controls["late"][LMD].value > 0
    assert controls == found.pairs[1].controls and found.pairs[0].better_than_real == ()
    assert detector.looked == 12 * 3  # the prediction, the reference, the late one


def test_a_number_better_than_the_real_videos_is_flagged() -> None:
    def value(number: float, direction: Any) -> MetricValue:
        return MetricValue(value=number, unit="", direction=direction, frames=1, frames_asked=1)

    ours = {"a": value(2, "lower"), "b": value(2, "higher"), "c": value(2, "none"), "d": value(1, "lower")}
    real = {"a": value(3, "lower"), "b": value(3, "higher"), "c": value(3, "none"), "e": value(1, "lower")}
    assert better_than_real(ours, {"real": real}) == ("a",)
    assert better_than_real({"a": value(3 - 1e-9, "lower")}, {"real": real}) == ()
    assert better_than_real(ours, {}) == ()


def _levels(reel: Any) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in reel.frames()]


def test_edited_reels_do_what_they_say_under_another_digest() -> None:
    base = Ramp()
    assert _levels(moved(base, 3)) == [0, 0, 0, 0, 1, 2, 3, 4, 5, 6]
    assert _levels(moved(base, -3)) == [3, 4, 5, 6, 7, 8, 9, 9, 9, 9]
    assert _levels(moved(base, 0)) == list(range(10))
    assert _levels(moved(base, -10)) == [9] * 10 and _levels(moved(base, 12)) == [0] * 10
    short = cut(base, 4)
    assert _levels(short) == [0, 1, 2, 3] and len(short.audio()) == 4 * 640
    rolled, half = other_sound(base), other_sound(base, 0.5)
    assert np.array_equal(rolled.audio(), np.roll(base.audio(), 3200)) and _levels(rolled) == _levels(base)
    assert np.allclose(half.audio(), (rolled.audio() + base.audio()) / 2)
    assert next(moved(base, 1).frames((8, 6))).shape == (6, 8, 3) and moved(base, 1).size == (4, 4)
    digests = {reel.digest for reel in (moved(base, 3), moved(base, -3), short, rolled, half)}
    assert len(digests) == 5 and base.digest not in digests
    assert (
        moved(Ramp(), 3).digest == moved(base, 3).digest != moved(StillFootage(base.pictures, "d1"), 3).digest
    )


def test_a_copy_under_another_name_needs_no_second_look(tmp_path: Path, detector: Detector) -> None:
    real = _frames()
    pair = _pair(tmp_path, "a", spoilt(real, 10), real)
    shutil.copy(pair.prediction, tmp_path / "copy.mkv")
    _evaluate(tmp_path, (pair, Pair("copy", tmp_path / "copy.mkv", pair.reference)), names=[LMD])
    assert detector.looked == 12


def test_metrics_that_hear_get_sound_of_another_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Loudness:
        info = MetricInfo("loud@first", "Loudness", "higher", "", "", needs_reference=False, needs_sound=True)

        def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
            return Measured(float(np.abs(prediction.reel.audio()[:640]).mean()))

    registry = module.metrics()
    registry.register("loud@first", Loudness, origin="a test")
    for place in ("evaluate", "score", "controls"):
        monkeypatch.setattr(f"t2m_bench.metrics.{place}.metrics", lambda: registry)
    path = tmp_path / "talk.mkv"
    sound = np.concatenate([np.full(3200, 0.1), np.full(3200, 0.8)])
    with VideoWriter(path, 25, (SIDE, SIDE), lossless=True, audio=(sound, 16000)) as video:
        for frame in _frames(10):
            video.write(frame)
    controls = (
        _evaluate(tmp_path, (Pair("a", path, path),), names=[PSNR, "loud@first"], controls=True)
        .pairs[0]
        .controls
    )
    assert set(controls["other_sound"]) == {"loud@first"}
    assert controls["other_sound"]["loud@first"].value == pytest.approx(0.8, abs=1e-3)
    assert controls["real"]["loud@first"].value == pytest.approx(0.1, abs=1e-3)
    assert controls["late"]["loud@first"].value == pytest.approx(0.1, abs=1e-3)
