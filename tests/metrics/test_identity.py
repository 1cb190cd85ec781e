"""The person in the picture. Weights are random, in a small network written in the layout of the published file."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from face_samples import landmarks, poses, seen, shape, swaying
from metric_samples import recipe
from numpy.typing import NDArray
from precision_page import versioned

from t2m_bench.core import assets
from t2m_bench.core.errors import AssetError, AssetMissing, MetricError
from t2m_bench.metrics.identity import (
    FIVE_POINTS,
    FaceEmbedder,
    Identity,
    IdentityExtractor,
    IdentitySimilarity,
    cosines,
)
from t2m_bench.tracking.landmarks import Detection

cv2 = pytest.importorskip("cv2", reason="OpenCV cannot be loaded here")
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Where the five points lie in a crop of 112x112: ArcFace's, which SFace was trained with."""


class _Onnx:
    """Writes a model of four layers as ONNX, field by field."""

    @staticmethod
    def varint(value: int) -> bytes:
        out = bytearray()
        while value > 127:
            out.append(value & 127 | 128)
            value >>= 7
        return bytes([*out, value])

    @classmethod
    def put(cls, number: int, value: int | str | bytes) -> bytes:
        if isinstance(value, int):
            return cls.varint(number << 3) + cls.varint(value)
        data = value.encode() if isinstance(value, str) else value
        return cls.varint(number << 3 | 2) + cls.varint(len(data)) + data

    @classmethod
    def node(cls, kind: str, inputs: str, output: str, **attributes: int | list[int]) -> bytes:
        out = b"".join(cls.put(1, name) for name in inputs.split()) + cls.put(2, output)
        out += cls.put(3, output) + cls.put(4, kind)
        for name, value in attributes.items():
            if isinstance(value, int):
                body = cls.put(3, value) + cls.put(20, 2)
            else:
                body = b"".join(cls.put(8, item) for item in value) + cls.put(20, 7)
            out += cls.put(5, cls.put(1, name) + body)
        return cls.put(1, out)

    @classmethod
    def value(cls, name: str, *sides: int) -> bytes:
        dims = b"".join(cls.put(1, cls.put(1, side)) for side in sides)
        return cls.put(1, name) + cls.put(2, cls.put(1, cls.put(1, 1) + cls.put(2, dims)))

    @classmethod
    def model(cls, weights: dict[str, NDArray[np.float32]]) -> bytes:
        graph = cls.node("Conv", "data kernel", "maps", kernel_shape=[7, 7], strides=[7, 7])
        graph += cls.node("Relu", "maps", "kept") + cls.node("Flatten", "kept", "flat", axis=1)
        graph += cls.node("Gemm", "flat matrix bias", "fc1", transB=1) + cls.put(2, "net")
        for name, array in weights.items():
            dims = b"".join(cls.put(1, side) for side in array.shape)
            graph += cls.put(
                5, dims + cls.put(2, 1) + cls.put(8, name) + cls.put(9, array.astype("<f4").tobytes())
            )
        graph += cls.put(11, cls.value("data", 1, 3, 112, 112)) + cls.put(12, cls.value("fc1", 1, 128))
        return cls.put(1, 7) + cls.put(7, graph) + cls.put(8, cls.put(1, "") + cls.put(2, 11))


@pytest.fixture(scope="module")
def weights() -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return {
        "kernel": rng.normal(0, 0.1, (8, 3, 7, 7)).astype(np.float32),
        "matrix": rng.normal(0, 0.02, (128, 8 * 16 * 16)).astype(np.float32),
        "bias": rng.normal(0, 1, 128).astype(np.float32),
    }


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, weights: dict[str, NDArray[np.float32]]) -> Path:
    path = tmp_path_factory.mktemp("sface") / assets.get("sface").file
    path.write_bytes(_Onnx.model(weights))
    return path


def _face() -> Detection:
    turn, shift = swaying(1)
    return Detection(
        landmarks(poses(turn + np.array([4, 7, -9]), shift + np.array([20, -10, 0])), shape())[0],
        np.zeros(52, np.float32),
    )


def _picture(seed: int = 0) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 256, (32, 32, 3))
    return np.kron(coarse, np.ones((16, 16, 1))).astype(np.uint8)


