from __future__ import annotations

import random
from typing import Any

import pytest

from t2m_bench.core.errors import MissingData, UsageError
from t2m_bench.core.metric import MetricInfo
from t2m_bench.core.record import Failure, MetricValue, Record
from t2m_bench.reports.formats import render
from t2m_bench.reports.table import Table
from t2m_bench.reports.table1 import table1

PSNR = MetricInfo("psnr@rgb", "PSNR", "higher", "dB", "", 2)
LMD = MetricInfo("lmd@mouth.px", "LMD", "lower", "px", "", 3)
INFOS = {PSNR.id: PSNR, LMD.id: LMD}


def value(number: float, metric: MetricInfo, frames: int = 10) -> MetricValue:
    return MetricValue(
        value=number,
        unit=metric.unit,
        direction=metric.direction,
        frames=frames,
        frames_asked=10,
        per_frame=(),
    )


def record(
    method: str, clip: str = "ann", psnr: float | None = None, lmd: float | None = None, **change: Any
) -> Record:
    values = {}
    if psnr is not None:
        values[PSNR.id] = value(psnr, PSNR)
    if lmd is not None:
        values[LMD.id] = value(lmd, LMD)
    drive = change.get("drive", "-")
    expression = {"P1": "reference", "-": "-"}.get(drive, "generated")
    defaults: dict[str, Any] = {
        "key": "k", "status": "ok", "method": method, "method_name": method.split("@")[0],
        "method_title": method.split("@")[0].title(), "category": "control", "preset": "default", "settings": {},
        "sees": ("train_frames",), "dataset": "toy", "synthetic": True, "clip": clip, "speaker": clip,
        "language": "en", "protocol": "reconstruction", "drive": drive, "expression": expression, "pose": "-",
        "seed": 0, "recipe": "native", "recipe_digest": "abc123", "size": (256, 256), "rendered_size": (256, 256),
        "train_frames": (0, 30), "test_frames": (30, 40), "values": values,
        "provenance": {"metrics": [PSNR.id, LMD.id]},
    }  # fmt: skip
    return Record(**{**defaults, **change})


def failed(method: str, clip: str, **change: Any) -> Record:
    failure = Failure(stage="fit", kind="MethodError", message="loss is not finite", hint="")
    return record(method, clip, status="failed", failure=failure, size=None, **change)


def oracle(method: str, clip: str, psnr: float) -> Record:
    return record(method, clip, psnr, 0.0, oracle=True, sees=("test_frames",))


RECORDS = [
    record("talk2me@tiny", "ann", 20.0, 1.5, category="3DGS", drive="P1"),
    record("talk2me@tiny", "berta", 24.0, 0.5, category="3DGS", drive="P1"),
    record("talk2me@tiny", "ann", 18.0, 2.5, category="3DGS", drive="P2"),
    failed("talk2me@tiny", "berta", category="3DGS", drive="P2"),
    record("frozen", "ann", 14.0, 6.0),
    record("frozen", "berta", 15.0, 8.0),
    record("mean", "ann", 16.0, 6.5),
    record("mean", "berta", 17.0, 7.5),
    oracle("real", "ann", 100.0),
    oracle("real", "berta", 100.0),
    record("wav2lip", "ann", 15.5, 3.0, category="GAN", sees=("test_frames",)),
    record("wav2lip", "berta", 16.5, 3.0, category="GAN", sees=("test_frames",)),
]


def rows(table: Table) -> list[str]:
    return [" ".join(cell.marked for cell in row.cells) for _, row in table.rows()]


def test_means_groups_and_coverage() -> None:
    table = table1(RECORDS, INFOS)
    assert [group.title for group in table.groups] == ["Controls", "GAN", "3D Gaussian splatting"]
    assert rows(table) == [
        "Frozen - 14.50 7.000 2/2",
        "Mean - 16.50 7.000 2/2",
        "Real† - 100.00 0.000 2/2",
        "Wav2Lip‡ - 16.00 3.000 2/2",
        "Talk2Me @tiny P1 22.00 1.000 2/2",
        "Talk2Me @tiny P2 18.00* 2.500* 1/2",
    ]
    assert [column.head for column in table.columns] == [
        "Method",
        "Drive",
        "PSNR [dB] ↑",
        "LMD [px] ↓",
        "Clips",
    ]


def marks(table: Table, key: str) -> dict[str, str]:
    index = [column.key for column in table.columns].index(key)
    found = {}
    for _, row in table.rows():
        cell = row.cells[index]
        if cell.bold or cell.underline:
            found[f"{row.cells[0].value} {row.cells[1].value}"] = "best" if cell.bold else "second"
    return found


