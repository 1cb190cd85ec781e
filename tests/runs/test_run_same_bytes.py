"""`prediction.mp4` is a function of its frames: records hold its hash, and must be equal for equal inputs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from t2m_bench.media.writer import VideoWriter


@pytest.mark.parametrize("side", [64, 112, 200])
def test_the_same_frames_give_the_same_file_whatever_lay_in_memory_before(tmp_path: Path, side: int) -> None:
    """x264 with its defaults gave some forty different files here in a hundred tries."""
    rng = np.random.default_rng(0)
    down, right = np.mgrid[0:side, 0:side]
    found = set()
    for _ in range(25):
        junk = [rng.integers(0, 256, int(size), dtype=np.uint8) for size in rng.integers(1000, 3_000_000, 4)]
        del junk
        path = tmp_path / "video.mp4"
        with VideoWriter(path, 25, (side, side)) as video:
            for number in range(10):
                shades = (right * 3 + number * 2, down * 2 + number, down + right + number * 3)
                video.write((np.stack(shades, axis=-1) % 256).astype(np.uint8))
        found.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(found) == 1
