from __future__ import annotations

import ctypes
import json
from pathlib import Path
from typing import Any

import pytest

from t2m_bench.cli import main
from t2m_bench.runs import doctor


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as caught:
        main(["doctor", *arguments])
    code = caught.value.code
    assert isinstance(code, int)
    return code, capsys.readouterr().out


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the import of MediaPipe, which takes seconds."""
    monkeypatch.setattr(doctor, "_mediapipe", lambda: doctor.Check("mediapipe", "ok", "not looked at"))
    monkeypatch.setenv("T2M_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("T2M_ASSETS", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("quick")
def test_missing_assets_are_a_warning_not_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = call(capsys)
    assert code == 0
    assert "warn  asset face_landmarker: missing; needed by tracking" in shown
    assert "t2m-bench assets fetch face_landmarker" in shown
    assert "codecs: libx264, aac, ffv1" in shown
    checks = json.loads(call(capsys, "--json")[1])["checks"]
    assert {"python", "torch", "opencv", "codecs", "cache folder"} <= {check["name"] for check in checks}


@pytest.mark.usefixtures("quick")
def test_optional_assets_may_be_absent_and_must_be_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "ok    asset fan2d4: not here; only landmark backend fan needs it" in call(capsys)[1]
    (tmp_path / "rvm_mobilenetv3_fp32.torchscript").write_bytes(b"weights")
    monkeypatch.setenv("T2M_ASSETS", str(tmp_path))
    code, shown = call(capsys)
    assert code == 0
    assert "warn  asset rvm_mobilenetv3:" in shown and "has no published hash, and none was stated" in shown


@pytest.mark.usefixtures("quick")
def test_what_must_be_mended_gives_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "face_landmarker.task").write_bytes(b"something else")
    monkeypatch.setenv("T2M_ASSETS", str(tmp_path))
    code, shown = call(capsys)
    assert code == 1
    assert "fail  asset face_landmarker:" in shown and "is not the expected file" in shown


def test_missing_system_libraries_name_the_one_line_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", absent)
    monkeypatch.setattr(doctor.sys, "platform", "linux")
    checks = list(doctor._system_libraries())
    assert [check.state for check in checks] == ["warn"] * 3
    assert all("apt-get install -y libgl1 libegl1 libgles2" in check.hint for check in checks)


def test_two_opencv_packages_are_a_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"opencv-python", "opencv-contrib-python"}
    monkeypatch.setattr(doctor, "package_version", lambda name: "5.0" if name in there else None)
    check = doctor._opencv()
    assert check.state == "warn"
    assert "opencv-python and opencv-contrib-python are both installed" in check.found


def test_a_library_that_cannot_be_imported_and_a_missing_codec_fail() -> None:
    assert doctor._library("no_such_library").state == "fail"
    check = doctor._codecs(("libx264", "no_such_codec"))
    assert (check.state, "no_such_codec" in check.found) == ("fail", True)


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    assert doctor._folder("cache folder", tmp_path / "not" / "yet").state == "ok"
    if Path("/proc/self").is_dir():
        check = doctor._folder("cache folder", Path("/proc/here"))
        assert check.state == "warn"
        assert "cannot be written" in check.found
