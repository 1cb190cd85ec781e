from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest
from run_fakes import METRIC, World

from t2m_bench.cli import main
from t2m_bench.runs import execute
from t2m_bench.runs.folder import claim


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("T2M_DEBUG", "T2M_DATA", "T2M_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("T2M_OFFLINE", "")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(execute, "default_wiring", made.wiring)
    return made


def call(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    code = caught.value.code
    assert isinstance(code, int)
    return code


def run(*arguments: str | Path) -> int:
    return call("run", "--dataset", "toy", *arguments)


def test_a_run_prints_the_table_and_where_everything_is(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("-m", "learner", "-m", "steady", "--out", "my run") == 0
    shown = capsys.readouterr()
    assert "Table 1: reconstruction on toy (synthetic)" in shown.out
    assert "2/2" in shown.out
    assert "my run/toy/reconstruction-P1/learner/ann/prediction.mp4" in shown.out
    assert "Table:  t2m-bench table 1 --out 'my run' --dataset toy" in shown.out
    assert "[1/6] learner P1, clip ann: PSNR " in shown.err
    command = next(line for line in shown.out.splitlines() if line.startswith("Table: ")).removeprefix(
        "Table:"
    )
    assert call(*shlex.split(command)[1:]) == 0
    again = capsys.readouterr().out
    assert again in shown.out, "the command prints the very same table"


def test_results_go_to_a_folder_named_after_the_dataset(world: World, tmp_path: Path) -> None:
    assert run("-m", "steady") == 0
    assert (tmp_path / "t2m-runs/toy/toy/reconstruction/steady/ann/record.json").is_file()
    assert call("table", "1", "--dataset", "toy") == 0


def test_json_is_alone_on_stdout(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-m", "steady", "-m", "broken", "--out", "out", "--json") == 1
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert (found["out"], found["ok"], found["failed"]) == ("out", 2, 2)
    assert [record["status"] for record in found["records"]] == ["ok", "failed", "ok", "failed"]
    assert found["records"][0]["values"][METRIC]["unit"] == "dB"
    assert found["records"][1]["failure"]["message"] == "the renderer gave up"
    assert Path(found["records"][0]["folder"], "prediction.mp4").is_file()
    assert found["table"]["rows"][0]["method"] == "steady"
    assert "FAILED to synthesize" in shown.err


def test_a_failed_unit_gives_exit_code_1_and_a_table(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("-m", "broken", "-m", "steady", "--out", "out") == 1
    shown = capsys.readouterr()
    assert (
        "Failed: broken on ann; broken on berta, to synthesize (MethodError: the renderer gave up)."
        in shown.out
    )
    assert "0/2" in shown.out and "2/2" in shown.out
    assert "Traceback" not in shown.out + shown.err


def test_all_options_reach_the_request(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(
        "-m", "learner", "--preset", "tiny", "--drive", "P3", "--set", "lpe=off", "--clip", "berta", "--limit", "1",
        "--seed", "4", "--recipe", "paper", "--out", "out", "--offline", "--json",
    )  # fmt: skip
    assert code == 0
    (record,) = json.loads(capsys.readouterr().out)["records"]
    assert record["method"] == "learner@tiny+lpe=off"
    assert (record["drive"], record["clip"], record["seed"], record["recipe"]) == ("P3", "berta", 4, "paper")
    assert os.environ["T2M_OFFLINE"] == "1"


def test_audio_driven_is_named_in_the_table_command(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-m", "learner", "--protocol", "audio_driven", "--out", "out") == 0
    shown = capsys.readouterr().out
    assert "--protocol audio_driven" in shown
    assert "there are no real frames of this person saying this" in shown


def test_a_run_under_another_recipe_shows_its_own_table_and_says_so(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    run("-m", "steady", "--out", "out")
    assert run("-m", "oracle", "--out", "out", "--recipe", "paper") == 0
    shown = capsys.readouterr()
    assert "This table shows this run alone" in shown.err
    assert "native" in shown.err and "paper" in shown.err
    assert call("table", "1", "--out", "out") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-m", "steddy"], "Unknown method 'steddy'. Did you mean 'steady'"),
        (["-m", "steady", "-d", "tiy"], "Unknown dataset 'tiy'. Did you mean 'toy'"),
        (["-m", "learner", "--preset", "tinny"], "has a preset 'tinny'. Did you mean 'tiny'"),
        (["-m", "learner", "--set", "ple=off"], "Unknown setting 'ple'. Did you mean 'lpe'"),
        (["-m", "learner", "--set", "lpe"], "The setting 'lpe' is not of the form key=value"),
        (["-m", "learner", "--drive", "P4"], "Use --protocol audio_driven"),
        (["-m", "steady", "--recipe", "papper"], "Unknown recipe 'papper'. Did you mean 'paper'"),
        (["-m", "steady", "--clip", "an"], "has no clip 'an'. Did you mean 'ann'"),
        (["-m", "steady", "--limit", "0"], "A limit of 0 clips leaves nothing to do"),
    ],
)
def test_unknown_names_are_one_sentence_and_exit_code_2(
    world: World, tmp_path: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments, "--out", "out") == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""
    assert len(shown.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_real_names_get_suggestions_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "-m", "talk2mee", "-d", "demo") == 2
    assert "Unknown method 'talk2mee'. Did you mean 'talk2me'" in capsys.readouterr().err
    assert call("run", "-m", "frozen", "-d", "htdf") == 2
    assert "Unknown dataset 'htdf'. Did you mean 'hdtf'" in capsys.readouterr().err
    assert call("run", "-m", "talk2me", "-d", "demo", "--preset", "smal") == 2
    assert "preset 'smal'. Did you mean 'small'" in capsys.readouterr().err


def test_hdtf_without_data_tells_how_to_get_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "-m", "frozen", "-d", "hdtf", "--out", "out") == 1
    shown = capsys.readouterr().err
    assert "'hdtf' has no data folder yet" in shown
    assert "--data-root FOLDER" in shown and "T2M_DATA" in shown
    assert call("run", "-m", "frozen", "-d", "hdtf", "--data-root", "nowhere", "--out", "out") == 1
    assert "does not exist" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_two_runs_on_one_folder(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with claim(tmp_path / "out"):
        assert run("-m", "steady", "--out", "out") == 1
    assert f"out is in use by process {os.getpid()} on" in capsys.readouterr().err


def test_a_file_or_a_foreign_folder_in_place_of_the_results(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("mine")
    assert run("-m", "steady", "--out", "file") == 1
    assert "file is a file, not a folder" in capsys.readouterr().err
    assert run("-m", "steady", "--out", "foreign") == 1
    assert (
        "is not empty and was not made by a run of t2m-bench; nothing in it was touched"
        in capsys.readouterr().err
    )
    assert sorted(path.name for path in (tmp_path / "foreign").iterdir()) == ["thesis.tex"]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a file system that refuses folders")
def test_a_folder_that_cannot_be_written(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-m", "steady", "--out", "/proc/results") == 1
    assert "/proc/results cannot be written" in capsys.readouterr().err


def test_interruption(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(number: int, name: str) -> None:
        if name == "synthesize" and number > 3:
            raise KeyboardInterrupt

    world.on_event = interrupt
    assert run("-m", "steady", "--out", "out") == 130
    assert "interrupted; run the same command again to go on" in capsys.readouterr().err
    assert not (tmp_path / "out/.work").exists()
    world.on_event = lambda number, name: None
    assert run("-m", "steady", "--out", "out") == 0
    assert "already done" in capsys.readouterr().err


def test_unexpected_errors_are_a_sentence_unless_debugging(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def explode() -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(execute, "default_wiring", explode)
    assert run("-m", "steady") == 1
    quiet = capsys.readouterr().err
    assert "Unexpected ZeroDivisionError: division by zero. This is a fault of t2m-bench" in quiet
    assert "Traceback" not in quiet
    monkeypatch.setenv("T2M_DEBUG", "1")
    assert run("-m", "steady") == 1
    assert "Traceback" in capsys.readouterr().err


def test_user_errors_show_their_traceback_only_when_debugging(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("T2M_DEBUG", "1")
    assert run("-m", "steddy") == 2
    assert "Traceback" in capsys.readouterr().err
