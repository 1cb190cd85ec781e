"""The card of a self-test: a row a metric, a column a damage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from t2m_bench.core.metric import MetricInfo
from t2m_bench.metrics.expectations import DAMAGES
from t2m_bench.metrics.selftest import STEPS, Card, Outcome
from t2m_bench.reports.evaluation import not_available
from t2m_bench.reports.table import Cell, Column, Group, Row, Table, text


def card_table(card: Card, infos: Mapping[str, MetricInfo], missing: Sequence[str] = ()) -> Table:
    """The card as a table.

    Args:
        card: what was found.
        infos: what metrics need, by id.
        missing: model files that metrics of it lack here.
    """
    columns = [Column("metric", "Metric", numeric=False)]
    columns += [Column(damage, damage, numeric=False) for damage in DAMAGES]
    rows = tuple(
        Row((text(metric), *(_cell(row[damage]) for damage in DAMAGES)))
        for metric, row in card.outcomes.items()
    )
    return Table(
        title=f"Self-test on {card.video.name}, {card.frames} frames",
        columns=tuple(columns),
        groups=(Group("", rows),),
        caption=tuple(_caption(card, infos, missing)),
        facts={"video": card.video.name, "recipe": card.recipe, "recipe_digest": card.recipe_digest},
    )


def _cell(outcome: Outcome) -> Cell:
    if outcome.state == "not applicable":
        return text("n/a" if outcome.expected else "-")
    if outcome.state == "ok":
        return text("ok" if outcome.expected != "same" else "ok (=)")
    assert outcome.clean is not None and outcome.weak is not None and outcome.strong is not None
    return text(f"FAILED {outcome.clean:.4g}, {outcome.weak:.4g}, {outcome.strong:.4g}")


def _caption(card: Card, infos: Mapping[str, MetricInfo], missing: Sequence[str]) -> Iterable[str]:
    told = (
        f"{damage} = {what} ({weak:g}, {strong:g})"
        for (damage, what), (weak, strong) in zip(DAMAGES.items(), STEPS.values(), strict=True)
    )
    yield f"Planted: {'; '.join(told)}."
    yield (
        "ok: moved as it must, more under strong damage than under weak; (=): stayed as it must; "
        "-: nothing is expected; n/a: expected, but not measurable; FAILED: undamaged, weak, strong."
    )
    for metric, row in card.outcomes.items():
        for damage, outcome in row.items():
            if outcome.state == "not applicable" and outcome.expected:
                yield f"Not measurable: {metric} under {damage}: {outcome.reason.rstrip('.')}."
    yield from not_available(card.unavailable, infos, missing)
    count = len(card.failed)
    yield f"{count} {'failure' if count == 1 else 'failures'}."


def card_json(card: Card) -> dict[str, Any]:
    """JSON value of a card."""
    return {**asdict(card), "video": str(card.video), "failed": [list(pair) for pair in card.failed]}
