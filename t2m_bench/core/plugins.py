"""Where cards come from beside this package: entry points of installed packages and folders named in `T2M_PLUGINS`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from t2m_bench.core.errors import ConfigError
from t2m_bench.core.registry import load_attribute

FOLDERS = "T2M_PLUGINS"
"""Environment variable with the folders to look through, separated as in `PATH`."""


@dataclass(frozen=True)
class CardSource:
    """One card that is there to be read."""

    name: str
    """What the registry calls it, before the card is read."""
    origin: str
    """Where it comes from, for messages."""
    locate: Callable[[], Path]
    """Finds the card's file; an entry point is only imported now."""
    folder: Path | None = None
    """Folder of a plug-in's own modules; None where they are importable anyway."""


def card_sources(kind: str, builtin: Iterable[Path]) -> Iterator[CardSource]:
    """All cards of a kind: the built-in ones, those of entry points, those of plug-in folders.

    Args:
        kind: `method` or `dataset`. The entry-point group is `t2m_bench.<kind>s`, whose entries name a `Path` to a
            card file or a function that returns one; a plug-in folder has `<kind>s/<name>/<kind>.toml`.
        builtin: files of the built-in cards. A file called `<kind>.toml` takes its name from its folder.

    Raises:
        ConfigError: a folder named in `T2M_PLUGINS` is not there.
    """
    for path in sorted(builtin):
        name = path.parent.name if path.stem == kind else path.stem
        yield CardSource(name, str(path), partial(Path, path))
    for entry in sorted(metadata.entry_points(group=f"t2m_bench.{kind}s"), key=lambda entry: entry.name):
        yield CardSource(entry.name, f"entry point {entry.value!r}", partial(_entry_path, entry))
    for root in plugin_folders():
        for path in sorted(root.glob(f"{kind}s/*/{kind}.toml")):
            yield CardSource(path.parent.name, str(path), partial(Path, path), path.parent)


def plugin_folders() -> list[Path]:
    """The folders of `T2M_PLUGINS`, absolute.

    Raises:
        ConfigError: one of them is not there.
    """
    folders = []
    for text in filter(None, os.environ.get(FOLDERS, "").split(os.pathsep)):
        folder = Path(text).expanduser().absolute()
        if not folder.is_dir():
            raise ConfigError(f"{FOLDERS} names {folder}, which is not a folder", hint=f"Correct {FOLDERS}")
        folders.append(folder)
    return folders


def check_name(source: CardSource, name: str) -> None:
    """Refuse a card whose name is not the one it is found under.

    Raises:
        ConfigError: they differ.
    """
    if name != source.name:
        raise ConfigError(
            f"{source.origin}: the card calls itself {name!r} but is found as {source.name!r}",
            hint="Make the two names equal",
        )


def load_entry(target: str, folder: Path | None) -> Any:
    """The object named by `module:Attribute`, whose module may lie in a plug-in's `folder`.

    The folder is put at the end of the import path and stays there, since a plug-in may import its neighbours late.

    Raises:
        ConfigError: it cannot be loaded, or another module of that name hides the plug-in's.
    """
    if folder is None:
        return load_attribute(target)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    thing = load_attribute(target)
    top = target.partition(":")[0].partition(".")[0]
    if (folder / f"{top}.py").is_file() or (folder / top / "__init__.py").is_file():
        loaded = Path(str(getattr(import_module(top), "__file__", "") or "")).absolute()
        if not loaded.is_relative_to(folder):
            raise ConfigError(
                f"Module {top!r} of {folder} is hidden by {loaded}",
                hint="Give the plug-in's module another name",
            )
    return thing


def _entry_path(entry: metadata.EntryPoint) -> Path:
    thing = load_attribute(f"{entry.module}:{entry.attr}")
    path = thing() if callable(thing) else thing
    if not isinstance(path, str | Path) or not Path(path).is_file():
        raise ConfigError(f"Entry point {entry.name!r} ({entry.value}) gives {path!r}, which is no card file")
    return Path(path)
