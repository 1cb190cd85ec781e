"""Score one video against the real frames, under a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core import assets
from t2m_bench.core.errors import AssetError, DependencyError, MetricError
from t2m_bench.core.method import Reporter
from t2m_bench.core.metric import FramePairs, Metric, MetricInfo
from t2m_bench.core.recipe import Recipe
from t2m_bench.core.record import MetricValue
from t2m_bench.core.subject import Footage
from t2m_bench.data.cache import cache_root
from t2m_bench.media.announced import frame_rate
from t2m_bench.media.container import open_media, video_stream
from t2m_bench.media.video import iter_frames, resize_frames
from t2m_bench.metrics.catalog import metrics
from t2m_bench.metrics.faces import (
    FaceFinder,
    frame_key,
    load_known,
    open_face_finder,
    reference_file,
    save_known,
)

BATCH = 4
"""Frame pairs in memory at once; 512x512 MS-SSIM needs about 100 MB for each."""

Frame = NDArray[np.uint8]


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


def score(
    prediction: Path,
    held_out: Footage,
    recipe: Recipe,
    report: Reporter,
    *,
    cache: Path | None = None,
    lacking: Mapping[str, str] | None = None,
    batch: int = BATCH,
) -> ScoreResult:
    """Compare a video with the held-out frames, one to one from the first.

    Both are streamed. A metric that lacks a model file or library, or that does not apply to this size, is reported as
    unavailable with the reason; the others are computed. Frames in which a metric cannot be measured (no face) count
    as missing and are left out of its mean.

    Args:
        prediction: the video to score.
        held_out: the real frames.
        recipe: names the metrics and says how they are computed.
        report: takes progress.
        cache: root of the cache folder, where the landmarks of the real frames are kept; the default one if None.
        lacking: metrics known to be unavailable here, and why: nothing is tried for them.
        batch: frame pairs in memory at once; changes no number.

    Raises:
        VideoError: the prediction cannot be decoded.
        MetricError: the two have different numbers of frames, or the video another frame rate; nothing is scored.
        UnknownName: the recipe names a metric that does not exist.
    """
    _check_rate(prediction, recipe)
    tally = _Tally(recipe, target_size(recipe, held_out), len(held_out))
    tally.unavailable.update({name: why for name, why in (lacking or {}).items() if name in recipe.metrics})
    registry = metrics()
    chosen = {name: registry.get(name) for name in recipe.metrics}
    known_file = reference_file(cache or cache_root(), held_out, recipe)
    known = load_known(known_file)
    with ExitStack() as stack:
        finder = _finder(stack, chosen, tally, recipe, known)
        report.stage("scoring", len(held_out))
        for predicted, real in _batches(prediction, held_out, tally, batch):
            pairs = FramePairs(predicted, real, finder or _no_finder)
            tally.measure(chosen, pairs)
            if finder is not None:
                tally.count_faces(pairs)
                for frame, points in zip(pairs.reference, pairs.reference_landmarks, strict=True):
                    tally.reference_points[frame_key(frame)] = points
            report.advance(len(real))
    if tally.reference_points and tally.reference_points.keys() != known.keys():
        _keep(known_file, tally, report)
    return tally.result(chosen, held_out)


def target_size(recipe: Recipe, held_out: Footage) -> tuple[int, int]:
    """Width and height at which the recipe scores this footage."""
    return held_out.size if recipe.size == "native" else (recipe.size, recipe.size)


def _check_rate(prediction: Path, recipe: Recipe) -> None:
    """Frames are paired by number, which is only right where both run at one rate."""
    with open_media(prediction) as container:
        rate = frame_rate(video_stream(container, prediction))
    if rate is not None and abs(float(rate) - recipe.fps) > 1e-3 * recipe.fps:
        raise MetricError(
            f"{prediction} runs at {float(rate):g} fps, recipe {recipe.name!r} pairs frames at {recipe.fps:g}",
            hint="Make the video at the rate that was asked for",
        )


@dataclass
class _Tally:
    """What is known so far."""

    recipe: Recipe
    size: tuple[int, int]
    asked: int
    rendered_size: tuple[int, int] = (0, 0)
    per_frame: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)
    reference_points: dict[bytes, NDArray[np.float32]] = field(default_factory=dict)
    faceless_predicted: int = 0
    faceless_real: int = 0

    def measure(self, chosen: Mapping[str, Metric], pairs: FramePairs) -> None:
        """Add one batch to every metric that is still available."""
        for name, metric in chosen.items():
            if name in self.unavailable:
                continue
            try:
                self.per_frame.setdefault(name, []).append(metric.measure(pairs, self.recipe))
            except MetricError as error:
                self.unavailable[name] = str(error)

    def count_faces(self, pairs: FramePairs) -> None:
        """Count the frames of one batch that show no face."""
        self.faceless_predicted += int(np.isnan(pairs.prediction_landmarks[:, 0, 0]).sum())
        self.faceless_real += int(np.isnan(pairs.reference_landmarks[:, 0, 0]).sum())

    def result(self, chosen: Mapping[str, Metric], held_out: Footage) -> ScoreResult:
        """The finished numbers."""
        values = {}
        for name, metric in chosen.items():
            if name in self.unavailable:
                continue
            each = np.concatenate(self.per_frame[name])
            if np.isfinite(each).any():
                values[name] = _value(each, metric.info)
            else:
                self.unavailable[name] = self._why_nothing()
        order = [name for name in chosen if name in self.unavailable]
        return ScoreResult(
            values,
            {name: self.unavailable[name] for name in order},
            self.size,
            self.rendered_size,
            tuple(self._notes(held_out)),
        )

    def _why_nothing(self) -> str:
        if self.faceless_predicted == self.asked:
            return f"No face was found in any of the {self.asked} frames of the prediction."
        if self.faceless_real == self.asked:
            return f"No face was found in any of the {self.asked} real frames."
        return f"Not one of the {self.asked} frames could be measured."

    def _notes(self, held_out: Footage) -> Iterator[str]:
        wide = "{}x{} resized to {}x{} (" + self.recipe.resize + ") before scoring"
        if self.rendered_size != self.size:
            yield "the prediction was " + wide.format(*self.rendered_size, *self.size)
        if held_out.size != self.size:
            yield "the real frames were " + wide.format(*held_out.size, *self.size)
        for count, what in ((self.faceless_predicted, "predicted"), (self.faceless_real, "real")):
            if count:
                yield f"no face was found in {count} of {self.asked} {what} frames"


def _value(each: NDArray[np.float64], info: MetricInfo) -> MetricValue:
    measured = np.isfinite(each)
    return MetricValue(
        value=float(each[measured].mean()),
        unit=info.unit,
        direction=info.direction,
        frames=int(measured.sum()),
        frames_asked=len(each),
        per_frame=tuple(float(value) if good else None for value, good in zip(each, measured, strict=True)),
    )


def _finder(
    stack: ExitStack,
    chosen: Mapping[str, Metric],
    tally: _Tally,
    recipe: Recipe,
    known: Mapping[bytes, NDArray[np.float32]],
) -> FaceFinder | None:
    """Open the face detector if a metric wants it; mark the metrics that lack a model file or library."""
    finder: FaceFinder | None = None
    lacking: dict[str, str] = {}
    open_ones = [metric for name, metric in chosen.items() if name not in tally.unavailable]
    for asset in dict.fromkeys(asset for metric in open_ones for asset in metric.info.assets):
        try:
            if asset == recipe.landmarks:
                finder = stack.enter_context(open_face_finder(recipe, known))
            else:
                assets.resolve(asset)
        except (AssetError, DependencyError) as error:
            lacking[asset] = str(error)
    for name, metric in chosen.items():
        for asset in metric.info.assets:
            if asset in lacking:
                tally.unavailable[name] = lacking[asset]
    return finder


def _batches(prediction: Path, held_out: Footage, tally: _Tally, batch: int) -> Iterator[tuple[Frame, Frame]]:
    """Pairs of frames at the target size, [B, H, W, 3] each.

    Raises:
        MetricError: one of the two ends before the other.
    """
    predicted = iter_frames(prediction)
    real = held_out.frames(tally.size)
    pairs: list[tuple[Frame, Frame]] = []
    count = 0
    for frame in predicted:
        tally.rendered_size = (frame.shape[1], frame.shape[0])
        truth = next(real, None)
        if truth is None:
            extra = 1 + sum(1 for _ in predicted)
            raise _mismatch(prediction, count + extra, held_out)
        count += 1
        pairs.append((resize_frames(frame[None], tally.size)[0], truth))
        if len(pairs) == batch:
            yield _stacked(pairs)
            pairs = []
    if count < len(held_out):
        raise _mismatch(prediction, count, held_out)
    if pairs:
        yield _stacked(pairs)


def _stacked(pairs: list[tuple[Frame, Frame]]) -> tuple[Frame, Frame]:
    predicted, real = zip(*pairs, strict=True)
    return np.stack(predicted), np.stack(real)


def _mismatch(prediction: Path, frames: int, held_out: Footage) -> MetricError:
    return MetricError(
        f"{prediction} has {frames} frames, the held-out part of the clip has {len(held_out)}",
        hint="Make as many frames as were asked for; nothing is scored on a part",
        clip=held_out.clip_id,
    )


def _no_finder(frames: Frame) -> NDArray[np.float32]:
    raise MetricError("There is no face detector for this metric", hint="Name face_landmarker in its assets")


def _keep(path: Path, tally: _Tally, report: Reporter) -> None:
    try:
        save_known(path, tally.reference_points)
    except OSError as error:
        report.log(f"The landmarks of the real frames could not be kept in {path.parent} ({error})")
