"""The methods there are, and how one is made from its card."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from t2m_bench.core.card import MethodCard, read_card
from t2m_bench.core.errors import ConfigError, UnknownName
from t2m_bench.core.method import Method
from t2m_bench.core.plugins import CardSource, card_sources, check_name, load_entry
from t2m_bench.core.registry import Registry, suggest

_HERE = Path(__file__).parent
_DUTIES = ("identity", "fit", "synthesize")


def methods() -> Registry[MethodCard]:
    """All method cards by name. Cards are read on first use; a plug-in may not replace a built-in.

    Raises:
        ConfigError: two methods claim one name, or a folder of `T2M_PLUGINS` is missing.
    """
    registry: Registry[MethodCard] = Registry("method")
    for source in _sources():
        registry.register(source.name, partial(_card, source), origin=source.origin)
    return registry


def make_method(
    card: MethodCard, preset: str | None = None, settings: Mapping[str, str] | None = None
) -> Method:
    """The method of `card`, bound to a preset and settings.

    Args:
        card: from `methods()`.
        preset: one of `card.presets`; the card's default if None.
        settings: values that replace those of the preset; the method refuses keys it does not know.

    Raises:
        UnknownName: the preset or a setting is unknown; suggests the nearest.
        ConfigError: the card's entry cannot be loaded or is no method.
    """
    preset = preset or card.default_preset
    if preset not in card.presets:
        raise UnknownName(
            f"Unknown preset {preset!r} of method {card.name!r}", hint=suggest(preset, card.presets)
        )
    kind = load_entry(card.entry, _plugin_folder(card.name))
    missing = [duty for duty in _DUTIES if not callable(getattr(kind, duty, None))]
    if not isinstance(kind, type) or missing:
        lack = f"it has no {missing[0]}" if missing else "it is no class"
        raise ConfigError(
            f"{card.entry!r} of method {card.name!r} cannot be used as a method: {lack}",
            hint="Write a class as t2m_bench.core.method.Method describes it",
        )
    method: Method = kind(card, preset, dict(settings or {}))
    return method


def _sources() -> list[CardSource]:
    builtin = [*_HERE.glob("*/method.toml"), *(_HERE / "controls").glob("*.toml")]
    return list(card_sources("method", builtin))


def _card(source: CardSource) -> MethodCard:
    card = read_card(MethodCard, source.locate())
    check_name(source, card.name)
    return card


def _plugin_folder(name: str) -> Path | None:
    return next((source.folder for source in _sources() if source.name == name), None)
