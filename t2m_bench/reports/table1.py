"""Table 1: every method on one dataset, a row for each method and drive, from records alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from t2m_bench.core.errors import MissingData, UsageError
from t2m_bench.core.metric import MetricInfo, is_better
from t2m_bench.core.record import Record
from t2m_bench.reports.caption import BETTER, ORACLE, PARTIAL, SEES_TEST, caption, mixed_marks
from t2m_bench.reports.table import Cell, Column, Direction, Group, Row, Table, emphasise, number, text

By = Literal["method", "clip"]

_GROUPS = {"control": "Controls", "GAN": "GAN", "NeRF": "NeRF", "3DGS": "3D Gaussian splatting"}
_DIGITS = 3
_REAL = "real"


@dataclass(frozen=True)
class _Line:
    """The records of one method, drive and recipe."""

    label: str
    drive: str
    records: tuple[Record, ...]
    mixed: str = ""
    """Sign of its recipe, if that is not the table's."""

    @property
    def first(self) -> Record:
        return self.records[0]

    def clips_with(self, metric: str) -> frozenset[str]:
        return frozenset(record.clip for record in self.records if metric in record.values)

    def mean(self, metric: str, clips: frozenset[str] | None = None) -> float | None:
        """Over all clips, or some of them."""
        values = [
            record.values[metric].value
            for record in self.records
            if metric in record.values and (clips is None or record.clip in clips)
        ]
        return sum(values) / len(values) if values else None

    @property
    def coverage(self) -> str:
        ok = sum(record.status == "ok" for record in self.records)
        return f"{ok}/{len(self.records)}"


