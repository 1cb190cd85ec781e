"""Cards of entry points and plug-in folders."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from t2m_bench.core import plugins
from t2m_bench.core.errors import ConfigError


def _sources(kind: str, builtin: list[Path] | None = None) -> dict[str, plugins.CardSource]:
    return {source.name: source for source in plugins.card_sources(kind, builtin or [])}


@pytest.fixture(autouse=True)
def _import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("T2M_PLUGINS", raising=False)


def test_a_built_in_card_is_named_after_its_file_or_after_its_folder(tmp_path: Path) -> None:
    found = _sources("method", [tmp_path / "real.toml", tmp_path / "talker" / "method.toml"])
    assert set(found) >= {"real", "talker"}
    assert found["talker"].locate() == tmp_path / "talker" / "method.toml"


def test_cards_in_a_plug_in_folder_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "methods" / f"m{name}").mkdir(parents=True)
        (tmp_path / name / "methods" / f"m{name}" / "method.toml").touch()
    monkeypatch.setenv("T2M_PLUGINS", f"{tmp_path / 'one'}:{tmp_path / 'two'}")
    found = _sources("method")
    assert found["mtwo"].folder == tmp_path / "two" / "methods" / "mtwo"
    assert "mone" in found and "mone" not in _sources("dataset")


def test_a_plug_in_folder_that_is_not_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T2M_PLUGINS", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"T2M_PLUGINS names .*nowhere, which is not a folder"):
        _sources("method")


def _entry_point(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    entry = metadata.EntryPoint("installed", value, "t2m_bench.methods")

    def entry_points(*, group: str) -> list[metadata.EntryPoint]:
        return [entry] if group == "t2m_bench.methods" else []

    monkeypatch.setattr(plugins.metadata, "entry_points", entry_points)


def test_an_entry_point_names_a_path_or_a_function_that_gives_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "card.toml").touch()
    (tmp_path / "t2m_test_installed.py").write_text(
        "from pathlib import Path\nCARD = Path(__file__).with_name('card.toml')\ndef card():\n    return CARD\n"
    )
    sys.path.append(str(tmp_path))
    for attribute in ("CARD", "card"):
        _entry_point(monkeypatch, f"t2m_test_installed:{attribute}")
        assert _sources("method")["installed"].locate() == tmp_path / "card.toml"
    assert _sources("dataset") == {}


def test_an_entry_point_is_not_imported_before_its_card_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    _entry_point(monkeypatch, "t2m_test_absent:CARD")
    source = _sources("method")["installed"]
    with pytest.raises(ConfigError, match="'t2m_test_absent:CARD' cannot be loaded"):
        source.locate()


def test_an_entry_point_that_gives_no_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    _entry_point(monkeypatch, "math:pi")
    with pytest.raises(
        ConfigError, match=r"Entry point 'installed' \(math:pi\) gives 3\.14\d+, which is no card"
    ):
        _sources("method")["installed"].locate()


def test_a_module_is_loaded_from_its_plug_in_folder(tmp_path: Path) -> None:
    (tmp_path / "t2m_test_neighbour.py").write_text("VALUE = 41\n")
    (tmp_path / "t2m_test_own.py").write_text(
        "import t2m_test_neighbour\nVALUE = t2m_test_neighbour.VALUE + 1\n"
    )
    assert plugins.load_entry("t2m_test_own:VALUE", tmp_path) == 42


def test_a_module_hidden_by_another_one_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("loads = None\n")
    with pytest.raises(ConfigError, match=r"Module 'json' of .* is hidden by .*json"):
        plugins.load_entry("json:loads", tmp_path)


def test_a_card_must_be_called_as_it_is_found(tmp_path: Path) -> None:
    source = plugins.CardSource("found", "here.toml", lambda: tmp_path)
    plugins.check_name(source, "found")
    with pytest.raises(
        ConfigError, match=r"here\.toml: the card calls itself 'other' but is found as 'found'"
    ):
        plugins.check_name(source, "other")
