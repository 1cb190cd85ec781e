"""The only module that renames: files and folders appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(target: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Give a temporary path beside `target`; rename it to `target` when the block ends without an error.

    The temporary name keeps the suffix of `target`, since encoders choose a container by it. Whatever the block
    leaves behind after an error is removed.

    Raises:
        FileExistsError: `target` exists and `overwrite` is False.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        prefix=f".{target.stem}.", suffix=f".part{target.suffix}", dir=target.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if not overwrite and target.exists():
            raise FileExistsError(f"{target} already exists")
        _fsync(temporary)
        temporary.chmod(0o644)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder beside `target`; rename it to `target` when the block ends without an error.

    A `target` that appeared meanwhile (another process made the same content-addressed result) wins, and ours is
    dropped.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        yield temporary
        temporary.chmod(0o755)  # mkdtemp gives a folder that only its owner can open
        try:
            temporary.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def move_folder(source: Path, target: Path) -> Path:
    """Rename the folder `source` to `target` on the same disk, its files safely on the disk first; return `target`.

    Raises:
        FileExistsError: there is something at `target`; nothing was moved.
    """
    if target.exists():
        raise FileExistsError(f"{target} already exists")
    for file in source.rglob("*"):
        if file.is_file():
            _fsync(file)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.chmod(0o755)
    return source.rename(target)


def move_file(source: Path, target: Path) -> Path:
    """Rename the file `source` to `target` on the same disk, safely on the disk first; what was there is replaced."""
    _fsync(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    return source.replace(target)


def write_text(path: Path, text: str) -> Path:
    """Write `text` as UTF-8 to `path`, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _fsync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
