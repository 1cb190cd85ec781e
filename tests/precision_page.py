"""`docs/precision.md`: how near our numbers are to those of the reference code, as the parity tests measured it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

INTRODUCTION = """# Precision

How near the numbers of t2m-bench are to those of the code that papers used, as measured by the tests on the machine
that wrote this page (`make precision`). Where a metric needs weights that are downloaded, both sides had the same
random ones, written in the official file layout: the page is about loading and arithmetic; the official weights were
never run here. A test fails when a difference is larger than allowed.

| what | reference | largest difference | allowed | numbers compared |
|---|---|--:|--:|--:|
"""


@dataclass(frozen=True)
class Agreement:
    """One comparison with a reference."""

    what: str
    reference: str
    difference: float
    within: float
    relative: bool
    count: int


def versioned(package: str) -> str:
    """Name and version of an installed package."""
    return f"{package} {metadata.version(package)}"


def rows(agreements: Sequence[Agreement]) -> list[str]:
    """Lines of the table: comparisons of the same thing with the same reference are one line."""
    groups: dict[tuple[str, str, bool], list[Agreement]] = {}
    for one in agreements:
        groups.setdefault((one.what, one.reference, one.relative), []).append(one)
    lines = []
    for (what, reference, relative), group in sorted(groups.items()):
        unit = " relative" if relative else ""
        worst, allowed = max(one.difference for one in group), max(one.within for one in group)
        count = sum(one.count for one in group)
        numbers = f"{_short(worst, 1)}{unit} | {_short(allowed, 0)}{unit}"
        lines.append(f"| {what} | {reference} | {numbers} | {count} |")
    return lines


def _short(number: float, digits: int) -> str:
    return f"{number:.{digits}e}" if number else "0"


def write_page(path: Path, agreements: Sequence[Agreement]) -> None:
    """Write the page; the notes below the table of an existing page are kept."""
    notes = ""
    if path.is_file():
        _, mark, rest = path.read_text(encoding="utf-8").partition("\n## ")
        notes = mark + rest
    path.write_text(INTRODUCTION + "\n".join(rows(agreements)) + "\n" + notes, encoding="utf-8")
