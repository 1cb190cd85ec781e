"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from shared_material import SHARED

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real clips and model files that some machines have beside the checkout."""
    if not (SHARED / "data" / "hdtf").is_dir():
        pytest.skip("no real clips here: set T2M_SHARED to a folder that holds data/hdtf and assets")
    return SHARED


@pytest.fixture(scope="session")
def demo_clips() -> Path:
    """The synthetic clips of the repository."""
    return ROOT / "datasets" / "demo" / "clips"


@pytest.fixture(autouse=True)
def _private_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches of tests never touch the user's, and no test downloads."""
    monkeypatch.setenv("T2M_HOME", str(tmp_path_factory.getbasetemp() / "home"))
    monkeypatch.setenv("T2M_OFFLINE", "1")
    monkeypatch.delenv("T2M_DATA", raising=False)
    monkeypatch.delenv("T2M_PLUGINS", raising=False)
    assets = SHARED / "assets"
    if assets.is_dir():
        monkeypatch.setenv("T2M_ASSETS", str(assets))
    else:
        monkeypatch.delenv("T2M_ASSETS", raising=False)
