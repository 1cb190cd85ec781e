"""From what happened to a unit to its `Record`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from t2m_bench.core.card import DatasetCard
from t2m_bench.core.recipe import Recipe
from t2m_bench.core.record import Cost, MetricValue, Record
from t2m_bench.runs.machine import software
from t2m_bench.runs.plan import Unit
from t2m_bench.runs.problem import Problem


@dataclass(frozen=True)
class Outcome:
    """What came of a unit."""

    problem: Problem | None = None
    """What ended it; None when all went well."""
    values: Mapping[str, MetricValue] = field(default_factory=dict)
    unavailable: Mapping[str, str] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    rendered_size: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    """Those of `unavailable` that only need something installed."""
    prediction_sha256: str | None = None
    cost: Cost = field(default_factory=Cost)


def make_record(
    unit: Unit, card: DatasetCard, recipe: Recipe, key: str, facts: Mapping[str, Any], outcome: Outcome
) -> Record:
    """The record of a unit.

    Args:
        unit: the unit.
        card: of its dataset.
        recipe: it was scored under.
        key: of the unit.
        facts: `method` and `footage`, each None where it is not known, and `data`, digests of the dataset at hand.
        outcome: what came of it.
    """
    choice, (expression, pose) = unit.method, unit.sources
    footage = facts.get("footage") or {}
    return Record(
        key=key,
        status="failed" if outcome.problem else "ok",
        method=choice.label,
        method_name=choice.card.name,
        method_title=choice.card.title,
        category=choice.card.category,
        preset=choice.preset,
        settings=dict(choice.settings),
        oracle=choice.card.oracle,
        sees=choice.card.sees,
        dataset=card.name,
        synthetic=card.synthetic or unit.clip.synthetic,
        clip=unit.clip.id,
        speaker=unit.clip.speaker,
        language=unit.clip.language,
        protocol=unit.protocol,
        drive=unit.drive,
        expression=expression,
        pose=pose,
        seed=unit.seed,
        recipe=recipe.name,
        recipe_digest=recipe.digest,
        size=outcome.size,
        rendered_size=outcome.rendered_size,
        train_frames=tuple(footage.get("train_frames", (0, 0))),
        test_frames=tuple(footage.get("test_frames", (0, 0))),
        values=dict(outcome.values),
        unavailable=dict(outcome.unavailable),
        failure=outcome.problem.as_failure() if outcome.problem else None,
        notes=outcome.notes,
        provenance={
            "clip_sha256": unit.clip.sha256,
            "prediction_sha256": outcome.prediction_sha256,
            "metrics": list(recipe.metrics),
            "lacking": list(outcome.lacking),
            **facts,
            "software": software(),
        },
        cost=outcome.cost,
    )
