"""Landmarks of the frames that are scored, each different picture looked at once."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core import assets
from t2m_bench.core.atomic import atomic_path
from t2m_bench.core.digest import digest_of
from t2m_bench.core.errors import AssetError
from t2m_bench.core.recipe import Recipe
from t2m_bench.core.subject import Footage
from t2m_bench.tracking.landmarks import LandmarkDetector

Points = NDArray[np.float32]
"""[478, 2] pixels; NaN where no face was found."""

FACES_VERSION = 1
"""Raised when the same frame would give other landmarks."""

_KEY_BYTES = 16


class FaceFinder:
    """A `LandmarkFinder` that remembers frames by their content.

    Detection looks at one frame at a time, so equal frames have equal landmarks: what is remembered cannot differ
    from what would be found again.

    Args:
        detect: landmarks [478, 2] or more columns of one frame [H, W, 3] uint8, or None where there is no face.
        known: landmarks by `frame_key`.
    """

    def __init__(
        self,
        detect: Callable[[NDArray[np.uint8]], NDArray[np.float32] | None],
        known: Mapping[bytes, Points] | None = None,
    ) -> None:
        self._detect = detect
        self._known = dict(known or {})

    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Landmarks [B, 478, 2] in pixels of frames [B, H, W, 3]; NaN where no face was found."""
        return np.stack([self._find(frame) for frame in frames])

    def _find(self, frame: NDArray[np.uint8]) -> Points:
        key = frame_key(frame)
        if key not in self._known:
            found = self._detect(frame)
            missing = np.full((478, 2), np.nan, np.float32)
            self._known[key] = missing if found is None else found[:, :2].astype(np.float32)
        return self._known[key]


def frame_key(frame: NDArray[np.uint8]) -> bytes:
    """Hash of a frame's size and pixels."""
    total = hashlib.blake2b(str(frame.shape).encode(), digest_size=_KEY_BYTES)
    total.update(np.ascontiguousarray(frame).data)
    return total.digest()


@contextmanager
def open_face_finder(recipe: Recipe, known: Mapping[bytes, Points]) -> Iterator[FaceFinder]:
    """A finder with the recipe's detector.

    Raises:
        AssetError, AssetMissing: the model file is missing, or is not the one that the recipe names.
        DependencyError: MediaPipe cannot be loaded.
    """
    asset = assets.get(recipe.landmarks)
    if asset.sha256 != recipe.landmarks_sha256:
        raise AssetError(
            f"Recipe {recipe.name!r} wants {asset.file} with sha256 {recipe.landmarks_sha256[:12]}, "
            f"this program knows {asset.sha256[:12]}",
            hint="Use the program version that the recipe was written for",
        )
    with LandmarkDetector(assets.resolve(asset.name)) as detector:

        def detect(frame: NDArray[np.uint8]) -> NDArray[np.float32] | None:
            face = detector.detect(frame)
            return None if face is None else face.landmarks

        yield FaceFinder(detect, known)


def reference_file(cache: Path, held_out: Footage, recipe: Recipe) -> Path:
    """Where the landmarks of the reference frames are kept: methods that are scored on one clip share them."""
    key = {
        "version": FACES_VERSION,
        "footage": held_out.digest,
        "recipe": recipe.digest,
        "model": recipe.landmarks_sha256,
        "mediapipe": _mediapipe_version(),
    }
    return cache / "landmarks" / f"{digest_of(key, length=32)}.npz"


def load_known(path: Path) -> dict[bytes, Points]:
    """What `save_known` wrote; nothing where the file is absent or damaged, so that all is found anew."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            keys, points = data["keys"], data["points"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}
    if keys.shape != (len(points), _KEY_BYTES) or points.shape[1:] != (478, 2):
        return {}
    return {key.tobytes(): value for key, value in zip(keys, points.astype(np.float32), strict=True)}


def save_known(path: Path, known: Mapping[bytes, Points]) -> None:
    """Keep landmarks by frame key, atomically.

    Raises:
        OSError: the folder cannot be written.
    """
    keys = np.frombuffer(b"".join(known), np.uint8).reshape(-1, _KEY_BYTES)
    points = np.stack(list(known.values()))
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, keys=keys, points=points)


def _mediapipe_version() -> str:
    try:
        return metadata.version("mediapipe")
    except metadata.PackageNotFoundError:
        return "absent"
