"""`log.txt` of a unit: what its stages did and when, and the traceback of a failure."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import TextIO

from t2m_bench.core.method import Reporter
from t2m_bench.runs.folder import writing

_SECONDS_BETWEEN_LINES = 5.0


class UnitLog:
    """A `Reporter` that writes a unit's log and passes progress on under the unit's title.

    Lines that methods log go to the file only; a terminal shows what stage is on and how far it is.
    """

    def __init__(self, path: Path, title: str, outer: Reporter) -> None:
        self._path = path
        self._title = title
        self._outer = outer
        self._file: TextIO | None = None
        self._started = time.monotonic()
        self._last_line = 0.0
        self._done = 0
        self._total: int | None = None

    def __enter__(self) -> UnitLog:
        with writing(self._path):
            self._file = self._path.open("w", encoding="utf-8", buffering=1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with writing(self._path):
                self._file.close()
            self._file = None

    def stage(self, name: str, total: int | None = None) -> None:
        """Begin a stage."""
        self._done, self._total = 0, total
        self._write(f"-- {name}" + (f" ({total} steps)" if total else ""))
        self._outer.stage(f"{self._title}: {name}", total)

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count steps; a line at most every five seconds."""
        self._done += steps
        if time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            of = f"/{self._total}" if self._total else ""
            self._write(f"   {self._done}{of} {note}".rstrip())
        self._outer.advance(steps, note)

    def log(self, text: str) -> None:
        """One line."""
        self._write(text)

    def failure(self, error: BaseException) -> None:
        """The traceback of what ended the unit; `T2M_DEBUG=1` also shows it."""
        text = "".join(traceback.format_exception(error)).rstrip()
        self._write(text)
        if os.environ.get("T2M_DEBUG") == "1":
            self._outer.log(text)

    def _write(self, text: str) -> None:
        self._last_line = time.monotonic()
        if self._file is not None:
            with writing(self._path):
                self._file.write(f"[{self._last_line - self._started:8.1f} s] {text}\n")
