"""How fast `t2m-bench datasets prepare` cuts a clip on one core, and where the time goes.

python benchmarks/preparation.py VIDEO [--seconds 20] [--window X Y SIDE] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import torch

from t2m_bench.core.digest import file_sha256
from t2m_bench.core.method import SilentReporter
from t2m_bench.data import preparation
from t2m_bench.data.cropping import window_crop
from t2m_bench.data.manifest import ClipRow
from t2m_bench.media.audio import read_audio_span
from t2m_bench.media.cutting import Cutter
from t2m_bench.media.video import iter_timed_at
from t2m_bench.media.writer import VideoWriter

GOAL = 4.0
"""Times real time on one core, without matting."""


def clip_row(video: Path, seconds: float, window: tuple[int, int, int] | None) -> ClipRow:
    """The first `seconds` of a video, cut to `window` (left, top, side), or to the largest square in its middle."""
    width, height = preparation.look_at(video).size
    side = min(width, height)
    x, y, side = window or ((width - side) // 2, (height - side) // 2, side)
    return ClipRow(
        id="clip", speaker="someone", language="und", video="clip", end=seconds,
        x=x, y=y, width=side, height=side, reference_height=height,
    )  # fmt: skip


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of a call, of all threads, and what it gave."""
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def stages(row: ClipRow, video: Path, folder: Path) -> dict[str, float]:
    """Milliseconds a frame of each stage, one frame after another as a preparation does it."""
    source = preparation.look_at(video)
    crop = window_crop(row, source.size)
    cutter = Cutter(
        source.stored,
        source.orientation,
        corner=(crop.x, crop.y),
        side=crop.side,
        stretch=source.stretch,
        out=preparation.SIDE,
    )
    spent = {"decode": 0.0, "cut and resize": 0.0, "encode": 0.0}
    frames = iter_timed_at(video, preparation.FPS, end=row.end, threads=1)
    first = next(frames)[0]
    matrix = cutter.cut(first.frame)[1]
    count, size = 1, (preparation.SIDE, preparation.SIDE)
    with VideoWriter(folder / "x.mp4", 25, size, crf=8, preset="superfast", matrix=matrix) as writer:
        while True:
            seconds, found = timed(lambda: next(frames, None))
            spent["decode"] += seconds
            if found is None:
                break
            timed_frame, repeats = found
            seconds, (cut, _) = timed(partial(cutter.cut, timed_frame.frame))
            spent["cut and resize"] += seconds
            for _ in range(repeats):
                spent["encode"] += timed(partial(writer.write_yuv, cut))[0]
                count += 1
    length = Fraction(count, preparation.FPS)
    spent["sound"] = timed(lambda: read_audio_span(video, preparation.RATE, first.time, length))[0]
    spent["hash"] = timed(lambda: (file_sha256(folder / "x.mp4"), file_sha256(video)))[0]
    return {name: 1e3 * seconds / count for name, seconds in spent.items()}


def measure(video: Path, row: ClipRow, repeats: int) -> dict[str, Any]:
    """Figures of whole preparations and of their stages."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def whole() -> preparation.Prepared:
            made = preparation.prepare_clip(row, video, folder, "none", SilentReporter())
            assert made.hashes
            return made

        warm = row.model_copy(update={"end": min(1.0, row.end or 1.0)})
        preparation.prepare_clip(warm, video, folder, "none", SilentReporter())
        runs = [timed(whole) for _ in range(repeats)]
        size = (folder / "clip.mp4").stat().st_size
        seconds = runs[0][1].seconds
        return {
            "seconds": seconds,
            "frames": runs[0][1].frames,
            "processor_seconds": [round(spent, 3) for spent, _ in runs],
            "times_real_time": seconds / statistics.median(spent for spent, _ in runs),
            "kilobytes_a_frame": size / 1000 / runs[0][1].frames,
            "stages_ms": stages(row, video, folder),
        }


def main() -> int:
    """Print the figures; exit code 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--window", type=int, nargs=3, metavar=("X", "Y", "SIDE"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    torch.set_num_threads(1)
    facts = measure(told.video, clip_row(told.video, told.seconds, told.window), told.repeats)
    print(f"{facts['frames']} frames, {facts['seconds']:.1f} s, {facts['kilobytes_a_frame']:.1f} kB a frame")
    for name, milliseconds in facts["stages_ms"].items():
        print(f"  {name:16} {milliseconds:6.2f} ms a frame")
    reached = facts["times_real_time"] >= GOAL
    print(
        f"{'reached' if reached else 'missed'}: {facts['times_real_time']:.2f} times real time on one core, "
        f"at least {GOAL:g} wanted"
    )
    if told.json:
        told.json.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
