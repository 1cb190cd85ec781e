"""Where features of videos are kept, by the content of everything that decides them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.atomic import atomic_path
from t2m_bench.core.digest import digest_of
from t2m_bench.core.metric import Arrays, Feature, Reel
from t2m_bench.core.recipe import Recipe

STORE_VERSION = 1
"""Raised when the files change their layout."""


def feature_key(feature: Feature, reel: Reel, size: tuple[int, int], recipe: Recipe) -> str:
    """Hash of all that decides a feature: the video's bytes, the size, and what the feature itself names.

    The recipe does not enter as a whole, so recipes that differ elsewhere share features.
    """
    parts = {
        "version": STORE_VERSION,
        "feature": feature.name,
        "reel": reel.digest,
        "size": list(size),
        "resize": recipe.resize,
        "key": dict(feature.key(recipe)),
    }
    return digest_of(parts, length=32)


class FeatureStore:
    """Files of named arrays in one folder; a missing, damaged or foreign file is as good as none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, key: str) -> Path:
        """Where a feature is or would be."""
        return self._folder / key[:2] / f"{key}.npz"

    def load(self, key: str) -> dict[str, NDArray[Any]] | None:
        """What `save` wrote, or None."""
        try:
            with self.path(key).open("rb") as file, np.load(file, allow_pickle=False) as data:
                return {name: data[name] for name in data.files}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def save(self, key: str, arrays: Mapping[str, NDArray[Any]] | Arrays) -> None:
        """Keep arrays, atomically.

        Raises:
            OSError: the folder cannot be written.
        """
        with atomic_path(self.path(key)) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **dict(arrays))
