"""Manifests: one row of `clips.csv` for each clip that can be cut from a raw video.

The same columns serve HDTF, a Mandarin set and anybody's own list, so that one preparation does for all of them.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from t2m_bench.core.atomic import write_text
from t2m_bench.core.digest import digest_of
from t2m_bench.core.errors import ConfigError, MissingData, UnknownName

LARGEST_MANIFEST = 20_000_000
"""Bytes; a longer file is not a manifest."""

# Names become file names; a leading dot or a slash would leave the folder.
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
_Optional = BeforeValidator(lambda value: None if value == "" else value)


class ClipRow(BaseModel):
    """One clip of a raw video: where it lies in time and picture, who speaks, and what may be done with it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: _Name = Field(description="Of the clip; names its prepared files.")
    subset: str = Field(default="", max_length=40, description="Part of the dataset, as `WDA`.")
    speaker: _Name = Field(description="Who speaks; clips of one speaker never meet across a split.")
    language: str = Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", description="BCP 47 tag.")
    video: _Name = Field(description="Name of the raw video's file without its suffix.")
    url: str = Field(
        default="", max_length=2000, pattern=r"^(https?://\S+)?$", description="Where it is published."
    )
    start: float = Field(
        default=0.0, ge=0, lt=1e6, description="Seconds of the raw video, by its time stamps."
    )
    end: Annotated[float | None, _Optional] = Field(
        default=None, gt=0, lt=1e6, description="Seconds; empty: to the end."
    )
    x: Annotated[int | None, _Optional] = Field(
        default=None,
        ge=0,
        lt=100_000,
        description="Left edge of the window, pixels; empty: found by the face.",
    )
    y: Annotated[int | None, _Optional] = Field(
        default=None, ge=0, lt=100_000, description="Top edge, pixels."
    )
    width: Annotated[int | None, _Optional] = Field(default=None, gt=0, lt=100_000, description="Pixels.")
    height: Annotated[int | None, _Optional] = Field(default=None, gt=0, lt=100_000, description="Pixels.")
    reference_height: Annotated[int | None, _Optional] = Field(
        default=None,
        gt=0,
        lt=100_000,
        description="Height of the picture in which the window was measured, pixels.",
    )
    zoom: float = Field(
        default=1.0,
        gt=0,
        le=10,
        description="Factor of the side of a window found by the face; a given window includes it already.",
    )
    splits: str = Field(default="", max_length=400, description="Words `split:part`, as `speakers:test`.")
    license: str = Field(default="unknown", max_length=400, description="Of the material.")
    note: str = Field(default="", max_length=400, description="What is odd about this row.")

    @model_validator(mode="after")
    def _fits(self) -> ClipRow:
        window = (self.x, self.y, self.width, self.height, self.reference_height)
        if len({value is None for value in window}) > 1:
            raise ValueError("x, y, width, height and reference_height must be given together")
        if self.end is not None and self.end <= self.start:
            raise ValueError(f"end {self.end:g} is not after start {self.start:g}")
        return self

    @property
    def has_window(self) -> bool:
        """Whether the picture's window is given; else it is found by the face."""
        return self.x is not None

    @property
    def parts(self) -> dict[str, str]:
        """By named split, the part this clip is in."""
        pairs = (word.partition(":") for word in self.splits.split())
        return {split: part for split, _, part in pairs}


COLUMNS = tuple(ClipRow.model_fields)


