"""Results on disk: `<out>/<dataset>/<protocol>/<method>/<clip>/` with `prediction.mp4`, `record.json`, `log.txt`.

A unit's folder appears whole, by one rename. A finished one is never overwritten: if the same unit is wanted with
other inputs, it is moved to `<out>/<dataset>/superseded/`, and comes back when its inputs are asked for again.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from t2m_bench.core.atomic import move_folder
from t2m_bench.core.errors import DataError, MissingData
from t2m_bench.core.record import Record
from t2m_bench.runs.folder import WORK, is_result_folder, writing
from t2m_bench.runs.label import folder_name
from t2m_bench.runs.plan import Unit

PREDICTION = "prediction.mp4"
SHEET = "sheet.png"
RECORD = "record.json"
LOG = "log.txt"
SUPERSEDED = "superseded"
_PROTOCOL_FOLDERS = ("reconstruction", "audio_driven")


class ResultStore:
    """The units of one output folder, which the caller has claimed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def place(self, unit: Unit) -> Path:
        """Where a unit's result is, or will be."""
        return self.root.joinpath(folder_name(unit.clip.dataset), *unit.folders)

    def find(self, unit: Unit, key: str, good: Callable[[Record], bool]) -> Record | None:
        """The finished record of a unit with this key, brought back from among the superseded ones if it is there.

        `good` may refuse a finished record: the unit is then to be made again.
        """
        place, aside = self.place(unit), self._aside(unit, key)
        if (record := _finished(place, key)) and good(record):
            return record
        record = _finished(aside, key)
        if record is None or not good(record):
            return None
        with writing(self.root):
            self._clear(unit)
            move_folder(aside, place)
        return record

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder on the disk of the results, gone when the block ends."""
        with writing(self.root):
            (self.root / WORK).mkdir(exist_ok=True)
            folder = Path(tempfile.mkdtemp(dir=self.root / WORK))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def put(self, unit: Unit, folder: Path) -> Path:
        """Make `folder`, which lies in a scratch folder, the unit's result; return its place."""
        with writing(self.root):
            self._clear(unit)
            return move_folder(folder, self.place(unit))

    def _clear(self, unit: Unit) -> None:
        """Free a unit's place: a failed result is dropped, anything else is set aside."""
        place = self.place(unit)
        if not place.exists():
            return
        record = _readable(place)
        if record is not None and record.status == "failed":
            discard(place, self.root)
            return
        set_aside(place, self._aside(unit, record.key if record else "unknown"))

    def _aside(self, unit: Unit, key: str) -> Path:
        protocol, method, clip = unit.folders
        base = self.root / folder_name(unit.clip.dataset) / SUPERSEDED / protocol / method
        return base / f"{clip}-{key[:8]}"


def record_folder(out: Path, record: Record) -> Path:
    """The folder of a record's result."""
    protocol = record.protocol if record.drive == "-" else f"{record.protocol}-{record.drive}"
    return out.joinpath(
        folder_name(record.dataset), protocol, folder_name(record.method), folder_name(record.clip)
    )


def set_aside(place: Path, target: Path) -> Path:
    """Move `place` to `target`, or to `target-2`, `-3` and so on where that is taken."""
    free, number = target, 1
    while free.exists():
        number += 1
        free = target.with_name(f"{target.name}-{number}")
    return move_folder(place, free)


def discard(folder: Path, out: Path) -> None:
    """Delete `folder` of the output folder `out`, by way of a work folder: it never stands there half deleted."""
    (out / WORK).mkdir(exist_ok=True)
    trash = Path(tempfile.mkdtemp(dir=out / WORK))
    move_folder(folder, trash / "discarded")
    shutil.rmtree(trash)


def _readable(place: Path) -> Record | None:
    try:
        return Record.load(place / RECORD)
    except DataError:
        return None


def _finished(place: Path, key: str) -> Record | None:
    if not (place / RECORD).is_file() or not (place / PREDICTION).is_file():
        return None
    record = _readable(place)
    return record if record is not None and record.key == key and record.status == "ok" else None


def read_records(out: Path, *, dataset: str | None = None, protocol: str | None = None) -> list[Record]:
    """All records under an output folder, ordered by dataset, protocol, method label and clip.

    Args:
        out: a folder that a run made.
        dataset: only of this one.
        protocol: only of this one.

    Raises:
        MissingData: there is no such folder, it holds no results, or none of that dataset and protocol.
        DataError: a record cannot be read.
    """
    out = out.expanduser()
    if not out.is_dir():
        raise MissingData(f"There is no folder {out}", hint="Make one with `t2m-bench run ... --out DIR`")
    if not is_result_folder(out):
        raise MissingData(
            f"{out} was not made by `t2m-bench run`",
            hint="Name the folder that was given to --out of the run",
        )
    paths = [
        path
        for path in sorted(out.glob(f"*/*/*/*/{RECORD}"))
        if path.relative_to(out).parts[1].split("-")[0] in _PROTOCOL_FOLDERS
    ]
    records = [Record.load(path) for path in paths]
    chosen = [
        record
        for record in records
        if dataset in (None, record.dataset) and protocol in (None, record.protocol)
    ]
    if not chosen:
        what = " ".join(part for part in (dataset, protocol) if part)
        found = sorted({f"{record.dataset} {record.protocol}" for record in records})
        hint = f"There are records of {', '.join(found)}" if found else "Run something into it first"
        raise MissingData(f"{out} holds no records{' of ' + what if what else ''}", hint=hint)
    return chosen
