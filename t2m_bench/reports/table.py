"""`Table`: what a table says, apart from how it looks. Renderers are in the modules beside this one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

Direction = Literal["higher", "lower"]

ARROWS: Mapping[Direction, str] = {"higher": "↑", "lower": "↓"}
MISSING = "-"


@dataclass(frozen=True)
class Column:
    """A column and how its head reads."""

    key: str
    """Name in CSV and JSON."""
    title: str
    unit: str = ""
    direction: Direction | None = None
    """Which way is better; None for texts and counts."""
    numeric: bool = True
    """Numbers are aligned to the right."""

    @property
    def head(self) -> str:
        """Title, unit and arrow on one line: `PSNR [dB] ↑`."""
        return " ".join(part for part in (self.title, self.second_line) if part)

    @property
    def second_line(self) -> str:
        """Unit and arrow."""
        unit = f"[{self.unit}]" if self.unit else ""
        arrow = ARROWS[self.direction] if self.direction else ""
        return " ".join(part for part in (unit, arrow) if part)


@dataclass(frozen=True)
class Cell:
    """One entry."""

    text: str
    """As printed, without marks."""
    value: float | str | None = None
    """As CSV and JSON hold it, in full precision; None where there is nothing."""
    mark: str = ""
    """Signs printed after the text, explained in the caption."""
    bold: bool = False
    underline: bool = False

    @property
    def marked(self) -> str:
        """Text and mark."""
        return self.text + self.mark


@dataclass(frozen=True)
class Row:
    """Cells, one a column."""

    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Group:
    """Rows under a common head."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Table:
    """A table, ready to be rendered."""

    title: str
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    caption: tuple[str, ...] = ()
    """Sentences printed below."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What holds for every row (dataset, recipe); columns of the CSV."""

    def rows(self) -> Iterator[tuple[str, Row]]:
        """Every row with the title of its group."""
        for group in self.groups:
            for row in group.rows:
                yield group.title, row


def number(value: float | None, digits: int, mark: str = "") -> Cell:
    """A cell for a number; `-` where there is none."""
    if value is None or math.isnan(value):
        return Cell(MISSING, None, mark)
    if math.isinf(value):
        return Cell("∞" if value > 0 else "-∞", value, mark)
    return Cell(f"{value:.{digits}f}", value, mark)


def text(value: str, shown: str | None = None, mark: str = "") -> Cell:
    """A cell for a text, printed as `shown` if that is given."""
    return Cell(value if shown is None else shown, value, mark)


def emphasise(cells: Sequence[Cell], direction: Direction, competes: Sequence[bool]) -> list[Cell]:
    """Mark the best of the cells that compete bold and the second best underlined; equal texts share a rank.

    Where fewer than two compete, nothing is marked.
    """
    running = [
        cell
        for cell, takes_part in zip(cells, competes, strict=True)
        if takes_part and isinstance(cell.value, float)
    ]
    if len(running) < 2:
        return list(cells)
    values = {cell.text: float(cell.value) for cell in running if isinstance(cell.value, float)}
    ranked = sorted(values, key=lambda shown: values[shown], reverse=direction == "higher")
    best, second = ranked[0], ranked[1] if len(ranked) > 1 else None
    return [
        replace(cell, bold=cell.text == best, underline=cell.text == second)
        if takes_part and isinstance(cell.value, float)
        else cell
        for cell, takes_part in zip(cells, competes, strict=True)
    ]
