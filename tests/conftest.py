"""Fixtures shared by all tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from precision_page import Agreement, write_page
from shared_material import SHARED

ROOT = Path(__file__).resolve().parent.parent
_AGREEMENTS = pytest.StashKey[list[Agreement]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--precision-page", metavar="FILE", help="write what the parity tests measured, as Markdown, to FILE"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_AGREEMENTS] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    page = session.config.getoption("--precision-page")
    if page:
        write_page(Path(page), session.config.stash[_AGREEMENTS])


@pytest.fixture
def agree(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`agree(what, reference, ours, theirs, within=1e-4)`: assert that numbers equal those of the reference code.

    The largest difference goes to `docs/precision.md`, absolute, or relative to the reference's largest value with
    `relative=True`.
    """

    def check(
        what: str, reference: str, ours: object, theirs: object, *, within: float, relative: bool = False
    ) -> None:
        a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
        assert a.shape == b.shape and a.size and np.isfinite(a).all() and np.isfinite(b).all()
        difference = float(np.abs(a - b).max())
        if relative:
            difference /= float(np.abs(b).max())
        request.config.stash[_AGREEMENTS].append(
            Agreement(what, reference, difference, within, relative, a.size)
        )
        assert difference <= within, f"{what}: {difference:.2e} from {reference}, {within:.0e} allowed"

    return check


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
