"""LPIPS against the package that defines it, with the same random weights."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from metric_samples import StillFootage, pairs, recipe, smooth_frames, spoilt, write_frames
from precision_page import versioned
from weight_samples import no_assets, place, trunk_layers, trunk_state

from t2m_bench.core import assets
from t2m_bench.core.errors import AssetError, DependencyError, MetricError
from t2m_bench.core.method import SilentReporter
from t2m_bench.metrics import perceptual
from t2m_bench.metrics.catalog import metric_infos
from t2m_bench.metrics.perceptual import LpipsAlex, LpipsVgg
from t2m_bench.metrics.score import score
from t2m_bench.runs.availability import lacking_metrics

lpips = pytest.importorskip("lpips", reason="LPIPS is compared with the package lpips")

ALEX, VGG, PSNR = "lpips@alex", "lpips@vgg", "psnr@rgb"
METRICS = {"alexnet": LpipsAlex, "vgg16": LpipsVgg}
Frames = np.ndarray


@pytest.fixture(scope="module")
def layers() -> dict[str, torch.nn.Sequential]:
    return {name: trunk_layers(name) for name in METRICS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lpips")


@pytest.fixture
def hashes(
    monkeypatch: pytest.MonkeyPatch, layers: dict[str, torch.nn.Sequential], folder: Path
) -> dict[str, str]:
    """Both trunks in place: AlexNet's file in today's layout, VGG's in the old one, as the published ones are."""
    found: dict[str, str] = {}
    for name, trunk in layers.items():
        found |= place(monkeypatch, folder, name, trunk_state(name, trunk), old=name == "vgg16")
    return found


def _package_says(monkeypatch: pytest.MonkeyPatch, name: str, trunk: torch.nn.Module) -> Callable[..., float]:
    """`lpips.LPIPS` as its script uses it, where torchvision hands it our weights as the pretrained ones."""
    given = lambda pretrained: SimpleNamespace(features=trunk) if pretrained else None  # noqa: E731
    monkeypatch.setattr(lpips.pretrained_networks.tv, name, given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = lpips.LPIPS(net=METRICS[name].trunk, verbose=False)

    def distance(made: Frames, real: Frames) -> float:
        tensors = [torch.from_numpy(frame).permute(2, 0, 1)[None] / 255 for frame in (made, real)]
        with torch.no_grad():
            return float(network(*tensors, normalize=True))

    return distance


@pytest.mark.parametrize(
    ("name", "shape"), [("alexnet", (96, 130)), ("alexnet", (31, 47)), ("vgg16", (40, 57))]
)
def test_it_is_the_number_of_the_package(
    monkeypatch: pytest.MonkeyPatch,
    layers: dict[str, torch.nn.Sequential],
    hashes: dict[str, str],
    name: str,
    shape: tuple[int, int],
    agree: Callable[..., None],
) -> None:
    rng = np.random.default_rng(0)
    real = rng.integers(0, 256, (3, *shape, 3), dtype=np.uint8)
    made = np.stack([spoilt(real[:1], 3)[0], spoilt(real[1:2], 60)[0], real[0]])
    metric = METRICS[name]()
    found = metric.measure(pairs(made, real), recipe(assets=hashes))
    says = _package_says(monkeypatch, name, layers[name])
    expected = [says(one, other) for one, other in zip(made, real, strict=True)]
    agree(metric.info.id, versioned("lpips"), found, expected, within=1e-6)
    assert found[0] < found[1] and min(expected) > 1e-4


@pytest.mark.parametrize("name", METRICS)
def test_trunks_take_the_names_of_the_published_files(name: str) -> None:
    state = trunk_state(name, trunk_layers(name))
    assert {key.partition(".")[0] for key in state} == {"features", "classifier"}
    assert all(value.numel() > 1 for key, value in state.items() if key.startswith("features"))
    heads = {LpipsAlex: "alexnet-owt-7be5be79.pth", LpipsVgg: "vgg16-397923af.pth"}
    assert assets.get(name).file == heads[METRICS[name]]
    assert assets.get(name).sha256.startswith(assets.get(name).file.split("-")[-1].removesuffix(".pth"))
    assert assets.get(name).optional


def test_equal_frames_are_at_distance_0_and_it_is_symmetric(hashes: dict[str, str]) -> None:
    real = smooth_frames(2, 64)
    made = spoilt(real, 20)
    with LpipsAlex().open(recipe(assets=hashes)) as measure:
        assert measure(pairs(real, real)).tolist() == [0, 0]
        assert measure(pairs(made, real)) == pytest.approx(measure(pairs(real, made)), rel=1e-6)


def test_more_damage_is_a_larger_distance(hashes: dict[str, str]) -> None:
    real = smooth_frames(2, 96)
    with LpipsAlex().open(recipe(assets=hashes)) as measure:
        noisy = [measure(pairs(spoilt(real, strength), real)).mean() for strength in (2, 10, 40)]
        blurred = [measure(pairs(_blurred(real, width), real)).mean() for width in (2, 4, 8)]
    assert 0 < noisy[0] < noisy[1] < noisy[2]
    assert 0 < blurred[0] < blurred[1] < blurred[2]


def _blurred(frames: Frames, width: int) -> Frames:
    whole = np.cumsum(np.pad(frames.astype(float), ((0, 0), (0, 0), (width, 0), (0, 0)), "edge"), axis=2)
    return ((whole[:, :, width:] - whole[:, :, :-width]) / width).round().astype(np.uint8)


def test_batch_and_order_change_no_bit(hashes: dict[str, str]) -> None:
    real = smooth_frames(5, 64)
    made = spoilt(real, 20)
    with LpipsAlex().open(recipe(assets=hashes)) as measure:
        whole = measure(pairs(made, real))
        parts = [measure(pairs(made[part], real[part])) for part in (slice(0, 1), slice(1, 4), slice(4, 5))]
        turned = measure(pairs(made[::-1].copy(), real[::-1].copy()))
    assert np.array_equal(np.concatenate(parts), whole)
    assert np.array_equal(turned[::-1], whole)


def test_frames_too_small_for_the_network(hashes: dict[str, str]) -> None:
    tiny = np.zeros((1, 30, 64, 3), np.uint8)
    text = r"LPIPS with the trunk 'alex' needs sides of at least 31 pixels, these are 64x30"
    with LpipsAlex().open(recipe(assets=hashes)) as measure, pytest.raises(MetricError, match=text):
        measure(pairs(tiny, tiny))
    with LpipsVgg().open(recipe(assets=hashes)) as measure:
        assert measure(pairs(tiny[:, :16, :16], tiny[:, :16, :16])) == 0


def test_heads_of_another_version_are_refused(
    monkeypatch: pytest.MonkeyPatch, hashes: dict[str, str]
) -> None:
    monkeypatch.setitem(perceptual.HEADS, "alex", "0" * 64)
    text = r"v0\.1.alex\.pth holds other weights than those of LPIPS 0\.1 \(sha256 df73285e35b2\)"
    with pytest.raises(DependencyError, match=text), LpipsAlex().open(recipe(assets=hashes)):
        pass


def test_a_recipe_for_other_weights_is_refused() -> None:
    text = r"wants alexnet-owt-7be5be79\.pth with sha256 000000000000, this program knows 7be5be791159"
    with pytest.raises(AssetError, match=text), LpipsAlex().open(recipe(assets={"alexnet": "0" * 64})):
        pass


def _score(folder: Path, **changes: Any) -> Any:
    real = smooth_frames(6, 64)
    video = write_frames(folder / "prediction.mkv", spoilt(real, 20))
    footage = StillFootage(real)
    chosen = recipe(**changes)
    return score(video, footage, chosen, SilentReporter(), cache=folder / "cache", batch=2), footage


def test_a_walk_loads_the_network_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hashes: dict[str, str]
) -> None:
    loaded = []
    load = perceptual.load_network
    monkeypatch.setattr(perceptual, "load_network", lambda *given: loaded.append(given[1]) or load(*given))
    found, _ = _score(tmp_path, metrics=(PSNR, ALEX), assets=hashes)
    assert loaded == ["alex"]
    value = found.values[ALEX]
    assert (value.frames, value.direction, len(value.per_frame)) == (6, "lower", 6)
    assert value.value == pytest.approx(np.mean(value.per_frame)) and value.value > 0


