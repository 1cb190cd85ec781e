"""From a result folder to its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast, get_args

from t2m_bench.core.errors import UnknownName, UsageError
from t2m_bench.core.metric import MetricInfo
from t2m_bench.core.record import Record
from t2m_bench.core.registry import suggest
from t2m_bench.reports.table import Table
from t2m_bench.reports.table1 import By, table1
from t2m_bench.runs.store import read_records


def table_of_folder(
    number: int,
    out: Path | None,
    *,
    dataset: str | None,
    protocol: str,
    by: str,
    infos: Mapping[str, MetricInfo],
    allow_mixed: bool = False,
) -> Table:
    """A table over all records of a result folder.

    Args:
        number: of the table; 1.
        out: the folder; `t2m-runs/<dataset>` if None.
        dataset: of this one; needed where the folder holds several.
        protocol: of this one.
        by: `method` or `clip`.
        infos: titles and digits of metrics.
        allow_mixed: take records of several recipes, and mark them.

    Raises:
        UsageError: there is no such table or row, or no folder is named.
        MissingData: the folder has no such records.
    """
    if number != 1:
        raise UsageError(f"There is no table {number} yet", hint="Table 1 can be made")
    if by not in get_args(By):
        raise UnknownName(f"Rows by {by!r} are unknown", hint=suggest(by, get_args(By)))
    if out is None and dataset is None:
        raise UsageError("No result folder is named", hint="Name it with --out, or give --dataset")
    folder = out or Path("t2m-runs") / str(dataset)
    records = read_records(folder, dataset=dataset, protocol=protocol)
    return table1(records, infos, by=cast(By, by), allow_mixed=allow_mixed)


def table_of_run(
    out: Path, records: Sequence[Record], infos: Mapping[str, MetricInfo]
) -> tuple[Table, str | None]:
    """The table to print after a run, and a warning.

    It is the table of the whole folder, earlier runs included. Where those were scored under another recipe, it is
    the table of this run alone, and the warning says so.
    """
    first = records[0]
    every = read_records(out, dataset=first.dataset, protocol=first.protocol)
    try:
        return table1(every, infos), None
    except UsageError as error:
        return table1(records, infos), f"This table shows this run alone. {error}"
