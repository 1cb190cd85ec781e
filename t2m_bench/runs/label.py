"""Method labels (`talk2me@tiny+lpe=off`) and the folder names made of labels and clip ids."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from t2m_bench.core.card import MethodCard
from t2m_bench.core.digest import digest_of
from t2m_bench.core.errors import ConfigError

_LONGEST_NAME = 120
"""Bytes: file systems take 255, and temporary names need some of them."""


@dataclass(frozen=True)
class MethodChoice:
    """A method with the preset and settings it is run with."""

    card: MethodCard
    preset: str
    settings: tuple[tuple[str, str], ...] = ()
    """Sorted by key."""

    @property
    def label(self) -> str:
        """The method's name, then what differs from its defaults: `talk2me`, `talk2me@tiny+lpe=off`."""
        preset = "" if self.preset == self.card.default_preset else f"@{self.preset}"
        return self.card.name + preset + "".join(f"+{key}={value}" for key, value in self.settings)


def parse_label(text: str) -> tuple[str, str | None, dict[str, str]]:
    """Split a label into name, preset (None if not named) and settings.

    Raises:
        ConfigError: it is no label.
    """
    head, *parts = text.strip().split("+")
    name, at, preset = head.partition("@")
    if not name or (at and not preset):
        raise ConfigError(
            f"{text!r} names no method", hint="Write it as talk2me, talk2me@tiny or talk2me+lpe=off"
        )
    return name, preset or None, parse_settings(parts)


def parse_settings(parts: list[str]) -> dict[str, str]:
    """Read `key=value` texts.

    Raises:
        ConfigError: a text is not of that form, or a key is given twice with different values.
    """
    settings: dict[str, str] = {}
    for part in parts:
        key, equals, value = (side.strip() for side in part.partition("="))
        if not key or not equals or not value:
            raise ConfigError(
                f"The setting {part!r} is not of the form key=value", hint="Write it as lpe=off"
            )
        if settings.setdefault(key, value) != value:
            raise ConfigError(f"The setting {key!r} is given twice, as {settings[key]!r} and {value!r}")
    return settings


def make_choice(card: MethodCard, preset: str, settings: Mapping[str, str]) -> MethodChoice:
    """A choice with its settings in order."""
    return MethodChoice(card, preset, tuple(sorted(settings.items())))


def folder_name(text: str) -> str:
    """`text` as the name of one folder on any file system; different texts get different names.

    Letters of all scripts, digits and `_ @ + = , . -` stay, others become `%XX`; so does a leading dot, which would
    hide the folder. A name too long for a file system is cut and ends in a digest.
    """
    name = re.sub(r"[^\w@+=,.-]|^\.", _percent, text)
    if len(name.encode()) <= _LONGEST_NAME:
        return name or "%"
    head = name.encode()[: _LONGEST_NAME - 13].decode(errors="ignore")
    return f"{head}-{digest_of(text)}"


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match.group().encode())
