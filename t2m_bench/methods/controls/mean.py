"""`mean`: the mean of all training frames, held."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from t2m_bench.core.method import Request
from t2m_bench.core.subject import Footage
from t2m_bench.methods.controls.control import Control, Frame


class Mean(Control):
    """The still picture with the least squared error on the training part: pixel metrics like its blur."""

    def frames(self, request: Request, workdir: Path) -> Iterator[Frame]:
        """The mean frame of the training part, as often as asked."""
        mean = mean_frame(request.subject.train, request.size)
        for _ in range(request.frames):
            yield mean


def mean_frame(footage: Footage, size: tuple[int, int]) -> Frame:
    """Mean of all frames at `size` (width, height), rounded half up, [H, W, 3] uint8; holds one frame at a time."""
    width, height = size
    total = np.zeros((height, width, 3), np.uint64)
    for frame in footage.frames(size):
        total += frame
    count = len(footage)
    return ((2 * total + count) // (2 * count)).astype(np.uint8)
