"""`real`: the held-out frames themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from t2m_bench.core.method import Request
from t2m_bench.methods.controls.control import Control, Frame


class Real(Control):
    """The real frames: every metric must call them perfect. What it does not is an error of the metric."""

    def frames(self, request: Request, workdir: Path) -> Iterator[Frame]:
        """The held-out frames on white."""
        yield from self.held_out(request).frames(request.size)
