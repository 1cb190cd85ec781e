"""Which metrics this machine cannot compute, so that a record without them is made anew once it can."""

from __future__ import annotations

from collections.abc import Mapping

from t2m_bench.core import assets
from t2m_bench.core.errors import AssetError, ConfigError, DependencyError
from t2m_bench.core.metric import MetricInfo
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.catalog import features, metrics


def lacking_metrics(recipe: Recipe, infos: Mapping[str, MetricInfo]) -> dict[str, str]:
    """Metrics of a recipe for which a model file or a library is missing here, and what exactly.

    Args:
        recipe: names the metrics.
        infos: what each metric needs, by id.
    """
    missing: dict[str, str] = {}
    wanted = {name: infos[name] for name in recipe.metrics if name in infos}
    for feature in sorted({feature for info in wanted.values() for feature in info.features}):
        try:
            with features().get(feature).open(recipe):
                pass
        except (AssetError, ConfigError, DependencyError) as error:
            missing[feature] = str(error)
    for asset in sorted({asset for info in wanted.values() for asset in info.assets}):
        try:
            recipe.check_asset(assets.get(asset))
            assets.resolve(asset)
        except (AssetError, ConfigError) as error:
            missing[asset] = str(error)
    lacking = {
        name: missing[need]
        for name, info in wanted.items()
        for need in reversed(info.features + info.assets)
        if need in missing
    }
    for name in wanted:
        metric = metrics().get(name)
        if name in lacking or not hasattr(metric, "open"):
            continue
        try:
            with metric.open(recipe):
                pass
        except (AssetError, ConfigError, DependencyError) as error:
            lacking[name] = str(error)
    return lacking
