"""`t2m-bench run`: make and score videos."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from t2m_bench.core.record import Record
    from t2m_bench.reports.table import Table

EXAMPLE = "Example: t2m-bench run --method talk2me --method mean --dataset demo --preset tiny --out RUN"


def run(
    method: Annotated[
        list[str],
        typer.Option("--method", "-m", help="Method, or label as in talk2me@tiny+lpe=off; repeatable."),
    ],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Dataset: see `t2m-bench datasets list`.")],
    data_root: Annotated[
        Path | None, typer.Option(help="Folder with the dataset's clips; else the one in T2M_DATA.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Result folder; else t2m-runs/DATASET.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="For the methods that have it.")] = None,
    protocol: Annotated[str, typer.Option(help="reconstruction or audio_driven.")] = "reconstruction",
    drive: Annotated[
        list[str] | None,
        typer.Option(help="P1, P2 or P3; repeatable; else P1 and P2."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Setting key=value, for all methods but controls; repeatable."),
    ] = None,
    clip: Annotated[list[str] | None, typer.Option(help="Only this clip; repeatable.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first clips.")] = None,
    recipe: Annotated[str | None, typer.Option(help="How to score; else the dataset's own.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of training and synthesis.", min=0)] = 0,
    offline: Annotated[bool, typer.Option("--offline", help="Never download anything.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Train or run methods on a dataset, score them, and print the table.

    What is finished is skipped, so the same command goes on after an interruption. Results lie in
    OUT/DATASET/PROTOCOL/METHOD/CLIP: prediction.mp4, sheet.png, record.json, log.txt.
    """
    from t2m_bench.cli.progress import open_reporter
    from t2m_bench.runs.execute import RunRequest
    from t2m_bench.runs.execute import run as execute
    from t2m_bench.runs.label import parse_settings

    if offline:
        os.environ["T2M_OFFLINE"] = "1"
    request = RunRequest(
        methods=tuple(method),
        dataset=dataset,
        out=out or Path("t2m-runs") / dataset,
        data_root=data_root,
        protocol=protocol,  # type: ignore[arg-type]  # any text: the planner refuses unknown ones with a suggestion
        drives=tuple(drive or ()),
        preset=preset,
        settings=parse_settings(list(set_ or ())),
        clips=tuple(clip or ()),
        limit=limit,
        recipe=recipe,
        seed=seed,
    )
    with open_reporter() as report:
        records = execute(request, report)
    _print_results(request.out, records, as_json=json_)
    if any(record.status == "failed" for record in records):
        raise typer.Exit(1)


def _print_results(out: Path, records: list[Record], *, as_json: bool) -> None:
    from t2m_bench.cli.output import print_json, show_table
    from t2m_bench.metrics.catalog import metric_infos
    from t2m_bench.reports.of_run import table_of_run

    made, warning = table_of_run(out, records, metric_infos())
    if warning:
        typer.echo(warning, err=True)
    if as_json:
        print_json(_as_json(out, records, made))
        return
    print()
    show_table(made)
    first = next((record for record in records if record.status == "ok"), None)
    if first is not None:
        print(f"\nVideos: {out / first.dataset}{os.sep}*{os.sep}*{os.sep}*{os.sep}prediction.mp4")
        print(f"        such as {_folder(out, first) / 'prediction.mp4'}")
    print(f"Table:  {table_command(out, records[0])}")


def table_command(out: Path, record: Record) -> str:
    """The command that prints the table again."""
    words = ["t2m-bench", "table", "1", "--out", str(out), "--dataset", record.dataset]
    if record.protocol != "reconstruction":
        words += ["--protocol", record.protocol]
    return shlex.join(words)


def _folder(out: Path, record: Record) -> Path:
    from t2m_bench.runs.store import record_folder

    return record_folder(out, record)


def _as_json(out: Path, records: list[Record], made: Table) -> dict[str, Any]:
    from t2m_bench.reports.text import as_json

    failed = sum(record.status == "failed" for record in records)
    listed = []
    for record in records:
        shown = record.model_dump(mode="json")
        for value in shown["values"].values():
            del value["per_frame"]  # long, and in record.json
        listed.append({**shown, "folder": str(_folder(out, record))})
    return {
        "out": str(out),
        "ok": len(records) - failed,
        "failed": failed,
        "records": listed,
        "table": as_json(made),
    }
