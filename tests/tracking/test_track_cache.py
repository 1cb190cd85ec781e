from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from t2m_bench.core.errors import OutputError
from t2m_bench.core.track import Track
from t2m_bench.tracking.cache import load_entry, load_or_make


def tiny_track(frames: int = 2) -> Track:
    return Track(
        landmarks=np.zeros((frames, 478, 3), np.float32),
        blendshapes=np.zeros((frames, 52), np.float32),
        pose=np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1)),
        ear=np.zeros((frames, 2), np.float32),
        box=np.zeros((frames, 4), np.float32),
        valid=np.ones(frames, np.bool_),
        size=(64, 48),
        fps=25.0,
        fov_deg=20.0,
        source="test",
    )


def test_failure_leaves_no_entry(tmp_path: Path) -> None:
    def fail(new: Path) -> Track:
        (new / "matte.mkv").write_bytes(b"half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        load_or_make(tmp_path / "cache" / "key", fail)
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    assert load_entry(tmp_path / "cache" / "key") is None


def test_two_callers_make_one_entry(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(new: Path) -> Track:
        made.append(new)
        (new / "matte.mkv").write_bytes(b"matte")
        return replace(tiny_track(), matte=new / "matte.mkv")

    results: list[Track] = []
    threads = [
        threading.Thread(target=lambda: results.append(load_or_make(tmp_path / "key", make)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and len(results) == 4
    assert {track.matte for track in results} == {tmp_path / "key" / "matte.mkv"}
    assert not made[0].exists()


def test_entry_of_an_older_layout_is_no_hit(tmp_path: Path) -> None:
    load_or_make(tmp_path / "key", lambda _: tiny_track())
    assert load_entry(tmp_path / "key") is not None
    (tmp_path / "key" / "seal.json").write_text("{}")
    assert load_entry(tmp_path / "key") is None


def test_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written .*Free some disk or name another cache folder"):
        load_or_make(tmp_path / "file" / "key", lambda _: tiny_track())
