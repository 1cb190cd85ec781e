"""Scoring one video against the real frames."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metric_samples import Detector, StillFootage, pairs, recipe, smooth_frames, spoilt, write_frames
from shared_material import SHARED

from t2m_bench.core.errors import DependencyError, MetricError, UnknownName, VideoError
from t2m_bench.core.method import SilentReporter
from t2m_bench.media.video import iter_frames, resize_frames
from t2m_bench.metrics import faces
from t2m_bench.metrics.faces import FaceMesh
from t2m_bench.metrics.pixel import Psnr
from t2m_bench.metrics.score import NO_REFERENCE, ScoreResult, compare, score
from t2m_bench.metrics.store import FeatureStore

PSNR, SSIM, LMD, IOD = "psnr@rgb", "ms_ssim@rgb.5", "lmd@mouth.px", "lmd@mouth.iod"


class Log(SilentReporter):
    """Keeps what is reported."""

    def __init__(self) -> None:
        self.steps, self.lines = 0, list[str]()

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.steps += steps

    def log(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> Detector:
    found = Detector()
    monkeypatch.setattr(FaceMesh, "open", lambda self, recipe: found.open(self, recipe))
    return found


def _real(count: int = 6, side: int = 192) -> np.ndarray:
    frames = smooth_frames(count, side)
    frames[:, 0, 0, 0] = 40 + np.arange(count)  # every frame shows a face
    return frames


def _score(folder: Path, prediction: np.ndarray, real: np.ndarray, **options: Any) -> ScoreResult:
    changes = options.pop("changes", {})
    video = write_frames(folder / "prediction.mkv", prediction)
    footage = options.pop("footage", None) or StillFootage(real)
    report = options.pop("report", SilentReporter())
    return score(video, footage, recipe(**changes), report, cache=folder / "cache", **options)


def test_the_real_frames_are_perfect(tmp_path: Path, detector: Detector) -> None:
    real = _real()
    found = _score(tmp_path, real, real)
    assert {name: value.value for name, value in found.values.items()} == {
        PSNR: 100.0,
        SSIM: pytest.approx(1.0, abs=1e-6),
        LMD: 0.0,
        IOD: 0.0,
    }
    assert (found.unavailable, found.notes) == ({}, ())
    assert found.size == found.rendered_size == (192, 192)
    assert all(value.frames == value.frames_asked == 6 for value in found.values.values())


def test_values_are_means_of_the_frames_and_carry_their_unit(tmp_path: Path, detector: Detector) -> None:
    real = _real()
    prediction = spoilt(real, 10)
    prediction[:, 0, 0, 0] = 50
    found = _score(tmp_path, prediction, real)
    expected = Psnr().measure(pairs(prediction, real), recipe())
    assert found.values[PSNR].per_frame == pytest.approx(tuple(expected))
    assert found.values[PSNR].value == pytest.approx(expected.mean())
    assert (found.values[LMD].unit, found.values[LMD].direction) == ("px", "lower")
    assert found.values[LMD].value > 0


@pytest.mark.parametrize("batch", [1, 3, 4, 100])
def test_the_batch_changes_no_number(tmp_path: Path, detector: Detector, batch: int) -> None:
    real = _real(7)
    prediction = spoilt(real, 10)
    prediction[:, 0, 0, 0] = 50
    log = Log()
    found = _score(tmp_path, prediction, real, batch=batch, report=log)
    base = _score(tmp_path, prediction, real, batch=2)
    for name, value in found.values.items():
        assert value.per_frame == pytest.approx(base.values[name].per_frame, abs=1e-6)
        assert len(value.per_frame) == 7
    assert log.steps == 7


def test_more_damage_is_a_worse_score(tmp_path: Path, detector: Detector) -> None:
    real = _real(2)
    found = [_score(tmp_path, spoilt(real, strength), real).values for strength in (1, 10, 50)]
    assert found[0][PSNR].value > found[1][PSNR].value > found[2][PSNR].value
    assert found[0][SSIM].value > found[1][SSIM].value > found[2][SSIM].value


@pytest.mark.parametrize("count", [5, 7, 20])
def test_another_number_of_frames_is_refused_and_both_are_named(
    tmp_path: Path, detector: Detector, count: int
) -> None:
    text = rf"WDA_X: .*prediction\.mkv has {count} frames, the held-out part of the clip has 6"
    with pytest.raises(MetricError, match=text):
        _score(tmp_path, _real(count), _real(6))


def test_another_frame_rate_is_refused(tmp_path: Path, detector: Detector) -> None:
    video = write_frames(tmp_path / "fast.mkv", _real(), fps=30)
    with pytest.raises(MetricError, match=r"fast\.mkv runs at 30 fps, recipe 'native' pairs frames at 25"):
        score(video, StillFootage(_real()), recipe(), SilentReporter(), cache=tmp_path)


def test_a_prediction_of_another_size_is_resized_and_noted(tmp_path: Path, detector: Detector) -> None:
    real, small = _real(), _real(6, 96)
    found = _score(tmp_path, small, real)
    same = _score(tmp_path, resize_frames(small, (192, 192)), real)
    assert (found.size, found.rendered_size) == ((192, 192), (96, 96))
    assert found.notes == ("the prediction was 96x96 resized to 192x192 (bicubic-antialias) before scoring",)
    assert found.values == same.values and same.notes == ()


def test_a_recipe_with_a_size_resizes_both(tmp_path: Path, detector: Detector) -> None:
    real = _real()
    found = _score(tmp_path, real[::-1].copy(), real, changes={"size": 256})
    assert found.size == (256, 256) and found.rendered_size == (192, 192)
    assert found.notes == (
        "the prediction was 192x192 resized to 256x256 (bicubic-antialias) before scoring",
        "the real frames were 192x192 resized to 256x256 (bicubic-antialias) before scoring",
    )


def test_small_frames_make_only_ms_ssim_unavailable(tmp_path: Path, detector: Detector) -> None:
    found = _score(tmp_path, _real(6, 64), _real(6, 64))
    assert set(found.values) == {PSNR, LMD, IOD}
    assert found.unavailable[SSIM].startswith("MS-SSIM with 5 scales needs sides of at least 176 pixels")


def test_frames_without_a_face_are_counted_and_left_out(tmp_path: Path, detector: Detector) -> None:
    real = _real()
    prediction = real.copy()
    prediction[:, 0, 0, 0] += 1
    whole = _score(tmp_path, prediction, real).values[LMD]
    prediction[1:3, 0, 0, 0] = 0
    real[5, 0, 0, 0] = 0
    found = _score(tmp_path, prediction, real, footage=StillFootage(real, "changed"))
    value = found.values[LMD]
    assert (value.frames, value.frames_asked) == (3, 6)
    kept = [whole.per_frame[index] for index in (0, 3, 4)]
    assert value.per_frame == (kept[0], None, None, kept[1], kept[2], None)
    assert value.value == pytest.approx(np.mean([x for x in kept if x is not None]))
    assert found.values[PSNR].frames == 6
    assert found.notes == (
        "no face was found in 2 of 6 predicted frames",
        "no face was found in 1 of 6 real frames",
    )


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        ((True, False), "No face was found in any of the 6 frames of the prediction."),
        ((False, True), "No face was found in any of the 6 real frames."),
    ],
)
def test_no_face_at_all_makes_the_metric_unavailable(
    tmp_path: Path, detector: Detector, spoil: tuple[bool, bool], text: str
) -> None:
    real, prediction = _real(), _real()
    for frames, wanted in zip((prediction, real), spoil, strict=True):
        if wanted:
            frames[:, 0, 0, 0] = 0
    found = _score(tmp_path, prediction, real)
    assert found.unavailable == {LMD: text, IOD: text}
    assert set(found.values) == {PSNR, SSIM}


def test_faces_that_never_meet_make_the_metric_unavailable(tmp_path: Path, detector: Detector) -> None:
    real, prediction = _real(), _real()
    prediction[:3, 0, 0, 0] = 0
    real[3:, 0, 0, 0] = 0
    assert _score(tmp_path, prediction, real).unavailable[LMD] == "Not one of the 6 frames could be measured."


def test_a_missing_model_makes_only_the_landmark_metrics_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T2M_ASSETS", "")
    monkeypatch.setenv("T2M_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("T2M_OFFLINE", "1")
    found = _score(tmp_path, _real(), _real())
    assert set(found.values) == {PSNR, SSIM} and set(found.unavailable) == {LMD, IOD}
    assert "face_landmarker.task) is not on this machine" in found.unavailable[LMD]
    assert "t2m-bench assets fetch face_landmarker" in found.unavailable[LMD]


def test_a_library_that_cannot_load_makes_only_the_landmark_metrics_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def __init__(self, model: Path) -> None:
            raise DependencyError(
                "MediaPipe lacks a system library (libGL.so.1)", hint="Run `apt-get install libgl1`"
            )

    monkeypatch.setattr(faces, "LandmarkDetector", Broken)
    monkeypatch.setattr(faces.assets, "resolve", lambda name: tmp_path / name)
    found = _score(tmp_path, _real(), _real())
    assert found.unavailable[IOD].endswith("(libGL.so.1). Run `apt-get install libgl1`.")
    assert set(found.values) == {PSNR, SSIM}


def test_a_recipe_without_landmark_metrics_opens_no_detector(tmp_path: Path, detector: Detector) -> None:
    found = _score(tmp_path, _real(), _real(), changes={"metrics": (PSNR,)})
    assert set(found.values) == {PSNR} and detector.opened == 0
    assert not (tmp_path / "cache").exists()


def test_the_real_frames_are_searched_once_for_all_methods(tmp_path: Path, detector: Detector) -> None:
    real = _real()
    prediction, other = spoilt(real, 10), spoilt(real, 20)
    prediction[:, 0, 0, 0] = other[:, 0, 0, 0] = 50
    first = _score(tmp_path, prediction, real)
    assert (detector.looked, detector.opened) == (12, 1)
    _score(tmp_path, other, real)
    assert detector.looked == 18
    assert _score(tmp_path, prediction, real) == first
    assert detector.looked == 18  # the same bytes again


def test_what_needs_no_reference_does_not_look_at_it(tmp_path: Path, detector: Detector) -> None:
    footage = StillFootage(_real())
    found = _score(tmp_path, _real(), _real(), footage=footage, changes={"metrics": ("jitter@landmarks",)})
    assert (detector.looked, footage.served) == (6, 0)
    assert found.prediction.frames == 6 and set(found.prediction.features) == {"face_mesh"}
    with pytest.raises(MetricError, match="has 6 frames, the held-out part of the clip has 5"):
        _score(
            tmp_path, _real(), _real(5), footage=StillFootage(_real(5), "five"), changes={"metrics": (LMD,)}
        )


def test_without_real_frames_only_what_needs_none_is_measured(tmp_path: Path, detector: Detector) -> None:
    video = write_frames(tmp_path / "alone.mkv", _real())
    found = score(video, None, recipe(), SilentReporter(), cache=tmp_path / "cache")
    assert found.values == {} and set(found.unavailable.values()) == {NO_REFERENCE}
    assert found.size == (192, 192) and found.reference is None


def test_a_cache_that_cannot_be_written_costs_no_number(tmp_path: Path, detector: Detector) -> None:
    (tmp_path / "cache").write_text("a file is in the way")
    log = Log()
    assert _score(tmp_path, _real(), _real(), report=log).values[LMD].value == 0
    assert len(log.lines) == 2 and all("face_mesh could not be kept" in line for line in log.lines)


def test_an_unknown_metric_of_a_recipe(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Unknown metric 'psnr@rbg'"):
        _score(tmp_path, _real(), _real(), changes={"metrics": ("psnr@rbg",)})


def test_a_prediction_that_is_no_video(tmp_path: Path, detector: Detector) -> None:
    (tmp_path / "junk.mp4").write_bytes(b"junk")
    with pytest.raises(VideoError, match=r"junk\.mp4 is not a video file"):
        score(tmp_path / "junk.mp4", StillFootage(_real()), recipe(), SilentReporter(), cache=tmp_path)


def test_memory_does_not_grow_with_the_length(tmp_path: Path, detector: Detector) -> None:
    real = _real(240, 96)
    video = write_frames(tmp_path / "long.mkv", real)
    chosen = recipe(metrics=(PSNR,))
    tracemalloc.start()
    score(video, StillFootage(real), chosen, SilentReporter(), cache=tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < real.nbytes / 2


class _Endless:
    """Frames made on the fly, never held."""

    fps = 25.0

    def __init__(self, count: int, side: int, level: int) -> None:
        self.count, self.size, self.digest = count, (side, side), f"{count} {side} {level}"
        self._ramp = np.add.outer(np.arange(side), np.arange(side))[..., None] + np.array([level, 0, 40])

    def frames(self, size: tuple[int, int] | None = None) -> Iterator[np.ndarray]:
        for index in range(self.count):
            yield ((self._ramp + index) % 256).astype(np.uint8)

    def audio(self, rate: int = 16000) -> np.ndarray:
        raise AssertionError("nobody listens")


def test_memory_is_the_same_for_1200_frames_as_for_200(tmp_path: Path) -> None:
    names = (PSNR, "ssim@rgb", "ms_ssim@rgb.3")

    def peak(count: int) -> int:
        sides = (_Endless(count, 96, 0), _Endless(count, 96, 5))
        tracemalloc.start()
        found = compare(*sides, recipe(), SilentReporter(), store=FeatureStore(tmp_path), names=names)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert all(value.frames == count for value in found.values.values())
        return most

    peak(8)  # what is loaded and compiled once
    growth = peak(1200) - peak(200)
    assert growth < 1_000_000, (
        f"{growth} bytes more"
    )  # 1,000 frames of 96x96 are 27.6 MB; their values are 8 bytes each


@pytest.mark.skipif(not (SHARED / "data" / "hdtf").is_dir(), reason=f"no real clips in {SHARED}")
def test_the_real_detector_on_a_real_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T2M_ASSETS", str(SHARED / "assets"))
    clip = SHARED / "data" / "hdtf" / "WDA_KatieHill_000.mp4"
    frames = resize_frames(np.stack(list(iter_frames(clip, stop=4))), (256, 256))
    held = np.repeat(frames[:1], 3, axis=0)
    found = _score(tmp_path, held, frames[1:])
    assert found.values[LMD].per_frame[0] is not None and 0 < found.values[LMD].value < 6
    shifted = _score(tmp_path, np.roll(frames[1:], 5, axis=2), frames[1:])
    assert shifted.values[LMD].value < 0.7  # a moved head is no change of the mouth
    assert shifted.values[PSNR].value < 30
