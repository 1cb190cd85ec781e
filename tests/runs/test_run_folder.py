from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from t2m_bench.core.errors import OutputBusy, OutputError
from t2m_bench.runs.folder import claim, is_disk_full, writing


def _made_by_us(out: Path) -> None:
    (out / "manifest.json").write_text('{"made_by": "t2m-bench"}')


def test_a_new_folder_is_made_and_left_without_work_files(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with claim(out) as claimed:
        assert claimed == out
        assert (out / ".work").is_dir()
    assert {path.name for path in out.iterdir()} <= {".lock"}


def test_leftovers_of_a_killed_run_are_cleared(tmp_path: Path) -> None:
    (tmp_path / ".work" / "half").mkdir(parents=True)
    (tmp_path / ".manifest.abc.part.json").write_text("{")
    with claim(tmp_path):
        assert not (tmp_path / ".work" / "half").exists()
        assert not (tmp_path / ".manifest.abc.part.json").exists()


@pytest.mark.parametrize("manifest", [None, "{}", '["t2m-bench"]', '{"made_by": "webpack"}', "not json"])
def test_a_foreign_folder_is_not_touched(tmp_path: Path, manifest: str | None) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    with (
        pytest.raises(
            OutputError, match="is not empty and was not made by a run of t2m-bench; nothing in it was"
        ),
        claim(tmp_path),
    ):
        pass
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_a_folder_of_ours_may_be_used_again(tmp_path: Path) -> None:
    _made_by_us(tmp_path)
    (tmp_path / "hdtf").mkdir()
    with claim(tmp_path):
        assert (tmp_path / "hdtf").is_dir()


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "results"
    path.write_text("mine")
    with (
        pytest.raises(OutputError, match="is a file, not a folder. Name another folder with --out"),
        claim(path),
    ):
        pass
    with pytest.raises(OutputError, match=r"cannot be written|is a file"), claim(path / "below"):
        pass
    assert path.read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a file system that refuses folders")
def test_a_place_that_cannot_be_written_is_named() -> None:
    with pytest.raises(OutputError, match=r"/proc/.* cannot be written"), claim(Path("/proc/t2m-results")):
        pass


def test_a_second_run_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    with claim(tmp_path):
        with pytest.raises(OutputBusy, match=rf"is in use by process {os.getpid()} on "), claim(tmp_path):
            pass
        assert (tmp_path / ".work").is_dir(), "the loser must not clear the winner's work"
    with claim(tmp_path):
        pass


def test_the_lock_dies_with_its_holder(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from t2m_bench.runs.folder import claim\n"
        "with claim(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(OutputBusy, match=f"process {holder.pid} on"), claim(tmp_path):
            pass
        holder.kill()
        holder.wait()
    assert json.loads((tmp_path / ".holder.json").read_text())["pid"] == holder.pid
    started = time.monotonic()
    with claim(tmp_path):
        assert time.monotonic() - started < 5


def test_a_full_disk_is_found_behind_other_errors() -> None:
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as cause:
            raise RuntimeError("encoder failed") from cause
    except RuntimeError as error:
        assert is_disk_full(error)
    assert is_disk_full(ValueError("I/O error: No space left on device (os error 28)"))
    assert is_disk_full(OSError(errno.EDQUOT, "Quota exceeded"))
    assert not is_disk_full(OSError(errno.EACCES, "Permission denied"))
    assert not is_disk_full(None)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_write_to_a_really_full_device_is_an_output_error() -> None:
    with pytest.raises(OutputError, match="The disk that holds .* is full; what was finished is kept"):  # noqa: SIM117
        with writing(Path("/dev/full")), Path("/dev/full").open("wb", buffering=0) as file:
            file.write(b"x")