def _aligned(frame: NDArray[np.uint8], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The crop by Umeyama's similarity and plain bilinear sampling, [112, 112, 3]."""
    a, b = points - points.mean(0), TEMPLATE - TEMPLATE.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    turn = np.diag([1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ turn @ vt
    scale = float((s * np.diag(turn)).sum() / (a**2).sum())
    y, x = np.mgrid[:112, :112]
    target = np.stack([x, y], -1) - TEMPLATE.mean(0)
    source = target @ rotation / scale + points.mean(0)
    low = np.floor(source).astype(int)
    part = (source - low)[..., None]
    crop = np.zeros((112, 112, 3))
    for dy in (0, 1):
        for dx in (0, 1):
            weight = (part[:, :, 0] if dx else 1 - part[:, :, 0]) * (
                part[:, :, 1] if dy else 1 - part[:, :, 1]
            )
            rows, columns = low[..., 1] + dy, low[..., 0] + dx
            inside = (rows >= 0) & (rows < frame.shape[0]) & (columns >= 0) & (columns < frame.shape[1])
            values = frame[np.clip(rows, 0, frame.shape[0] - 1), np.clip(columns, 0, frame.shape[1] - 1)]
            crop += weight * values * inside[..., None]
    return crop


def test_the_embedding_is_that_of_the_network_on_the_aligned_crop(
    model: Path, weights: dict[str, NDArray[np.float32]]
) -> None:
    frame, face = _picture(), _face()
    found = FaceEmbedder(model).embedding(frame, face)
    crop = _aligned(frame, face.landmarks[list(FIVE_POINTS), :2].astype(np.float64))
    planes = torch.from_numpy(np.rint(crop)).permute(2, 0, 1)[None].float()  # red first
    maps = torch.nn.functional.conv2d(planes, torch.from_numpy(weights["kernel"]), stride=7).relu()
    expected = maps.flatten(1) @ torch.from_numpy(weights["matrix"]).T + torch.from_numpy(weights["bias"])
    assert found.shape == (128,)
    assert cosines(found[None], expected.numpy())[0] > 0.9995
    swapped = torch.nn.functional.conv2d(planes.flip(1), torch.from_numpy(weights["kernel"]), stride=7).relu()
    other = swapped.flatten(1) @ torch.from_numpy(weights["matrix"]).T + torch.from_numpy(weights["bias"])
    assert cosines(found[None], other.numpy())[0] < 0.95  # the order of the colours does matter


def test_it_is_what_opencv_gives(model: Path, agree: Callable[..., None]) -> None:
    frame, face = _picture(), _face()
    package = cv2.FaceRecognizerSF.create(str(model), "")
    row = np.concatenate([[0, 0, 1, 1], face.landmarks[[468, 473, 1, 61, 291], :2].ravel(), [1]])
    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    expected = package.feature(package.alignCrop(bgr, row[None].astype(np.float32)))
    found = FaceEmbedder(model).embedding(frame, face)
    agree("id_sim@sface embedding", versioned("opencv-contrib-python"), found, expected[0], within=1e-5)


def test_every_fifth_frame_is_looked_at() -> None:
    looked: list[int] = []

    def detect(frame: NDArray[np.uint8]) -> Detection | None:
        looked.append(int(frame[0, 0, 0]))
        return None if frame[0, 0, 0] == 5 else _face()

    def embed(frame: NDArray[np.uint8], face: Detection) -> NDArray[np.float32]:
        return np.array([frame[0, 0, 0], 1], np.float32)

    frames = np.tile(np.arange(12, dtype=np.uint8)[:, None, None, None], (1, 2, 2, 3))
    extractor = IdentityExtractor(detect, embed)
    for part in (frames[:4], frames[4:5], frames[5:]):
        extractor.add(part)
    assert looked == [0, 5, 10]
    np.testing.assert_array_equal(extractor.finish()["embedding"], [[0, 1], [np.nan, np.nan], [10, 1]])
    blind = IdentityExtractor(lambda frame: None, embed)
    blind.add(frames)
    assert np.isnan(blind.finish()["embedding"]).all() and blind.finish()["embedding"].shape == (3, 1)


def test_the_cosine_is_that_of_a_plain_loop() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 6, 128)).astype(np.float32)
    for x, y, found in zip(a.tolist(), b.tolist(), cosines(a, b), strict=True):
        dot = sum(p * q for p, q in zip(x, y, strict=True))
        assert found == pytest.approx(dot / math.sqrt(sum(p * p for p in x) * sum(q * q for q in y)))


def test_another_person_is_less_similar_and_faceless_frames_are_left_out() -> None:
    rng = np.random.default_rng(0)
    person, other = rng.normal(size=(2, 128))

    def video(mean: NDArray[np.float64], noise: float, seed: int) -> NDArray[np.float32]:
        return (mean + np.random.default_rng(seed).normal(0, noise, (40, 128))).astype(np.float32)

    real = video(person, 0.2, 0)
    made = [video(person, 0.2, 1), video(person, 1.0, 2), video(other, 0.2, 3)]
    metric = IdentitySimilarity()
    found = [
        metric.summarise(seen(identity={"embedding": rows}), seen(identity={"embedding": real}), recipe())
        for rows in [real, *made]
    ]
    values = [each.value for each in found]
    assert values[0] == pytest.approx(1) and values == sorted(values, reverse=True) and values[3] < 0.3
    assert found[1].facts["reference_with_itself"] == pytest.approx(found[1].value, abs=0.02)
    lost = made[0].copy()
    lost[:10] = np.nan
    part = metric.summarise(seen(identity={"embedding": lost}), seen(identity={"embedding": real}), recipe())
    assert part.frames == 30 and part.value == pytest.approx(cosines(made[0], real)[10:].mean())
    none = seen(identity={"embedding": np.full((40, 1), np.nan, np.float32)})
    with pytest.raises(
        MetricError, match="No face was found in any of the 40 frames of the prediction that were"
    ):
        metric.summarise(none, seen(identity={"embedding": real}), recipe())


def test_missing_foreign_and_broken_models_are_named(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = recipe(assets={name: assets.get(name).sha256 for name in ("face_landmarker", "sface")})
    monkeypatch.setenv("T2M_ASSETS", str(tmp_path / "empty"))
    with pytest.raises(AssetMissing, match="t2m-bench assets fetch sface"), Identity().open(named):
        pass
    other = recipe(assets={"face_landmarker": assets.get("face_landmarker").sha256, "sface": "0" * 64})
    text = r"wants face_recognition_sface_2021dec\.onnx with sha256"
    with pytest.raises(AssetError, match=text), Identity().open(other):
        pass
    monkeypatch.setenv("T2M_ASSETS", str(model.parent))
    with pytest.raises(AssetError), Identity().open(named):  # random weights are not the published file
        pass
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"nonsense" * 20)
    with pytest.raises(AssetError, match=r"broken\.onnx cannot be used as a face recogniser"):
        FaceEmbedder(broken)
    assert Identity().key(named) != Identity().key(other)
