"""The table of an evaluation: a row a pair, their mean, all frames together, and the real videos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from textwrap import shorten

from t2m_bench.core.metric import MetricInfo
from t2m_bench.core.record import MetricValue
from t2m_bench.metrics.controls import CONTROLS
from t2m_bench.metrics.evaluation import Evaluation, Mean, PairResult
from t2m_bench.reports.caption import BETTER, BETTER_TOLD, PARTIAL
from t2m_bench.reports.table import Cell, Column, Group, Row, Table, number, text

_DIGITS = 3
_LONGEST = 300
_MOST_NAMED = 5


def evaluation_table(
    evaluation: Evaluation, infos: Mapping[str, MetricInfo], missing: Sequence[str] = ()
) -> Table:
    """Build the table.

    Args:
        evaluation: what was measured.
        infos: titles and digits of metrics by id.
        missing: model files that metrics of it lack here.
    """
    names = evaluation.metrics
    shown = _Cells(infos)
    speakers = any(pair.speaker for pair in evaluation.pairs)
    columns = [Column("pair", "Video", numeric=False)]
    columns += [Column("speaker", "Speaker", numeric=False)] if speakers else []
    columns += [_column(name, infos) for name in names]

    def row(head: str, cells: Iterable[Cell], speaker: str = "") -> Row:
        return Row((text(head), *([text(speaker)] if speakers else []), *cells))

    rows = tuple(
        row(pair.id, (shown.pair(pair, n) for n in names), pair.speaker) for pair in evaluation.pairs
    )
    groups = [Group("", rows)]
    if len(evaluation.pairs) > 1:
        groups.append(Group("Together", tuple(_together(evaluation, shown, row))))
    controls = tuple(
        row(title, (shown.mean(name, means.get(name)) for name in names))
        for control, title in CONTROLS.items()
        if (means := evaluation.means(control))
    )
    groups += [Group("Controls: the references themselves", controls)] if controls else []
    return Table(
        title=f"Evaluation of {len(evaluation.pairs)} {'video' if len(evaluation.pairs) == 1 else 'videos'}",
        columns=tuple(columns),
        groups=tuple(groups),
        caption=tuple(_caption(evaluation, infos, groups, missing)),
        facts={"recipe": str(evaluation.recipe["name"]), "recipe_digest": evaluation.recipe_digest},
    )


_WIDEST = 9
"""Columns that a terminal has room for."""
_MOST_VIDEOS = 4
"""Rows that become columns of a table laid on its side."""


def for_terminal(table: Table) -> Table:
    """The table as it fits a terminal: with many metrics, a row for each that has a number, and a column a video.

    With many videos too, what they give together stands alone, and the caption says where each is to be had.
    """
    if len(table.columns) <= _WIDEST:
        return table
    groups = list(table.groups)
    caption = list(table.caption)
    if sum(len(group.rows) for group in groups[:1]) > _MOST_VIDEOS:
        groups = groups[1:]
        caption.append("Each video has its row in the file of `--csv FILE`.")
    lines = [row for group in groups for row in group.rows]
    heads = [Column("metric", "Metric", numeric=False), Column("id", "Id", numeric=False)]
    heads += [Column(f"video{number}", line.cells[0].text) for number, line in enumerate(lines)]
    rows = []
    for place, column in enumerate(table.columns):
        cells = [line.cells[place] for line in lines]
        if column.numeric and any(cell.value is not None for cell in cells):
            rows.append(Row((text(column.head), text(column.key), *cells)))
    return Table(table.title, tuple(heads), (Group("", tuple(rows)),), tuple(caption), table.facts)


def _together(
    evaluation: Evaluation, shown: _Cells, make: Callable[[str, Iterable[Cell]], Row]
) -> Iterable[Row]:
    means = evaluation.means()
    yield make("mean over videos", [shown.mean(name, means.get(name)) for name in evaluation.metrics])
    counts = [
        text(f"{means[name].n}/{means[name].total}" if name in means else f"0/{len(evaluation.pairs)}")
        for name in evaluation.metrics
    ]
    yield make("videos measured", counts)
    if evaluation.pooled:
        pooled = [shown.value(name, evaluation.pooled.get(name)) for name in evaluation.metrics]
        yield make("all frames as one set", pooled)


class _Cells:
    """Numbers as cells."""

    def __init__(self, infos: Mapping[str, MetricInfo]) -> None:
        self._infos = infos

    def pair(self, pair: PairResult, name: str) -> Cell:
        return self.value(name, pair.values.get(name), BETTER if name in pair.better_than_real else "")

    def value(self, name: str, value: MetricValue | None, mark: str = "") -> Cell:
        """A number with how many samples a distance of distributions rests on."""
        cell = number(None if value is None else value.value, self._digits(name), mark)
        if value is None or "n" not in value.facts:
            return cell
        return Cell(f"{cell.text} (n={value.facts['n']:.0f})", cell.value, mark)

    def mean(self, name: str, mean: Mean | None) -> Cell:
        if mean is None:
            return number(None, _DIGITS)
        return number(mean.value, self._digits(name), PARTIAL if mean.n < mean.total else "")

    def _digits(self, name: str) -> int:
        return self._infos[name].digits if name in self._infos else _DIGITS


def _column(name: str, infos: Mapping[str, MetricInfo]) -> Column:
    if name not in infos:
        return Column(name, name)
    info = infos[name]
    direction = None if info.direction == "none" else info.direction
    return Column(name, info.title, info.unit, direction)


def _caption(
    evaluation: Evaluation, infos: Mapping[str, MetricInfo], groups: Iterable[Group], missing: Sequence[str]
) -> Iterable[str]:
    recipe = evaluation.recipe
    size = "the reference's own size" if recipe["size"] == "native" else f"{recipe['size']}x{recipe['size']}"
    yield (
        f"Recipe {recipe['name']} version {recipe['version']} ({evaluation.recipe_digest}), scored at {size}; "
        f"metrics: {', '.join(evaluation.metrics)}."
    )
    marks = {cell.mark for group in groups for row in group.rows for cell in row.cells}
    if any(PARTIAL in mark for mark in marks):
        yield f"{PARTIAL} over fewer videos than there are."
    if any(BETTER in mark for mark in marks):
        yield f"{BETTER} {BETTER_TOLD}."
    yield from _uncovered(evaluation)
    yield from _grouped("Careful", ((note, pair.id) for pair in evaluation.pairs for note in pair.notes))
    yield from _not_computed(evaluation, infos, missing)
    for pair in evaluation.pairs:
        if failure := pair.failure:
            said = shorten(failure.message, width=_LONGEST, placeholder="…").rstrip(".")
            yield f"Failed: {pair.id} ({failure.kind}: {said}){f': {failure.hint}' if failure.hint else ''}."
    if evaluation.unmatched:
        yield f"Not measured, for they have no partner: {_some(evaluation.unmatched)}."


def _uncovered(evaluation: Evaluation) -> Iterable[str]:
    for pair in evaluation.pairs:
        for name, value in pair.values.items():
            if value.frames < value.frames_asked:
                yield f"{name} of {pair.id}: measured on {value.frames} of {value.frames_asked} frames."


def not_available(
    lacking: Mapping[str, str], infos: Mapping[str, MetricInfo], missing: Sequence[str]
) -> Iterable[str]:
    """What cannot be computed here: with one command for all missing files, else with the reason."""
    absent = set(missing)
    files = [name for name in lacking if name in infos and absent & set(infos[name].assets)]
    if files:
        fetch = f"t2m-bench assets fetch {' '.join(missing)}"
        yield f"Not available here: {', '.join(files)}. `{fetch}` gets what they need."
    others = ((why.rstrip("."), name) for name, why in lacking.items() if name not in files)
    yield from _grouped("Not available here", others)


def _not_computed(
    evaluation: Evaluation, infos: Mapping[str, MetricInfo], missing: Sequence[str]
) -> Iterable[str]:
    """What this machine lacks is told once for all videos; the rest with the videos concerned."""
    yield from not_available(evaluation.lacking, infos, missing)
    told = [
        (f"{name}: {why.rstrip('.')}", pair.id)
        for pair in evaluation.pairs
        for name, why in pair.unavailable.items()
        if name not in evaluation.lacking
    ]
    if len(evaluation.pairs) > 1:
        told += [(f"{name}: {why.rstrip('.')}", "all frames") for name, why in evaluation.unpooled.items()]
    yield from _grouped("Not computed", told)


def _grouped(head: str, told: Iterable[tuple[str, str]]) -> Iterable[str]:
    """One sentence for each thing said, with the videos it holds for."""
    found: dict[str, list[str]] = {}
    for said, name in told:
        found.setdefault(said, []).append(name)
    for said, names in found.items():
        yield f"{head}: {said} ({_some(names)})."


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = len(listed) - _MOST_NAMED
    return ", ".join(listed[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
