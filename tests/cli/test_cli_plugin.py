"""The command with its own parts, on a plug-in dataset and method: nothing is replaced by a fake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from run_fakes import make_track

from t2m_bench.media.video import VideoWriter

DATASET = """
name = "squares"
title = "Moving squares"
summary = "Drawn."
license = "Apache-2.0"
entry = "squares_clips:clips"
languages = ["und"]
synthetic = true
recipe = "native"
how_to_get = "It is here"
[split]
train_fraction = 0.75
"""
CLIPS = """
from t2m_bench.core.clip import Clip
from t2m_bench.core.digest import file_sha256

def clips(card, folder, root):
    videos = sorted(folder.glob("*.mp4"))
    return [
        Clip(video.stem, card.name, video.stem, "und", video, 25.0, 40, 32, 32, file_sha256(video), synthetic=True,
             matted=True, track=folder / "track.npz")
        for video in videos
    ]
"""
METHOD = """
name = "inverse"
title = "Inverse"
summary = "Paints the training frames in negative."
license = "Apache-2.0"
entry = "inverse_method:Inverse"
category = "GAN"
fits = false
sees = ["train_frames"]
code = ["inverse_method"]
"""
CODE = """
from t2m_bench.media.video import VideoWriter

class Inverse:
    def __init__(self, card, preset, settings):
        self.card = card

    def identity(self):
        return {}

    def fit(self, subject, workdir, seed, report):
        raise NotImplementedError

    def synthesize(self, request, checkpoint, workdir, report):
        frames = list(request.subject.train.frames(request.size))
        with VideoWriter(workdir / "out.mkv", request.fps, request.size, lossless=True) as video:
            for number in range(request.frames):
                video.write(255 - frames[number])
        return workdir / "out.mkv"
"""


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("plug ins")
    data, method = root / "datasets" / "squares", root / "methods" / "inverse"
    data.mkdir(parents=True)
    method.mkdir(parents=True)
    (data / "dataset.toml").write_text(DATASET)
    (data / "squares_clips.py").write_text(CLIPS)
    (method / "method.toml").write_text(METHOD)
    (method / "inverse_method.py").write_text(CODE)
    make_track(40).save(data / "track.npz")
    tone = 0.2 * np.sin(2 * np.pi * 300 * np.arange(int(16000 * 1.6)) / 16000)
    with VideoWriter(data / "one.mp4", 25, (32, 32), audio=(tone, 16000)) as video:
        for number in range(40):
            frame = np.full((32, 32, 3), 255, np.uint8)
            frame[8:24, number % 16 : number % 16 + 10] = (200, 60, 20)
            video.write(frame)
    (data / "two.mp4").write_bytes((data / "one.mp4").read_bytes()[:900])  # truncated: a recorded failure
    return root


def call(plugins: Path, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("T2M_")}
    home = str(tmp_path / "home")
    environment = {**kept, "T2M_PLUGINS": str(plugins), "T2M_HOME": home, "T2M_OFFLINE": "1"}
    command = [sys.executable, "-m", "t2m_bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)


def test_run_and_table_with_plug_ins_and_a_broken_clip(plugins: Path, tmp_path: Path) -> None:
    done = call(
        plugins, tmp_path, "run", "-m", "inverse", "-m", "real", "-d", "squares", "--out", "a b", "--json"
    )
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert [(record["method"], record["clip"], record["status"]) for record in found["records"]] == [
        ("inverse", "one", "ok"), ("real", "one", "ok"), ("inverse", "two", "failed"), ("real", "two", "failed"),
    ]  # fmt: skip
    inverse, real, broken, _ = found["records"]
    assert real["values"]["psnr@rgb"]["value"] == 100.0
    assert 0 < inverse["values"]["psnr@rgb"]["value"] < 20
    assert set(real["unavailable"]) == {"ms_ssim@rgb.5", "lmd@mouth.px", "lmd@mouth.iod"}
    assert "face_landmarker" in real["unavailable"]["lmd@mouth.px"]
    assert real["provenance"]["lacking"] == ["lmd@mouth.px", "lmd@mouth.iod"]
    assert (broken["failure"]["stage"], broken["failure"]["kind"]) == ("prepare", "VideoError")
    table = call(plugins, tmp_path, "table", "1", "--out", "a b", "--format", "md")
    assert table.returncode == 0
    assert "| Inverse | - |" in table.stdout and "1/2" in table.stdout
    again = call(
        plugins, tmp_path, "run", "-m", "inverse", "-m", "real", "-d", "squares", "--out", "a b", "--json"
    )
    assert again.stderr.count("already done") == 2
    assert json.loads(again.stdout)["records"][0]["key"] == inverse["key"]


def test_a_reader_that_leaves_early_is_no_error(plugins: Path, tmp_path: Path) -> None:
    script = f"{sys.executable!r} -m t2m_bench metrics list --json | head -c 1 > /dev/null; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("0", "141")
    assert done.stderr == ""
