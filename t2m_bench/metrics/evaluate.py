"""Measure videos that were made elsewhere: one pair or many, each failure a row of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from t2m_bench.core.digest import file_sha256
from t2m_bench.core.errors import MetricError, MissingData, T2MError, UnknownName
from t2m_bench.core.method import Reporter
from t2m_bench.core.metric import Metric, Observed, PooledMetric, Reel
from t2m_bench.core.recipe import Recipe
from t2m_bench.core.record import Failure, MetricValue
from t2m_bench.core.registry import suggest
from t2m_bench.data.cache import cache_root
from t2m_bench.media.container import decode_video
from t2m_bench.metrics.catalog import metrics
from t2m_bench.metrics.controls import Controls, better_than_real
from t2m_bench.metrics.edited import cut
from t2m_bench.metrics.evaluation import Evaluation, PairResult
from t2m_bench.metrics.pairs import Pair, Pairs
from t2m_bench.metrics.reel import VideoReel
from t2m_bench.metrics.score import BATCH, ScoreResult, compare, metric_value
from t2m_bench.metrics.store import FeatureStore
from t2m_bench.metrics.walk import FrameCountMismatch


def metric_names(asked: Iterable[str], recipe: Recipe) -> tuple[str, ...]:
    """Ids of the metrics that a user named by id or by an alias of the recipe; all of the recipe where none is named.

    Raises:
        UnknownName: neither; suggests what was meant.
    """
    registry = metrics()
    names = dict.fromkeys(recipe.aliases.get(name, name) for name in asked)
    for name in names:
        if name not in registry:
            raise UnknownName(f"Unknown metric {name!r}", hint=suggest(name, [*registry, *recipe.aliases]))
    return tuple(names) or recipe.metrics


def evaluate(
    pairs: Pairs,
    recipe: Recipe,
    report: Reporter,
    *,
    names: Iterable[str] | None = None,
    shortest: bool = False,
    controls: bool = False,
    lacking: Mapping[str, str] | None = None,
    cache: Path | None = None,
    batch: int = BATCH,
) -> Evaluation:
    """Measure every pair, and all together where a metric is defined over many videos.

    Args:
        pairs: what to measure.
        recipe: says how.
        report: takes progress and one line a pair.
        names: ids or aliases of metrics; those of the recipe if None.
        shortest: cut both videos of a pair to their common length instead of refusing it.
        controls: measure each reference too: against itself, with other sound, and late.
        lacking: metrics known to be unavailable here, and why.
        cache: root of the cache folder, where features of videos are kept; the default one if None.
        batch: frames in memory at once; changes no number.

    Returns:
        One row a pair; those that failed say why.

    Raises:
        UnknownName: there is no such metric.
    """
    chosen = metric_names(names or (), recipe)
    evaluator = _Evaluator(
        recipe, chosen, report, FeatureStore((cache or cache_root()) / "features"), dict(lacking or {}), batch
    )
    evaluator.check()
    rows = []
    for number, pair in enumerate(pairs.pairs, start=1):
        report.stage(f"{pair.id} ({number}/{len(pairs.pairs)})")
        row = evaluator.row(pair, shortest=shortest, controls=controls)
        if row.failure:
            report.log(f"[{number}/{len(pairs.pairs)}] {pair.id}: FAILED ({row.failure.message})")
        rows.append(row)
    pooled, unpooled = evaluator.pooled()
    return Evaluation(
        recipe=recipe.model_dump(mode="json"),
        recipe_digest=recipe.digest,
        metrics=chosen,
        shortest=shortest,
        pairs=tuple(rows),
        unmatched=tuple(map(str, pairs.unmatched)),
        pooled=pooled,
        unpooled=unpooled,
        lacking={name: why for name, why in (lacking or {}).items() if name in chosen},
    )


class _Evaluator:
    """What all pairs share, and what is kept of them for metrics over many videos."""

    def __init__(
        self,
        recipe: Recipe,
        names: Sequence[str],
        report: Reporter,
        store: FeatureStore,
        lacking: Mapping[str, str],
        batch: int,
    ) -> None:
        self._recipe, self._names, self._report = recipe, names, report
        self._store, self._lacking, self._batch = store, lacking, batch
        self._pooling: dict[str, PooledMetric] = {}
        self._seen: dict[str, tuple[list[Observed], list[Observed]]] = {}
        self._controls = Controls(recipe, names, self._compare)

    def check(self) -> None:
        """Find the metrics before any work is done."""
        registry = metrics()
        chosen: dict[str, Metric] = {name: registry.get(name) for name in self._names}
        for name, metric in chosen.items():
            if hasattr(metric, "pool"):
                self._pooling[name] = metric  # type: ignore[assignment]
                self._seen[name] = ([], [])

    def row(self, pair: Pair, *, shortest: bool, controls: bool) -> PairResult:
        """Measure one pair; whatever goes wrong is in the row."""
        row = PairResult(
            id=pair.id,
            speaker=pair.speaker,
            prediction=str(pair.prediction),
            reference=None if pair.reference is None else str(pair.reference),
        )
        try:
            prediction, reference, notes = self._reels(pair, shortest)
            found = self._compare(prediction, reference, self._names)
            real = self._controls.of(reference) if controls and reference is not None else {}
            self._keep(found)
            measured = {
                "prediction_sha256": file_sha256(pair.prediction),
                "reference_sha256": None if pair.reference is None else file_sha256(pair.reference),
                "frames": found.prediction.frames,
                "size": found.size,
                "rendered_size": found.rendered_size,
                "values": found.values,
                "unavailable": found.unavailable,
                "notes": (*notes, *found.notes),
                "controls": real,
                "better_than_real": better_than_real(found.values, real),
            }
            return row.model_copy(update=measured)
        except FrameCountMismatch as error:
            made, wanted = error.counts
            failure = MetricError(
                f"The prediction has {made} frames, the reference {wanted}",
                hint="Give --shortest to measure what both have, or make as many frames",
            )
            return row.model_copy(update={"failure": _failure(failure)})
        except Exception as error:  # noqa: BLE001 - one bad video, whatever is wrong with it, must not end the others
            return row.model_copy(update={"failure": _failure(error)})

    def _compare(self, prediction: Reel, reference: Reel | None, names: Iterable[str]) -> ScoreResult:
        return compare(
            prediction,
            reference,
            self._recipe,
            self._report,
            store=self._store,
            names=names,
            lacking=self._lacking,
            batch=self._batch,
        )

    def _reels(self, pair: Pair, shortest: bool) -> tuple[Reel, Reel | None, tuple[str, ...]]:
        for path in (pair.prediction, pair.reference):
            if path is not None and not path.is_file():
                raise MissingData(f"There is no video {path}")
        prediction = VideoReel(pair.prediction)
        reference = None if pair.reference is None else VideoReel(pair.reference)
        _check_rates(prediction, reference, self._recipe)
        if reference is None or not shortest:
            return prediction, reference, ()
        counts = [sum(1 for _ in decode_video(reel.path)) for reel in (prediction, reference)]
        if counts[0] == counts[1]:
            return prediction, reference, ()
        common = min(counts)
        note = f"cut to the first {common} frames: the prediction has {counts[0]}, the reference {counts[1]}"
        return cut(prediction, common), cut(reference, common), (note,)

    def _keep(self, found: ScoreResult) -> None:
        """Remember what metrics over many videos need, and no more."""
        if found.reference is None:
            return
        for name, metric in self._pooling.items():
            wanted = metric.info.features
            sides = (found.prediction, found.reference)
            if all(feature in side.features for side in sides for feature in wanted):
                for side, kept in zip(sides, self._seen[name], strict=True):
                    features = {feature: side.features[feature] for feature in wanted}
                    kept.append(Observed(side.reel, side.frames, features))

    def pooled(self) -> tuple[dict[str, MetricValue], dict[str, str]]:
        """Numbers over all pairs together, and why some are missing."""
        values, missing = {}, {}
        for name, metric in self._pooling.items():
            predictions, references = self._seen[name]
            if not predictions:
                continue
            try:
                measured = metric.pool(predictions, references, self._recipe)
            except MetricError as error:
                missing[name] = str(error)
            else:
                asked = sum(observed.frames for observed in predictions)
                values[name] = metric_value(measured, metric.info, asked)
        return values, missing


def _check_rates(prediction: VideoReel, reference: VideoReel | None, recipe: Recipe) -> None:
    """Frames are paired by number, which is only right where both run at one rate, and at the recipe's.

    Raises:
        MetricError: they do not; says how to convert which.
    """
    rates = [(reel.path, reel.fps) for reel in (prediction, reference) if reel is not None and reel.fps]
    for path, fps in rates:
        if abs(fps - recipe.fps) > 1e-3 * recipe.fps:
            others = "".join(f", {other} at {rate:g}" for other, rate in rates if other != path)
            raise MetricError(
                f"{path} runs at {fps:g} fps{others}; recipe {recipe.name!r} pairs frames at {recipe.fps:g}",
                hint=f"Convert it with `ffmpeg -i IN -r {recipe.fps:g} -crf 10 OUT.mp4`, or make it at that rate",
            )


def _failure(error: Exception) -> Failure:
    if isinstance(error, T2MError):
        return Failure(stage="score", kind=error.kind, message=error.message, hint=error.hint)
    return Failure(stage="score", kind=type(error).__name__, message=str(error) or type(error).__name__)
