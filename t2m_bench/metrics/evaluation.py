"""`Evaluation`: what came of measuring pairs of videos, as `t2m-bench evaluate --out` writes it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from t2m_bench.core.record import Failure, MetricValue


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PairResult(_Part):
    """One prediction against its reference."""

    id: str
    speaker: str = ""
    prediction: str = Field(description="Path of the video.")
    reference: str | None = Field(description="Path of the real one; null where there is none.")
    prediction_sha256: str | None = None
    reference_sha256: str | None = None
    frames: int = Field(default=0, description="Frames of the prediction that were looked at.")
    size: tuple[int, int] | None = Field(default=None, description="Width and height at which it was scored.")
    rendered_size: tuple[int, int] | None = Field(
        default=None, description="Width and height of the prediction."
    )
    values: dict[str, MetricValue] = Field(default_factory=dict)
    unavailable: dict[str, str] = Field(
        default_factory=dict, description="Metrics that could not be computed, and why."
    )
    failure: Failure | None = Field(default=None, description="Why there are no numbers.")
    notes: tuple[str, ...] = ()
    controls: dict[str, dict[str, MetricValue]] = Field(
        default_factory=dict, description="The reference itself measured, by control and metric."
    )
    better_than_real: tuple[str, ...] = Field(
        default=(), description="Metrics by which the prediction beats the real video."
    )


class Mean(_Part):
    """A metric over pairs."""

    value: float
    n: int = Field(description="Pairs that have it.")
    total: int = Field(description="All pairs, failed ones included.")


class Evaluation(_Part):
    """All pairs under one recipe."""

    version: Literal[1] = 1
    recipe: dict[str, Any]
    recipe_digest: str
    metrics: tuple[str, ...]
    shortest: bool
    pairs: tuple[PairResult, ...]
    unmatched: tuple[str, ...] = Field(default=(), description="Videos without a partner; not measured.")
    pooled: dict[str, MetricValue] = Field(
        default_factory=dict, description="Metrics over all frames of all pairs together."
    )
    unpooled: dict[str, str] = Field(
        default_factory=dict, description="Metrics over all pairs that could not be computed, and why."
    )
    lacking: dict[str, str] = Field(
        default_factory=dict, description="Metrics for which this machine lacks something, and what."
    )
    software: dict[str, str | None] = Field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Pairs without numbers."""
        return sum(pair.failure is not None for pair in self.pairs)

    def means(self, control: str | None = None) -> dict[str, Mean]:
        """The mean of each metric over the pairs that have it; of a control of them if one is named."""
        found: dict[str, Mean] = {}
        for name in self.metrics:
            rows = [pair.values if control is None else pair.controls.get(control, {}) for pair in self.pairs]
            values = [row[name].value for row in rows if name in row]
            if values:
                found[name] = Mean(value=sum(values) / len(values), n=len(values), total=len(self.pairs))
        return found

    def as_json(self, *, per_frame: bool) -> dict[str, Any]:
        """JSON value with the means; values of single frames on demand."""
        shown = self.model_dump(mode="json")
        shown["means"] = {name: mean.model_dump() for name, mean in self.means().items()}
        shown["failed"] = self.failed
        if not per_frame:
            for pair in shown["pairs"]:
                for value in pair["values"].values():
                    del value["per_frame"]
        for values in (shown["pooled"], *(c for pair in shown["pairs"] for c in pair["controls"].values())):
            for value in values.values():
                del value["per_frame"]
        return shown
