"""What a metric says of the real video itself, so that a reader can judge what it says of a prediction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from t2m_bench.core.metric import Reel, is_better
from t2m_bench.core.recipe import Recipe
from t2m_bench.core.record import MetricValue
from t2m_bench.metrics.catalog import metrics
from t2m_bench.metrics.edited import moved, other_sound
from t2m_bench.metrics.score import ScoreResult

REAL, OTHER_SOUND, LATE = "real", "other_sound", "late"
LATE_FRAMES = 5
"""The known shift: pictures after the sound."""

CONTROLS: Mapping[str, str] = {
    REAL: "real video",
    OTHER_SOUND: "real, sound of another time",
    LATE: f"real, {LATE_FRAMES} frames late",
}
"""Each control and what a table calls it."""

Compare = Callable[[Reel, Reel | None, Iterable[str]], ScoreResult]


class Controls:
    """Measures references; each one once.

    Args:
        recipe: says how.
        names: ids of metrics.
        compare: takes a prediction, a reference and ids of metrics.
    """

    def __init__(self, recipe: Recipe, names: Sequence[str], compare: Compare) -> None:
        self._names, self._compare = names, compare
        self._known: dict[str, dict[str, dict[str, MetricValue]]] = {}

    def of(self, reference: Reel) -> dict[str, dict[str, MetricValue]]:
        """Values by control and metric, without those of single frames.

        Other sound changes only what hears it, so nothing else is measured on it.
        """
        key = reference.digest
        if key not in self._known:
            registry = metrics()
            heard = [name for name in self._names if registry.get(name).info.needs_sound]
            reels: tuple[tuple[str, Reel, Sequence[str]], ...] = (
                (REAL, reference, self._names),
                (OTHER_SOUND, other_sound(reference), heard),
                (LATE, moved(reference, LATE_FRAMES), self._names),
            )
            self._known[key] = {
                control: {
                    name: value.model_copy(update={"per_frame": ()})
                    for name, value in self._compare(reel, reference, names).values.items()
                }
                for control, reel, names in reels
                if names
            }
        return self._known[key]


def better_than_real(
    values: Mapping[str, MetricValue], controls: Mapping[str, Mapping[str, MetricValue]]
) -> tuple[str, ...]:
    """Metrics by which a prediction is better than the real video itself."""
    real = controls.get(REAL, {})
    return tuple(
        name
        for name, value in values.items()
        if name in real and is_better(value.value, real[name].value, value.direction)
    )
