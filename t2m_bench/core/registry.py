"""One registry for methods, datasets, metrics and recipes: lazy, and kind to typos."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar

from t2m_bench.core.errors import ConfigError, UnknownName

T = TypeVar("T")


def suggest(name: str, known: Iterable[str]) -> str:
    """A sentence for an unknown `name`: what it may have meant, and what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(repr(item) for item in close)}"
    return f"There is {', '.join(names)}" if names else "There is none at all"


class Registry(Generic[T]):
    """Names to things that are made on first use.

    Args:
        kind: what the names stand for, as error messages say it (`method`).
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, tuple[Callable[[], T], str]] = {}

    def register(self, name: str, load: Callable[[], T], *, origin: str) -> None:
        """Add `name`. `origin` tells where it comes from, for the message when two claim one name.

        Raises:
            ConfigError: the name is taken.
        """
        if name in self._entries:
            raise ConfigError(
                f"{self.kind} {name!r} of {origin} is already defined by {self._entries[name][1]}",
                hint="Give the new one another name",
            )
        self._entries[name] = (load, origin)

    def get(self, name: str) -> T:
        """The thing called `name`.

        Raises:
            UnknownName: with the nearest known names.
        """
        if name not in self._entries:
            raise UnknownName(f"Unknown {self.kind} {name!r}", hint=suggest(name, self._entries))
        return self._entries[name][0]()

    def origin(self, name: str) -> str:
        """Where `name` comes from."""
        self.get(name)
        return self._entries[name][1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)


def load_attribute(target: str) -> Any:
    """The object named by `package.module:Attribute`.

    Raises:
        ConfigError: the text is malformed or names nothing.
    """
    module, separator, attribute = target.partition(":")
    if not separator:
        raise ConfigError(f"{target!r} is not of the form 'package.module:Attribute'")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{target!r} cannot be loaded ({error})") from error


def check_keys(given: Mapping[str, object], known: Iterable[str], what: str) -> None:
    """Refuse keys that nobody reads.

    Raises:
        UnknownName: names the first unknown key and the nearest known ones.
    """
    names = list(known)
    for key in given:
        if key not in names:
            raise UnknownName(f"Unknown {what} {key!r}", hint=suggest(key, names))
