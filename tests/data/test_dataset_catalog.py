"""The datasets there are."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from t2m_bench.core.errors import ConfigError, UnknownName
from t2m_bench.core.recipe import recipes
from t2m_bench.core.resources import resource
from t2m_bench.data.catalog import datasets
from t2m_bench.data.ledger import LedgerRow, add_rows, available_digest, record
from t2m_bench.data.manifest import ClipRow, read_manifest

_PLUGIN_CARD = """
name = "{name}"
title = "Mine"
summary = "One clip."
license = "CC0-1.0"
entry = "t2m_test_{name}:clips"
languages = ["de"]
recipe = "native"
how_to_get = "Ask me"
[split]
train_fraction = 0.5
"""
_LOADER = """
from dataclasses import dataclass
@dataclass
class Fake:
    id: str
def clips(card, folder, root):
    return [Fake(name) for name in {names}]
"""


def _plugin(root: Path, name: str, names: list[str]) -> None:
    folder = root / "datasets" / name
    folder.mkdir(parents=True)
    (folder / "dataset.toml").write_text(_PLUGIN_CARD.format(name=name))
    (folder / f"t2m_test_{name}.py").write_text(_LOADER.format(names=names))


def test_the_built_in_datasets_are_there_and_their_cards_are_sound() -> None:
    registry = datasets()
    assert {"demo", "folder", "hdtf"} <= set(registry)
    for name in ("demo", "folder", "hdtf"):
        card = registry.get(name).card
        assert card.name == name
        assert card.recipe in recipes()
        assert card.split.train_fraction == 0.75
        assert not card.how_to_get.endswith(".")  # errors add the stop
    assert registry.get("demo").card.synthetic and "synthetic" in registry.get("demo").card.title.lower()
    assert registry.get("demo").card.languages == ("en", "cmn")
    assert not registry.get("hdtf").card.synthetic
    assert registry.get("folder").card.raw and not registry.get("hdtf").card.raw


def test_hdtf_says_both_ways_to_name_its_folder() -> None:
    text = datasets().get("hdtf").card.how_to_get
    assert "--data-root" in text and "T2M_DATA" in text and "512x512" in text and "25 fps" in text


def test_an_unknown_dataset_gets_a_suggestion() -> None:
    with pytest.raises(UnknownName, match=r"Unknown dataset 'hdft'\. Did you mean 'hdtf'"):
        datasets().get("hdft")


def test_a_dataset_of_a_plug_in_folder_brings_its_own_loader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _plugin(tmp_path, "mine", ["b", "a"])
    monkeypatch.setenv("T2M_PLUGINS", str(tmp_path))
    entry = datasets().get("mine")
    assert entry.folder == tmp_path / "datasets" / "mine"
    assert [clip.id for clip in entry.clips(None)] == ["a", "b"]


def test_two_clips_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _plugin(tmp_path, "twins", ["a", "a"])
    monkeypatch.setenv("T2M_PLUGINS", str(tmp_path))
    with pytest.raises(ConfigError, match="Dataset 'twins' has several clips called 'a'"):
        datasets().get("twins").clips(None)


def test_a_plug_in_may_not_replace_a_built_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(resource("datasets", "hdtf"), tmp_path / "datasets" / "hdtf")
    monkeypatch.setenv("T2M_PLUGINS", str(tmp_path))
    with pytest.raises(ConfigError, match=r"dataset 'hdtf' of .* is already defined by .*dataset\.toml"):
        datasets()


def test_a_card_with_an_unknown_key_names_the_file_and_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _plugin(tmp_path, "odd", ["a"])
    path = tmp_path / "datasets" / "odd" / "dataset.toml"
    path.write_text("colour = 'red'\n" + path.read_text())
    monkeypatch.setenv("T2M_PLUGINS", str(tmp_path))
    with pytest.raises(ConfigError, match=r"odd/dataset\.toml: field 'colour'"):
        datasets().get("odd")


def test_digests_tell_which_clips_were_at_hand(tmp_path: Path) -> None:
    entry = datasets().get("demo")
    clips = entry.clips()
    whole = entry.digests(clips)
    assert whole["clips"] == 2 and "manifest" not in whole
    assert entry.digests(clips[::-1]) == whole
    assert entry.digests(clips[:1])["available"] != whole["available"]
    manifest = datasets().get("hdtf").digests(clips)["manifest"]
    assert manifest == read_manifest(resource("datasets") / "hdtf" / "clips.csv").digest


def test_digests_of_prepared_clips_are_those_of_their_ledger(tmp_path: Path) -> None:
    row = ClipRow(id="a", speaker="s", language="en", video="a")
    add_rows(tmp_path, [row])
    done = {"id": "a", "status": "ok", "date": "2026-01-01T00:00:00+00:00", "video_sha256": "0" * 64}
    record(tmp_path, LedgerRow(**done))
    clip = replace(datasets().get("demo").clips()[0], video=tmp_path / "a.mp4")
    found = datasets().get("hdtf").digests([clip])
    assert found == available_digest(tmp_path) and found["clips"] == 1
