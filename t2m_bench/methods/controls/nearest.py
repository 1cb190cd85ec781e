"""`nearest`: for each test frame the training frame whose landmarks are nearest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.method import Request
from t2m_bench.core.subject import Footage
from t2m_bench.media.writer import as_output_error
from t2m_bench.methods.controls.control import Control, Frame


class Nearest(Control):
    """The best that can be had by only showing training frames again, for an oracle that knows the real landmarks.

    Landmarks are those of the tracks: 478 points, x and y in pixels, not centred, so that where the head is counts too.
    """

    def frames(self, request: Request, workdir: Path) -> Iterator[Frame]:
        """The chosen training frames, in the order of the test frames."""
        train = request.subject.train
        chosen = nearest_frames(
            self.held_out(request).track.landmarks[..., :2],
            train.track.landmarks[..., :2],
            train.track.valid,
        )
        yield from frames_in_order(train, chosen, request.size, workdir)


def nearest_frames(
    wanted: NDArray[np.float32],  # [N, P, 2]
    offered: NDArray[np.float32],  # [T, P, 2]
    valid: NDArray[np.bool_],  # [T]
) -> NDArray[np.intp]:
    """For each set of points in `wanted` the index of the set in `offered` with the least sum of squared distances.

    Args:
        wanted: points, [N, P, 2].
        offered: points, [T, P, 2].
        valid: which of `offered` may be chosen, [T]; all where none may.

    Returns:
        Indices into `offered`, [N]; the first of several equally near.
    """
    indices = np.flatnonzero(valid) if valid.any() else np.arange(len(offered))
    pool = offered[indices].reshape(len(indices), -1).astype(np.float64)  # [V, 2P]
    best = [int(np.square(pool - points.reshape(-1)).sum(axis=1).argmin()) for points in wanted]
    return indices[best]


def frames_in_order(
    footage: Footage, order: NDArray[np.intp], size: tuple[int, int], workdir: Path
) -> Iterator[Frame]:
    """Yield the frames of `footage` with the numbers `order`, which may repeat and go back.

    The footage is decoded once; the frames wanted wait in a file in `workdir`, so that memory stays constant.
    """
    place = {int(number): index for index, number in enumerate(np.unique(order))}
    path = workdir / "frames.raw"
    width, height = size
    length = height * width * 3
    try:
        with as_output_error(path), path.open("w+b") as store:
            for number, frame in enumerate(footage.frames(size)):
                if number in place:
                    store.write(frame.tobytes())
            for number in order:
                store.seek(place[int(number)] * length)
                yield np.frombuffer(store.read(length), np.uint8).reshape(height, width, 3)
    finally:
        path.unlink(missing_ok=True)
