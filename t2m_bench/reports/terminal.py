"""Tables for terminals and for plain text."""

from __future__ import annotations

import io

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from t2m_bench.reports.table import Cell, Table

_GAP = 2
_SHORTEST_NAME = 14
"""Columns to which a name may be folded."""


def to_rich(table: Table) -> RichTable:
    """The table as a rich renderable. Long names are folded onto several lines, never cut."""
    rich = RichTable(
        title=Text(table.title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    for index, column in enumerate(table.columns):
        rich.add_column(
            Text("\n".join(part for part in (column.title, column.second_line) if part)),
            justify="right" if column.numeric else "left",
            no_wrap=column.numeric,
            overflow="fold",
            min_width=_least_width(table, index),
        )
    for number, group in enumerate(table.groups):
        if number:
            rich.add_section()
        if group.title:
            rich.add_row(Text(group.title, style="italic"))
        for row in group.rows:
            rich.add_row(*(_text(cell) for cell in row.cells))
    return rich


def _least_width(table: Table, index: int) -> int:
    """Numbers and heads are never folded, names only to a readable width."""
    column = table.columns[index]
    texts = [column.title, column.second_line, *(row.cells[index].marked for _, row in table.rows())]
    widest = max(cell_len(text) for text in texts)
    return widest if column.numeric else min(widest, _SHORTEST_NAME)


def _text(cell: Cell) -> Text:
    style = "bold green" if cell.bold else "underline" if cell.underline else ""
    shown = Text(cell.text, style=style)
    return shown.append(cell.mark, style="dim") if cell.mark else shown


def print_table(table: Table, console: Console) -> None:
    """Print the table and its caption; on a console too narrow for it, wider than the console rather than cut."""
    rich = to_rich(table)
    needed = sum(_least_width(table, index) + _GAP for index in range(len(table.columns)))
    width = console.width
    console.width = max(width, needed)
    try:
        console.print(rich)
    finally:
        console.width = width
    if table.caption:
        console.print()
    for sentence in table.caption:
        console.print(Text(sentence, style="dim"), soft_wrap=not console.is_terminal)


def to_text(table: Table, width: int = 10_000) -> str:
    """The table as plain text without colours."""
    buffer = io.StringIO()
    console = Console(file=buffer, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    print_table(table, console)
    lines = (line.rstrip() for line in buffer.getvalue().splitlines())
    return "\n".join(lines).strip("\n") + "\n"