def table1(
    records: Iterable[Record],
    infos: Mapping[str, MetricInfo] | None = None,
    *,
    by: By = "method",
    allow_mixed: bool = False,
) -> Table:
    """Build Table 1.

    A cell is the mean over clips. Best and second are marked in each column among the rows that cover the same clips
    and are driven alike: oracles never take part, and rows that are given the true expression (P1) only compete with
    one another. A cell that beats the real video itself is marked.

    Args:
        records: of one dataset, protocol and recipe.
        infos: titles and digits of metrics by id; a metric that is not there is printed under its id.
        by: `clip` adds a row for each clip under each mean.
        allow_mixed: take records of several recipes; cells of all but the most frequent one are marked and not ranked.

    Raises:
        MissingData: there are no records.
        UsageError: the records are of different datasets or protocols, or of different recipes without `allow_mixed`.
    """
    found = sorted(records, key=lambda record: (record.method, record.drive, record.clip))
    _check_alike(found, allow_mixed=allow_mixed)
    metrics = metric_order(found)
    main = _most_frequent(found)
    marks = mixed_marks(found, main)
    columns = _columns(found, metrics, infos or {}, by, mixed=bool(marks))
    lines = _lines(found, marks)
    cells = _metric_cells(lines, metrics, infos or {})
    groups = []
    for category, title in _GROUPS.items():
        rows: list[Row] = []
        for line, values in zip(lines, cells, strict=True):
            if line.first.category == category:
                rows.append(_mean_row(line, values, by, mixed=bool(marks)))
                if by == "clip":
                    clips = (_clip_row(line, record, metrics, infos or {}) for record in line.records)
                    rows += [_with_recipe(row, text("")) for row in clips] if marks else clips
        if rows:
            groups.append(Group(title, tuple(rows)))
    first = found[0]
    titles = {column.key: column.title for column in columns}
    return Table(
        title=f"Table 1: {first.protocol} on {first.dataset}{' (synthetic)' if first.synthetic else ''}",
        columns=tuple(columns),
        groups=tuple(groups),
        caption=caption(found, titles, [cell for row in cells for cell in row], main),
        facts={
            "dataset": first.dataset,
            "protocol": first.protocol,
            "recipe": main.recipe if not marks else "mixed",
            "recipe_digest": main.recipe_digest if not marks else "mixed",
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


def _check_alike(records: Sequence[Record], *, allow_mixed: bool) -> None:
    if not records:
        raise MissingData("There are no records to make a table of", hint="Run something first")
    for what, values, remedy in (
        ("datasets", {record.dataset for record in records}, "Choose one with --dataset"),
        ("protocols", {record.protocol for record in records}, "Choose one with --protocol"),
    ):
        if len(values) > 1:
            raise UsageError(f"The records are of several {what} ({', '.join(sorted(values))})", hint=remedy)
    recipes = {record.recipe_digest: record.recipe for record in records}
    if len(recipes) > 1 and not allow_mixed:
        names = " and ".join(
            f"{name} ({digest})" for digest, name in sorted(recipes.items(), key=lambda x: x[::-1])
        )
        raise UsageError(
            f"The records were scored under different recipes, {names}, and must not share a table",
            hint="Run all methods under one recipe, or have the others marked with --allow-mixed",
        )


def _most_frequent(records: Sequence[Record]) -> Record:
    """One of the recipe that most records are of; the first by name of several."""
    counts = Counter((record.recipe, record.recipe_digest) for record in records)
    chosen = min(counts, key=lambda recipe: (-counts[recipe], recipe))
    return next(record for record in records if (record.recipe, record.recipe_digest) == chosen)


def _lines(records: Sequence[Record], marks: Mapping[str, str]) -> list[_Line]:
    found: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        found.setdefault((record.method, record.drive, record.recipe_digest), []).append(record)
    return [
        _Line(label, drive, tuple(rows), marks.get(digest, ""))
        for (label, drive, digest), rows in found.items()
    ]


def _columns(
    records: Sequence[Record],
    metrics: Sequence[str],
    infos: Mapping[str, MetricInfo],
    by: By,
    *,
    mixed: bool,
) -> list[Column]:
    columns = [Column("method", "Method", numeric=False), Column("drive", "Drive", numeric=False)]
    if mixed:
        columns.append(Column("recipe", "Recipe", numeric=False))
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
    """Which way is better; None where no way is, or nobody knows."""
    said = [record.values[metric].direction for record in records if metric in record.values]
    found = said[0] if said else infos[metric].direction if metric in infos else "none"
    return None if found == "none" else found


def _metric_cells(
    lines: Sequence[_Line], metrics: Sequence[str], infos: Mapping[str, MetricInfo]
) -> list[list[Cell]]:
    """Cells of each line, best and second marked column by column."""
    columns: list[list[Cell]] = []
    for metric in metrics:
        widest = frozenset[str]().union(*(line.clips_with(metric) for line in lines))
        direction = _direction(metric, [record for line in lines for record in line.records], infos)
        whole = [line.clips_with(metric) == widest for line in lines]
        digits = infos[metric].digits if metric in infos else _DIGITS
        cells = [
            number(value, digits, "" if value is None else _marks(line, lines, metric, direction, whole=full))
            for line, full in zip(lines, whole, strict=True)
            for value in [line.mean(metric)]
        ]
        for given_expression in (True, False):
            competes = [
                full
                and not line.mixed
                and not line.first.oracle
                and (line.first.expression == "reference") == given_expression
                for line, full in zip(lines, whole, strict=True)
            ]
            cells = emphasise(cells, direction, competes) if direction else cells
        columns.append(cells)
    return [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in lines]


def _marks(line: _Line, lines: Sequence[_Line], metric: str, direction: str | None, *, whole: bool) -> str:
    """Signs of a line's mean: over fewer clips, of another recipe, better than the real video on the same clips."""
    clips = line.clips_with(metric)
    beats = ""
    for real in lines:
        same = real.first.method_name == _REAL and real.first.recipe_digest == line.first.recipe_digest
        if same and real is not line and clips <= real.clips_with(metric):
            ours, theirs = line.mean(metric), real.mean(metric, clips)
            if ours is not None and theirs is not None and is_better(ours, theirs, direction):
                beats = BETTER
    return ("" if whole else PARTIAL) + line.mixed + beats


def _name(record: Record) -> Cell:
    """The title, followed by what differs from the method's defaults."""
    changes = record.method.removeprefix(record.method_name).replace("+", " +").replace("@", " @")
    mark = ORACLE if record.oracle else SEES_TEST if "test_frames" in record.sees else ""
    return text(record.method, record.method_title + changes, mark)


def _mean_row(line: _Line, values: Sequence[Cell], by: By, *, mixed: bool) -> Row:
    clip = [text("mean")] if by == "clip" else []
    row = Row((_name(line.first), text(line.drive), *clip, *values, text(line.coverage)))
    recipe = f"{line.first.recipe} {line.first.recipe_digest}"
    return _with_recipe(row, text(recipe)) if mixed else row


def _with_recipe(row: Row, recipe: Cell) -> Row:
    method, drive, *others = row.cells
    return Row((method, drive, recipe, *others))


def _clip_row(line: _Line, record: Record, metrics: Sequence[str], infos: Mapping[str, MetricInfo]) -> Row:
    values = [
        number(
            record.values[metric].value if metric in record.values else None,
            infos[metric].digits if metric in infos else _DIGITS,
            line.mixed if metric in record.values else "",
        )
        for metric in metrics
    ]
    ok = "1/1" if record.status == "ok" else "0/1"
    return Row((text(record.method, ""), text(record.drive, ""), text(record.clip), *values, text(ok)))
