"""SyncNet's embeddings, MFCC and distances against the packages that define them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from precision_page import versioned
from sync_weights import random_syncnet, syncnet_file

from t2m_bench.core.errors import AssetError, DependencyError
from t2m_bench.metrics import syncnet
from t2m_bench.metrics.syncnet import LipReader, SyncNet, distances, load_syncnet, mfcc


def _faces(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 224, 224, 3), dtype=np.uint8)


def _noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(16000 * seconds)).astype(np.float32)


def test_embeddings_are_those_of_the_published_network(tmp_path: Path, agree: Callable[..., None]) -> None:
    net, faces = random_syncnet(), _faces(15)
    found = load_syncnet(syncnet_file(tmp_path))
    clip = torch.from_numpy(faces).permute(3, 0, 1, 2).float()[None]  # [1, 3, T, H, W]
    columns = mfcc(_noise(1), padded=True)
    heard = torch.from_numpy(columns.T.astype(np.float32))[None, None]  # [1, 1, 13, C]
    with torch.inference_mode():
        lips = net.forward_lip(torch.cat([clip[:, :, i : i + 5] for i in range(11)])).numpy()
        sound = net.forward_aud(torch.cat([heard[..., 4 * i : 4 * i + 20] for i in range(20)])).numpy()
    package = versioned("syncnet-python")
    agree("SyncNet lips", package, found.lips(faces), lips, within=1e-5, relative=True)
    agree("SyncNet sound", package, found.sound(columns)[:20], sound, within=1e-5, relative=True)
    assert len(found.sound(columns)) == (len(columns) - 20) // 4 + 1


def test_too_little_to_see_or_hear_gives_nothing() -> None:
    net = SyncNet(random_syncnet())
    assert net.lips(_faces(4)).shape == net.sound(np.zeros((19, 13))).shape == (0, 1024)


class Sums:
    """An embedder that can be computed by hand."""

    def lips(self, faces: np.ndarray) -> np.ndarray:
        values = faces[:, 0, 0, 0].astype(np.float32)
        return np.stack([values[i : i + 5] for i in range(len(values) - 4)])

    def sound(self, columns: np.ndarray) -> np.ndarray:
        raise AssertionError


@pytest.mark.parametrize(("count", "least"), [(5, 5), (12, 5), (13, 5), (43, 44), (44, 44), (100, 44)])
def test_faces_are_embedded_once_each_however_they_come(count: int, least: int) -> None:
    reader = LipReader(Sums(), least)
    faces = np.zeros((count, 1, 1, 3), np.uint8)
    faces[:, 0, 0, 0] = np.arange(count)
    for face in faces:
        reader.add(face)
    found = reader.finish()
    assert reader.frames == count
    if count < least:
        assert found.shape == (0, 0)
    else:
        assert np.array_equal(found, Sums().lips(faces))


@pytest.mark.parametrize("samples", [200, 400, 401, 4000, 64000, 64037])
def test_mfcc_are_the_library_s_in_blocks_too(
    samples: int, monkeypatch: pytest.MonkeyPatch, agree: Callable[..., None]
) -> None:
    library = pytest.importorskip("python_speech_features")
    monkeypatch.setattr(syncnet, "_BLOCK", 100)
    sound = _noise(samples / 16000)
    whole = library.mfcc(np.round(sound.astype(float) * 32768).astype(np.int16), 16000)
    package = versioned("python_speech_features")
    agree("MFCC", package, mfcc(sound, padded=True), whole, within=1e-9)
    filled = 1 + (samples - 400) // 160 if samples >= 400 else 0
    strict = mfcc(sound, padded=False)
    assert strict.shape == (filled, 13)
    if filled:
        agree("MFCC without padding", package, strict, whole[:filled], within=1e-9)


def test_no_sound_has_no_mfcc() -> None:
    assert mfcc(np.zeros(0, np.float32), padded=True).shape == (0, 13)


def test_padded_distances_are_the_published_ones(agree: Callable[..., None]) -> None:
    random_syncnet()
    calc_pdist = sys.modules["syncnet_python.SyncNetInstance"].calc_pdist  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    lips, sound = (rng.normal(size=(40, 8)).astype(np.float32) for _ in range(2))
    expected = torch.stack(calc_pdist(torch.from_numpy(lips), torch.from_numpy(sound), vshift=15)).numpy()
    package, whole = versioned("syncnet-python"), distances(lips, sound, padded=True)
    agree("SyncNet distances", package, whole / expected, np.ones_like(expected), within=1e-6, relative=True)
    found = distances(lips, sound, padded=False)
    at = np.arange(40)[:, None] + np.arange(-15, 16)
    inside = (at >= 0) & (at < 40)
    assert np.array_equal(np.isfinite(found), inside)
    ratio = found[inside] / expected[inside]
    agree(
        "SyncNet distances without padding", package, ratio, np.ones_like(ratio), within=1e-6, relative=True
    )


def test_a_track_within_a_video_hears_what_comes_before_it() -> None:
    rng = np.random.default_rng(0)
    lips, sound = rng.normal(size=(30, 8)).astype(np.float32), rng.normal(size=(90, 8)).astype(np.float32)
    lips[:] = sound[30:60]
    found = distances(lips, sound, 30, padded=False)
    assert np.isfinite(found).all() and (found.mean(axis=0).argmin(), found[:, 15].max() < 1e-4) == (15, True)


def test_an_old_file_without_counters_of_batches_will_do(tmp_path: Path) -> None:
    state = {k: v for k, v in random_syncnet().state_dict().items() if not k.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "old.model", _use_new_zipfile_serialization=False)
    assert load_syncnet(tmp_path / "old.model").lips(_faces(5)).shape == (1, 1024)


def test_another_file_is_refused(tmp_path: Path) -> None:
    random_syncnet()
    (tmp_path / "junk.model").write_bytes(b"junk")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.model")
    for name, why in (("junk", "."), ("other", r"it lacks netcnnaud\.0\.weight")):
        with pytest.raises(
            AssetError, match=rf"{name}\.model cannot be used as the weights of SyncNet \(.*{why}"
        ):
            load_syncnet(tmp_path / f"{name}.model")


def test_without_the_package_the_line_that_installs_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "syncnet_python", None)
    with pytest.raises(DependencyError, match=r"syncnet-python cannot be loaded .*t2m-bench\[sync\]"):
        load_syncnet(tmp_path / "syncnet_v2.model")
    monkeypatch.setitem(sys.modules, "python_speech_features", None)
    with pytest.raises(DependencyError, match=r"python_speech_features cannot be loaded .*t2m-bench\[sync\]"):
        mfcc(np.zeros(1000, np.float32), padded=True)
