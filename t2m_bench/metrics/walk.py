"""One pass over a prediction and its reference: every frame is decoded once and shown to all that want it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import AssetError, AudioError, ConfigError, DependencyError, MetricError
from t2m_bench.core.method import Reporter
from t2m_bench.core.metric import (
    Arrays,
    Extractor,
    Feature,
    FrameExtractor,
    FrameMetric,
    FramePairs,
    LoadedMetric,
    Maker,
    Measure,
    Observed,
    Reel,
)
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.store import FeatureStore, feature_key

Frames = NDArray[np.uint8]
_COUNT = "__frames__"  # in every file of the store: how many frames the feature was made of


@dataclass
class Side:
    """One of the two reels on its way."""

    reel: Reel
    frames: int = 0
    features: dict[str, Arrays] = field(default_factory=dict)
    """Those that are known."""
    extractors: dict[str, Extractor] = field(default_factory=dict)
    """Those that are being made."""
    problems: dict[str, str] = field(default_factory=dict)
    """Those that cannot be made, and why."""

    def observed(self) -> Observed:
        """What metrics are given."""
        return Observed(self.reel, self.frames, self.features)


@dataclass(frozen=True)
class Walked:
    """What a walk found."""

    prediction: Side
    reference: Side | None
    per_frame: dict[str, NDArray[np.float64]]
    """By frame metric, [T]."""
    problems: dict[str, str]
    """Frame metrics that do not apply, and why."""
    rendered_size: tuple[int, int]
    """Width and height of the prediction before it was resized."""


def walk(
    prediction: Reel,
    reference: Reel | None,
    size: tuple[int, int],
    features: Mapping[str, Feature],
    metrics: Mapping[str, FrameMetric],
    recipe: Recipe,
    store: FeatureStore,
    report: Reporter,
    *,
    batch: int,
    alone: Collection[str] = (),
) -> Walked:
    """Show both reels to the features and frame metrics that are asked for; nothing is held but one batch.

    A feature that the store knows is not made again, and a reel that nobody wants to see is not decoded. A feature
    or metric that fails is told in `problems`; the others go on.

    Args:
        prediction: the video to be measured.
        reference: the real one, or None.
        size: width and height at which all is computed.
        features: by name; of both reels, or of the prediction alone.
        metrics: of pairs of frames, by id; needs a reference.
        recipe: what all is computed under.
        store: of features.
        report: takes progress, a step a frame.
        batch: frames at once; changes no number.
        alone: names of the features that nobody wants of the reference.

    Raises:
        FrameCountMismatch: the two have different numbers of frames.
        VideoError: one of them cannot be decoded.
    """
    with ExitStack() as stack:
        made = Side(prediction)
        sides = [made] + ([Side(reference)] if reference is not None else [])
        _open(stack, sides, features, alone, recipe, size, store)
        values: dict[str, list[NDArray[np.float64]]] = {name: [] for name in metrics}
        problems: dict[str, str] = {}
        measures = _loaded(stack, metrics if reference is not None else {}, recipe, problems)
        seen = 0
        for shown in _batches(sides, size, bool(measures), batch):
            for side, frames in zip(sides, shown, strict=True):
                _add(side, frames)
            if len(shown) == 2 and len(shown[0]):
                _measure(metrics, measures, shown, sides[1], seen, values, problems)
            seen += len(shown[-1])
            report.advance(max(map(len, shown)))
        for side in sides:
            _finish(side, features, recipe, size, store, report)
    per_frame = {
        name: np.concatenate(parts) for name, parts in values.items() if parts and name not in problems
    }
    return Walked(made, sides[1] if reference is not None else None, per_frame, problems, prediction.size)


class FrameCountMismatch(MetricError):
    """Two videos that should be compared frame by frame have different numbers of frames."""

    def __init__(self, prediction: int, reference: int) -> None:
        super().__init__(
            f"the prediction has {prediction} frames, the reference {reference}",
            hint="Make as many frames as the reference has; nothing is scored on a part",
        )
        self.counts = (prediction, reference)


def _open(
    stack: ExitStack,
    sides: list[Side],
    features: Mapping[str, Feature],
    alone: Collection[str],
    recipe: Recipe,
    size: tuple[int, int],
    store: FeatureStore,
) -> None:
    """Take from the store what it knows, and open what has to be made."""
    for name, feature in features.items():
        todo = []
        for side in sides[:1] if name in alone else sides:
            try:
                kept = store.load(feature_key(feature, side.reel, size, recipe))
            except (AssetError, ConfigError) as error:  # the recipe does not say which model it means
                side.problems[name] = str(error)
                continue
            if kept is not None and _COUNT in kept:
                side.frames = int(kept.pop(_COUNT))
                side.features[name] = kept
            else:
                todo.append(side)
        maker: Maker | None = None
        for side in todo:
            try:
                maker = maker or stack.enter_context(feature.open(recipe))
                side.extractors[name] = maker(side.reel)
            except (AssetError, ConfigError, DependencyError, MetricError, AudioError) as error:
                side.problems[name] = str(error)


def _loaded(
    stack: ExitStack, metrics: Mapping[str, FrameMetric], recipe: Recipe, problems: dict[str, str]
) -> dict[str, Measure]:
    """What measures, by metric; metrics that load something do so now, and tell in `problems` if they cannot."""
    measures: dict[str, Measure] = {}
    for name, metric in metrics.items():
        if not hasattr(metric, "open"):
            measures[name] = partial(metric.measure, recipe=recipe)
            continue
        try:
            measures[name] = stack.enter_context(cast(LoadedMetric, metric).open(recipe))
        except (AssetError, ConfigError, DependencyError, MetricError) as error:
            problems[name] = str(error)
    return measures


def _batches(
    sides: list[Side], size: tuple[int, int], pairs: bool, batch: int
) -> Iterator[tuple[Frames, ...]]:  # one entry a side, [B, H, W, 3]; empty for a side that nobody looks at
    """Raises FrameCountMismatch when the sides end at different frames."""
    paired = pairs and len(sides) == 2
    looked = [bool(side.extractors) or paired for side in sides]
    streams = [
        side.reel.frames(size) if wanted else iter(()) for side, wanted in zip(sides, looked, strict=True)
    ]
    counts = [0 if wanted else side.frames for side, wanted in zip(sides, looked, strict=True)]
    empty = np.zeros((0, size[1], size[0], 3), np.uint8)
    while True:
        shown = [list(islice(stream, batch)) for stream in streams]
        counts = [count + len(frames) for count, frames in zip(counts, shown, strict=True)]
        seen = {len(frames) for frames, wanted in zip(shown, looked, strict=True) if wanted}
        if len(seen) > 1:
            counts = [count + sum(1 for _ in stream) for count, stream in zip(counts, streams, strict=True)]
            raise FrameCountMismatch(*counts)
        if seen in (set(), {0}):
            break
        yield tuple(np.stack(frames) if frames else empty for frames in shown)
    for side, count in zip(sides, counts, strict=True):
        side.frames = count
    # Of a reel that nobody looks at, now or before, the length is not known, nor does it matter.
    known = {side.frames for side, wanted in zip(sides, looked, strict=True) if wanted or side.features}
    if len(known) > 1:
        raise FrameCountMismatch(*counts)


def _add(side: Side, frames: Frames) -> None:
    if not len(frames):
        return
    for name, extractor in list(side.extractors.items()):
        try:
            extractor.add(frames)
        except MetricError as error:
            side.problems[name] = str(error)
            del side.extractors[name]


def _measure(
    metrics: Mapping[str, FrameMetric],
    measures: Mapping[str, Measure],
    shown: tuple[Frames, ...],
    reference: Side,
    start: int,
    values: dict[str, list[NDArray[np.float64]]],
    problems: dict[str, str],
) -> None:
    """Add the values of a batch, which begins at frame `start`; one that does not apply is told once."""
    for name, measure in measures.items():
        if name in problems:
            continue
        try:
            known = _of_batch(reference, metrics[name].info.features, start, len(shown[1]))
            values[name].append(measure(FramePairs(shown[0], shown[1], known)))
        except MetricError as error:
            problems[name] = str(error)


def _of_batch(side: Side, names: Iterable[str], start: int, count: int) -> dict[str, Arrays]:
    """Features of the batch that was just shown.

    Raises:
        MetricError: one of them could not be made.
    """
    found: dict[str, Arrays] = {}
    for name in names:
        if name in side.problems:
            raise MetricError(side.problems[name])
        if name in side.features:
            found[name] = {key: array[start : start + count] for key, array in side.features[name].items()}
        else:
            found[name] = cast(FrameExtractor, side.extractors[name]).part(start, start + count)
    return found


def _finish(
    side: Side,
    features: Mapping[str, Feature],
    recipe: Recipe,
    size: tuple[int, int],
    store: FeatureStore,
    report: Reporter,
) -> None:
    for name, extractor in side.extractors.items():
        try:
            arrays: dict[str, NDArray[Any]] = dict(extractor.finish())
        except (MetricError, AudioError) as error:
            side.problems[name] = str(error)
            continue
        side.features[name] = arrays
        try:
            key = feature_key(features[name], side.reel, size, recipe)
            store.save(key, arrays | {_COUNT: np.array(side.frames)})
        except OSError as error:
            report.log(f"Feature {name} could not be kept ({error})")