def test_oracles_partial_rows_and_a_lone_p1_are_not_ranked() -> None:
    table = table1(RECORDS, INFOS)
    assert marks(table, PSNR.id) == {"mean -": "best", "wav2lip -": "second"}
    assert marks(table, LMD.id) == {"wav2lip -": "best", "frozen -": "second", "mean -": "second"}


def test_two_methods_given_the_true_expression_compete_with_one_another() -> None:
    extra = [record("other", clip, 21.0, 2.0, category="3DGS", drive="P1") for clip in ("ann", "berta")]
    found = marks(table1([*RECORDS, *extra], INFOS), PSNR.id)
    assert found["talk2me@tiny P1"] == "best"
    assert found["other P1"] == "second"
    assert found["mean -"] == "best"


def test_the_caption_tells_what_how_and_what_is_missing() -> None:
    assert table1(RECORDS, INFOS).caption == (
        "Dataset toy: 2 synthetic clips, held-out part of each clip, mean over clips; no person was filmed.",
        "Recipe native (abc123), scored at 256x256, seed 0.",
        "Drive: P1 = expression and pose of the reference (the avatar alone); "
        "P2 = expression from the sound, pose of the reference; - = no expression or pose input.",
        "Best bold, second underlined; P1, which is given the true expression, only competes with P1.",
        "† oracle: sees what no real method may see; not ranked.",
        "‡ is given the held-out frames.",
        "* over fewer clips than others in the column; not ranked.",
        "Failed: talk2me@tiny P2 on berta, to fit (MethodError: loss is not finite).",
    )
    assert table1(RECORDS).title == "Table 1: reconstruction on toy (synthetic)"


def test_the_caption_tells_of_upsampling_coverage_and_missing_metrics() -> None:
    half = record("talk2me", psnr=20.0, category="3DGS", rendered_size=(128, 128)).model_copy(
        update={
            "values": {PSNR.id: value(20.0, PSNR, frames=7)},
            "unavailable": {LMD.id: "The face landmarker is missing."},
        }
    )
    caption = table1([half, record("frozen", psnr=10.0, lmd=2.0, seed=1)], INFOS).caption
    assert "talk2me made 128x128, resized to 256x256 before scoring." in caption
    assert "PSNR of talk2me: measured on 7 of 10 frames." in caption
    assert "Not computed: LMD for talk2me on ann: The face landmarker is missing." in caption
    assert "Recipe native (abc123), scored at 256x256, seeds 0, 1." in caption


def test_rows_over_different_footage_are_called_out() -> None:
    def over(method: str, digest: str) -> Record:
        return record(method, psnr=1.0, provenance={"footage": {"held_out": digest}})

    said = "Careful: clip ann or its track was not the same in all rows; run them again."
    assert said in table1([over("frozen", "a"), over("mean", "b")]).caption
    assert said not in table1([over("frozen", "a"), over("mean", "a")]).caption


def test_one_row_a_clip() -> None:
    table = table1(RECORDS, INFOS, by="clip")
    assert rows(table)[:3] == [
        "Frozen - mean 14.50 7.000 2/2",
        "  ann 14.00 6.000 1/1",
        "  berta 15.00 8.000 1/1",
    ]
    assert rows(table)[-1] == "  berta - - 0/1"
    lines = render(table, "csv").splitlines()
    assert lines[2] == "toy,reconstruction,native,abc123,Controls,frozen,-,ann,14.0,6.0,1/1"


def test_different_recipes_do_not_share_a_table() -> None:
    with pytest.raises(UsageError) as caught:
        table1([record("frozen", psnr=1.0), record("mean", psnr=1.0, recipe="paper", recipe_digest="ffff00")])
    assert "native (abc123) and paper (ffff00)" in str(caught.value)
    assert caught.value.exit_code == 2


MIXED = [
    oracle("real", "ann", 100.0),
    record("frozen", "ann", 14.0, 6.0),
    record("mean", "ann", 16.0, 5.0),
    record("mean", "ann", 18.0, 4.0, recipe="paper", recipe_digest="ffff00"),
    record("wav2lip", "ann", 30.0, 1.0, recipe="strict", recipe_digest="eeee00", category="GAN"),
]


def test_mixed_recipes_are_marked_and_not_ranked() -> None:
    table = table1(MIXED, INFOS, allow_mixed=True)
    assert rows(table) == [
        "Frozen - native abc123 14.00 6.000 1/1",
        "Mean - native abc123 16.00 5.000 1/1",
        "Mean - paper ffff00 18.00# 4.000# 1/1",
        "Real† - native abc123 100.00 0.000 1/1",
        "Wav2Lip - strict eeee00 30.00## 1.000## 1/1",
    ]
    assert marks(table, PSNR.id) == {"mean -": "best", "frozen -": "second"}
    assert "Recipe native (abc123), scored at 256x256, seed 0." in table.caption
    told = "under another recipe, {}: not comparable with the other rows, not ranked."
    assert f"# {told.format('paper (ffff00)')}" in table.caption
    assert f"## {told.format('strict (eeee00)')}" in table.caption
    assert table.facts["recipe"] == table.facts["recipe_digest"] == "mixed"
    assert len({len(row.cells) for _, row in table1(MIXED, INFOS, by="clip", allow_mixed=True).rows()}) == 1
    assert "18.00#" in render(table1(MIXED, INFOS, by="clip", allow_mixed=True), "rich")
    alike = table1(RECORDS, INFOS, allow_mixed=True)
    assert alike == table1(RECORDS, INFOS)


