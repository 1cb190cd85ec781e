"""Whether metrics notice damage that is planted on purpose, and move the way they must."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import MissingData
from t2m_bench.core.method import Reporter
from t2m_bench.core.metric import MetricInfo, Reel, is_better
from t2m_bench.core.recipe import Recipe
from t2m_bench.core.record import MetricValue
from t2m_bench.core.resources import resource
from t2m_bench.core.track import Track
from t2m_bench.metrics.catalog import metric_infos
from t2m_bench.metrics.damage import blurred, dropped, frozen_mouth, noisy, recompressed
from t2m_bench.metrics.edited import cut, moved, other_sound
from t2m_bench.metrics.expectations import DAMAGES, Effect, effects
from t2m_bench.metrics.faces import POINTS, FaceMesh
from t2m_bench.metrics.reel import VideoReel
from t2m_bench.metrics.score import ScoreResult, compare
from t2m_bench.metrics.store import FeatureStore

FRAMES = 175
"""Of the video that are used: enough for metrics that need more than 100."""
STEPS: Mapping[str, tuple[float, float]] = {
    "blur": (1.0, 3.0),  # sigma, pixels
    "noise": (4.0, 16.0),  # standard deviation, levels
    "codec": (36, 48),  # quality
    "late": (1, 4),  # frames
    "early": (1, 4),
    "dropped": (2, 6),  # one of so many is shown
    "sound": (0.5, 1.0),  # share of the wrong sound
    "mouth": (0.5, 1.0),  # share of the held mouth
}
"""Weak and strong damage."""
_EXACT = 1e-6

State = Literal["ok", "failed", "not applicable"]


@dataclass(frozen=True)
class Outcome:
    """What one metric said of one damage."""

    state: State
    expected: Effect | None = None
    clean: float | None = None
    weak: float | None = None
    strong: float | None = None
    reason: str = ""
    """Why it is not applicable."""


@dataclass(frozen=True)
class Card:
    """What the self-test found."""

    video: Path
    frames: int
    recipe: str
    recipe_digest: str
    outcomes: Mapping[str, Mapping[str, Outcome]]
    """By metric that could be computed on the undamaged video, then by damage."""
    unavailable: Mapping[str, str]
    """Metrics that could not, and why."""

    @property
    def failed(self) -> list[tuple[str, str]]:
        """Metric and damage of each failure."""
        return [
            (metric, damage)
            for metric, row in self.outcomes.items()
            for damage, outcome in row.items()
            if outcome.state == "failed"
        ]


def demo_video() -> Path:
    """The first synthetic clip that ships with the package.

    Raises:
        MissingData: this installation lacks it.
    """
    found = sorted(resource("datasets", "demo").glob("clips/*.mp4"))
    if not found:
        raise MissingData("This installation has no demo clip", hint="Name a video")
    return found[0]


def selftest(
    video: Path,
    recipe: Recipe,
    report: Reporter,
    *,
    names: Sequence[str],
    lacking: Mapping[str, str] | None = None,
    frames: int = FRAMES,
) -> Card:
    """Damage a video in eight ways and two strengths, and see what each metric says of it against the undamaged one.

    Args:
        video: one person speaking; the first `frames` frames are used.
        recipe: says how; but at the video's own size, where damage is planted, and few frames do for FID.
        report: takes progress.
        names: ids of metrics.
        lacking: metrics known to be unavailable here, and why.
        frames: at most so many.

    Raises:
        VideoError: the video cannot be read.
    """
    recipe = recipe.model_copy(update={"size": "native", "fid_floor": 0})
    base = cut(VideoReel(video), frames)
    with tempfile.TemporaryDirectory(prefix="t2m-selftest-") as folder:
        store = FeatureStore(Path(folder) / "features")

        def measure(reel: Reel, chosen: Sequence[str]) -> ScoreResult:
            return compare(reel, base, recipe, report, store=store, names=chosen, lacking=lacking)

        report.stage("undamaged")
        clean = measure(base, names)
        known = [name for name in names if name in clean.values]
        makers = _makers(base, _landmarks(video, clean), Path(folder))
        damaged: dict[str, list[ScoreResult]] = {}
        for damage, maker in makers.items():
            wanted = [name for name in known if damage in effects(name)]
            report.stage(damage)
            if maker is not None and wanted:
                damaged[damage] = [measure(maker(strength), wanted) for strength in STEPS[damage]]
    infos = metric_infos()
    outcomes = {
        name: {
            damage: _outcome(infos[name], damage, clean.values[name], damaged.get(damage))
            for damage in DAMAGES
        }
        for name in known
    }
    return Card(video, clean.prediction.frames, recipe.name, recipe.digest, outcomes, dict(clean.unavailable))


def _landmarks(video: Path, clean: ScoreResult) -> NDArray[np.floating] | None:
    """Of the frames at the video's size: as metrics found them, else of the track beside the video."""
    if FaceMesh.name in clean.prediction.features:
        points: NDArray[np.floating] = clean.prediction.features[FaceMesh.name][POINTS]
        return points
    track = video.with_suffix(".track.npz")
    return Track.load(track).landmarks[: clean.prediction.frames] if track.is_file() else None


def _makers(
    base: Reel, landmarks: NDArray[np.floating] | None, folder: Path
) -> dict[str, Callable[[float], Reel] | None]:
    """What plants each damage; None where it cannot be planted."""

    def freeze(share: float) -> Reel:
        assert landmarks is not None
        return frozen_mouth(base, landmarks, share)

    return {
        "blur": lambda sigma: blurred(base, sigma),
        "noise": lambda deviation: noisy(base, deviation),
        "codec": lambda quality: recompressed(base, int(quality), folder),
        "late": lambda count: moved(base, int(count)),
        "early": lambda count: moved(base, -int(count)),
        "dropped": lambda every: dropped(base, int(every)),
        "sound": lambda share: other_sound(base, share),
        "mouth": None if landmarks is None else freeze,
    }


def _outcome(
    info: MetricInfo, damage: str, clean: MetricValue, damaged: Sequence[ScoreResult] | None
) -> Outcome:
    expected = effects(info.id).get(damage)
    if expected is None:
        return Outcome("not applicable", reason="nothing is expected of it")
    if damaged is None:
        return Outcome("not applicable", expected, reason="no landmarks are known")
    lost = next((result.unavailable[info.id] for result in damaged if info.id in result.unavailable), None)
    if lost is not None:
        return Outcome("not applicable", expected, clean.value, reason=lost)
    weak, strong = (result.values[info.id].value for result in damaged)
    good = moves_as_it_must(expected, info.direction, (clean.value, weak, strong), STEPS[damage])
    return Outcome("ok" if good else "failed", expected, clean.value, weak, strong)


def moves_as_it_must(
    expected: Effect, direction: str, values: tuple[float, float, float], steps: tuple[float, float]
) -> bool:
    """Whether a metric moved as expected.

    Args:
        expected: effect of the damage.
        direction: which way is better for the metric.
        values: on the undamaged video, under weak and under strong damage.
        steps: strengths of the damage; frames where a shift is expected.
    """
    clean, weak, strong = values
    if expected == "same":
        margin = _EXACT * max(1.0, abs(clean))
        return abs(weak - clean) <= margin and abs(strong - clean) <= margin
    if expected == "shift":
        return abs(weak - clean) == steps[0] and abs(strong - clean) == steps[1]
    better = {"worse": direction, "lower": "higher", "higher": "lower"}[expected]
    return is_better(clean, weak, better) and is_better(weak, strong, better)
