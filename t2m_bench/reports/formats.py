"""The formats a table can be had in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from t2m_bench.core.errors import UnknownName
from t2m_bench.core.registry import suggest
from t2m_bench.reports.latex import to_latex
from t2m_bench.reports.table import Table
from t2m_bench.reports.terminal import to_text
from t2m_bench.reports.text import to_csv, to_json, to_markdown
from t2m_bench.reports.web import to_html

FORMATS: Mapping[str, Callable[[Table], str]] = {
    "rich": to_text,
    "md": to_markdown,
    "latex": to_latex,
    "html": to_html,
    "csv": to_csv,
    "json": to_json,
}
"""By name. The same table gives the same bytes."""


def render(table: Table, name: str) -> str:
    """`table` in the format called `name`.

    Raises:
        UnknownName: there is no such format.
    """
    return FORMATS[check_format(name)](table)


def check_format(name: str) -> str:
    """`name`, if there is such a format.

    Raises:
        UnknownName: there is not.
    """
    if name not in FORMATS:
        raise UnknownName(f"Unknown table format {name!r}", hint=suggest(name, FORMATS))
    return name
