from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from run_fakes import METRIC, Lines, World

from t2m_bench.cli import main
from t2m_bench.core.record import Record
from t2m_bench.runs.execute import RunRequest, run


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results")
    request = RunRequest(methods=("learner", "steady", "oracle", "broken"), dataset="toy", out=out)
    run(request, Lines(), wiring=World().wiring())
    return out


def table(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["table", *map(str, arguments)])
    shown = capsys.readouterr()
    code = caught.value.code
    assert isinstance(code, int)
    return code, shown.out, shown.err


def test_every_format_prints_and_ends_with_0(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heads = {
        "rich": "Table 1",
        "md": "**Table 1",
        "latex": "% needs",
        "html": "<figure",
        "csv": "dataset,",
        "json": "{",
    }
    for name, head in heads.items():
        code, shown, said = table(capsys, "1", "--out", results, "--format", name)
        assert (code, said) == (0, "")
        assert shown.startswith(head)
        assert table(capsys, "1", "--out", results, "--format", name)[1] == shown


def test_csv_and_json_can_be_read_by_machines(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(table(capsys, "1", "--out", results, "-f", "csv")[1])))
    assert {(row["method"], row["drive"], row["clips"]) for row in rows} == {
        ("learner", "P1", "2/2"), ("learner", "P2", "2/2"), ("steady", "-", "2/2"), ("oracle", "-", "2/2"),
        ("broken", "-", "0/2"),
    }  # fmt: skip
    assert all(float(row[METRIC]) > 0 for row in rows if row["clips"] == "2/2")
    assert json.loads(table(capsys, "1", "--out", results, "--json")[1])["dataset"] == "toy"


def test_one_row_a_clip(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = table(capsys, "1", "--out", results, "--by", "clip")[1]
    assert "ann" in shown and "berta" in shown and "mean" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["2", "--out", "."], 2, "There is no table 2 yet. Table 1 can be made."),
        (["1"], 2, "No result folder is named. Name it with --out, or give --dataset."),
        (["1", "--out", "nowhere"], 1, "There is no folder nowhere."),
        (["1", "--out", "."], 1, ". was not made by `t2m-bench run`."),
        (["1", "--out", ".", "--format", "word"], 2, "Unknown table format 'word'."),
        (["1", "--out", ".", "--by", "clips"], 2, "Rows by 'clips' are unknown. Did you mean 'clip'."),
    ],
)
def test_what_cannot_be_printed_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "something").write_text("")
    found, shown, err = table(capsys, *arguments)
    assert (found, shown) == (code, "")
    assert said in err


def test_records_of_several_recipes_meet_only_when_allowed(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(results, tmp_path / "mixed")
    for path in (tmp_path / "mixed").glob("toy/reconstruction/steady/*/record.json"):
        other = Record.load(path).model_copy(update={"recipe": "other", "recipe_digest": "ffff00"})
        other.save(path)
    code, _, said = table(capsys, "1", "--out", tmp_path / "mixed")
    assert code == 2 and "must not share a table" in said and "--allow-mixed" in said
    code, shown, _ = table(capsys, "1", "--out", tmp_path / "mixed", "--allow-mixed")
    assert code == 0 and "# under another recipe, other (ffff00)" in shown


def test_missing_records_are_named(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = table(capsys, "1", "--out", results, "--protocol", "audio_driven")
    assert code == 1
    assert "holds no records of audio_driven. There are records of toy reconstruction." in said
    code, _, said = table(capsys, "1", "--out", results, "--dataset", "hdtf")
    assert code == 1
    assert "holds no records of hdtf" in said


def test_a_damaged_record_is_named(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "toy/reconstruction/steady/ann"
    place.mkdir(parents=True)
    (tmp_path / "manifest.json").write_text('{"made_by": "t2m-bench"}')
    (place / "record.json").write_text("{")
    code, _, said = table(capsys, "1", "--out", tmp_path)
    assert code == 1
    assert "steady/ann/record.json is not a readable record. Run the same command again" in said
