"""`frozen`: the first training frame, held."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from t2m_bench.core.method import Request
from t2m_bench.methods.controls.control import Control, Frame


class Frozen(Control):
    """A photograph: the least that a talking head must beat."""

    def frames(self, request: Request, workdir: Path) -> Iterator[Frame]:
        """The first frame of the training part, as often as asked."""
        first = next(request.subject.train.frames(request.size))
        for _ in range(request.frames):
            yield first
