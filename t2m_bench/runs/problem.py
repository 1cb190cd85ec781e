"""`Problem`: what ended a unit, and which errors end the whole run instead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from t2m_bench.core.errors import OutputError, T2MError
from t2m_bench.core.record import Failure
from t2m_bench.runs.folder import disk_full, has_no_room, is_disk_full

Stage = Literal["prepare", "fit", "synthesize", "score"]


@dataclass(frozen=True)
class Problem:
    """Why a unit has no numbers."""

    stage: Stage
    error: Exception

    def as_failure(self) -> Failure:
        """For the record. Errors that are not of this package have no remedy of their own, so the log is named."""
        error = self.error
        if isinstance(error, T2MError):
            return Failure(stage=self.stage, kind=error.kind, message=error.message, hint=error.hint)
        text = str(error).strip()
        first = text.splitlines()[0] if text else "no message"
        return Failure(
            stage=self.stage, kind=type(error).__name__, message=first, hint="log.txt has the whole traceback"
        )


def problem_of(stage: Stage, error: Exception, out: Path) -> Problem:
    """The problem that `error` is to one unit.

    Raises:
        OutputError: it is no unit's problem: the output folder or the disk cannot take any more.
    """
    if isinstance(error, OutputError):
        raise error
    if is_disk_full(error) or has_no_room(out):
        name = error.filename if isinstance(error, OSError) else None
        raise disk_full(Path(str(name)) if name else out) from error
    return Problem(stage, error)
