"""Landmark distance as published, against a direct reimplementation of its description."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from face_samples import seen
from metric_samples import recipe
from numpy.typing import NDArray
from precision_page import versioned

from t2m_bench.core import assets
from t2m_bench.core.errors import AssetMissing, DependencyError, MetricError
from t2m_bench.metrics import fan
from t2m_bench.metrics.fan import (
    FanExtractor,
    FanFaceDistance,
    FanMouthDistance,
    FanPoints,
    PublishedDetector,
)
from t2m_bench.metrics.landmarks import FaceDistance
from t2m_bench.tracking.points68 import to_68

Points = NDArray[np.float32]


def _published(predictions: list[Any], truths: list[Any], predict: Any, part: range) -> float:
    """The meter as described: frames in [0, 1], made 8-bit by truncation, the last face, centred, mean of means."""
    values = []
    for prediction, truth in zip(predictions, truths, strict=True):
        sets = []
        for picture in (prediction, truth):
            frame = (picture * 255).astype(np.uint8)
            face = predict(frame)[-1]
            kept = [(float(face[index][0]), float(face[index][1])) for index in part]
            x = sum(point[0] for point in kept) / len(kept)
            y = sum(point[1] for point in kept) / len(kept)
            sets.append([(point[0] - x, point[1] - y) for point in kept])
        apart = [math.hypot(a[0] - b[0], a[1] - b[1]) for a, b in zip(*sets, strict=True)]
        values.append(sum(apart) / len(apart))
    return sum(values) / len(values)


def _faces_in(frame: NDArray[np.uint8]) -> list[Points]:
    """In place of detector and network: one to three faces that depend on the picture."""
    seed = int(frame.sum())
    return list(np.random.default_rng(seed).uniform(0, 512, (1 + seed % 3, 68, 2)).astype(np.float32))


def _frames(count: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


def _observed(frames: NDArray[np.uint8], detect: Any) -> Any:
    extractor = FanExtractor(detect)
    extractor.add(frames[:2])
    extractor.add(frames[2:])
    return seen(fan_68=dict(extractor.finish()))


def _stubbed(faces: Any, align: Any) -> PublishedDetector:
    detector = PublishedDetector.__new__(PublishedDetector)
    detector._aligner = types.SimpleNamespace(
        face_detector=types.SimpleNamespace(detect_from_image=faces),
        get_landmarks_from_image=lambda frame, detected_faces: [align(frame, box) for box in detected_faces],
    )
    return detector


@pytest.mark.parametrize(
    ("metric", "part"), [(FanMouthDistance(), range(48, 68)), (FanFaceDistance(), range(68))]
)
def test_it_is_that_of_the_description(
    metric: FanMouthDistance, part: range, agree: Callable[..., None]
) -> None:
    made, real = _frames(7, 0), _frames(7, 1)
    detector = _stubbed(lambda frame: range(len(_faces_in(frame))), lambda frame, box: _faces_in(frame)[box])
    found = metric.summarise(_observed(made, detector.points), _observed(real, detector.points), recipe())
    floats = [list(frames.astype(np.float32) / 255) for frames in (made, real)]
    assert {len(_faces_in(frame)) for frame in [*made, *real]} > {1}  # some show several faces
    expected = _published(*floats, _faces_in, part)
    agree(metric.info.id, "plain loops", found.value, expected, within=1e-4)
    assert found.per_frame is not None and len(found.per_frame) == 7


def test_making_frames_of_video_8_bit_again_changes_nothing() -> None:
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal((levels.astype(np.float32) / 255 * 255).astype(np.uint8), levels)
    assert np.array_equal((levels / 255 * 255).astype(np.uint8), levels)


def test_frames_without_a_face_are_counted() -> None:
    made, real = _frames(6, 0), _frames(6, 1)
    blind = {int(made[1].sum()), int(real[4].sum()), int(real[5].sum())}

    def detect(frame: NDArray[np.uint8]) -> Points | None:
        return None if int(frame.sum()) in blind else _faces_in(frame)[-1]

    found = FanMouthDistance().summarise(_observed(made, detect), _observed(real, detect), recipe())
    assert found.facts == {"frames_without_face": 1, "frames_without_face_reference": 2}
    assert found.per_frame is not None
    assert np.isnan(found.per_frame).tolist() == [False, True, False, False, True, True]
    keep = [0, 2, 3]
    floats = [list(frames[keep].astype(np.float32) / 255) for frames in (made, real)]
    assert found.value == pytest.approx(_published(*floats, lambda f: _faces_in(f), range(48, 68)), abs=1e-4)


@pytest.mark.parametrize(("side", "what"), [(0, "frames of the prediction"), (1, "real frames")])
def test_a_video_without_any_face_is_refused(side: int, what: str) -> None:
    videos = [_observed(_frames(3, seed), lambda frame: _faces_in(frame)[-1]) for seed in (0, 1)]
    videos[side] = _observed(_frames(3, 5), lambda frame: None)
    with pytest.raises(MetricError, match=f"S3FD found no face in any of the 3 {what}"):
        FanMouthDistance().summarise(videos[0], videos[1], recipe())


def test_no_face_by_the_detector_is_none_and_a_given_box_is_used() -> None:
    boxes: list[Any] = []

    def align(frame: NDArray[np.uint8], box: Any) -> Points:
        boxes.append(box)
        return np.zeros((68, 2), np.float32)

    detector = _stubbed(lambda frame: [], align)
    assert detector.points(_frames(1, 0)[0]) is None and not boxes
    assert detector.points(_frames(1, 0)[0], np.array([1, 2, 6, 7])) is not None
    np.testing.assert_array_equal(boxes[0], [1, 2, 6, 7])


def test_the_face_of_mediapipe_is_its_68_points(agree: Callable[..., None]) -> None:
    made, real = np.random.default_rng(0).uniform(0, 512, (2, 4, 478, 3)).astype(np.float32)
    found = FaceDistance().summarise(seen(made), seen(real), recipe())
    a, b = (to_68(points)[..., :2].astype(np.float64) for points in (made, real))
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    expected = float(np.hypot(*np.moveaxis(a - b, -1, 0)).mean())
    agree("lmd@face.px", "plain numpy", found.value, expected, within=1e-6, relative=True)
    assert FaceDistance().summarise(seen(made + np.float32(9)), seen(made), recipe()).value < 1e-3


def _named() -> Any:
    return recipe(assets={name: assets.get(name).sha256 for name in ("fan2d4", "s3fd")})


def test_the_key_names_models_and_package(monkeypatch: pytest.MonkeyPatch) -> None:
    other = recipe(assets={"fan2d4": assets.get("fan2d4").sha256, "s3fd": "0" * 64})
    keys = [FanPoints().key(_named()), FanPoints().key(other)]
    for name, value in (("_package_version", lambda: "0.0.1"), ("FAN_VERSION", 99)):
        monkeypatch.setattr(fan, name, value)
        keys.append(FanPoints().key(_named()))
    assert len({str(key) for key in keys}) == 4


def test_missing_models_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("T2M_ASSETS", str(tmp_path))
    text = r"fetch (fan2d4|s3fd)|t2m-bench\[fan\]"
    with pytest.raises((AssetMissing, DependencyError), match=text), FanPoints().open(_named()):
        pass


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_it_is_what_the_package_gives_with_the_same_random_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None, agree: Callable[..., None]
) -> None:
    api: Any = pytest.importorskip("face_alignment.api", reason="needs `pip install 't2m-bench[fan]'`")
    if not hasattr(api, "FAN"):
        pytest.skip("face-alignment before 1.5 holds no network to make weights with")
    from face_alignment.detection.sfd.net_s3fd import s3fd

    torch.manual_seed(5)
    network, faces = api.FAN(1).eval(), s3fd().eval()
    for name, parameter in faces.named_parameters():
        if "mbox_conf" in name:
            parameter.data.zero_()
            if name.endswith("bias"):
                parameter.data[0] = 9.0  # nothing is a face ...
    faces.conv7_2_mbox_conf.bias.data[:] = torch.tensor([0.0, 4.0])  # ... but what the coarsest layer sees
    torch.save(faces.state_dict(), tmp_path / "faces.pth")
    torch.save(network.state_dict(), tmp_path / "network.pth")

    class Last(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, picture: torch.Tensor) -> torch.Tensor:
            return self.network(picture)[-1]

    torch.jit.trace(Last(), torch.zeros(1, 3, 256, 256), check_trace=False).save(
        str(tmp_path / "network.zip")
    )
    monkeypatch.setattr(api, "load_file_from_url", lambda url: str(tmp_path / "network.pth"))
    monkeypatch.setitem(api.models_urls, "2DFAN-1", "")
    package = api.FaceAlignment(
        api.LandmarksType.TWO_D,
        network_size=1,
        device="cpu",
        compile=False,
        flip_input=False,
        face_detector_kwargs={"path_to_detector": str(tmp_path / "faces.pth")},
    )
    detector = PublishedDetector(model=tmp_path / "network.zip", face_model=tmp_path / "faces.pth")
    rng = np.random.default_rng(1)
    made, real = np.kron(rng.integers(0, 256, (2, 1, 24, 20, 3)), np.ones((1, 1, 8, 8, 1))).astype(np.uint8)
    videos = [_observed(frames, detector.points) for frames in (made, real)]
    metrics = (FanMouthDistance(), FanFaceDistance())
    found = [metric.summarise(*videos, recipe()).value for metric in metrics]
    floats = [list(frames.astype(np.float32) / 255) for frames in (made, real)]
    known = {int(frame.sum()): package.get_landmarks_from_image(frame) for frame in [*made, *real]}
    assert max(map(len, known.values())) > 1  # the last face is not the first one
    for metric, value, part in zip(metrics, found, (range(48, 68), range(68)), strict=True):
        expected = _published(*floats, lambda frame: known[int(frame.sum())], part)
        agree(metric.info.id, versioned("face-alignment"), value, expected, within=1e-4)
    assert found[0] > 0
