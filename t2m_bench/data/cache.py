"""The one folder for everything that can be made again: tracks, prepared clips, landmarks of reference frames."""

from __future__ import annotations

from pathlib import Path

from t2m_bench.core import assets


def cache_root() -> Path:
    """`T2M_HOME`, or the platform's cache folder for this package; model files lie in its `assets` folder."""
    return assets.cache_folder().parent
