"""The metrics there are. Listing them imports nothing that computes."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata

from t2m_bench.core.errors import ConfigError
from t2m_bench.core.metric import Feature, Metric, MetricInfo
from t2m_bench.core.registry import Registry, load_attribute
from t2m_bench.metrics.infos import BUILT_IN, FEATURES

_GROUP = "t2m_bench.metrics"


def metrics() -> Registry[Metric]:
    """All metrics by id; a metric is imported when it is asked for.

    Entry points of the group `t2m_bench.metrics` are called as the metric's id, and name a class that is made without
    arguments. A plug-in may not replace a built-in.

    Raises:
        ConfigError: two metrics claim one id.
    """
    registry: Registry[Metric] = Registry("metric")
    for info, target in BUILT_IN:
        registry.register(info.id, _loader(info.id, target), origin="t2m_bench")
    for name, target in _plugins():
        registry.register(name, _loader(name, target), origin=f"entry point {target!r}")
    return registry


def features() -> Registry[Feature]:
    """All features of videos by name; one is imported when it is asked for."""
    registry: Registry[Feature] = Registry("feature")
    for name, target in FEATURES.items():
        registry.register(name, lambda target=target: load_attribute(target)(), origin="t2m_bench")  # type: ignore[misc]
    return registry


def metric_infos() -> dict[str, MetricInfo]:
    """What each metric means, by id: of built-in ones without importing torch."""
    infos = {info.id: info for info, _ in BUILT_IN}
    registry = metrics()
    return infos | {name: registry.get(name).info for name, _ in _plugins()}


def _plugins() -> list[tuple[str, str]]:
    return sorted((entry.name, entry.value) for entry in metadata.entry_points(group=_GROUP))


def _loader(name: str, target: str) -> Callable[[], Metric]:
    def load() -> Metric:
        metric: Metric = load_attribute(target)()
        if metric.info.id != name:
            raise ConfigError(f"{target!r} computes {metric.info.id!r} but is registered as {name!r}")
        return metric

    return load
