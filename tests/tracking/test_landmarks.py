from __future__ import annotations

import builtins
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tracking_samples import real_frames, use_models

from t2m_bench.core.errors import AssetError, AssetMissing, DependencyError, ShapeError
from t2m_bench.core.track import BLENDSHAPES
from t2m_bench.tracking.landmarks import LandmarkDetector


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_models(monkeypatch, tmp_path)


def test_real_face(models: None, capfd: pytest.CaptureFixture[str]) -> None:
    frame = real_frames(1, 512)[0]
    with LandmarkDetector() as detector:
        face = detector.detect(frame)
    assert face is not None
    assert face.landmarks.shape == (478, 3) and face.landmarks.dtype == np.float32
    assert face.blendshapes.shape == (len(BLENDSHAPES),)
    assert face.blendshapes.min() >= 0 and face.blendshapes.max() <= 1
    x0, y0, x1, y1 = face.box
    assert 0 < x0 < x1 < 512 and 0 < y0 < y1 < 512
    assert face.landmarks[10, 1] < face.landmarks[152, 1]  # forehead above chin
    assert face.landmarks[4, 2] < face.landmarks[234, 2]  # nose nearer than temple
    assert capfd.readouterr().err == ""


def test_odd_widths_and_strided_views_give_the_same_face(models: None) -> None:
    frame = real_frames(1, 512)[0]
    wide = np.zeros((512, 590, 3), dtype=np.uint8)
    wide[:, 39:551] = frame
    strided = np.zeros((512, 1200, 3), dtype=np.uint8)[:, 3:593]
    strided[:] = wide
    with LandmarkDetector() as detector:
        plain, padded, view = (detector.detect(picture) for picture in (frame, wide, strided))
    assert plain is not None and padded is not None and view is not None
    np.testing.assert_array_equal(padded.landmarks, view.landmarks)
    moved = padded.landmarks[:, :2] - [39, 0]
    assert np.linalg.norm(moved - plain.landmarks[:, :2], axis=1).mean() < 2.0


def test_largest_face_comes_first(models: None) -> None:
    large, small = real_frames(1, 384, 0)[0], real_frames(1, 256, 1)[0]
    scene = np.zeros((384, 640, 3), dtype=np.uint8)
    scene[:256, :256], scene[:, 256:] = small, large
    with LandmarkDetector(num_faces=4) as detector:
        faces = detector.detect_all(scene)
    assert len(faces) == 2
    assert faces[0].area > faces[1].area
    assert faces[0].box[0] > 256 > faces[1].box[2]


def test_no_face_is_none(models: None) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    with LandmarkDetector() as detector:
        assert detector.detect(noise) is None
        assert detector.detect(np.zeros((1, 1, 3), dtype=np.uint8)) is None


def test_wrong_pictures_and_closed_detectors_are_refused(models: None) -> None:
    with LandmarkDetector() as detector:
        with pytest.raises(ShapeError, match=r"frame must be uint8 \[H, W, 3\], got float32 \[8, 8, 3\]"):
            detector.detect(np.zeros((8, 8, 3), dtype=np.float32))  # type: ignore[arg-type]
        with pytest.raises(ShapeError, match=r"got uint8 \[8, 8\]"):
            detector.detect(np.zeros((8, 8), dtype=np.uint8))
    detector.close()
    with pytest.raises(ShapeError, match="closed"):
        detector.detect(np.zeros((8, 8, 3), dtype=np.uint8))


def test_missing_model_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("T2M_ASSETS", raising=False)
    monkeypatch.setenv("T2M_HOME", str(tmp_path))
    monkeypatch.setenv("T2M_OFFLINE", "1")
    with pytest.raises(AssetMissing, match="t2m-bench assets fetch face_landmarker"):
        LandmarkDetector()


def test_file_that_is_no_model(tmp_path: Path) -> None:
    model = tmp_path / "model.task"
    model.write_bytes(b"nonsense" * 100)
    with pytest.raises(AssetError, match=r"model\.task cannot be used as a face landmarker"):
        try:
            LandmarkDetector(model)
        except DependencyError as error:
            pytest.skip(f"MediaPipe cannot be loaded here: {error}")


def failing_import(error: ImportError) -> Callable[..., Any]:
    real = builtins.__import__

    def fake(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("mediapipe"):
            raise error
        return real(name, *args, **kwargs)

    return fake


def test_missing_system_library_names_the_apt_line(models: None, monkeypatch: pytest.MonkeyPatch) -> None:
    error = ImportError("libGL.so.1: cannot open shared object file: No such file or directory")
    monkeypatch.setattr(builtins, "__import__", failing_import(error))
    with pytest.raises(DependencyError) as caught:
        LandmarkDetector()
    assert str(caught.value) == (
        "MediaPipe lacks a system library (libGL.so.1: cannot open shared object file: No such file or directory). "
        "Run `apt-get install -y libgl1 libegl1 libgles2` as root."
    )


def test_missing_mediapipe_names_the_package(models: None, monkeypatch: pytest.MonkeyPatch) -> None:
    error = ModuleNotFoundError("No module named 'mediapipe'")
    monkeypatch.setattr(builtins, "__import__", failing_import(error))
    with pytest.raises(DependencyError, match="Run `pip install mediapipe`"):
        LandmarkDetector()


def test_module_imports_without_the_heavy_libraries() -> None:
    code = (
        "import sys, t2m_bench.tracking.landmarks, t2m_bench.tracking.matting\n"
        "print([name for name in ('mediapipe', 'cv2', 'ai_edge_litert', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
