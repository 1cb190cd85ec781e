"""Which prediction is measured against which reference: files, folders matched by name, or a CSV list."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from t2m_bench.core.errors import ConfigError, MissingData, UsageError

SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv", ".flv")
"""Files of a folder that are taken for videos, in any case."""
LARGEST_LIST = 20_000_000
"""Bytes; a longer file is no list of pairs."""

_HINT = "The columns are prediction, reference, id, speaker; paths are relative to the CSV file"
_Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=4096)]
_Optional = BeforeValidator(lambda value: value or None)


@dataclass(frozen=True)
class Pair:
    """A video to measure and the real one it stands for."""

    id: str
    """Unique among the pairs; the prediction's name without its suffix unless the list says otherwise."""
    prediction: Path
    reference: Path | None = None
    """None where there is none."""
    speaker: str = ""


@dataclass(frozen=True)
class Pairs:
    """What was found."""

    pairs: tuple[Pair, ...]
    """By id."""
    unmatched: tuple[Path, ...] = ()
    """Videos of the folders that have no partner, and are not measured."""


def find_pairs(prediction: Path, reference: Path | None) -> Pairs:
    """Pair a file or folder with another one.

    Two files are a pair whatever they are called. Otherwise videos whose names without suffix are equal, case
    included, belong together.

    Args:
        prediction: video, or folder of videos.
        reference: video, or folder of videos; None where there is no reference.

    Raises:
        MissingData: a path does not exist, a folder holds no video, or nothing matches.
        UsageError: a folder holds two videos of one name.
    """
    made = _videos(prediction)
    if reference is None:
        return Pairs(tuple(Pair(name, path) for name, path in made.items()))
    real = _videos(reference)
    if prediction.is_file() and reference.is_file():
        return Pairs((Pair(prediction.stem, prediction, reference),))
    pairs = tuple(Pair(name, path, real[name]) for name, path in made.items() if name in real)
    if not pairs:
        raise MissingData(
            f"No video of {prediction} is called as one of {reference} "
            f"(such as {next(iter(made))!r} and {next(iter(real))!r})",
            hint="Give both the same name before the suffix, or list them with --pairs",
        )
    lonely = [path for name, path in made.items() if name not in real]
    lonely += [path for name, path in real.items() if name not in made]
    return Pairs(pairs, tuple(lonely))


def _videos(path: Path) -> dict[str, Path]:
    """Videos by name without suffix."""
    if path.is_file():
        return {path.stem: path}
    if not path.is_dir():
        raise MissingData(f"There is no file or folder {path}")
    found: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        if file.suffix.lower() not in SUFFIXES or file.name.startswith(".") or not file.is_file():
            continue
        if file.stem in found:
            raise UsageError(
                f"{path} holds both {found[file.stem].name} and {file.name}",
                hint="Keep one, or say with --pairs which one is meant",
            )
        found[file.stem] = file
    if not found:
        raise MissingData(f"The folder {path} holds no video ({', '.join(SUFFIXES)})")
    return found


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    prediction: Annotated[_Line, Field(min_length=1)]
    reference: Annotated[_Line | None, _Optional] = None
    id: Annotated[_Line | None, _Optional] = Field(default=None, max_length=200)
    speaker: _Line = Field(default="", max_length=200)


def read_pairs(path: Path) -> Pairs:
    """Read a list of pairs: CSV in UTF-8 with a header.

    Columns are `prediction` and, as wanted, `reference`, `id` and `speaker`. Whether the videos exist is not looked at:
    one that is missing is a failure of its pair alone.

    Raises:
        MissingData: there is no such file.
        ConfigError: it is no such list; names the line, the column and what is wrong.
    """
    try:
        if path.stat().st_size > LARGEST_LIST:
            raise ConfigError(f"{path} is larger than {LARGEST_LIST // 1_000_000} MB, no list of pairs is")
        # Spreadsheets put a byte-order mark before the first name.
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise MissingData(f"There is no list of pairs {path}", hint=_HINT) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as UTF-8 text ({error})") from error
    rows = _rows(text, str(path))
    folder = path.absolute().parent
    pairs = [
        Pair(
            row.id or Path(row.prediction).stem,
            folder / row.prediction,
            folder / row.reference if row.reference else None,
            row.speaker,
        )
        for row in rows
    ]
    twice = [name for name, count in Counter(pair.id for pair in pairs).items() if count > 1]
    if twice:
        raise ConfigError(f"{path} has several pairs called {twice[0]!r}", hint="Give each an id of its own")
    return Pairs(tuple(sorted(pairs, key=lambda pair: pair.id)))


def _rows(text: str, where: str) -> list[_Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in reader.fieldnames or []]
        unknown = [name for name in header if name not in _Row.model_fields]
        if unknown:
            raise ConfigError(f"{where} has an unknown column {unknown[0]!r}", hint=_HINT)
        if "prediction" not in header or len(set(header)) != len(header):
            what = "names a column twice" if "prediction" in header else "lacks the column 'prediction'"
            raise ConfigError(f"{where} {what}", hint=_HINT)
        reader.fieldnames = header
        rows = [_row(values, f"{where}, line {reader.line_num}") for values in reader]
    except csv.Error as error:
        raise ConfigError(f"{where}, line {reader.line_num}: no CSV ({error})") from error
    if not rows:
        raise ConfigError(f"{where} has no rows", hint="Add a row for each pair")
    return rows


def _row(values: dict[str | Any, str | Any], where: str) -> _Row:
    if None in values or None in values.values():
        raise ConfigError(
            f"{where} has another number of cells than the header", hint="Quote cells that hold a comma"
        )
    try:
        return _Row.model_validate({name: value.strip() for name, value in values.items()})
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{where}, column {first['loc'][0]!r}: {first['msg']}") from error
