"""`face_mesh`: the landmarks, blendshapes and number of faces of every frame, by MediaPipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core import assets
from t2m_bench.core.metric import Arrays, Maker
from t2m_bench.core.recipe import Recipe
from t2m_bench.core.track import BLENDSHAPES
from t2m_bench.tracking.landmarks import ASSET, Detection, LandmarkDetector

FACES_VERSION = 2
"""Raised when the same frame would give other landmarks."""
POINTS, SHAPES = "points", "blendshapes"
"""Names of the arrays: [T, 478, 3] pixels and [T, 52], NaN where no face was found."""


class FaceMesh:
    """The largest face of each frame; no frame sees another one."""

    name = "face_mesh"
    assets = (ASSET,)

    def key(self, recipe: Recipe) -> Mapping[str, Any]:
        """The model, the library, and this module's version."""
        return {
            "version": FACES_VERSION,
            "model": recipe.asset_hash(ASSET),
            "mediapipe": _mediapipe_version(),
        }

    @contextmanager
    def open(self, recipe: Recipe) -> Iterator[Maker]:
        """A detector with the recipe's model.

        Raises:
            AssetError, AssetMissing: the model file is missing, or is not the one that the recipe names.
            DependencyError: MediaPipe cannot be loaded.
        """
        recipe.check_asset(assets.get(ASSET))
        with LandmarkDetector(assets.resolve(ASSET)) as detector:
            yield lambda reel: FaceMeshExtractor(detector.detect)


class FaceMeshExtractor:
    """Keeps what a detector says of each frame.

    Args:
        detect: gives the largest face of a frame [H, W, 3] uint8, or None.
    """

    def __init__(self, detect: Callable[[NDArray[np.uint8]], Detection | None]) -> None:
        self._detect = detect
        self._found: list[Detection | None] = []

    def add(self, frames: NDArray[np.uint8]) -> None:
        """Look at frames [B, H, W, 3]."""
        self._found += [self._detect(frame) for frame in frames]

    def finish(self) -> Arrays:
        """`points` [T, 478, 3] in pixels and `blendshapes` [T, 52] in [0, 1], NaN where no face was found."""
        return self.part(0, len(self._found))

    def part(self, start: int, stop: int) -> Arrays:
        """As `finish`, of some of the frames seen so far."""
        found = self._found[start:stop]
        points = np.full((len(found), 478, 3), np.nan, np.float32)
        shapes = np.full((len(found), len(BLENDSHAPES)), np.nan, np.float32)
        for index, face in enumerate(found):
            if face is not None:
                points[index], shapes[index] = face.landmarks, face.blendshapes
        return {POINTS: points, SHAPES: shapes}


def _mediapipe_version() -> str:
    try:
        return metadata.version("mediapipe")
    except metadata.PackageNotFoundError:
        return "absent"