@dataclass(frozen=True)
class Manifest:
    """The clips of a dataset that can be prepared."""

    rows: tuple[ClipRow, ...]
    """By id."""

    @property
    def digest(self) -> str:
        """Hash of all rows, whatever their order in the file was."""
        return digest_of([row.model_dump(mode="json") for row in self.rows])

    @property
    def by_id(self) -> dict[str, ClipRow]:
        """The rows by the ids of their clips."""
        return {row.id: row for row in self.rows}

    def part(self, split: str, part: str) -> Manifest:
        """The clips of one part of a named split.

        Raises:
            UnknownName: no clip is in it.
        """
        rows = tuple(row for row in self.rows if row.parts.get(split) == part)
        if not rows:
            known = sorted({f"{name}:{value}" for row in self.rows for name, value in row.parts.items()})
            raise UnknownName(
                f"No clip is in {split}:{part}", hint=f"Known are {', '.join(known) or 'no splits'}"
            )
        return Manifest(rows)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest: CSV in UTF-8 with a header, columns as `ClipRow`; those with a default may be left out.

    Raises:
        MissingData: there is no such file.
        ConfigError: it is no manifest; names the line, the column and what is wrong.
    """
    try:
        if path.stat().st_size > LARGEST_MANIFEST:
            raise ConfigError(f"{path} is larger than {LARGEST_MANIFEST // 1_000_000} MB, no manifest is")
        text = path.read_text(
            encoding="utf-8-sig"
        )  # spreadsheets put a byte-order mark before the first name
    except FileNotFoundError as error:
        raise MissingData(
            f"There is no manifest {path}", hint="Name a CSV file with one row for each clip"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as UTF-8 text ({error})") from error
    return parse_manifest(text, str(path))


def parse_manifest(text: str, where: str) -> Manifest:
    """The manifest in a text; `where` names it in errors.

    Raises:
        ConfigError: see `read_manifest`.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in reader.fieldnames or []]
        _check_header(header, where)
        reader.fieldnames = header
        rows = [_row(values, f"{where}, line {reader.line_num}") for values in reader]
    except csv.Error as error:
        # The line of the inner reader: that of `DictReader` stays behind when a row fails.
        raise ConfigError(f"{where}, line {reader.reader.line_num}: no CSV ({error})") from error
    # Names of files, and some file systems do not tell cases apart.
    twice = [name for name, count in Counter(row.id.lower() for row in rows).items() if count > 1]
    if twice:
        raise ConfigError(
            f"{where} has several rows with the id {twice[0]!r}", hint="Give each clip an id of its own"
        )
    if not rows:
        raise ConfigError(f"{where} has no rows", hint="Add a row for each clip")
    return Manifest(tuple(sorted(rows, key=lambda row: row.id)))


def _check_header(header: list[str], where: str) -> None:
    unknown = [name for name in header if name not in COLUMNS]
    needed = [
        name for name, field in ClipRow.model_fields.items() if field.is_required() and name not in header
    ]
    hint = f"The columns are {', '.join(COLUMNS)}"
    if unknown:
        raise ConfigError(f"{where} has an unknown column {unknown[0]!r}", hint=hint)
    if needed:
        raise ConfigError(f"{where} lacks the column {needed[0]!r}", hint=hint)
    if len(set(header)) != len(header):
        raise ConfigError(f"{where} names a column twice", hint=hint)


def _row(values: dict[str | Any, str | Any], where: str) -> ClipRow:
    if None in values or None in values.values():
        raise ConfigError(
            f"{where} has another number of cells than the header", hint="Quote cells that hold a comma"
        )
    kept = {name: value.strip() for name, value in values.items() if value.strip() or name not in _DEFAULTED}
    try:
        return ClipRow.model_validate(kept)
    except ValidationError as error:
        first = error.errors()[0]
        column = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{where}{f', column {column!r}' if column else ''}: {first['msg']}") from error


_DEFAULTED = frozenset(name for name, field in ClipRow.model_fields.items() if not field.is_required())


def write_manifest(path: Path, rows: Iterable[ClipRow]) -> None:
    """Write rows as `read_manifest` reads them, by id, whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in sorted(rows, key=lambda row: row.id):
        values = row.model_dump()
        writer.writerow(["" if values[name] is None else _text(values[name]) for name in COLUMNS])
    write_text(path, text.getvalue())


def _text(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
