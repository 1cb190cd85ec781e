"""`ledger.csv`: what became of each clip that was to be prepared, and the hashes of what was made."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from t2m_bench.core.atomic import write_text
from t2m_bench.core.digest import digest_of, file_sha256
from t2m_bench.core.errors import ConfigError, OutputError
from t2m_bench.data.manifest import ClipRow, read_manifest, write_manifest
from t2m_bench.data.prepared import MANIFEST

LEDGER = "ledger.csv"
WORK = ".work"
"""Folder beside the clips for locks and what is not finished."""


class LedgerRow(BaseModel):
    """One clip."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    status: Literal["ok", "gone", "failed"] = Field(description="`gone`: no longer published.")
    reason: str = Field(default="", description="Why it is not ok, or what is odd about it.")
    date: str = Field(description="Of the last change, UTC, ISO 8601.")
    source: str = Field(default="", description="Name of the raw video's file.")
    source_sha256: str = ""
    video_sha256: str = ""
    audio_sha256: str = ""
    matte_sha256: str = Field(default="", description="Empty without matting.")
    frames: int = 0
    seconds: float = 0.0
    matting: str = Field(default="none", description="What made the background white; `none` left it.")
    version: int = Field(default=0, description="Of the preparation.")
    settings: str = Field(default="", description="Digest of all that decides the result but the raw video.")

    @property
    def hashes(self) -> dict[str, str]:
        """By file name, the files that were made."""
        made = {
            f"{self.id}.mp4": self.video_sha256,
            f"{self.id}.wav": self.audio_sha256,
            f"{self.id}.matte.mkv": self.matte_sha256,
        }
        return {name: sha256 for name, sha256 in made.items() if sha256}


COLUMNS = tuple(LedgerRow.model_fields)


def read_ledger(folder: Path) -> dict[str, LedgerRow]:
    """The rows by clip id; none where there is no ledger.

    Raises:
        ConfigError: it does not read.
    """
    path = folder / LEDGER
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({error})", hint=_HINT) from error
    try:
        rows = [LedgerRow.model_validate(values) for values in csv.DictReader(io.StringIO(text, newline=""))]
    except (csv.Error, ValidationError) as error:
        raise ConfigError(f"{path} is damaged ({str(error).splitlines()[0]})", hint=_HINT) from error
    return {row.id: row for row in rows}


_HINT = "Restore it from a copy, or move the folder away and prepare the clips again"


def record(folder: Path, row: LedgerRow) -> None:
    """Put a row into the ledger in place of the clip's former one; safe beside other processes.

    Raises:
        ConfigError: the ledger does not read.
        OutputError: it cannot be written.
    """
    with _locked(folder):
        rows = {**read_ledger(folder), row.id: row}
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name in sorted(rows):
            writer.writerow(rows[name].model_dump(mode="json").values())
        write_text(folder / LEDGER, text.getvalue())


def add_rows(folder: Path, rows: Iterable[ClipRow]) -> None:
    """Add manifest rows to the `clips.csv` beside the clips; rows of other ids stay.

    Raises:
        ConfigError: there is one that does not read.
        OutputError: it cannot be written.
    """
    path = folder / MANIFEST
    with _locked(folder):
        known = read_manifest(path).by_id if path.exists() else {}
        merged = {**known, **{row.id: row for row in rows}}
        if merged != known:
            write_manifest(path, merged.values())


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        (folder / WORK).mkdir(parents=True, exist_ok=True)
        with FileLock(folder / WORK / "ledger.lock"):
            yield
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror or error})",
            hint="Free some disk, or name another folder",
        ) from error


def differences(folder: Path) -> list[str]:
    """Hash every file that the ledger knows again; one sentence for each that is not as recorded.

    Raises:
        ConfigError: the ledger does not read.
    """
    found = []
    for row in read_ledger(folder).values():
        for name, sha256 in row.hashes.items():
            path = folder / name
            if not path.is_file():
                found.append(f"{path} is missing")
            elif file_sha256(path) != sha256:
                found.append(f"{path} is not the file that was prepared")
    return found


def available_digest(folder: Path) -> dict[str, str | int]:
    """What a record must say about prepared data: digests of the manifest and of the clips that are there.

    Args:
        folder: with the clips and their ledger.

    Returns:
        `manifest`: digest of the rows asked for; `available`: digest of ids and hashes of the clips that are ok;
        `clips`: how many those are. Empty for a folder that `datasets prepare` did not make.

    Raises:
        ConfigError: ledger or manifest do not read.
    """
    if not (folder / LEDGER).is_file():
        return {}
    good = [row for row in read_ledger(folder).values() if row.status == "ok"]
    facts = sorted([row.id, row.video_sha256, row.audio_sha256] for row in good)
    asked = (folder / MANIFEST).is_file()
    return {
        "manifest": read_manifest(folder / MANIFEST).digest if asked else "",
        "available": digest_of(facts),
        "clips": len(good),
    }
