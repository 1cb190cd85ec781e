from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from t2m_bench.cli import main
from t2m_bench.media.video import VideoWriter


@pytest.fixture(autouse=True)
def _no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("T2M_ASSETS", raising=False)
    monkeypatch.setenv("T2M_HOME", str(tmp_path / "home"))


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder with a clip that is fine as far as can be told without a model, and a broken one."""
    folder = tmp_path / "my clips"
    folder.mkdir()
    rng = np.random.default_rng(0)
    sound = (rng.normal(0, 0.1, 10 * 16_000), 16_000)
    still = rng.integers(0, 255, (64, 64, 3), np.uint8)
    with VideoWriter(
        folder / "fine.mp4", 25, (64, 64), audio=(sound[0].astype(np.float32), sound[1])
    ) as video:
        for _ in range(250):
            video.write(still)
    (folder / "broken.mp4").write_bytes((folder / "fine.mp4").read_bytes()[:3000])
    return folder


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(one) for one in arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_a_row_for_each_clip_and_exit_code_1(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("datasets", "check", clips) == 1
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    rows = {line.split()[0]: line for line in lines if line.startswith(("fine.mp4 ", "broken.mp4 "))}
    assert (
        "usable with notes" in rows["fine.mp4"]
        and "not checked" in rows["fine.mp4"]
        and "10.0 s" in rows["fine.mp4"]
    )
    assert "refused" in rows["broken.mp4"]
    assert "2 clips: 1 usable with notes, 1 refused." in lines
    said = " ".join(shown.split())
    assert "Not checked: asset 'face_landmarker'" in said and "t2m-bench assets fetch face_landmarker" in said
    assert "is truncated or damaged" in said
    assert max(map(len, lines)) <= 100
    assert all(line == line.rstrip() for line in lines)


def test_one_file_and_exit_code_0(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("datasets", "check", clips / "fine.mp4") == 0
    assert "1 clip: 1 usable with notes." in capsys.readouterr().out


def test_details_tell_what_is_fine_too(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("datasets", "check", clips / "fine.mp4", "--details")
    shown = " ".join(capsys.readouterr().out.split())
    assert "ok frames 250 frames, as many as the timestamps say." in shown
    assert "ok cuts None." in shown


def test_json(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("datasets", "check", clips, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["checked"], told["refused"]) == (2, 1)
    by_name = {Path(clip["path"]).name: clip for clip in told["clips"]}
    assert by_name["broken.mp4"]["verdict"] == "refused"
    assert by_name["fine.mp4"]["facts"]["frames"] == 250
    assert {"level", "code", "fact", "fix"} == set(by_name["fine.mp4"]["findings"][0])


def test_wrong_paths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("datasets", "check", tmp_path / "nothing") == 1
    assert "does not exist. Name a video file or a folder of them." in capsys.readouterr().err
    (tmp_path / "none").mkdir()
    assert call("datasets", "check", tmp_path / "none") == 1
    assert "holds no video file" in capsys.readouterr().err


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("datasets", "check", "--help") == 0
    assert "Example: t2m-bench datasets check MY_VIDEOS" in capsys.readouterr().out


def test_a_speaker_on_both_sides_of_a_split_is_told(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clips / "broken.mp4").unlink()
    head = "id,speaker,language,video,splits\n"
    rows = ["fine,ann,en,fine,speakers:train", "other,ann,en,other,speakers:test"]
    (clips / "clips.csv").write_text(head + "\n".join(rows) + "\n")
    assert call("datasets", "check", clips) == 1
    shown = capsys.readouterr().out
    assert "LEAK  Split 'speakers': speaker 'ann' is in test (other) and in train (fine)." in shown
    assert call("datasets", "check", clips, "--json") == 1
    assert len(json.loads(capsys.readouterr().out)["leaks"]) == 1
