from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from t2m_bench.cli import main
from t2m_bench.media.video import VideoWriter, resize_frames
from t2m_bench.metrics import selftest as module


def call(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", *map(str, arguments)])
    shown = capsys.readouterr()
    code = caught.value.code
    assert isinstance(code, int)
    return code, shown.out, shown.err


def write(path: Path, *, count: int = 4, noise: float = 0, fps: int = 25, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    still = resize_frames(rng.integers(0, 256, (1, 6, 6, 3), dtype=np.uint8), (48, 48))[0]
    with VideoWriter(path, fps, (48, 48), lossless=True) as video:
        for index in range(count):
            frame = np.roll(still, index, axis=1) + noise * rng.normal(size=still.shape)
            video.write(np.clip(frame, 0, 255).astype(np.uint8))
    return path


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """made/{a,b,c}.mkv and real/{a,b,d}.mkv; b is too short."""
    monkeypatch.setenv("T2M_ASSETS", "")
    monkeypatch.setenv("T2M_HOME", str(tmp_path / "home"))
    for folder in ("made", "real"):
        (tmp_path / folder).mkdir()
    for name, count in (("a", 4), ("b", 3), ("c", 4)):
        write(tmp_path / "made" / f"{name}.mkv", count=count, noise=8)
    for name in ("a", "b", "d"):
        write(tmp_path / "real" / f"{name}.mkv")
    return tmp_path


RECIPE = ("--recipe", "native")


def test_two_files(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = (videos / "made/a.mkv", videos / "real/a.mkv")
    code, shown, _ = call(capsys, *pair, "--metrics", "psnr,lmd", "-m", "ssim@rgb", *RECIPE)
    assert code == 0
    lines = shown.splitlines()
    assert lines[0] == "Evaluation of 1 video" and "mean over videos" not in shown
    assert lines[1].split() == ["PSNR", "LMD", "SSIM"]
    assert "Recipe native version " in shown and "metrics: psnr@rgb, lmd@mouth.px, ssim@rgb." in shown
    said = "Not available here: lmd@mouth.px. `t2m-bench assets fetch face_landmarker` gets what they need."
    assert shown.count("face_landmarker") == 1 and said in shown


def test_folders_a_failure_and_partners_that_are_missing(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, real = videos / "made", videos / "real"
    code, shown, said = call(capsys, made, real, "-m", "psnr", *RECIPE)
    assert code == 1 and "b: FAILED (The prediction has 3 frames, the reference 4)" in said
    assert "Failed: b (MetricError: The prediction has 3 frames, the reference 4): Give --shortest" in shown
    assert f"have no partner: {made / 'c.mkv'}, {real / 'd.mkv'}." in shown
    counts = next(line for line in shown.splitlines() if line.startswith("videos measured"))
    assert counts.split() == ["videos", "measured", "1/2"]
    code, shown, _ = call(capsys, made, real, "-m", "psnr", "--shortest", *RECIPE)
    assert code == 0 and "Careful: cut to the first 3 frames" in shown


def test_a_list_of_pairs_with_speakers(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = videos / "pairs.csv"
    listed.write_text(
        "prediction,reference,id,speaker\nmade/a.mkv,real/a.mkv,first,Ann\nmade/c.mkv,real/d.mkv,,\n"
    )
    code, shown, _ = call(capsys, "--pairs", listed, "-m", "psnr", "--format", "csv", *RECIPE)
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(shown)))
    assert [(row["pair"], row["speaker"]) for row in rows[:2]] == [("c", ""), ("first", "Ann")]
    assert float(rows[0]["psnr@rgb"]) > 20 and rows[0]["recipe"] == "native"


def test_without_a_reference(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for nothing in ((), ("-",)):
        code, shown, _ = call(capsys, videos / "made/a.mkv", *nothing, "-m", "psnr", *RECIPE)
        assert code == 0 and "Not computed: psnr@rgb: there are no real frames" in shown


def test_json_and_files(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = (videos / "made/a.mkv", videos / "real/a.mkv", "-m", "psnr", *RECIPE)
    out, table = videos / "scores.json", videos / "scores.csv"
    code, shown, _ = call(capsys, *pair, "--json", "--out", out, "--csv", table, "--controls")
    assert code == 0
    brief, whole = json.loads(shown), json.loads(out.read_text())
    assert brief["means"]["psnr@rgb"] == whole["means"]["psnr@rgb"]
    assert len(whole["pairs"][0]["values"]["psnr@rgb"]["per_frame"]) == 4
    assert "per_frame" not in brief["pairs"][0]["values"]["psnr@rgb"]
    assert whole["recipe"]["name"] == "native" and whole["recipe_digest"] and whole["software"]["t2m-bench"]
    assert whole["pairs"][0]["controls"]["real"]["psnr@rgb"]["value"] == 100
    assert "psnr@rgb" in table.read_text().splitlines()[0]
    before = out.read_text()
    code, shown, said = call(capsys, *pair, "--out", out)
    assert (code, shown) == (
        1,
        "",
    ) and "scores.json is there already. Name another file, or give --force." in said
    assert call(capsys, *pair, "--csv", table)[0] == 1 and out.read_text() == before
    assert call(capsys, *pair, "--out", out, "--force")[0] == 0 and out.read_text() != before


def test_a_file_that_cannot_be_written_costs_no_number(
    videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = (videos / "made/a.mkv", videos / "real/a.mkv", "-m", "psnr", *RECIPE)
    (videos / "file").write_text("")
    code, shown, said = call(capsys, *pair, "--out", videos / "file" / "scores.json")
    assert code == 1 and "30." in shown and "scores.json cannot be written (" in said
    code, shown, said = call(capsys, *pair, "--out", videos, "--force")
    assert (code, shown) == (1, "") and f"{videos} is a folder. Name a file." in said


def test_few_frames_for_fid_are_another_recipe(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = (videos / "made/a.mkv", videos / "real/a.mkv", "-m", "psnr", "--json", *RECIPE)
    plain, forced = (json.loads(call(capsys, *pair, *force)[1]) for force in ((), ("--force",)))
    assert forced["recipe"]["fid_floor"] == 0 and forced["recipe_digest"] != plain["recipe_digest"]


def test_controls_are_rows_of_the_table(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = (videos / "made/a.mkv", videos / "real/a.mkv", "-m", "psnr", *RECIPE)
    shown = call(capsys, *pair, "--controls")[1]
    lines = [line.split() for line in shown.splitlines()]
    assert ["real", "video", "100.00"] in lines
    assert any(line[:4] == ["real,", "5", "frames", "late"] for line in lines)


def test_a_recipe_of_ones_own(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from t2m_bench.core.resources import _PACKAGE

    text = (_PACKAGE / "metrics/recipes/native.toml").read_text()
    (videos / "mine.toml").write_text(
        text.replace('"native"', '"mine"', 1).replace("fps = 25.0", "fps = 30.0")
    )
    fast = [write(videos / f"{name}.mkv", fps=30, noise=noise) for name, noise in (("x", 5), ("y", 0))]
    code, shown, _ = call(capsys, *fast, "-m", "psnr", "--recipe", videos / "mine.toml")
    assert code == 0 and "Recipe mine version" in shown
    code, shown, _ = call(capsys, *fast, "-m", "psnr", *RECIPE)
    assert code == 1 and "recipe 'native' pairs frames at 25): Convert it with `ffmpeg -i IN -r 25" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "No video is named. Give PRED and REF, --pairs or --selftest."),
        (["made/a.mkv", "real/a.mkv", "-m", "pnsr"], 2, "Unknown metric 'pnsr'. Did you mean 'psnr'"),
        (["made/a.mkv", "--recipe", "papper"], 2, "Unknown recipe 'papper'. Did you mean 'paper'"),
        (["made/a.mkv", "--recipe", "absent.toml"], 2, "absent.toml cannot be read as TOML"),
        (["made/a.mkv", "--format", "word"], 2, "Unknown table format 'word'"),
        (["nowhere.mp4"], 1, "There is no file or folder nowhere.mp4"),
        (["made/a.mkv", "real"], 0, ""),
        (["made/c.mkv", "real"], 1, "No video of made/c.mkv is called as one of real"),
        (["made/a.mkv", "--pairs", "x.csv"], 2, "Videos are named twice, by PRED and by --pairs"),
        (["--pairs", "x.csv"], 1, "There is no list of pairs x.csv"),
        (["made/a.mkv", "real/a.mkv", "--selftest"], 2, "A self-test takes one video and no reference"),
    ],
)
def test_what_is_wrong_is_said(
    videos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(videos)
    recipe = [] if "--recipe" in arguments else ["--recipe", "native"]
    metrics = [] if "-m" in arguments or not arguments else ["-m", "psnr@rgb"]
    found, _, err = call(capsys, *arguments, *recipe, *metrics)
    assert found == code and said in err and "Traceback" not in err


def test_the_selftest_prints_a_card(
    videos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write(videos / "long.mkv", count=12)
    code, shown, _ = call(capsys, "--selftest", video, "-m", "psnr@rgb,ssim@rgb")
    assert code == 0 and "Self-test on long.mkv, 12 frames" in shown and "0 failures." in shown
    card = json.loads(call(capsys, "--selftest", video, "-m", "psnr@rgb", "--json")[1])
    assert card["failed"] == [] and card["outcomes"]["psnr@rgb"]["noise"]["state"] == "ok"
    monkeypatch.setattr(module, "is_better", lambda value, than, direction: False)
    code, shown, _ = call(capsys, "--selftest", video, "-m", "psnr@rgb")
    assert code == 1 and "FAILED" in shown


def test_the_demo_clip_is_part_of_the_package() -> None:
    assert module.demo_video().name == "demo_cmn.mp4"
