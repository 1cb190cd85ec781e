"""The metrics there are."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

from t2m_bench.core.errors import ConfigError, UnknownName
from t2m_bench.core.recipe import recipes
from t2m_bench.metrics import catalog
from t2m_bench.metrics.catalog import metric_infos, metrics


def test_every_metric_is_what_its_info_says() -> None:
    registry, infos = metrics(), metric_infos()
    assert list(registry) == list(infos)
    assert {"psnr@rgb", "ssim@rgb", "ms_ssim@rgb.5", "lmd@mouth.px", "lmd@mouth.iod"} <= set(infos)
    for name in registry:
        assert registry.get(name).info == infos[name] and infos[name].id == name
    told = {name: (info.direction, info.unit) for name, info in infos.items()}
    assert told["psnr@rgb"] == ("higher", "dB") and told["ms_ssim@rgb.5"] == ("higher", "")
    assert told["lmd@mouth.px"] == ("lower", "px") and told["lmd@mouth.iod"] == ("lower", "%")
    assert told["head_motion@std_ratio"] == ("none", "") and told["blink_rate@diff"] == ("lower", "1/min")


def test_every_recipe_names_metrics_that_exist() -> None:
    for name in recipes():
        recipe = recipes().get(name)
        assert set(recipe.metrics) <= set(metrics())
        assert set(recipe.aliases.values()) <= set(recipe.metrics)


def test_an_unknown_metric_gets_a_suggestion() -> None:
    with pytest.raises(UnknownName, match=r"Unknown metric 'psnr@rbg'\. Did you mean 'psnr@rgb'"):
        metrics().get("psnr@rbg")


def test_listing_imports_nothing_that_computes() -> None:
    code = (
        "import sys; from t2m_bench.metrics.catalog import metric_infos, metrics; metric_infos(); list(metrics());"
        "print([name for name in ('torch', 'torchmetrics', 'mediapipe', 'cv2', 'av') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _plug_in(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    entry = metadata.EntryPoint(name, "t2m_bench.metrics.pixel:Psnr", "t2m_bench.metrics")
    monkeypatch.setattr(catalog.metadata, "entry_points", lambda *, group: [entry])


def test_a_plug_in_may_not_replace_a_built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    _plug_in(monkeypatch, "psnr@rgb")
    with pytest.raises(
        ConfigError, match="metric 'psnr@rgb' of entry point .* is already defined by t2m_bench"
    ):
        metrics()


def test_a_plug_in_must_compute_what_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    _plug_in(monkeypatch, "mine@rgb")
    with pytest.raises(ConfigError, match="computes 'psnr@rgb' but is registered as 'mine@rgb'"):
        metrics().get("mine@rgb")
