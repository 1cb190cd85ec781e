"""`t2m-bench datasets check`: the pre-flight of a video, a folder of them, or a prepared dataset."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from t2m_bench.data.findings import Report
    from t2m_bench.reports.table import Table

EXAMPLE = "Example: t2m-bench datasets check MY_VIDEOS"

_PLAIN_WIDTH = 100


def check(
    path: Annotated[Path, typer.Argument(help="A video, a folder of videos, or a prepared dataset.")],
    details: Annotated[
        bool, typer.Option("--details", help="Print every finding, not only what is odd.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Check clips before anything is scored: frames, sound, faces, cuts, lip sync, and leaks between splits.

    Exit code 1 if any clip is refused or any split leaks.
    """
    from t2m_bench.cli.output import print_json
    from t2m_bench.cli.progress import open_reporter
    from t2m_bench.data.leak import split_leaks
    from t2m_bench.data.preflight import check_clip, find_clips

    clips = find_clips(path.expanduser())
    with open_reporter() as reporter:
        reports = [check_clip(clip, report=reporter) for clip in clips]
    refused = sum(report.verdict == "refused" for report in reports)
    leaks = split_leaks(path.expanduser())
    if json_:
        print_json(
            {
                "path": str(path),
                "clips": [report.to_dict() for report in reports],
                "refused": refused,
                "checked": len(reports),
                "leaks": leaks,
            }
        )
    else:
        _print(path, reports, details)
        for text in leaks:
            print(f"LEAK  {text}.")
    if refused or leaks:
        raise typer.Exit(1)


def _print(path: Path, reports: list[Report], details: bool) -> None:
    """The table, then what was found, clip by clip."""
    from rich.console import Console
    from rich.text import Text

    from t2m_bench.reports.terminal import print_table

    console = Console(
        highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH, soft_wrap=False, emoji=False
    )
    with console.capture() as shown:
        print_table(_table(path, reports), console)
        for report in reports:
            told = [one for one in report.findings if details or one.level != "ok"]
            if told:
                console.print()
                console.print(Text(report.path.name, style="bold"))
                console.print(_findings(told))
    print("\n".join(line.rstrip() for line in shown.get().splitlines()))


def _findings(told: list[Any]) -> Any:
    from rich.table import Table as Grid
    from rich.text import Text

    styles = {"refused": "bold red", "warning": "yellow", "note": "cyan", "ok": "green"}
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for one in told:
        grid.add_row(
            Text(f"  {one.level}", style=styles[one.level]),
            Text(one.code),
            Text(_sentences(one.fact, one.fix)),
        )
    return grid


def _sentences(fact: str, fix: str) -> str:
    capital = fact[:1].upper() + fact[1:]
    return f"{capital}. {fix}." if fix else f"{capital}."


def _table(path: Path, reports: list[Report]) -> Table:
    from t2m_bench.reports.table import Column, Group, Row, Table, text

    heads = (
        ("clip", "Clip"),
        ("verdict", "Verdict"),
        ("length", "Length"),
        ("face", "Face"),
        ("lips", "Lips"),
    )
    columns = [Column(key, head, numeric=key in ("length", "face", "lips")) for key, head in heads]
    columns.append(Column("fix", "Fix", numeric=False))
    rows = tuple(Row(tuple(map(text, _row(report)))) for report in reports)
    counts = {
        name: sum(one.verdict == name for one in reports)
        for name in ("ready", "usable with notes", "refused")
    }
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    caption = (f"{len(reports)} clip{'s' if len(reports) != 1 else ''}: {said}.",)
    return Table(f"Pre-flight of {path}", tuple(columns), (Group("", rows),), caption)


def _row(report: Report) -> tuple[str, ...]:
    facts = report.facts
    seconds, share = facts.get("video_seconds"), facts.get("face_share")
    return (
        report.path.name,
        report.verdict,
        "-" if seconds is None else f"{seconds:.1f} s",
        _face(report) if share is None else f"{share:.0%}",
        _lips(facts.get("lip_sync")),
        _fix(report),
    )


def _face(report: Report) -> str:
    if any(one.fact.startswith("not checked") for one in report.findings):
        return "not checked"
    return "none" if report.finding("face share") else "-"


def _lips(sync: dict[str, Any] | None) -> str:
    if sync is None:
        return "-"
    if sync["verdict"] == "too short to say":
        return "too short"
    if sync["verdict"] == "no reliable link":
        return "no link"
    return f"{sync['offset_ms']:+.0f} ms"


def _fix(report: Report) -> str:
    """The one thing to do: where to cut, if that helps, else the remedy of the gravest finding."""
    usable = report.finding("usable")
    if usable is not None and usable.level == "refused":
        return usable.fix
    worst = report.worst
    return (
        "-"
        if worst is None or (worst.level in ("ok", "note") and worst.fix.startswith("Nothing"))
        else worst.fix or "-"
    )
