"""What methods learn about subjects: `<out>/<dataset>/checkpoints/<method>/<subject>/`, shared by all drives."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from t2m_bench.core.atomic import move_folder, write_text
from t2m_bench.core.errors import MethodError
from t2m_bench.runs.folder import writing
from t2m_bench.runs.label import folder_name
from t2m_bench.runs.store import SUPERSEDED, discard, set_aside

KEY = "key.json"
"""In each checkpoint and each work folder: the key of what is in there. Methods leave it alone."""


class Checkpoints:
    """The checkpoints of one dataset in one output folder, which the caller has claimed."""

    def __init__(self, out: Path, dataset: str) -> None:
        self.root = out / folder_name(dataset) / "checkpoints"
        self._out = out
        self._aside_root = out / folder_name(dataset) / SUPERSEDED / "checkpoints"

    def obtain(
        self, label: str, subject: str, key: str, fit: Callable[[Path], Path]
    ) -> tuple[Path, float | None]:
        """The checkpoint of a method for a subject, trained if it is not there.

        A killed training goes on in the work folder it left. What was made with another key is set aside, and comes
        back when its key is asked for again.

        Args:
            label: the method's.
            subject: id.
            key: hash of all that decides the checkpoint.
            fit: trains in the folder it is given; returns that folder or one in it.

        Returns:
            The folder, and the seconds spent here, None if it was there already.

        Raises:
            MethodError: `fit` returned something else than a folder of its work folder.
            OutputError: the folder cannot be written.
        """
        place = self.root / folder_name(label) / folder_name(subject)
        work = place.with_name(place.name + ".work")
        with writing(self.root):
            self._select(place, key)
            if place.exists():
                if _key(work) == key:  # killed between the rename and this removal
                    discard(work, self._out)
                return place, None
            self._select(work, key)
            if not work.exists():
                work.mkdir(parents=True)
            if _key(work) is None:
                _mark(work, key)
        started = time.monotonic()
        made = fit(work)
        seconds = time.monotonic() - started
        _check_made(made, work, label)
        with writing(self.root):
            _mark(made, key)
            move_folder(made, place)
            if work.exists():
                discard(work, self._out)
        return place, seconds

    def _select(self, folder: Path, key: str) -> None:
        """Leave in `folder` what belongs to `key`, or nothing."""
        if folder.exists() and _key(folder) != key:
            if not any(folder.iterdir()):
                folder.rmdir()
            else:
                set_aside(folder, self._aside(folder, _key(folder) or "unknown"))
        aside = self._aside(folder, key)
        if not folder.exists() and _key(aside) == key:
            move_folder(aside, folder)

    def _aside(self, folder: Path, key: str) -> Path:
        return self._aside_root / folder.parent.name / f"{folder.name}-{key[:8]}"


def _key(folder: Path) -> str | None:
    try:
        value = json.loads((folder / KEY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    key = value.get("key") if isinstance(value, dict) else None
    return key if isinstance(key, str) else None


def _mark(folder: Path, key: str) -> None:
    if _key(folder) != key:
        write_text(folder / KEY, json.dumps({"key": key}) + "\n")


def _check_made(made: Path, work: Path, label: str) -> None:
    inside = made.resolve() == work.resolve() or work.resolve() in made.resolve().parents
    if not (inside and made.is_dir()):
        raise MethodError(
            f"{label} returned {made} as its checkpoint, which is no folder in its work folder {work}",
            hint="This is a fault of the method",
        )
