"""Reporters for people: bars on a terminal, plain lines elsewhere. Both write to stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from t2m_bench.core.method import Reporter

SECONDS_BETWEEN_LINES = 5.0


class PlainReporter:
    """Lines for logs: every finished unit, and every five seconds how far the present stage is."""

    def __init__(self, stream: TextIO, every: float = SECONDS_BETWEEN_LINES) -> None:
        self._stream = stream
        self._every = every
        self._stage = ""
        self._done = 0
        self._total: int | None = None
        self._last = time.monotonic()

    def stage(self, name: str, total: int | None = None) -> None:
        """Begin a stage; its name is printed when it lasts."""
        self._stage, self._total, self._done = name, total, 0
        self._print_if_due("")

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count steps."""
        self._done += steps
        self._print_if_due(note)

    def log(self, text: str) -> None:
        """One line, at once."""
        self._print(text)

    def _print_if_due(self, note: str) -> None:
        if time.monotonic() - self._last >= self._every:
            count = f" {self._done}/{self._total}" if self._total else f" {self._done}" if self._done else ""
            self._print(f"  {self._stage}{count}{f' ({note})' if note else ''}")

    def _print(self, text: str) -> None:
        self._last = time.monotonic()
        print(text, file=self._stream, flush=True)


class RichReporter:
    """One bar for the present stage, with finished units above it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def stage(self, name: str, total: int | None = None) -> None:
        """Replace the bar."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(name, total=total, note="")

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Move the bar."""
        if self._task is None:
            self.stage("working")
        assert self._task is not None
        if note:
            self._progress.update(self._task, advance=steps, note=note)
        else:
            self._progress.update(self._task, advance=steps)

    def log(self, text: str) -> None:
        """One line above the bar."""
        from rich.text import Text

        self._progress.console.print(Text(text))


@contextmanager
def open_reporter() -> Iterator[Reporter]:
    """The reporter that suits stderr."""
    if not sys.stderr.isatty():
        yield PlainReporter(sys.stderr)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeElapsedColumn
    from rich.text import Text

    class Count(MofNCompleteColumn):
        """Steps done of steps expected; nothing where no number is expected."""

        def render(self, task: Task) -> Text:
            return super().render(task) if task.total else Text()

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        Count(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True, highlight=False), transient=True) as progress:
        yield RichReporter(progress)
