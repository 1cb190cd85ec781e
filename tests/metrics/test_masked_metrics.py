"""Regions of the face, and metrics within them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from metric_samples import Detector, StillFootage, recipe, smooth_frames, spoilt, write_frames

from t2m_bench.core.method import SilentReporter
from t2m_bench.core.metric import FramePairs
from t2m_bench.core.recipe import recipes
from t2m_bench.metrics.catalog import metric_infos
from t2m_bench.metrics.faces import FaceMesh, FaceMeshExtractor
from t2m_bench.metrics.masked import PsnrFace, PsnrMouth
from t2m_bench.metrics.region import FACE, MOUTH, REGIONS, Region, hull
from t2m_bench.metrics.score import score
from t2m_bench.tracking.landmarks import Detection

SQUARE = Region("square", (0, 1, 2, 3, 4), 0.0)


def _points(*corners: tuple[float, float]) -> np.ndarray:
    points = np.zeros((478, 3), np.float32)
    points[: len(corners), :2] = corners
    return points


def test_the_hull_leaves_inner_points_and_points_on_edges() -> None:
    points = np.array([(0, 0), (4, 0), (4, 4), (0, 4), (2, 2), (2, 0), (4, 2)], float)
    assert sorted(map(tuple, hull(points))) == [(0, 0), (0, 4), (4, 0), (4, 4)]
    rng = np.random.default_rng(0)
    cloud = rng.normal(size=(60, 2))
    corners = hull(cloud)
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        turn = (b[0] - a[0]) * (cloud[:, 1] - a[1]) - (b[1] - a[1]) * (cloud[:, 0] - a[0])
        assert (turn >= -1e-12).all()


def test_a_mask_holds_the_pixels_whose_centres_lie_within() -> None:
    points = _points((2, 1), (6, 1), (6, 4), (2, 4), (3, 2))
    mask = SQUARE.mask(points, (8, 6))
    assert mask.shape == (6, 8) and mask.sum() == 12 and mask[1:4, 2:6].all()
    grown = replace(SQUARE, growth=0.5).mask(points, (8, 6))
    assert grown.sum() == 6 * 5  # 6 by 4.5 about (4, 2.5): rows whose centres are 0.5 to 4.5
    assert SQUARE.mask(_points((-5, -5), (3, -5), (3, 2), (-5, 2), (0, 0)), (8, 6)).sum() == 6
    assert not SQUARE.mask(np.full((478, 3), np.nan), (8, 6)).any()
    assert not SQUARE.mask(_points((20, 20), (30, 20), (30, 30), (20, 30), (25, 25)), (8, 6)).any()


def test_the_digest_tells_how_a_region_is_drawn() -> None:
    digests = {SQUARE.digest, replace(SQUARE, growth=0.1).digest, replace(SQUARE, points=(0, 1, 2)).digest}
    assert len(digests) == 3 and replace(SQUARE, name="x").digest == SQUARE.digest
    for name, region in REGIONS.items():
        assert region.name == name and region.digest in metric_infos()[f"psnr@rgb.{name}"].summary
        for known in recipes():
            assert recipes().get(known).masks[name] == region.digest


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> Detector:
    """A face whose landmarks lie in a box; none where the first pixel is 0."""

    class Boxed(Detector):
        def find(self, frame: np.ndarray) -> Detection | None:
            self.looked += 1
            if not frame[0, 0, 0]:
                return None
            rng = np.random.default_rng(0)
            points = rng.uniform(20, 40, (478, 3)).astype(np.float32)
            points[list(MOUTH.points)] = rng.uniform(28, 34, (len(MOUTH.points), 3))
            return Detection(points, np.zeros(52, np.float32))

    found = Boxed()
    monkeypatch.setattr(FaceMesh, "open", lambda self, recipe: found.open(self, recipe))
    return found


NAMES = ("psnr@rgb", "psnr@rgb.face", "psnr@rgb.mouth")


def test_only_the_region_counts_and_faceless_frames_are_missing(tmp_path: Path, detector: Detector) -> None:
    real = smooth_frames(5, 64)
    real[:, 0, 0, 0] = 9
    made = real.copy()
    made[:, 50:] = spoilt(made[:, 50:], 60)  # below the face
    real[3, 0, 0, 0] = made[3, 0, 0, 0] = 0
    video = write_frames(tmp_path / "made.mkv", made)

    def run(batch: int, folder: str) -> dict[str, tuple[float | None, ...]]:
        found = score(
            video,
            StillFootage(real),
            recipe(metrics=NAMES),
            SilentReporter(),
            cache=tmp_path / folder,
            batch=batch,
        )
        return {name: value.per_frame for name, value in found.values.items()}

    found = run(2, "cache")
    assert found["psnr@rgb.face"] == (100.0, 100.0, 100.0, None, 100.0)
    assert all(value is not None and value < 30 for value in found["psnr@rgb"])
    looked = detector.looked
    assert run(2, "cache") == run(3, "cache") == run(5, "other") == found  # kept, and made anew
    assert detector.looked == looked + 10


def test_the_number_is_that_of_the_pixels_within(detector: Detector) -> None:
    real = smooth_frames(2, 64) // 2 + 30
    real[:, 0, 0, 0] = 9
    made = spoilt(real, 12)
    extractor = FaceMeshExtractor(detector.find)
    extractor.add(real)
    pairs = FramePairs(made, real, {"face_mesh": extractor.part(0, 2)})
    for metric, region in ((PsnrMouth(), MOUTH), (PsnrFace(), FACE)):
        mask = region.mask(extractor.finish()["points"][1], (64, 64))
        error = np.square(made[1][mask].astype(float) - real[1][mask]).mean()
        assert metric.measure(pairs, recipe())[1] == pytest.approx(10 * np.log10(255**2 / error))


def test_a_recipe_that_means_another_mask_is_told(tmp_path: Path, detector: Detector) -> None:
    real = smooth_frames(2, 64) | 1
    video = write_frames(tmp_path / "made.mkv", real)
    chosen = recipe(metrics=NAMES, masks={"face": FACE.digest, "mouth": "0" * 12})
    found = score(video, StillFootage(real), chosen, SilentReporter(), cache=tmp_path / "cache")
    assert list(found.values) == ["psnr@rgb", "psnr@rgb.face"]
    assert "wants the mouth drawn as 000000000000, this program draws " in found.unavailable["psnr@rgb.mouth"]


def test_without_a_detector_the_whole_picture_is_still_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T2M_ASSETS", "")
    monkeypatch.setenv("T2M_HOME", str(tmp_path / "home"))
    real = smooth_frames(2, 64)
    video = write_frames(tmp_path / "made.mkv", real)
    found = score(
        video, StillFootage(real), recipe(metrics=NAMES), SilentReporter(), cache=tmp_path / "cache"
    )
    assert list(found.values) == ["psnr@rgb"]
    assert "face_landmarker.task) is not on this machine" in found.unavailable["psnr@rgb.face"]
