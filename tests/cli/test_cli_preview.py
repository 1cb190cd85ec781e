from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from t2m_bench.cli.app import main
from t2m_bench.core.resources import resource
from t2m_bench.core.track import Track
from t2m_bench.media.audio import cut_audio, read_audio
from t2m_bench.media.probe import probe
from t2m_bench.media.video import read_frames
from t2m_bench.media.writer import VideoWriter

FRAMES = 16
LOST = 5


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """The start of the demo clip with its track beside it; the face is said to be lost in one frame."""
    demo = resource("datasets") / "demo" / "clips"
    path = tmp_path / "talk.mp4"
    frames = read_frames(demo / "demo_en.mp4", stop=FRAMES)
    sound = cut_audio(read_audio(demo / "demo_en.mp4", 16000), 16000, 0, FRAMES, 25)
    with VideoWriter(path, 25, (frames.shape[2], frames.shape[1]), audio=(sound, 16000)) as writer:
        for frame in frames:
            writer.write(frame)
    track = Track.load(demo / "demo_en.track.npz").part(0, FRAMES)
    valid = track.valid.copy()
    valid[LOST] = False
    replace(track, valid=valid).save(tmp_path / "talk.track.npz")
    return path


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["datasets", "preview", *arguments])
    caught = capsys.readouterr()
    return int(ended.value.code or 0), caught.out, caught.err


def share(picture: np.ndarray, colour: tuple[int, int, int], near: int = 40) -> float:
    return float((np.abs(picture.astype(int) - colour).max(axis=-1) < near).mean())


def test_sheet_and_video_show_the_track(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = clip.parent / "looks"
    code, shown, _ = call(capsys, str(clip), "--out", str(out), "--video", "--json")
    assert code == 0
    told = json.loads(shown)
    assert told["frames"] == FRAMES and told["track"] == "ground-truth"
    assert told["sheet"] == str(out / "talk.preview.png")

    page = np.asarray(Image.open(told["sheet"]))
    assert page.shape == (3 * 326 + 6 + 150, 4 * 326 + 6, 3)
    cells = [
        page[6 + r * 326 : 326 + r * 326, 6 + c * 326 : 326 + c * 326] for r in range(3) for c in range(4)
    ]
    for number, cell in enumerate(cells):
        axes = [share(cell, colour) for colour in ((235, 60, 60), (60, 200, 80), (70, 110, 255))]
        lost = number == [0, 1, 3, 4, 5, 7, 8, 10, 11, 12, 14, 15].index(LOST)
        assert (axes[1] > 0.0005) != lost, number  # no axes on a frame without a face
        assert axes[0] > 0.0003 or not lost  # there the box is red
    strip = page[-150:]
    assert share(strip, (34, 110, 200)) > 0.001 and share(strip, (120, 130, 145)) > 0.01

    info = probe(Path(told["video"]))
    assert (info.frames, info.fps, info.has_audio) == (FRAMES, 25.0, True)
    assert (info.width, info.height) == (640, 640 + 150)
    assert info.metadata["synthetic"] == "true" and "not an authentic recording" in info.metadata["comment"]
    first, last = read_frames(Path(told["video"]))[[0, FRAMES - 1]]
    columns = [int(np.argmin(frame[-70:-60].mean(axis=(0, 2)))) for frame in (first, last)]
    assert columns[0] < 20 and columns[1] > 620  # the cursor goes from end to end


def test_nothing_is_replaced_unasked(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = clip.parent / "mine.png"
    target.write_bytes(b"mine")
    code, _, error = call(capsys, str(clip), "--out", str(target))
    assert code == 1 and f"{target} exists already. Name another one with --out, or give --force." in error
    assert target.read_bytes() == b"mine"
    assert call(capsys, str(clip), "--out", str(target), "--force")[0] == 0
    assert target.read_bytes()[:4] == b"\x89PNG"
    before = clip.read_bytes()
    code, _, error = call(capsys, str(clip), "--out", str(clip), "--video", "--force")
    assert code == 1 and "talk.mp4 exists already. Name another file." in error
    assert clip.read_bytes() == before


def test_wrong_files_are_named(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = call(capsys, str(clip), "--out", str(tmp_path / "a.gif"))
    assert code == 2 and "a.gif ends in .gif. Name a folder, a .png or an .mp4." in error
    code, _, error = call(capsys, str(tmp_path / "absent.mp4"), "--out", str(tmp_path))
    assert code == 1 and "absent.mp4 does not exist" in error
    short = Track.load(tmp_path / "talk.track.npz").part(0, 9).save(tmp_path / "short.npz")
    code, _, error = call(capsys, str(clip), "--track", str(short), "--out", str(tmp_path))
    assert code == 1 and f"has 9 frames, the clip has {FRAMES}" in error
    other = replace(Track.load(tmp_path / "talk.track.npz"), size=(300, 200)).save(tmp_path / "other.npz")
    code, _, error = call(capsys, str(clip), "--track", str(other), "--out", str(tmp_path))
    assert code == 1 and "is a track of 300x200, talk.mp4 is 256x256" in error
    assert not (tmp_path / "talk.preview.png").exists()
