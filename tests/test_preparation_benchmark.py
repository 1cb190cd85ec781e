"""The benchmark of preparation runs, and says whether its goal is reached."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from t2m_bench.media.video import VideoWriter

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


def test_it_runs_on_the_demo(tmp_path: Path, demo_clips: Path) -> None:
    file = tmp_path / "figures.json"
    command = [sys.executable, str(FOLDER / "preparation.py"), str(demo_clips / "demo_en.mp4")]
    options = ["--seconds", "1", "--repeats", "1", "--json", str(file)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, cwd=tmp_path)
    facts = json.loads(file.read_text(encoding="utf-8"))
    assert done.stderr == "" and "times real time on one core" in done.stdout
    assert facts["frames"] == 25 and facts["seconds"] == 1.0
    assert all(value > 0 for value in facts["stages_ms"].values())
    assert done.returncode == (0 if facts["times_real_time"] >= 4 else 1)


def test_the_window_is_the_largest_square_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    benchmark = importlib.import_module("preparation")
    import numpy as np

    with VideoWriter(tmp_path / "a.mp4", 25, (96, 64), audio=(np.zeros(16000, np.float32), 16000)) as video:
        video.write(np.zeros((64, 96, 3), np.uint8))
    row = benchmark.clip_row(tmp_path / "a.mp4", 1.0, None)
    assert (row.x, row.y, row.width, row.reference_height) == (16, 0, 64, 64)
