from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from precision_page import versioned

from t2m_bench.core.errors import AssetError, AssetMissing, DependencyError, ShapeError, UsageError
from t2m_bench.tracking.fan import FanDetector

api: Any = pytest.importorskip("face_alignment.api", reason="needs `pip install 't2m-bench[fan]'`")
if not hasattr(api, "FAN"):
    pytest.skip("face-alignment before 1.5 holds no network to make weights with", allow_module_level=True)

PACKAGE = versioned("face-alignment")
STACKS = 1
"""Of the network; the published one has four of the same kind, which only takes longer."""
BOX = np.array([60.2, 40.7, 150.9, 160.4])


class LastMaps(torch.nn.Module):
    """The published TorchScript file gives the last stack's heat maps only."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        maps = self.network(picture)
        return maps[-1] if isinstance(maps, list | tuple) else maps


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Model files in the published layouts, with random weights."""
    from face_alignment.detection.sfd.net_s3fd import s3fd

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(5)
    folder = tmp_path_factory.mktemp("fan")
    paths = {name: folder / name for name in ("network.zip", "network.pth", "faces.pth", "blind.pth")}
    network = api.FAN(STACKS).eval()
    torch.save(network.state_dict(), paths["network.pth"])
    with torch.no_grad():
        traced = torch.jit.trace(LastMaps(network), torch.zeros(1, 3, 256, 256), check_trace=False)
    traced.save(str(paths["network.zip"]))
    faces = s3fd().eval()
    for name, parameter in faces.named_parameters():
        if "mbox_conf" in name:  # nothing is a face ...
            parameter.data.zero_()
            if name.endswith("bias"):
                parameter.data[0] = 9.0
    torch.save(faces.state_dict(), paths["blind.pth"])
    faces.conv7_2_mbox_conf.bias.data[:] = torch.tensor([0.0, 4.0])  # ... but what the coarsest layer sees
    torch.save(faces.state_dict(), paths["faces.pth"])
    yield paths
    torch.set_num_threads(threads)


@pytest.fixture
def picture() -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.kron(rng.integers(0, 256, (25, 25, 3)), np.ones((8, 8, 1))).astype(np.uint8)


@pytest.fixture
def reference(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The package's own aligner, its downloads answered with our files."""
    monkeypatch.setattr(api, "load_file_from_url", lambda url: str(files["network.pth"]))
    monkeypatch.setitem(api.models_urls, f"2DFAN-{STACKS}", "")
    return api.FaceAlignment(
        api.LandmarksType.TWO_D,
        network_size=STACKS,
        device="cpu",
        compile=False,
        flip_input=False,
        face_detector_kwargs={"path_to_detector": str(files["faces.pth"])},
    )


def test_given_boxes_give_the_packages_points(
    files: dict[str, Path], picture: np.ndarray, reference: Any, agree: Callable[..., None]
) -> None:
    detector = FanDetector("boxes", model=files["network.zip"])
    for box in (BOX, BOX - 55.5):  # the second one leaves the picture
        points = detector.points(picture, box)
        assert points is not None and points.shape == (68, 2) and points.dtype == np.float32
        expected = reference.get_landmarks_from_image(picture, detected_faces=[box])[0]
        agree("FAN points in a given box (pixels)", PACKAGE, points, expected, within=1e-4)
        assert len(np.unique(points, axis=0)) > 20


def test_mirrored_look_is_the_packages(
    files: dict[str, Path], picture: np.ndarray, reference: Any, agree: Callable[..., None]
) -> None:
    reference.flip_input = True
    expected = reference.get_landmarks_from_image(picture, detected_faces=[BOX])[0]
    found = FanDetector("boxes", model=files["network.zip"], flip=True).points(picture, BOX)
    agree("FAN points with a mirrored look (pixels)", PACKAGE, found, expected, within=1e-4)


def test_s3fd_finds_the_packages_face(
    files: dict[str, Path], picture: np.ndarray, reference: Any, agree: Callable[..., None]
) -> None:
    detector = FanDetector(model=files["network.zip"], face_model=files["faces.pth"])
    expected, _, boxes = reference.get_landmarks_from_image(picture, return_bboxes=True)
    assert len(boxes) >= 1
    agree("FAN points in S3FD's box (pixels)", PACKAGE, detector.points(picture), expected[0], within=1e-4)
    given = detector.points(picture, BOX)
    expected = reference.get_landmarks_from_image(picture, detected_faces=[BOX])
    agree("FAN points in a given box (pixels)", PACKAGE, given, expected[0], within=1e-4)


def test_no_face(files: dict[str, Path], picture: np.ndarray) -> None:
    assert FanDetector(model=files["network.zip"], face_model=files["blind.pth"]).points(picture) is None


def test_wrong_use_is_named(files: dict[str, Path], picture: np.ndarray) -> None:
    detector = FanDetector("boxes", model=files["network.zip"])
    with pytest.raises(UsageError, match=r"needs a box for each frame\. Give box="):
        detector.points(picture)
    with pytest.raises(ShapeError, match=r"box must be x0, y0, x1, y1 .*, got \[5\.0, 5\.0, 5\.5, 9\.0\]"):
        detector.points(picture, np.array([5.0, 5.0, 5.5, 9.0]))
    with pytest.raises(ShapeError, match=r"frame must be uint8 \[H, W, 3\], got float64"):
        detector.points(picture / 255.0, BOX)
    with pytest.raises(UsageError, match="Unknown face detector 'dlib'. Known are sfd and boxes"):
        FanDetector("dlib")  # type: ignore[arg-type]


def test_missing_and_broken_models_are_named(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("T2M_ASSETS", raising=False)
    monkeypatch.setenv("T2M_HOME", str(tmp_path))
    monkeypatch.setenv("T2M_OFFLINE", "1")
    with pytest.raises(AssetMissing, match="t2m-bench assets fetch fan2d4"):
        FanDetector("boxes")
    with pytest.raises(AssetMissing, match="t2m-bench assets fetch s3fd"):
        FanDetector(model=files["network.zip"])
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"nonsense" * 100)
    with pytest.raises(AssetError, match=r"broken\.pth cannot be used as a landmark network"):
        FanDetector("boxes", model=broken)
    with pytest.raises(AssetError, match=r"broken\.pth cannot be used as a face detector"):
        FanDetector(model=files["network.zip"], face_model=broken)
    with pytest.raises(AssetError, match=r"network\.pth cannot be used as a face detector"):
        FanDetector(model=files["network.zip"], face_model=files["network.pth"])


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "face_alignment.api", None)
    with pytest.raises(DependencyError, match=r"cannot be imported .*pip install 't2m-bench\[fan\]'"):
        FanDetector("boxes")
