"""Table 1: every method on one dataset, a row for each method and drive, from records alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from t2m_bench.core.errors import MissingData, UsageError
from t2m_bench.core.metric import MetricInfo
from t2m_bench.core.record import Record
from t2m_bench.reports.caption import ORACLE, PARTIAL, SEES_TEST, caption
from t2m_bench.reports.table import Cell, Column, Direction, Group, Row, Table, emphasise, number, text

By = Literal["method", "clip"]

_GROUPS = {"control": "Controls", "GAN": "GAN", "NeRF": "NeRF", "3DGS": "3D Gaussian splatting"}
_DIGITS = 3


@dataclass(frozen=True)
class _Line:
    """The records of one method and drive."""

    label: str
    drive: str
    records: tuple[Record, ...]

    @property
    def first(self) -> Record:
        return self.records[0]

    def clips_with(self, metric: str) -> frozenset[str]:
        return frozenset(record.clip for record in self.records if metric in record.values)

    def mean(self, metric: str) -> float | None:
        values = [record.values[metric].value for record in self.records if metric in record.values]
        return sum(values) / len(values) if values else None

    @property
    def coverage(self) -> str:
        ok = sum(record.status == "ok" for record in self.records)
        return f"{ok}/{len(self.records)}"


def table1(
    records: Iterable[Record], infos: Mapping[str, MetricInfo] | None = None, *, by: By = "method"
) -> Table:
    """Build Table 1.

    A cell is the mean over clips. Best and second are marked in each column among the rows that cover the same clips
    and are driven alike: oracles never take part, and rows that are given the true expression (P1) only compete with
    one another.

    Args:
        records: of one dataset, protocol and recipe.
        infos: titles and digits of metrics by id; a metric that is not there is printed under its id.
        by: `clip` adds a row for each clip under each mean.

    Raises:
        MissingData: there are no records.
        UsageError: the records are of different datasets, protocols or recipes.
    """
    found = sorted(records, key=lambda record: (record.method, record.drive, record.clip))
    _check_alike(found)
    metrics = metric_order(found)
    columns = _columns(found, metrics, infos or {}, by)
    lines = _lines(found)
    cells = _metric_cells(lines, metrics, infos or {})
    groups = []
    for category, title in _GROUPS.items():
        rows: list[Row] = []
        for line, values in zip(lines, cells, strict=True):
            if line.first.category == category:
                rows.append(_mean_row(line, values, by))
                if by == "clip":
                    rows += [_clip_row(line, record, metrics, infos or {}) for record in line.records]
        if rows:
            groups.append(Group(title, tuple(rows)))
    first = found[0]
    titles = {column.key: column.title for column in columns}
    return Table(
        title=f"Table 1: {first.protocol} on {first.dataset}{' (synthetic)' if first.synthetic else ''}",
        columns=tuple(columns),
        groups=tuple(groups),
        caption=caption(found, titles, [cell for row in cells for cell in row]),
        facts={
            "dataset": first.dataset,
            "protocol": first.protocol,
            "recipe": first.recipe,
            "recipe_digest": first.recipe_digest,
        },
    )


def metric_order(records: Sequence[Record]) -> list[str]:
    """Metric ids in the recipe's order, as the records tell it."""
    order: dict[str, None] = {}
    for record in records:
        order.update(dict.fromkeys(record.provenance.get("metrics", ())))
    for record in records:
        order.update(dict.fromkeys([*record.values, *record.unavailable]))
    return list(order)


def _check_alike(records: Sequence[Record]) -> None:
    if not records:
        raise MissingData("There are no records to make a table of", hint="Run something first")
    for what, values, remedy in (
        ("datasets", {record.dataset for record in records}, "Choose one with --dataset"),
        ("protocols", {record.protocol for record in records}, "Choose one with --protocol"),
    ):
        if len(values) > 1:
            raise UsageError(f"The records are of several {what} ({', '.join(sorted(values))})", hint=remedy)
    recipes = {record.recipe_digest: record.recipe for record in records}
    if len(recipes) > 1:
        names = " and ".join(
            f"{name} ({digest})" for digest, name in sorted(recipes.items(), key=lambda x: x[::-1])
        )
        raise UsageError(
            f"The records were scored under different recipes, {names}, and must not share a table",
            hint="Run all methods under one recipe, or use an output folder for each",
        )


def _lines(records: Sequence[Record]) -> list[_Line]:
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        found.setdefault((record.method, record.drive), []).append(record)
    return [_Line(label, drive, tuple(rows)) for (label, drive), rows in found.items()]


def _columns(
    records: Sequence[Record], metrics: Sequence[str], infos: Mapping[str, MetricInfo], by: By
) -> list[Column]:
    columns = [Column("method", "Method", numeric=False), Column("drive", "Drive", numeric=False)]
    if by == "clip":
        columns.append(Column("clip", "Clip", numeric=False))
    for metric in metrics:
        values = [record.values[metric] for record in records if metric in record.values]
        info = infos.get(metric)
        title = info.title if info else metric
        unit = values[0].unit if values else info.unit if info else ""
        columns.append(Column(metric, title, unit, _direction(metric, records, infos)))
    return [*columns, Column("clips", "Clips")]


def _direction(metric: str, records: Sequence[Record], infos: Mapping[str, MetricInfo]) -> Direction | None:
    for record in records:
        if metric in record.values:
            return record.values[metric].direction
    return infos[metric].direction if metric in infos else None


def _metric_cells(
    lines: Sequence[_Line], metrics: Sequence[str], infos: Mapping[str, MetricInfo]
) -> list[list[Cell]]:
    """Cells of each line, best and second marked column by column."""
    columns: list[list[Cell]] = []
    for metric in metrics:
        widest = frozenset[str]().union(*(line.clips_with(metric) for line in lines))
        whole = [line.clips_with(metric) == widest for line in lines]
        digits = infos[metric].digits if metric in infos else _DIGITS
        cells = [
            number(value, digits, "" if full or value is None else PARTIAL)
            for line, full in zip(lines, whole, strict=True)
            for value in [line.mean(metric)]
        ]
        direction = _direction(metric, [record for line in lines for record in line.records], infos)
        for given_expression in (True, False):
            competes = [
                full and not line.first.oracle and (line.first.expression == "reference") == given_expression
                for line, full in zip(lines, whole, strict=True)
            ]
            cells = emphasise(cells, direction, competes) if direction else cells
        columns.append(cells)
    return [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in lines]


def _name(record: Record) -> Cell:
    """The title, followed by what differs from the method's defaults."""
    changes = record.method.removeprefix(record.method_name).replace("+", " +").replace("@", " @")
    mark = ORACLE if record.oracle else SEES_TEST if "test_frames" in record.sees else ""
    return text(record.method, record.method_title + changes, mark)


def _mean_row(line: _Line, values: Sequence[Cell], by: By) -> Row:
    clip = [text("mean")] if by == "clip" else []
    return Row((_name(line.first), text(line.drive), *clip, *values, text(line.coverage)))


def _clip_row(line: _Line, record: Record, metrics: Sequence[str], infos: Mapping[str, MetricInfo]) -> Row:
    values = [
        number(
            record.values[metric].value if metric in record.values else None,
            infos[metric].digits if metric in infos else _DIGITS,
        )
        for metric in metrics
    ]
    ok = "1/1" if record.status == "ok" else "0/1"
    return Row((text(record.method, ""), text(record.drive, ""), text(record.clip), *values, text(ok)))
