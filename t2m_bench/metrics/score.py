"""Score one video, against the real frames where there are any, under a recipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import MetricError
from t2m_bench.core.method import Reporter
from t2m_bench.core.metric import Measured, Metric, MetricInfo, Observed, Reel
from t2m_bench.core.recipe import Recipe
from t2m_bench.core.record import MetricValue
from t2m_bench.core.subject import Footage
from t2m_bench.data.cache import cache_root
from t2m_bench.metrics.catalog import features, metrics
from t2m_bench.metrics.faces import POINTS, FaceMesh
from t2m_bench.metrics.reel import VideoReel
from t2m_bench.metrics.store import FeatureStore
from t2m_bench.metrics.walk import FrameCountMismatch, Side, Walked, walk

BATCH = 4
"""Frame pairs in memory at once."""
NO_REFERENCE = "there are no real frames of this person saying this"


@dataclass(frozen=True)
class ScoreResult:
    """The numbers of one video."""

    values: dict[str, MetricValue]
    """By metric id."""
    unavailable: dict[str, str]
    """Metrics that could not be computed, and why."""
    size: tuple[int, int]
    """Width and height at which everything was computed."""
    rendered_size: tuple[int, int]
    """Width and height of the prediction."""
    notes: tuple[str, ...]
    """What a reader of the numbers must know, one sentence each."""
    prediction: Observed = field(compare=False, repr=False)
    """What was seen, for metrics over many videos."""
    reference: Observed | None = field(compare=False, repr=False)


def score(
    prediction: Path,
    held_out: Footage | None,
    recipe: Recipe,
    report: Reporter,
    *,
    sound: Path | None = None,
    cache: Path | None = None,
    lacking: Mapping[str, str] | None = None,
    batch: int = BATCH,
) -> ScoreResult:
    """Compare a video with the held-out frames of a clip, one to one from the first; or measure it alone.

    Args:
        prediction: the video to score.
        held_out: the real frames; None where there are none of this person saying this.
        recipe: names the metrics and says how they are computed.
        report: takes progress.
        sound: what is spoken in the prediction, where the video does not hold it itself.
        cache: root of the cache folder, where features of videos are kept; the default one if None.
        lacking: metrics known to be unavailable here, and why: nothing is tried for them.
        batch: frame pairs in memory at once; changes no number.

    Raises:
        VideoError: the prediction cannot be decoded.
        MetricError: the two have different numbers of frames, or the video another frame rate; nothing is scored.
        UnknownName: the recipe names a metric that does not exist.
    """
    reel = VideoReel(prediction, sound)
    # Frames are paired by number, which is only right where both run at one rate.
    if reel.fps and abs(reel.fps - recipe.fps) > 1e-3 * recipe.fps:
        raise MetricError(
            f"{prediction} runs at {reel.fps:g} fps, recipe {recipe.name!r} pairs frames at {recipe.fps:g}",
            hint="Make the video at the rate that was asked for",
        )
    report.stage("scoring", None if held_out is None else len(held_out))
    store = FeatureStore((cache or cache_root()) / "features")
    try:
        return compare(reel, held_out, recipe, report, store=store, lacking=lacking, batch=batch)
    except FrameCountMismatch as error:
        raise MetricError(
            f"{prediction} has {error.counts[0]} frames, the held-out part of the clip has {error.counts[1]}",
            hint="Make as many frames as were asked for; nothing is scored on a part",
            clip=None if held_out is None else held_out.clip_id,
        ) from error


def compare(
    prediction: Reel,
    reference: Reel | None,
    recipe: Recipe,
    report: Reporter,
    *,
    store: FeatureStore,
    names: Iterable[str] | None = None,
    lacking: Mapping[str, str] | None = None,
    batch: int = BATCH,
) -> ScoreResult:
    """Measure a video in one pass.

    A metric that lacks a model file or library, or that does not apply to this video, is reported as unavailable with
    the reason; the others are computed. Frames in which a metric cannot be measured (no face) count as missing and
    are left out of its mean.

    Args:
        prediction: the video to measure.
        reference: the real one; None where there is none, then only metrics without need of one are computed.
        recipe: says how metrics are computed.
        report: takes progress.
        store: where features of videos are kept.
        names: ids of the metrics; those of the recipe if None.
        lacking: metrics known to be unavailable here, and why.
        batch: frames in memory at once; changes no number.

    Raises:
        FrameCountMismatch: the two have different numbers of frames; nothing is scored.
        VideoError: one of them cannot be decoded.
        UnknownName: there is no such metric.
    """
    registry = metrics()
    chosen = {name: registry.get(name) for name in (recipe.metrics if names is None else names)}
    unavailable = {name: why for name, why in (lacking or {}).items() if name in chosen}
    if reference is None:
        unavailable |= {name: NO_REFERENCE for name, metric in chosen.items() if metric.info.needs_reference}
    size = target_size(recipe, reference or prediction)
    wanted = {name: metric for name, metric in chosen.items() if name not in unavailable}
    of_both = set(_features_of(metric for metric in wanted.values() if metric.info.needs_reference))
    asked = {name: features().get(name) for name in _features_of(wanted.values())}
    found = walk(
        prediction,
        reference,
        size,
        asked,
        {name: metric for name, metric in wanted.items() if is_frame_metric(metric)},  # type: ignore[misc]
        recipe,
        store,
        report,
        batch=batch,
        alone=asked.keys() - of_both,
    )
    values: dict[str, MetricValue] = {}
    for name, metric in wanted.items():
        try:
            measured = _measured(name, metric, found, recipe)
            values[name] = metric_value(measured, metric.info, found.prediction.frames)
        except MetricError as error:
            unavailable[name] = str(error)
    return ScoreResult(
        values,
        {name: unavailable[name] for name in chosen if name in unavailable},
        size,
        found.rendered_size,
        tuple(_notes(found, size, recipe)),
        found.prediction.observed(),
        found.reference.observed() if found.reference else None,
    )


def target_size(recipe: Recipe, reel: Reel) -> tuple[int, int]:
    """Width and height at which the recipe scores against this reel."""
    return recipe.scored_size(reel.size)


def is_frame_metric(metric: Metric) -> bool:
    """Whether it measures pairs of frames, not features of whole videos."""
    return hasattr(metric, "measure")


def _features_of(chosen: Iterable[Metric]) -> list[str]:
    return list(dict.fromkeys(name for metric in chosen for name in metric.info.features))


def _measured(name: str, metric: Metric, found: Walked, recipe: Recipe) -> Measured:
    """What a metric says.

    Raises:
        MetricError: it cannot be computed; the text is the reason.
    """
    if is_frame_metric(metric):
        if name in found.problems:
            raise MetricError(found.problems[name])
        values = found.per_frame.get(name, np.zeros(0))
        good = np.isfinite(values)
        if not good.any():
            raise MetricError(f"Not one of the {len(values)} frames could be measured")
        return Measured(float(values[good].mean()), values)
    sides = [found.prediction] + (
        [found.reference] if found.reference and metric.info.needs_reference else []
    )
    for side in sides:
        for feature in metric.info.features:
            if feature in side.problems:
                raise MetricError(side.problems[feature])
    reference = found.reference.observed() if found.reference else None
    return metric.summarise(found.prediction.observed(), reference, recipe)  # type: ignore[union-attr]


def metric_value(measured: Measured, info: MetricInfo, asked: int) -> MetricValue:
    """A measurement as records hold it."""
    each: NDArray[np.float64] = np.zeros(0) if measured.per_frame is None else measured.per_frame
    good = np.isfinite(each)
    counted = int(good.sum()) if measured.per_frame is not None else asked
    return MetricValue(
        value=measured.value,
        unit=info.unit,
        direction=info.direction,
        frames=counted if measured.frames is None else measured.frames,
        frames_asked=asked,
        per_frame=tuple(float(value) if ok else None for value, ok in zip(each, good, strict=True)),
        facts=dict(measured.facts),
    )


def _notes(found: Walked, size: tuple[int, int], recipe: Recipe) -> Iterator[str]:
    wide = "{}x{} resized to {}x{} (" + recipe.resize + ") before scoring"
    if found.rendered_size != size:
        yield "the prediction was " + wide.format(*found.rendered_size, *size)
    if found.reference is not None and found.reference.reel.size != size:
        yield "the real frames were " + wide.format(*found.reference.reel.size, *size)
    for side, what in ((found.prediction, "predicted"), (found.reference, "real")):
        count = _faceless(side)
        if count and side is not None:
            yield f"no face was found in {count} of {side.frames} {what} frames"


def _faceless(side: Side | None) -> int:
    if side is None or FaceMesh.name not in side.features:
        return 0
    return int(np.isnan(side.features[FaceMesh.name][POINTS][:, 0, 0]).sum())
