"""`t2m-bench table`: print a table from the records of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: t2m-bench table 1 --out RUN --format latex"


def table(
    number: Annotated[int, typer.Argument(help="Number of the paper's table: 1.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Result folder; else t2m-runs/DATASET.")
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Of this dataset.")] = None,
    protocol: Annotated[str, typer.Option(help="Of this protocol.")] = "reconstruction",
    format_: Annotated[
        str, typer.Option("--format", "-f", help="rich, md, latex, html, csv or json.")
    ] = "rich",
    by: Annotated[str, typer.Option(help="method, or clip for a row for each clip too.")] = "method",
    allow_mixed: Annotated[
        bool, typer.Option("--allow-mixed", help="Show records of several recipes together, marked.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Print a table from the records of a result folder, and from nothing else."""
    from t2m_bench.cli.output import show_table
    from t2m_bench.metrics.catalog import metric_infos
    from t2m_bench.reports.formats import check_format, render
    from t2m_bench.reports.of_run import table_of_folder

    name = check_format("json" if json_ else format_)
    made = table_of_folder(
        number, out, dataset=dataset, protocol=protocol, by=by, infos=metric_infos(), allow_mixed=allow_mixed
    )
    if name == "rich":
        show_table(made)
    else:
        print(render(made, name), end="")
