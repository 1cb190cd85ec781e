from __future__ import annotations

import stat
from pathlib import Path

import pytest

from t2m_bench.core.atomic import atomic_folder, move_folder


def test_a_folder_is_moved_whole_and_can_be_opened_by_others(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "file").write_text("content")
    source.chmod(0o700)
    target = move_folder(source, tmp_path / "not" / "yet" / "there")
    assert (target / "deep" / "file").read_text() == "content"
    assert not source.exists()
    assert stat.S_IMODE(target.stat().st_mode) == 0o755


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    for name in ("source", "target"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    with pytest.raises(FileExistsError, match="target already exists"):
        move_folder(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "source" / "file").read_text() == "source"
    assert (tmp_path / "target" / "file").read_text() == "target"


def test_a_folder_made_atomically_can_be_opened_by_others(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "made") as folder:
        (folder / "file").write_text("")
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o755