def test_missing_weights_make_only_lpips_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_assets(monkeypatch, tmp_path / "home")
    hashes = {name: assets.get(name).sha256 for name in METRICS}
    found, _ = _score(tmp_path, metrics=(PSNR, ALEX, VGG), assets=hashes)
    assert set(found.values) == {PSNR} and set(found.unavailable) == {ALEX, VGG}
    assert "vgg16-397923af.pth) is not on this machine" in found.unavailable[VGG]
    assert "`t2m-bench assets fetch alexnet" in found.unavailable[ALEX]
    assert found.values[PSNR].frames == 6


def test_nothing_is_decoded_when_nothing_can_be_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_assets(monkeypatch, tmp_path / "home")
    found, footage = _score(tmp_path, metrics=(ALEX,), assets={"alexnet": assets.get("alexnet").sha256})
    assert set(found.unavailable) == {ALEX} and footage.served == 0


def test_a_recipe_that_names_no_weights(tmp_path: Path) -> None:
    found, _ = _score(tmp_path, metrics=(PSNR, ALEX), assets={})
    assert set(found.values) == {PSNR}
    assert "Recipe 'native' does not say which 'alexnet' it means" in found.unavailable[ALEX]


def test_a_machine_without_the_package_lacks_the_metric(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hashes: dict[str, str]
) -> None:
    chosen = recipe(metrics=(PSNR, ALEX), assets=hashes)
    assert lacking_metrics(chosen, metric_infos()) == {}
    monkeypatch.setitem(sys.modules, "lpips", None)
    lacking = lacking_metrics(chosen, metric_infos())
    assert set(lacking) == {ALEX}
    assert lacking[ALEX].startswith("LPIPS cannot be imported (")
    assert lacking[ALEX].endswith("Run `pip install 't2m-bench[perceptual]'`.")
    found, _ = _score(tmp_path, metrics=(PSNR, ALEX), assets=hashes)
    assert found.unavailable == lacking
