"""Recipes name all that their metrics need."""

from __future__ import annotations

from pathlib import Path

import pytest

from t2m_bench.core import assets
from t2m_bench.core.errors import ConfigError, UnknownName
from t2m_bench.core.recipe import find_recipe, recipes
from t2m_bench.core.resources import _PACKAGE
from t2m_bench.metrics.catalog import metric_infos


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_metric_can_be_asked_for_under_every_recipe(name: str) -> None:
    recipe, infos = recipes().get(name), metric_infos()
    assert set(recipe.metrics) <= set(infos) and set(recipe.aliases.values()) <= set(recipe.metrics)
    for info in infos.values():
        for asset in info.assets:
            recipe.check_asset(assets.get(asset))
            assert recipe.asset_hash(asset) == assets.get(asset).sha256


def test_the_papers_seven_numbers_and_ours() -> None:
    paper, strict = recipes().get("paper"), recipes().get("strict")
    plain = {name.partition("@")[0] for name in paper.metrics}
    assert plain == {"psnr", "lpips", "ms_ssim", "fid", "lmd", "lse_d", "lse_c"}
    assert plain <= {name.partition("@")[0] for name in strict.metrics}
    assert paper.aliases["lmd"] == "lmd@fan.mouth.px" != strict.aliases["lmd"]
    assert all(name.endswith("@legacy") for name in paper.metrics if name.startswith("lse"))
    assert not any("legacy" in name for name in strict.metrics)


def test_a_recipe_may_be_a_file(tmp_path: Path) -> None:
    text = (_PACKAGE / "metrics" / "recipes" / "strict.toml").read_text()
    path = tmp_path / "mine.toml"
    path.write_text(text)
    assert find_recipe(str(path)) == find_recipe("strict")
    path.write_text(text.replace("size = 512", "size = 256"))
    assert find_recipe(str(path)).digest != find_recipe("strict").digest
    path.write_text(text.replace('region = "full"', 'region = "nose"'))
    with pytest.raises(ConfigError, match=r"mine\.toml: field 'region': Input should be 'full'"):
        find_recipe(str(path))
    with pytest.raises(UnknownName, match="Unknown recipe 'stric'. Did you mean 'strict'"):
        find_recipe("stric")
