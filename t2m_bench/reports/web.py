"""Tables as HTML: a fragment with semantic markup and no scripts."""

from __future__ import annotations

from html import escape

from t2m_bench.reports.table import Cell, Column, Table


def to_html(table: Table) -> str:
    """A `figure` with the table and its notes; classes `best` and `second` beside `b` and `u`."""
    lines = [
        '<figure class="t2m-table">',
        "<table>",
        f"<caption>{escape(table.title)}</caption>",
        "<thead>",
        f"<tr>{''.join(_head(column) for column in table.columns)}</tr>",
        "</thead>",
    ]
    for group in table.groups:
        lines.append("<tbody>")
        if group.title:
            lines.append(
                f'<tr><th colspan="{len(table.columns)}" scope="rowgroup">{escape(group.title)}</th></tr>'
            )
        for row in group.rows:
            cells = zip(table.columns, row.cells, strict=True)
            lines.append(f"<tr>{''.join(_cell(column, cell) for column, cell in cells)}</tr>")
        lines.append("</tbody>")
    lines.append("</table>")
    if table.caption:
        notes = "".join(f"<li>{escape(sentence)}</li>" for sentence in table.caption)
        lines.append(f"<figcaption><ul>{notes}</ul></figcaption>")
    lines.append("</figure>")
    return "\n".join(lines) + "\n"


def _align(column: Column) -> str:
    return "right" if column.numeric else "left"


def _head(column: Column) -> str:
    return f'<th scope="col" style="text-align:{_align(column)}">{escape(column.head)}</th>'


def _cell(column: Column, cell: Cell) -> str:
    shown = escape(cell.text)
    kind = ""
    if cell.bold:
        shown, kind = f"<b>{shown}</b>", ' class="best"'
    elif cell.underline:
        shown, kind = f"<u>{shown}</u>", ' class="second"'
    mark = f"<sup>{escape(cell.mark)}</sup>" if cell.mark else ""
    return f'<td{kind} style="text-align:{_align(column)}">{shown}{mark}</td>'
