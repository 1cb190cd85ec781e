"""What verbs print: tables on terminals and elsewhere, and JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def print_json(value: Any) -> None:
    """One JSON object on stdout."""
    print(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def print_listing(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A plain table of texts."""
    from t2m_bench.reports.table import Column, Group, Row, Table, text

    columns = tuple(Column(head.lower(), head, numeric=False) for head in heads)
    show_table(Table(title, columns, (Group("", tuple(Row(tuple(map(text, row))) for row in rows)),)))


def print_facts(title: str, facts: Iterable[tuple[str, Any]]) -> None:
    """Names and values, one a line; what is empty is left out."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, value in facts:
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        if shown not in ("", "None"):
            grid.add_row(Text(name, style="bold"), Text(shown.strip(), overflow="fold"))
    console = _console()
    with console.capture() as shown:
        console.print(Text(title, style="italic"))
        console.print(grid)
    print("\n".join(line.rstrip() for line in shown.get().splitlines()))


def show_table(table: Any) -> None:
    """A `reports.table.Table` on stdout: with colours and as wide as the terminal, or plain."""
    from t2m_bench.reports.terminal import print_table, to_text

    if sys.stdout.isatty():
        print_table(table, _console())
    else:
        print(to_text(table), end="")


def _console() -> Any:
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 100)
