"""68 landmarks by the Face Alignment Network (Bulat and Tzimiropoulos 2017), the detector of published LMD figures.

The network and the S3FD face detector run inside the `face-alignment` package (extra `fan`), whose crop, flip and
heat-map code decides the numbers; only its downloads are replaced by files that were found and checked here.
Coordinates are whole pixels, as that package gives them. `face-alignment` brings `opencv-python` beside MediaPipe's
`opencv-contrib-python`: two packages that write the same `cv2`, which works as long as both have one version.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from pickle import UnpicklingError
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from t2m_bench.core import assets
from t2m_bench.core.errors import AssetError, DependencyError, ShapeError, UsageError

ASSET = "fan2d4"
DETECTOR_ASSET = "s3fd"

_REFERENCE_SCALE = 195.0
"""Sum of the sides of a box, over the scale of its crop: what the package's detectors announce."""


class FanDetector:
    """68 points of the face in a picture.

    Args:
        detector: `sfd` finds the face by S3FD, as published figures do; `boxes` uses boxes that the caller gives, which
            should frame the face from the brows to the chin (`points68.box_of_68` of MediaPipe's landmarks does; the
            crop, and so the points, then differ a little from those of S3FD).
        device: `cpu`, `cuda` or `mps`.
        flip: look at the mirrored crop too and add the heat maps. Off in published figures; releases of the package
            differ in their default (off to 1.4, on from 1.5).
        model: the TorchScript network; resolved as the asset `fan2d4` if None.
        face_model: weights of S3FD; resolved as the asset `s3fd` if None.

    Raises:
        UsageError: an unknown detector.
        AssetMissing, AssetError: a model file is missing or not the expected one.
        DependencyError: the package `face-alignment`, or a system library of it, is missing.
    """

    def __init__(
        self,
        detector: Literal["sfd", "boxes"] = "sfd",
        device: str = "cpu",
        *,
        flip: bool = False,
        model: Path | None = None,
        face_model: Path | None = None,
    ) -> None:
        if detector not in ("sfd", "boxes"):
            raise UsageError(f"Unknown face detector '{detector}'", hint="Known are sfd and boxes")
        api, sfd = _load_package()
        network = _network(model or assets.resolve(ASSET), device)
        faces = (
            _faces(sfd, face_model or assets.resolve(DETECTOR_ASSET), device)
            if detector == "sfd"
            else SimpleNamespace(reference_scale=_REFERENCE_SCALE)
        )
        self._finds_faces = detector == "sfd"
        self._aligner = _aligner(api, network, faces, device, flip=flip)

    def points(
        self, frame: NDArray[np.uint8], box: NDArray[np.floating] | None = None
    ) -> NDArray[np.float32] | None:
        """The 68 points of one face in iBUG's order.

        Args:
            frame: [H, W, 3] uint8 RGB.
            box: [4] x0, y0, x1, y1 in pixels of the face to look at; None lets S3FD find it, and takes the one it is
                surest of.

        Returns:
            [68, 2] float32, x and y in whole pixels, or None where no face is found.

        Raises:
            ShapeError: a wrong shape or dtype, or an empty box.
            UsageError: no box, and no detector either.
        """
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ShapeError(f"frame must be uint8 [H, W, 3], got {frame.dtype} {list(frame.shape)}")
        if box is not None:
            return self._aligned(frame, _checked_box(box))
        if not self._finds_faces:
            raise UsageError(
                "FanDetector needs a box for each frame", hint="Give box=, or use FanDetector(detector='sfd')"
            )
        found = self._aligner.face_detector.detect_from_image(frame.copy())
        return self._aligned(frame, found[0]) if len(found) else None

    def _aligned(self, frame: NDArray[np.uint8], box: NDArray[np.floating]) -> NDArray[np.float32]:
        faces = self._aligner.get_landmarks_from_image(np.ascontiguousarray(frame), detected_faces=[box])
        return np.asarray(faces[0], dtype=np.float32)


def _checked_box(box: NDArray[np.floating]) -> NDArray[np.float64]:
    checked = np.asarray(box, dtype=np.float64)
    if checked.shape != (4,) or not np.isfinite(checked).all() or (checked[2:] - checked[:2] < 1).any():
        raise ShapeError(f"box must be x0, y0, x1, y1 around at least a pixel, got {checked.tolist()}")
    return checked


def _aligner(api: Any, network: Any, faces: Any, device: str, *, flip: bool) -> Any:
    """The package's own aligner around parts that are loaded already."""

    class Aligner(api.FaceAlignment):
        def __init__(self) -> None:
            # Not the parent's: it downloads, and compiles to the user's cache folder.
            self.device = device
            self.dtype = torch.float32
            self.flip_input = flip
            self.landmarks_type = api.LandmarksType.TWO_D
            self.verbose = False
            self.max_batch_size = 1
            self.face_detector = faces
            self.face_alignment_net = network

    return Aligner()


def _network(path: Path, device: str) -> Any:
    try:
        return _fastest(torch.jit.load(str(path), map_location=device).eval())
    except (RuntimeError, ValueError, OSError) as error:
        raise AssetError(
            f"{path} cannot be used as a landmark network ({str(error).splitlines()[0]})"
        ) from error


def _fastest(network: Any) -> Any:
    """The same network with its weights laid out as convolutions like them: S3FD takes two thirds of the time."""
    return network.to(memory_format=torch.channels_last)


def _faces(sfd: Any, path: Path, device: str) -> Any:
    try:
        detector = sfd.SFDDetector(device=device, path_to_detector=str(path))
        detector.face_detector = _fastest(detector.face_detector)
        return detector
    # A broken archive is a RuntimeError or EOFError, a broken pickle an UnpicklingError, or a KeyError from inside;
    # other weights are a RuntimeError, and no weights at all a TypeError.
    except (RuntimeError, EOFError, UnpicklingError, KeyError, TypeError, OSError) as error:
        raise AssetError(
            f"{path} cannot be used as a face detector ({(str(error) or type(error).__name__).splitlines()[0]})"
        ) from error


def _load_package() -> tuple[Any, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its imports warn of their own future
            import face_alignment.api as api
            from face_alignment.detection.sfd import sfd_detector
    except (ImportError, OSError) as error:
        raise DependencyError(
            f"The FAN landmark backend cannot be imported ({error})",
            hint="Run `pip install 't2m-bench[fan]'`",
        ) from error
    return api, sfd_detector
