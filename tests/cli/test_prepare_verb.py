"""`t2m-bench datasets prepare`, from the command line, on small raw videos."""

from __future__ import annotations

import csv
import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent.parent / "data"))

from preparation_samples import noise, row, scene, window, write_raw

from t2m_bench.cli import main
from t2m_bench.core.errors import VideoError
from t2m_bench.core.method import SilentReporter
from t2m_bench.data import batch
from t2m_bench.data.batch import Order, prepare_all
from t2m_bench.data.ledger import WORK, available_digest, read_ledger
from t2m_bench.data.manifest import read_manifest, write_manifest

SIZE = (160, 128)
FILES = {
    "one_0.mp4",
    "one_0.wav",
    "one_1.mp4",
    "one_1.wav",
    "two_0.mp4",
    "two_0.wav",
    "ledger.csv",
    "clips.csv",
}


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["datasets", "prepare", *map(str, arguments)])
    shown = capsys.readouterr()
    assert isinstance(caught.value.code, int)
    return caught.value.code, shown.out, shown.err


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Raw videos `one` and `two`, and a manifest of three clips."""
    times = [Fraction(index, 25) for index in range(50)]
    (tmp_path / "raw").mkdir()
    for number, name in enumerate(("one", "two")):
        write_raw(
            tmp_path / "raw" / f"{name}.mp4",
            times,
            lambda time, number=number: scene(float(time) + number, SIZE),  # type: ignore[misc]
            noise(2, 16000),
            rate=16000,
        )
    square = window(10, 0, 128, 128)
    clips = [
        row("one_0", video="one", subset="A", start=0, end=0.4, splits="s:train", **square),
        row("one_1", video="one", subset="A", start=1, end=1.4, splits="s:train", **square),
        row("two_0", video="two", subset="B", start=0.2, end=0.6, splits="s:test", **square),
    ]
    write_manifest(tmp_path / "list.csv", clips)
    return tmp_path


def given(world: Path, *more: object) -> list[object]:
    return [
        "mandarin",
        "--out",
        world / "out",
        "--from",
        world / "raw",
        "--manifest",
        world / "list.csv",
        *more,
    ]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name != WORK}


def order(world: Path, **more: Any) -> Order:
    return Order(world / "out" / "mandarin", **{"raw": world / "raw", **more})


def run(world: Path, **more: Any) -> dict[str, str]:
    rows = read_manifest(world / "list.csv").rows
    done = prepare_all(rows, order(world, **more), jobs=1, report=SilentReporter())
    return {one.id: f"{one.status} {one.reason}".strip() for one in done}


def test_prepare_then_again_then_verify(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, _ = call(capsys, *given(world, "--json"))
    folder = world / "out" / "mandarin"
    told = json.loads(shown)
    assert (code, told["ok"], told["gone"], told["failed"]) == (0, 3, 0, 0)
    assert names(folder) == FILES
    assert told["digests"] == available_digest(folder)
    assert told["clips"][0]["frames"] == 10 and told["clips"][0]["source"] == "one.mp4"
    with (folder / "ledger.csv").open(encoding="utf-8") as file:
        assert [line["id"] for line in csv.DictReader(file)] == ["one_0", "one_1", "two_0"]
    stamps = {
        path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix in (".mp4", ".wav")
    }
    (folder / "one_1.wav").unlink()
    code, shown, _ = call(capsys, *given(world))
    assert code == 0 and "3 ok, 0 gone, 0 failed" in shown
    again = {
        path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix in (".mp4", ".wav")
    }
    assert {name for name in stamps if stamps[name] != again[name]} == {"one_1.mp4", "one_1.wav"}
    assert call(capsys, *given(world, "--verify"))[0] == 0
    (folder / "two_0.wav").write_bytes(b"other")
    code, shown, _ = call(capsys, *given(world, "--verify"))
    assert code == 1 and "two_0.wav is not the file that was prepared" in shown
    assert json.loads(call(capsys, *given(world, "--verify", "--json"))[1])["differences"] != []


def test_choices(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = world / "out" / "mandarin"
    assert call(capsys, *given(world, "--subset", "B"))[0] == 0
    assert sorted(read_ledger(folder)) == ["two_0"] == sorted(read_manifest(folder / "clips.csv").by_id)
    assert call(capsys, *given(world, "--split", "s:train", "--limit", 1))[0] == 0
    assert sorted(read_ledger(folder)) == ["one_0", "two_0"]
    for wrong, text in (
        (("--subset", "C"), "No clip is in subset 'C'. Known are A, B."),
        (("--split", "s"), "'s' is no part of a split"),
        (("--split", "s:val"), "No clip is in s:val"),
        (("--matting", "hand"), "No matting is called 'hand'"),
    ):
        code, _, error = call(capsys, *given(world, *wrong))
        assert code == 2 and text in error


def test_wrong_use(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "'demo' cannot be prepared" in call(capsys, "demo", "--out", world)[2]
    assert "Name your list with --manifest" in call(capsys, "mandarin", "--out", world)[2]
    assert "no folder" in call(capsys, *given(world), "--from", world / "nowhere")[2]
    assert "has no ledger.csv" in call(capsys, "hdtf", "--out", world, "--verify")[2]


def test_one_failure_stops_no_other(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (world / "raw" / "one.mp4").write_bytes(b"no video")
    code, shown, error = call(capsys, *given(world))
    assert code == 1 and "1 ok, 0 gone, 2 failed" in shown
    assert "one_0: failed" in shown and "is not a video file" in shown and "Traceback" not in error
    assert {"two_0.mp4", "two_0.wav"} <= names(world / "out" / "mandarin")
    (world / "raw" / "two.mp4").unlink()
    assert run(world)["one_1"].startswith("failed")


def test_jobs_give_the_same_files(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(world)
    alone = {name: one.hashes for name, one in read_ledger(world / "out" / "mandarin").items()}
    rows = read_manifest(world / "list.csv").rows
    other = Order(world / "many", raw=world / "raw")
    prepare_all(rows, other, jobs=2, report=SilentReporter())
    assert {name: one.hashes for name, one in read_ledger(world / "many").items()} == alone


def test_changed_settings_make_it_anew_and_only_it(world: Path) -> None:
    run(world)
    before = read_ledger(world / "out" / "mandarin")
    rows = list(read_manifest(world / "list.csv").rows)
    write_manifest(world / "list.csv", [rows[0].model_copy(update={"start": 0.2, "end": 0.6}), *rows[1:]])
    run(world)
    after = read_ledger(world / "out" / "mandarin")
    assert before["one_0"].video_sha256 != after["one_0"].video_sha256
    assert before["one_1"] == after["one_1"] and before["two_0"] == after["two_0"]


@pytest.mark.parametrize("file", ["one_0.mp4", "one_0.wav", "one_0.matte.mkv"])
def test_a_foreign_file_is_not_overwritten(world: Path, file: str) -> None:
    folder = world / "out" / "mandarin"
    folder.mkdir(parents=True)
    (folder / file).write_bytes(b"mine")
    told = run(world)
    assert (
        told["one_0"] == f"failed {folder / file} is in the way: it is not the file that a preparation made"
    )
    assert told["one_1"] == "ok" and (folder / file).read_bytes() == b"mine"
    (folder / file).unlink()
    assert run(world)["one_0"] == "ok"


def test_a_prepared_file_that_was_edited_is_not_overwritten(world: Path) -> None:
    run(world)
    folder = world / "out" / "mandarin"
    (folder / "one_0.mp4").write_bytes(b"edited")
    (folder / "one_0.wav").unlink()
    assert "one_0.mp4 is in the way" in run(world)["one_0"]
    assert (folder / "one_0.mp4").read_bytes() == b"edited"


@pytest.mark.parametrize("place", ["before", "between", "after"])
def test_a_killed_run_is_finished_by_the_next(
    world: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    class Killed(BaseException):
        pass

    real, moves = batch.move_file, []

    def move(source: Path, target: Path) -> Path:
        if place == "before" or (place == "between" and moves):
            raise Killed
        moves.append(target)
        return real(source, target)

    def dead(*told: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(batch, "move_file", move)
        if place == "after":
            patch.setattr(batch, "record", dead)
        with pytest.raises(Killed):
            run(world)
    folder = world / "out" / "mandarin"
    assert read_ledger(folder) == {}
    calls: list[str] = []
    make = batch.prepare_clip

    def counted(clip: Any, *told: Any) -> Any:
        calls.append(clip.id)
        return make(clip, *told)

    monkeypatch.setattr(batch, "prepare_clip", counted)
    assert set(run(world).values()) == {"ok"}
    assert calls == ["one_1", "two_0"]  # one_0 was whole
    assert names(folder) == FILES and not [*(folder / WORK).glob("*.part"), *(folder / WORK).glob("*.json")]


def test_a_failure_in_the_middle_leaves_no_file(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*told: object) -> None:
        raise VideoError("the disk went away")

    monkeypatch.setattr("t2m_bench.data.preparation.write_wav", fail)
    assert set(run(world).values()) == {"failed the disk went away"}
    assert names(world / "out" / "mandarin") == {"ledger.csv", "clips.csv"}
    assert not list((world / "out" / "mandarin" / WORK).glob("*.part"))


def test_gone_is_recorded_and_not_asked_again(world: Path) -> None:
    rows = [
        one.model_copy(update={"url": f"https://x.y/{one.video}"})
        for one in read_manifest(world / "list.csv").rows
    ]
    write_manifest(world / "list.csv", rows)
    asked: list[str] = []

    def loader(url: str, told: Any) -> None:
        asked.append(url)
        if url.endswith("one"):
            raise RuntimeError("ERROR: Private video")
        data = (world / "raw" / "two.mp4").read_bytes()
        Path(told["outtmpl"]["default"].replace("%(ext)s", "mp4")).write_bytes(data)

    told = run(world, raw=None, downloader=loader)
    assert told["one_0"].startswith("gone one is no longer published") and told["two_0"] == "ok"
    assert told["one_1"].startswith("gone") and asked == ["https://x.y/one", "https://x.y/two"]
    assert run(world, raw=None, downloader=loader) == told and len(asked) == 2
    assert run(world)["one_0"] == "ok"  # the raw video was found elsewhere


def test_offline_says_what_is_missing(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["mandarin", "--out", world / "out", "--manifest", world / "list.csv", "--offline"]
    code, shown, _ = call(capsys, *arguments)
    assert code == 1 and "There is no raw video one in" in shown


def test_downloading_without_yt_dlp_is_told_before_any_work(
    world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yt_dlp", None)
    monkeypatch.setenv("T2M_OFFLINE", "")
    rows = [one.model_copy(update={"url": "https://x.y/z"}) for one in read_manifest(world / "list.csv").rows]
    write_manifest(world / "list.csv", rows)
    code, _, error = call(capsys, "mandarin", "--out", world / "out", "--manifest", world / "list.csv")
    assert code == 1 and "pip install 't2m-bench[hdtf]'" in error
    assert read_ledger(world / "out" / "mandarin") == {}


def test_the_shipped_manifest_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "raw").mkdir()
    code, shown, _ = call(capsys, "hdtf", "--out", tmp_path / "out", "--from", tmp_path / "raw", "--limit", 2)
    assert code == 1 and "2 failed" in shown
