"""Features of Inception against pytorch-fid, with the same random weights."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from metric_samples import StillFootage, recipe, smooth_frames, spoilt, write_frames
from precision_page import versioned
from weight_samples import known, no_assets, shuffle

from t2m_bench.core import assets
from t2m_bench.core.errors import AssetError, DependencyError
from t2m_bench.core.method import SilentReporter
from t2m_bench.metrics import inception
from t2m_bench.metrics.inception import BATCH, InceptionExtractor, InceptionFeatures
from t2m_bench.metrics.score import score
from t2m_bench.metrics.store import feature_key

pytest.importorskip("pytorch_fid", reason="features are compared with the package pytorch-fid")

PYTORCH_FID = versioned("pytorch-fid")
CPU = torch.device("cpu")
FILE = assets.get("inception").file


@pytest.fixture(scope="module")
def theirs() -> ModuleType:
    """Their module, in a copy of our own so that a test may replace its download."""
    spec = find_spec("pytorch_fid.inception")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, theirs: ModuleType) -> Path:
    """Random weights in the layout of the published file: the whole network, as PyTorch before 1.6 wrote it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.Module, "load_state_dict", lambda self, state: None)
        patch.setattr(theirs, "load_state_dict_from_url", lambda url, progress: {})
        network = theirs.fid_inception_v3()
    shuffle(network, 0)
    path = tmp_path_factory.mktemp("inception") / FILE
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=False)
    return path


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch, weights: Path) -> dict[str, str]:
    return known(monkeypatch, weights, "inception")


def test_they_are_those_of_the_package_and_batches_change_no_bit(
    theirs: ModuleType,
    weights: Path,
    hashes: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    agree: Callable[..., None],
) -> None:
    frames = np.concatenate([smooth_frames(5, 336), spoilt(smooth_frames(5, 336), 40)])[:, :250]
    found = []
    with InceptionFeatures().open(recipe(assets=hashes)) as make:
        for cuts in ((), (1, 3, 9)):
            extractor = make(StillFootage(frames))
            for part in np.split(frames, cuts):
                extractor.add(part)
            found.append(extractor.finish())
    assert {name: (array.shape, array.dtype.name) for name, array in found[0].items()} == {
        "pool3": ((10, 2048), "float32"),
        "block0": ((10, 64), "float32"),
    }
    for name in ("pool3", "block0"):
        assert np.array_equal(found[0][name], found[1][name])

    monkeypatch.setattr(
        theirs, "load_state_dict_from_url", lambda url, progress: torch.load(weights, weights_only=True)
    )
    network = theirs.InceptionV3([0, 3]).eval()
    with torch.no_grad():
        block0, pool3 = network(torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous() / 255)
    for name, expected in (("block0", block0.mean((2, 3))), ("pool3", pool3[:, :, 0, 0])):
        # What distances of distributions are made of is how frames differ, not where all of them lie.
        spread = np.linalg.norm(expected - expected.mean(dim=0))
        assert np.linalg.norm(found[0][name] - expected.numpy()) < 1e-4 * spread
        centre = expected.numpy().mean(axis=0)
        ours, whose = found[0][name] - centre, expected.numpy() - centre
        agree(f"inception {name}, less its mean", PYTORCH_FID, ours, whose, within=1e-4, relative=True)


def test_the_shared_module_is_left_as_it_was(hashes: dict[str, str]) -> None:
    module = import_module("pytorch_fid.inception")
    before = module.load_state_dict_from_url
    with InceptionFeatures().open(recipe(assets=hashes)):
        pass
    assert module.load_state_dict_from_url is before


@pytest.mark.parametrize("count", [0, 1, BATCH, 2 * BATCH + 1])
def test_the_network_sees_every_frame_once_in_order_in_full_batches(count: int) -> None:
    shown: list[int] = []

    def look(frames: torch.Tensor) -> dict[str, np.ndarray]:
        shown.append(len(frames))
        level = frames.mean(dim=(1, 2, 3)).numpy()[:, None]
        return {"pool3": np.repeat(level, 2048, axis=1), "block0": np.repeat(level, 64, axis=1)}

    frames = np.repeat(np.arange(count, dtype=np.uint8), 12 * 10 * 3).reshape(count, 12, 10, 3)
    extractor = InceptionExtractor(look, CPU)
    for start in range(0, count, 3):
        extractor.add(frames[start : start + 3])
    found = extractor.finish()
    assert found["pool3"].shape == (count, 2048) and found["block0"].shape == (count, 64)
    assert found["block0"][:, 0] * 255 == pytest.approx(np.arange(count), abs=1e-4)
    assert shown == [BATCH] * (count // BATCH) + ([count % BATCH] if count % BATCH else [])


def test_the_key_depends_on_all_that_decides_the_features(monkeypatch: pytest.MonkeyPatch) -> None:
    feature, reel = InceptionFeatures(), StillFootage(smooth_frames(1, 16), "a")

    def key(sha: str = "1" * 64) -> str:
        return feature_key(feature, reel, (512, 512), recipe(assets={"inception": sha}))

    keys = {key(), key("2" * 64)}
    for name, value in (("_package_version", lambda: "9.9"), ("INCEPTION_VERSION", 99)):
        monkeypatch.setattr(inception, name, value)
        keys.add(key())
    assert len(keys) == 4
    assert feature.key(recipe(assets={"inception": "1" * 64}))["dtype"] == "float32"


def test_a_video_is_looked_at_once(
    tmp_path: Path, hashes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    look = inception.look
    monkeypatch.setattr(
        inception, "look", lambda network, frames: seen.append(len(frames)) or look(network, frames)
    )
    real = smooth_frames(3, 48)
    footage = StillFootage(real)
    chosen = recipe(
        metrics=("kid@inception", "fid@inception.64", "fid@inception"), assets=hashes, fid_floor=1
    )
    for strength in (5, 60):
        video = write_frames(tmp_path / f"{strength}.mkv", spoilt(real, strength))
        found = score(video, footage, chosen, SilentReporter(), cache=tmp_path / "cache")
        assert found.unavailable == {} and found.values["fid@inception.64"].facts["n"] == 3
    assert seen == [3, 3, 3]  # of the second video only the prediction


def test_missing_weights_tell_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_assets(monkeypatch, tmp_path / "home")
    real = smooth_frames(2, 48)
    chosen = recipe(
        metrics=("psnr@rgb", "kid@inception"), assets={"inception": assets.get("inception").sha256}
    )
    video = write_frames(tmp_path / "prediction.mkv", real)
    found = score(video, StillFootage(real), chosen, SilentReporter(), cache=tmp_path / "cache")
    assert set(found.values) == {"psnr@rgb"}
    assert "`t2m-bench assets fetch inception" in found.unavailable["kid@inception"]
    assert f"{FILE}) is not on this machine" in found.unavailable["kid@inception"]


def test_a_recipe_for_other_weights_is_refused() -> None:
    text = r"wants pt_inception-2015-12-05-6726825d\.pth with sha256 000000000000"
    chosen = recipe(assets={"inception": "0" * 64})
    with pytest.raises(AssetError, match=text), InceptionFeatures().open(chosen):
        pass


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, hashes: dict[str, str]) -> None:
    monkeypatch.setattr(inception, "find_spec", lambda name: None)
    text = r"Inception network of pytorch-fid cannot be imported .*pip install 't2m-bench\[perceptual\]'"
    with pytest.raises(DependencyError, match=text), InceptionFeatures().open(recipe(assets=hashes)):
        pass
