"""Tracks on disk: one folder a clip and setting, named by the content it was made from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from t2m_bench.core import assets
from t2m_bench.core.atomic import atomic_folder
from t2m_bench.core.digest import file_sha256
from t2m_bench.core.errors import OutputError, ShapeError
from t2m_bench.core.track import Track

TRACK_FILE = "track.npz"
MATTE_FILE = "matte.mkv"
_SEAL_FILE = "seal.json"


def default_cache() -> Path:
    """Folder for tracks when the caller names none: beside the model files (`T2M_HOME`, or the platform's cache)."""
    return assets.cache_folder().parent / "tracks"


def load_entry(folder: Path) -> Track | None:
    """The track in `folder`, or None where there is none or any of its files is not what was written."""
    try:
        seal = json.loads((folder / _SEAL_FILE).read_text(encoding="utf-8"))
        sound = isinstance(seal, dict) and all(file_sha256(folder / name) == seal[name] for name in seal)
        if not sound or TRACK_FILE not in seal:
            return None
        return Track.load(folder / TRACK_FILE, matte=folder / MATTE_FILE if MATTE_FILE in seal else None)
    except (OSError, ValueError, ShapeError):
        return None


def load_or_make(folder: Path, make: Callable[[Path], Track]) -> Track:
    """The track in `folder`; if it is absent or damaged, what `make` puts there.

    Two processes that want the same entry make it once: the second one waits.

    Args:
        folder: the entry.
        make: is given a new folder, writes the matte there if there is one, and returns the track.

    Raises:
        OutputError: the cache cannot be written.
    """
    if found := load_entry(folder):
        return found
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if found := load_entry(folder):
                return found
            if folder.exists():
                shutil.rmtree(folder)
            with atomic_folder(folder) as new:
                track = make(new)
                track.save(new / TRACK_FILE)
                _seal(new)
    except OSError as error:
        raise OutputError(
            f"The track cache {folder.parent} cannot be written ({error.strerror or error})",
            hint="Free some disk or name another cache folder",
        ) from error
    return replace(track, matte=folder / MATTE_FILE if track.matte else None)


def _seal(folder: Path) -> None:
    hashes = {
        name: file_sha256(folder / name) for name in (TRACK_FILE, MATTE_FILE) if (folder / name).exists()
    }
    (folder / _SEAL_FILE).write_text(json.dumps(hashes), encoding="utf-8")
