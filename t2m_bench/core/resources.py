"""Where the cards and data of the tree are: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

from t2m_bench.core.errors import DataError

_PACKAGE = Path(__file__).resolve().parent.parent


def resource(*parts: str) -> Path:
    """Path of a file or folder of `baselines/`, `datasets/` or `leaderboards/`, e.g. `resource("datasets", "demo")`.

    Raises:
        DataError: it is in neither place, so the installation is incomplete.
    """
    for root in (_PACKAGE / "_data", _PACKAGE.parent):
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise DataError(f"{'/'.join(parts)} is missing from this installation", hint="Install t2m-bench again")
