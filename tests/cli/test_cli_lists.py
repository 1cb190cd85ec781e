from __future__ import annotations

import json
from pathlib import Path

import pytest

from t2m_bench.cli import main
from t2m_bench.core import assets


@pytest.fixture(autouse=True)
def _no_assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T2M_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("T2M_OFFLINE", "")
    for name in ("T2M_ASSETS", "T2M_PLUGINS"):
        monkeypatch.delenv(name, raising=False)


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    shown = capsys.readouterr()
    code = caught.value.code
    assert isinstance(code, int)
    return code, shown.out, shown.err


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("methods", {"talk2me", "real", "frozen", "mean", "nearest", "shuffled"}),
        ("datasets", {"demo", "hdtf", "folder"}),
        ("recipes", {"paper", "strict", "native"}),
    ],
)
def test_lists_and_shows(group: str, names: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, _ = call(capsys, group, "list")
    assert code == 0
    assert all(name in shown for name in names)
    listed = json.loads(call(capsys, group, "list", "--json")[1])[group]
    assert names <= {item["name"] for item in listed}
    for name in sorted(names):
        code, shown, _ = call(capsys, group, "show", name)
        assert code == 0 and name in shown
        assert json.loads(call(capsys, group, "show", name, "--json")[1])["name"] == name


def test_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, _ = call(capsys, "metrics", "list")
    assert code == 0
    assert "psnr@rgb" in shown and "lower is better" in shown
    ids = [item["id"] for item in json.loads(call(capsys, "metrics", "list", "--json")[1])["metrics"]]
    assert {"psnr@rgb", "lmd@mouth.px"} <= set(ids)
    assert json.loads(call(capsys, "metrics", "show", "psnr@rgb", "--json")[1])["unit"] == "dB"
    code, shown, _ = call(capsys, "metrics", "show", "psnr@rgb")
    assert code == 0 and "Peak signal-to-noise" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("methods", "show", "talk2mee"), "Unknown method 'talk2mee'. Did you mean 'talk2me'"),
        (("datasets", "show", "htdf"), "Unknown dataset 'htdf'. Did you mean 'hdtf'"),
        (("recipes", "show", "papper"), "Unknown recipe 'papper'. Did you mean 'paper'"),
        (("metrics", "show", "psnr"), "Unknown metric 'psnr'. Did you mean 'psnr@rgb'"),
        (
            ("assets", "fetch", "face_landmark"),
            "No asset is called 'face_landmark'. Did you mean 'face_landmarker'",
        ),
    ],
)
def test_unknown_names(arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, error = call(capsys, *arguments)
    assert (code, shown) == (2, "")
    assert said in error


def test_listings_have_no_trailing_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (("methods", "list"), ("methods", "show", "talk2me"), ("recipes", "show", "paper")):
        for line in call(capsys, *arguments)[1].splitlines():
            assert line == line.rstrip()


def test_missing_assets(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, _ = call(capsys, "assets", "list")
    assert code == 0
    assert "face_landmarker" in shown and "missing" in shown
    assert call(capsys, "assets", "verify")[0] == 1
    assert "fan2d4" not in call(capsys, "assets", "verify")[1]  # optional: looked at by name only
    assert "fan2d4" in call(capsys, "assets", "verify", "fan2d4")[1]
    states = json.loads(call(capsys, "assets", "list", "--json")[1])["assets"]
    assert {state["state"] for state in states} == {"missing"}
    code, _, said = call(capsys, "assets", "fetch", "--offline")
    assert code == 1
    assert "downloads are switched off" in said


def test_a_wrong_file_is_told_from_a_right_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "face_landmarker.task").write_bytes(b"not the model")
    monkeypatch.setenv("T2M_ASSETS", str(tmp_path))
    code, shown, _ = call(capsys, "assets", "verify", "face_landmarker")
    assert code == 1
    assert "wrong-hash" in shown
    asset = assets.get("face_landmarker")
    right = assets.Asset(**{**vars(asset), "sha256": assets.file_sha256(tmp_path / "face_landmarker.task")})
    monkeypatch.setattr(assets, "ASSETS", {"face_landmarker": right})
    assert call(capsys, "assets", "verify")[0] == 0
    code, shown, _ = call(capsys, "assets", "fetch", "face_landmarker", "--json")
    assert json.loads(shown) == {"assets": {"face_landmarker": str(tmp_path / "face_landmarker.task")}}
