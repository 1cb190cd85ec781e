"""What the executor works with, in one place, so that a test or another program can put its own parts in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import Protocol as TypingProtocol

from t2m_bench.core.card import DatasetCard, MethodCard
from t2m_bench.core.clip import Clip
from t2m_bench.core.method import Method, Reporter
from t2m_bench.core.metric import MetricInfo
from t2m_bench.core.recipe import Recipe
from t2m_bench.core.record import MetricValue
from t2m_bench.core.registry import Registry
from t2m_bench.core.subject import Footage, Subject


class Dataset(TypingProtocol):
    """`data.catalog.DatasetEntry`."""

    @property
    def card(self) -> DatasetCard: ...

    def clips(self, root: Path | None = None) -> list[Clip]: ...

    def digests(self, clips: Sequence[Clip]) -> Mapping[str, Any]: ...


class Prepared(TypingProtocol):
    """`data.subject.PreparedClip`."""

    @property
    def subject(self) -> Subject: ...

    @property
    def held_out(self) -> Footage: ...

    @property
    def notes(self) -> tuple[str, ...]: ...


class Scored(TypingProtocol):
    """`metrics.score.ScoreResult`."""

    @property
    def values(self) -> Mapping[str, MetricValue]: ...

    @property
    def unavailable(self) -> Mapping[str, str]: ...

    @property
    def size(self) -> tuple[int, int] | None: ...

    @property
    def rendered_size(self) -> tuple[int, int] | None: ...

    @property
    def notes(self) -> Sequence[str]: ...


class Prepare(TypingProtocol):
    """`data.subject.prepare`."""

    def __call__(
        self, clip: Clip, card: DatasetCard, recipe: Recipe, *, cache: Path, report: Reporter
    ) -> Prepared: ...


class Score(TypingProtocol):
    """`metrics.score.score`."""

    def __call__(
        self,
        prediction: Path,
        held_out: Footage | None,
        recipe: Recipe,
        report: Reporter,
        *,
        sound: Path,
        cache: Path,
        lacking: Mapping[str, str],
    ) -> Scored: ...


@dataclass(frozen=True)
class Wiring:
    """The parts a run is made of."""

    methods: Callable[[], Registry[MethodCard]]
    make_method: Callable[[MethodCard, str, Mapping[str, str]], Method]
    dataset: Callable[[str], Dataset]
    recipe: Callable[[str], Recipe]
    prepare: Prepare
    score: Score
    metric_infos: Callable[[], Mapping[str, MetricInfo]]
    lacking: Callable[[Recipe], Mapping[str, str]]
    """Metrics of a recipe that this machine cannot compute, and why."""
    cache: Callable[[], Path]
    """Folder used when a request names none."""


def default_wiring() -> Wiring:
    """The parts of this package."""
    from t2m_bench.core.recipe import recipes
    from t2m_bench.data.cache import cache_root
    from t2m_bench.data.catalog import datasets
    from t2m_bench.data.subject import prepare
    from t2m_bench.methods.catalog import make_method, methods
    from t2m_bench.metrics.catalog import metric_infos
    from t2m_bench.metrics.score import score
    from t2m_bench.runs.availability import lacking_metrics

    def dataset(name: str) -> Any:
        return datasets().get(name)

    return Wiring(
        methods=methods,
        make_method=make_method,
        dataset=dataset,
        recipe=lambda name: recipes().get(name),
        prepare=prepare,
        score=score,
        metric_infos=metric_infos,
        lacking=lambda recipe: lacking_metrics(recipe, metric_infos()),
        cache=cache_root,
    )
