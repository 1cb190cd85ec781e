"""Tables as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

from t2m_bench.reports.table import Cell, Table


def to_markdown(table: Table) -> str:
    """GitHub Markdown: best bold, second underlined, groups as rows in bold."""
    lines = [f"**{_escape(table.title)}**", ""]
    lines.append(_line([_escape(column.head) for column in table.columns]))
    lines.append(_line(["---:" if column.numeric else ":---" for column in table.columns]))
    for group in table.groups:
        if group.title:
            lines.append(_line([f"**{_escape(group.title)}**", *[""] * (len(table.columns) - 1)]))
        lines += [_line([_markdown(cell) for cell in row.cells]) for row in group.rows]
    if table.caption:
        lines += ["", *(f"- {_escape(sentence)}" for sentence in table.caption)]
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown(cell: Cell) -> str:
    shown = _escape(cell.text)
    if cell.bold:
        shown = f"**{shown}**"
    if cell.underline:
        shown = f"<u>{shown}</u>"
    return shown + _escape(cell.mark)


def _escape(text: str) -> str:
    for sign in ("\\", "|", "*", "_", "<", "`"):
        text = text.replace(sign, f"\\{sign}")
    return text.replace("\n", " ")


def to_csv(table: Table) -> str:
    """One line a row with the facts of the table, the group, and every value in full precision."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*table.facts, "group", *(column.key for column in table.columns)])
    for group, row in table.rows():
        writer.writerow([*table.facts.values(), group, *(_plain(cell.value) for cell in row.cells)])
    return buffer.getvalue()


def _plain(value: float | str | None) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else value


def to_json(table: Table) -> str:
    """One object: title, facts, columns, rows, caption. Infinite values are the texts `inf` and `-inf`."""
    return json.dumps(as_json(table), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_json(table: Table) -> dict[str, Any]:
    """What `to_json` writes."""
    columns = [
        {"key": column.key, "title": column.title, "unit": column.unit, "direction": column.direction}
        for column in table.columns
    ]
    rows = [
        {
            "group": group,
            **{
                column.key: _finite(cell.value) for column, cell in zip(table.columns, row.cells, strict=True)
            },
            "marks": {
                column.key: marks
                for column, cell in zip(table.columns, row.cells, strict=True)
                if (marks := _marks(cell))
            },
        }
        for group, row in table.rows()
    ]
    return {
        "title": table.title,
        **table.facts,
        "columns": columns,
        "rows": rows,
        "caption": list(table.caption),
    }


def _marks(cell: Cell) -> list[str]:
    best = ["best"] if cell.bold else ["second"] if cell.underline else []
    return best + ([cell.mark] if cell.mark else [])


def _finite(value: float | str | None) -> float | str | None:
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value
