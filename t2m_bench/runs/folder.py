"""The output folder: whether it may be used, who uses it now, and what a full disk means."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from t2m_bench.core.errors import OutputBusy, OutputError

MANIFEST = "manifest.json"
MADE_BY = "t2m-bench"
WORK = ".work"
"""Everything half done, on the disk of the results; emptied when a run starts."""
_LOCK = ".lock"
_HOLDER = ".holder.json"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_LEAST_ROOM = 64 << 10
"""Bytes."""


@contextmanager
def claim(out: Path) -> Iterator[Path]:
    """Take the output folder for one run, make it if need be, and clear what a killed run left half done.

    The lock is the operating system's, so it ends with the process that holds it, however that dies.

    Raises:
        OutputError: it is a file, holds something else than results, or cannot be written to; nothing was touched.
        OutputBusy: another run holds it.
    """
    out = out.expanduser()
    _check_ours(out)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / _LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise _busy(out) from error
        except NotImplementedError as error:
            raise OutputError(
                f"{out} is on a file system without locks", hint="Choose another folder"
            ) from error
    try:
        with writing(out):
            holder = {"pid": os.getpid(), "host": socket.gethostname()}
            (out / _HOLDER).write_text(json.dumps(holder), encoding="utf-8")
            _clear_leftovers(out)
        yield out
    finally:
        with suppress(OSError):
            (out / _HOLDER).unlink(missing_ok=True)
            shutil.rmtree(out / WORK)
        lock.release()


def _check_ours(out: Path) -> None:
    with writing(out):
        if out.exists() and not out.is_dir():
            raise OutputError(f"{out} is a file, not a folder", hint="Name another folder with --out")
        names = {path.name for path in out.iterdir()} if out.exists() else set()
    if not {name for name in names if not _is_leftover(name)} or is_result_folder(out):
        return
    raise OutputError(
        f"{out} is not empty and was not made by a run of {MADE_BY}; nothing in it was touched",
        hint="Name a new or empty folder with --out",
    )


def is_result_folder(out: Path) -> bool:
    """Whether a run made this folder: whether its manifest says so."""
    try:
        manifest = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("made_by") == MADE_BY


def _is_leftover(name: str) -> bool:
    """What a run that was killed before its first manifest may leave."""
    return name in (_LOCK, _HOLDER, WORK) or name.startswith(".manifest.")


def _busy(out: Path) -> OutputBusy:
    try:
        holder = json.loads((out / _HOLDER).read_text(encoding="utf-8"))
        who = f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        who = "another process"
    return OutputBusy(
        f"{out} is in use by {who}", hint="Wait until it is done, or name another folder with --out"
    )


def _clear_leftovers(out: Path) -> None:
    if (out / WORK).exists():
        shutil.rmtree(out / WORK)
    for path in out.glob(".manifest.*"):
        path.unlink()
    (out / WORK).mkdir()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the operating system says about writing under `path` into an `OutputError`."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise disk_full(path) from error
        place = error.filename or path
        raise OutputError(
            f"{place} cannot be written ({error.strerror or error})",
            hint="Check the permissions, or name another folder with --out",
        ) from error


def is_disk_full(error: BaseException | None) -> bool:
    """Whether a full disk (or quota) is what this error, or any that led to it, is about."""
    seen = 0
    while error is not None and seen < 20:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if os.strerror(errno.ENOSPC) in str(error):  # safetensors and others keep the text but not the number
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def has_no_room(path: Path) -> bool:
    """Whether the disk under `path` is full now: some libraries do not say why they could not write."""
    try:
        return shutil.disk_usage(path).free < _LEAST_ROOM
    except OSError:
        return False


def disk_full(path: Path) -> OutputError:
    """The error for a full disk under `path`."""
    return OutputError(
        f"The disk that holds {path} is full; what was finished is kept",
        hint="Free some space and run the same command again to go on",
    )
