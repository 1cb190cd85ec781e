"""Which metrics this machine cannot compute, so that a record without them is made anew once it can."""

from __future__ import annotations

from collections.abc import Mapping

from t2m_bench.core import assets
from t2m_bench.core.errors import AssetError, DependencyError
from t2m_bench.core.metric import MetricInfo
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.faces import open_face_finder


def lacking_metrics(recipe: Recipe, infos: Mapping[str, MetricInfo]) -> dict[str, str]:
    """Metrics of a recipe for which a model file or a library is missing here, and what exactly.

    Args:
        recipe: names the metrics.
        infos: what each metric needs, by id.
    """
    needs = {name: infos[name].assets for name in recipe.metrics if name in infos}
    missing: dict[str, str] = {}
    for asset in sorted({asset for names in needs.values() for asset in names}):
        try:
            if asset == recipe.landmarks:
                with open_face_finder(recipe, {}):
                    pass
            else:
                assets.resolve(asset)
        except (AssetError, DependencyError) as error:
            missing[asset] = str(error)
    return {
        name: missing[asset] for name, names in needs.items() for asset in reversed(names) if asset in missing
    }
