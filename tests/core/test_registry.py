"""Registry: names, typos, and who may define what."""

from __future__ import annotations

import pytest

from t2m_bench.core.errors import ConfigError, UnknownName
from t2m_bench.core.registry import Registry, check_keys, load_attribute, suggest


def _registry() -> Registry[int]:
    registry: Registry[int] = Registry("method")
    registry.register("talk2me", lambda: 1, origin="the package")
    registry.register("mean", lambda: 2, origin="the package")
    return registry


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Unknown method 'talk2m'. Did you mean 'talk2me'.") as caught:
        _registry().get("talk2m")
    assert caught.value.exit_code == 2


def test_nothing_near_lists_what_there_is() -> None:
    with pytest.raises(UnknownName, match="Unknown method 'zzz'. There is mean, talk2me."):
        _registry().get("zzz")
    assert suggest("x", []) == "There is none at all"


def test_same_name_twice_names_both() -> None:
    registry = _registry()
    with pytest.raises(ConfigError, match="method 'mean' of a plug-in is already defined by the package"):
        registry.register("mean", lambda: 3, origin="a plug-in")
    assert registry.get("mean") == 2


def test_entries_are_made_on_demand_only() -> None:
    made: list[str] = []
    registry: Registry[str] = Registry("thing")
    registry.register("a", lambda: made.append("a") or "a", origin="test")  # type: ignore[func-returns-value]
    assert list(registry) == ["a"]
    assert not made
    registry.get("a")
    assert made == ["a"]


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("json", "not of the form"),
        ("json:nothing", "cannot be loaded"),
        ("no_such_module_here:x", "cannot be loaded"),
    ],
)
def test_bad_entry_points(target: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_attribute(target)


def test_unread_keys_are_refused() -> None:
    check_keys({"steps": "1"}, ["steps"], "setting")
    with pytest.raises(UnknownName, match="Unknown setting 'stps'. Did you mean 'steps'."):
        check_keys({"stps": "1"}, ["steps"], "setting")