def test_what_beats_the_real_video_is_flagged() -> None:
    sync = MetricInfo("lse_d@x", "LSE-D", "lower", "", "", 2)

    def synced(method: str, number: float, clip: str = "ann", **change: Any) -> Record:
        known = {"values": {sync.id: value(number, sync)}, "provenance": {"metrics": [sync.id]}}
        return record(method, clip, **{**known, **change})

    found = [
        synced("real", 7.0, oracle=True),
        synced("real", 6.0, "berta", oracle=True),
        synced("good", 6.9),
        synced("poor", 7.1),
        synced("both", 6.9),
        synced("both", 6.2, "berta"),
        synced("apart", 1.0, "cyril"),
        synced("other", 1.0, recipe="paper", recipe_digest="ffff00"),
    ]
    table = table1(found, {sync.id: sync}, allow_mixed=True)
    shown = {row.cells[0].value: row.cells[3].marked for _, row in table.rows()}
    assert shown == {
        "apart": "1.00*", "both": "6.55*", "good": "6.90*§", "other": "1.00*#", "poor": "7.10*", "real": "6.50*"
    }  # fmt: skip
    told = "§ better than the real video itself: this number says little about how real it looks or sounds."
    assert told in table.caption
    assert not any("§" in sentence for sentence in table1(RECORDS, INFOS).caption)


def test_a_metric_without_a_better_way_has_no_arrow_and_no_best() -> None:
    offset = MetricInfo("av_offset@x", "AV offset", "none", "frames", "", 0)
    found = [
        record(name, values={offset.id: value(number, offset)}, provenance={"metrics": [offset.id]})
        for name, number in (("real", 1.0), ("mean", 3.0), ("frozen", 0.0))
    ]
    table = table1(found, {offset.id: offset})
    assert table.columns[2].head == "AV offset [frames]" and not marks(table, offset.id)
    assert render(table, "rich") and render(table1(found), "latex")


def test_datasets_and_protocols_do_not_mix() -> None:
    with pytest.raises(UsageError, match=r"several datasets \(hdtf, toy\). Choose one with --dataset"):
        table1([record("frozen"), record("frozen", dataset="hdtf")])
    with pytest.raises(UsageError, match=r"several protocols \(audio_driven, reconstruction\)"):
        table1([record("frozen"), record("frozen", protocol="audio_driven")])


def test_no_records() -> None:
    with pytest.raises(MissingData, match="There are no records to make a table of"):
        table1([])


def test_all_failed_still_makes_a_table_with_the_recipes_columns() -> None:
    table = table1([failed("frozen", "ann"), failed("frozen", "berta")], INFOS)
    assert rows(table) == ["Frozen - - - 0/2"]
    assert [column.head for column in table.columns][2:4] == ["PSNR [dB] ↑", "LMD [px] ↓"]
    assert (
        table.caption[-1]
        == "Failed: frozen on ann; frozen on berta, to fit (MethodError: loss is not finite)."
    )


def test_failures_alike_are_told_once_and_briefly() -> None:
    failure = Failure(stage="prepare", kind="NoFaceFound", message="no face " * 100, hint="")
    records = [
        record(name, status="failed", failure=failure, category="3DGS", drive=drive)
        for name, drive in (("talk2me", "P1"), ("talk2me", "P2"), ("frozen", "-"))
    ]
    (said,) = (sentence for sentence in table1(records).caption if sentence.startswith("Failed"))
    assert said.startswith(
        "Failed: frozen, talk2me P1, talk2me P2 on ann, to prepare (NoFaceFound: no face no"
    )
    assert said.endswith("…).")
    assert len(said) < 300


def test_an_unknown_metric_is_printed_under_its_id() -> None:
    assert table1(RECORDS).columns[2].head == "psnr@rgb [dB] ↑"


@pytest.mark.parametrize("name", ["rich", "md", "latex", "html", "csv", "json"])
def test_bytes_do_not_depend_on_the_order_of_the_records(name: str) -> None:
    shuffled = RECORDS.copy()
    random.Random(3).shuffle(shuffled)
    assert render(table1(shuffled, INFOS), name) == render(table1(RECORDS, INFOS), name)
