"""Face landmarks and blendshapes of one picture, with MediaPipe's FaceLandmarker."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core import assets
from t2m_bench.core.errors import AssetError, DependencyError, ShapeError, TrackingError
from t2m_bench.core.track import BLENDSHAPES
from t2m_bench.tracking.canonical import LANDMARKS
from t2m_bench.tracking.native_log import chatter_dropped

APT_LINE = "apt-get install -y libgl1 libegl1 libgles2"
ASSET = "face_landmarker"


@dataclass(frozen=True)
class Detection:
    """One face of one picture."""

    landmarks: NDArray[np.float32]
    """[478, 3]: x and y in pixels (y down), z in pixels too (times the width), smaller is nearer."""
    blendshapes: NDArray[np.float32]
    """[52] in [0, 1], in the order of `t2m_bench.core.track.BLENDSHAPES`."""

    @property
    def box(self) -> NDArray[np.float32]:
        """[4] x0, y0, x1, y1 in pixels: the bounds of the landmarks."""
        corners = [self.landmarks[:, :2].min(axis=0), self.landmarks[:, :2].max(axis=0)]
        return np.concatenate(corners).astype(np.float32)

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        return float(np.prod(self.box[2:] - self.box[:2]))


class LandmarkDetector:
    """Detector of one picture at a time; no frame sees another one, so that lips do not lag.

    Use it as a context manager: MediaPipe complains at exit about a detector that was not closed.

    Args:
        model: the `face_landmarker.task` file; resolved as the asset `face_landmarker` if None.
        num_faces: how many faces to look for at most.
        min_confidence: of the face detector and of the mesh, in [0, 1].

    Raises:
        AssetMissing, AssetError: the model file is missing or not the expected one.
        DependencyError: MediaPipe, or a system library of it, is missing.
    """

    def __init__(self, model: Path | None = None, *, num_faces: int = 1, min_confidence: float = 0.5) -> None:
        path = model or assets.resolve(ASSET)
        vision = _load_mediapipe()
        options = vision.FaceLandmarkerOptions(
            base_options=_base_options(path),
            running_mode=vision.RunningMode.IMAGE,
            num_faces=num_faces,
            min_face_detection_confidence=min_confidence,
            min_face_presence_confidence=min_confidence,
            output_face_blendshapes=True,
        )
        try:
            with chatter_dropped():
                self._landmarker: Any = vision.FaceLandmarker.create_from_options(options)
        except (RuntimeError, ValueError, OSError) as error:
            raise AssetError(f"{path} cannot be used as a face landmarker ({error})") from error
        self._warm = False

    def __enter__(self) -> LandmarkDetector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the detector; closing twice does nothing."""
        if self._landmarker is not None:
            self._landmarker.close()
            self._landmarker = None

    def detect(self, frame: NDArray[np.uint8]) -> Detection | None:
        """The largest face of a picture, or None; arguments and errors as `detect_all`."""
        return next(iter(self.detect_all(frame)), None)

    def detect_all(self, frame: NDArray[np.uint8]) -> list[Detection]:
        """The faces of a picture, largest first, at most `num_faces`.

        Args:
            frame: [H, W, 3] uint8 RGB, of any size.

        Raises:
            ShapeError: another shape or dtype, or the detector is closed.
        """
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ShapeError(f"frame must be uint8 [H, W, 3], got {frame.dtype} {list(frame.shape)}")
        if self._landmarker is None:
            raise ShapeError("this LandmarkDetector is closed")
        import mediapipe as mp

        # MediaPipe reads the buffer as packed rows: a view with padded lines would be sheared.
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(frame))
        try:
            with contextlib.nullcontext() if self._warm else chatter_dropped():
                result = self._landmarker.detect(image)
        except (RuntimeError, ValueError) as error:
            raise TrackingError(
                f"The face landmarker failed on a picture of {frame.shape[1]}x{frame.shape[0]} ({error})"
            ) from error
        self._warm = True
        return _by_size(result, width=frame.shape[1], height=frame.shape[0])


def _by_size(result: Any, *, width: int, height: int) -> list[Detection]:
    found = []
    for face, shapes in zip(result.face_landmarks, result.face_blendshapes, strict=True):
        points = np.array([(p.x * width, p.y * height, p.z * width) for p in face], dtype=np.float32)
        if points.shape != (LANDMARKS, 3):
            raise ShapeError(f"the face landmarker gave {len(points)} points, expected {LANDMARKS}")
        scores = np.zeros(len(BLENDSHAPES), dtype=np.float32)
        for shape in shapes:
            scores[shape.index] = shape.score
        found.append(Detection(points, scores))
    return sorted(found, key=lambda face: -face.area)


def _load_mediapipe() -> Any:
    try:
        with chatter_dropped():
            from mediapipe.tasks.python import vision
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"MediaPipe cannot be imported ({error})", hint="Run `pip install mediapipe`"
        ) from error
    except (ImportError, OSError) as error:
        raise DependencyError(
            f"MediaPipe lacks a system library ({error})", hint=f"Run `{APT_LINE}` as root"
        ) from error
    return vision


def _base_options(path: Path) -> Any:
    from mediapipe.tasks.python.core.base_options import BaseOptions

    return BaseOptions(model_asset_path=str(path), delegate=BaseOptions.Delegate.CPU)
