"""The methods there are, and how they are made."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from t2m_bench.core.card import MethodCard
from t2m_bench.core.errors import ConfigError, UnknownName
from t2m_bench.methods.catalog import make_method, methods

CONTROLS = ("frozen", "mean", "nearest", "real", "shuffled")

_CARD = """
name = "{name}"
title = "Mine"
summary = "Nothing."
license = "CC0-1.0"
entry = "t2m_test_method_{name}:Mine"
category = "GAN"
fits = false
sees = []
code = []
"""
_METHOD = """
class Mine:
    def __init__(self, card, preset, settings):
        self.card, self.preset, self.settings = card, preset, settings
    def identity(self):
        return dict(self.settings)
    def fit(self, subject, workdir, seed, report):
        return workdir
    def synthesize(self, request, checkpoint, workdir, report):
        return workdir
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("T2M_PLUGINS", str(tmp_path))
    return tmp_path


def _add(root: Path, name: str, source: str = _METHOD) -> None:
    folder = root / "methods" / name
    folder.mkdir(parents=True)
    (folder / "method.toml").write_text(_CARD.format(name=name))
    (folder / f"t2m_test_method_{name}.py").write_text(source)


def _card(**changes: object) -> MethodCard:
    return methods().get("frozen").model_copy(update=changes)


def test_the_built_in_methods_are_there() -> None:
    assert {*CONTROLS, "talk2me"} <= set(methods())


@pytest.mark.parametrize("name", CONTROLS)
def test_each_control_has_a_sound_card_and_can_be_made(name: str) -> None:
    card = methods().get(name)
    assert card.category == "control" and not card.fits and card.drives == () and card.assets == ()
    assert card.oracle == ("test_frames" in card.sees)
    method = make_method(card)
    assert method.card == card and method.identity() == {"preset": "default"}


def test_an_unknown_method_gets_a_suggestion() -> None:
    with pytest.raises(UnknownName, match=r"Unknown method 'frosen'\. Did you mean 'frozen'"):
        methods().get("frosen")


def test_an_unknown_preset_gets_a_suggestion() -> None:
    card = _card(presets=("tiny", "small", "paper"), default_preset="small")
    with pytest.raises(UnknownName, match=r"Unknown preset 'smal' of method 'frozen'\. Did you mean 'small'"):
        make_method(card, "smal")
    assert make_method(card).identity() == {"preset": "small"}


def test_a_control_takes_no_settings() -> None:
    with pytest.raises(UnknownName, match=r"Unknown setting of method 'frozen', which has none: 'speed'"):
        make_method(methods().get("frozen"), settings={"speed": "2"})


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("t2m_bench.methods.nothing:Here", "cannot be loaded"),
        ("t2m_bench.methods.controls.frozen:Nothing", "cannot be loaded"),
        ("t2m_bench.methods.controls.frozen", "is not of the form 'package.module:Attribute'"),
        ("pathlib:Path", "cannot be used as a method: it has no identity"),
        (
            "t2m_bench.methods.controls.nearest:nearest_frames",
            "cannot be used as a method: it has no identity",
        ),
    ],
)
def test_an_entry_that_is_no_method_says_why(entry: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make_method(_card(entry=entry))


def test_an_object_with_the_right_functions_is_still_no_class() -> None:
    with pytest.raises(ConfigError, match="cannot be used as a method: it is no class"):
        make_method(_card(entry="unittest.mock:call"))


def test_a_method_of_a_plug_in_folder_brings_its_own_module(plugin: Path) -> None:
    _add(plugin, "mine")
    method = make_method(methods().get("mine"), settings={"a": "1"})
    assert method.identity() == {"a": "1"}


def test_a_plug_in_may_not_replace_a_built_in(plugin: Path) -> None:
    _add(plugin, "frozen")
    with pytest.raises(ConfigError, match=r"method 'frozen' of .* is already defined by .*frozen\.toml"):
        methods()


def test_a_card_in_a_folder_of_another_name_is_refused(plugin: Path) -> None:
    _add(plugin, "mine")
    (plugin / "methods" / "mine").rename(plugin / "methods" / "yours")
    with pytest.raises(ConfigError, match="the card calls itself 'mine' but is found as 'yours'"):
        methods().get("yours")
