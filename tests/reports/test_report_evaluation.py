from __future__ import annotations

from typing import Any

from t2m_bench.core.metric import MetricInfo
from t2m_bench.core.recipe import recipes
from t2m_bench.core.record import Failure, MetricValue
from t2m_bench.metrics.evaluation import Evaluation, PairResult
from t2m_bench.reports.evaluation import evaluation_table, for_terminal
from t2m_bench.reports.formats import FORMATS, render
from t2m_bench.reports.table import Table

FID = MetricInfo("fid@x", "FID", "lower", "", "", 2, assets=("net",))
LSE = MetricInfo("lse_d@x", "LSE-D", "lower", "", "", 2)
OFFSET = MetricInfo("av_offset@x", "AV offset", "none", "frames", "", 0)
INFOS = {info.id: info for info in (FID, LSE, OFFSET)}


def value(number: float, info: MetricInfo, frames: int = 10, **facts: float) -> MetricValue:
    return MetricValue(
        value=number, unit=info.unit, direction=info.direction, frames=frames, frames_asked=10, facts=facts
    )


def row(name: str, **change: Any) -> PairResult:
    return PairResult(**{"id": name, "prediction": f"{name}.mp4", "reference": None, **change})


def evaluation(*pairs: PairResult, **change: Any) -> Evaluation:
    recipe = recipes().get("native")
    known: dict[str, Any] = {
        "recipe": recipe.model_dump(mode="json"), "recipe_digest": "abc", "metrics": tuple(INFOS),
        "shortest": False, "pairs": pairs,
    }  # fmt: skip
    return Evaluation(**{**known, **change})


def rows(table: Table) -> list[str]:
    return [" | ".join(cell.marked for cell in row.cells) for _, row in table.rows()]


REAL = {
    "real": {LSE.id: value(7.0, LSE), OFFSET.id: value(0, OFFSET)},
    "other_sound": {LSE.id: value(9.0, LSE)},
}
FOUND = evaluation(
    row("a", values={LSE.id: value(6.5, LSE), OFFSET.id: value(1, OFFSET)}, controls=REAL, better_than_real=(LSE.id,)),
    row("b", values={LSE.id: value(8.0, LSE, 7)}, controls=REAL, notes=("cut",), unavailable={FID.id: "Too short."}),
    row("c", failure=Failure(stage="score", kind="VideoError", message="c.mp4 is broken", hint="Replace it")),
    pooled={FID.id: value(12.345, FID, n=4096)},
    unmatched=("d.mp4",),
)  # fmt: skip


def test_rows_means_counts_the_pooled_number_and_controls() -> None:
    table = evaluation_table(FOUND, INFOS)
    assert rows(table) == [
        "a | - | 6.50§ | 1",
        "b | - | 8.00 | -",
        "c | - | - | -",
        "mean over videos | - | 7.25* | 1*",
        "videos measured | 0/3 | 2/3 | 1/3",
        "all frames as one set | 12.35 (n=4096) | - | -",
        "real video | - | 7.00* | 0*",
        "real, sound of another time | - | 9.00* | -",
    ]
    assert [column.head for column in table.columns] == ["Video", "FID ↓", "LSE-D ↓", "AV offset [frames]"]


def test_the_caption_tells_all_that_a_reader_must_know() -> None:
    caption = evaluation_table(FOUND, INFOS).caption
    assert caption == (
        "Recipe native version 1 (abc), scored at the reference's own size; metrics: fid@x, lse_d@x, av_offset@x.",
        "* over fewer videos than there are.",
        "§ better than the real video itself: this number says little about how real it looks or sounds.",
        "lse_d@x of b: measured on 7 of 10 frames.",
        "Careful: cut (b).",
        "Not computed: fid@x: Too short (b).",
        "Failed: c (VideoError: c.mp4 is broken): Replace it.",
        "Not measured, for they have no partner: d.mp4.",
    )


def test_what_the_machine_lacks_is_told_once() -> None:
    lacking = {FID.id: "net is missing", LSE.id: "Run `pip install x`."}
    pairs = [row(name, unavailable=lacking) for name in "ab"]
    caption = evaluation_table(evaluation(*pairs, lacking=lacking), INFOS, ["net"]).caption
    assert caption[1:] == (
        "Not available here: fid@x. `t2m-bench assets fetch net` gets what they need.",
        "Not available here: Run `pip install x` (lse_d@x).",
    )


def test_one_video_has_no_mean_and_every_format_works() -> None:
    alone = evaluation_table(evaluation(FOUND.pairs[1]), INFOS)
    assert rows(alone)[0] == "b | - | 8.00 | -" and "mean over videos" not in render(alone, "rich")
    for name in FORMATS:
        assert render(evaluation_table(FOUND, INFOS), name) == render(evaluation_table(FOUND, INFOS), name)


def test_speakers_get_a_column_where_there_are_any() -> None:
    table = evaluation_table(evaluation(row("a", speaker="Ann"), row("b")), INFOS)
    assert table.columns[1].title == "Speaker"
    assert {len(row.cells) for _, row in table.rows()} == {5}


def _many(count: int) -> Table:
    infos = {f"m{n}@x": MetricInfo(f"m{n}@x", f"M{n}", "lower", "px", "", 1) for n in range(12)}
    numbers = {name: value(float(n), info) for n, (name, info) in enumerate(infos.items()) if n != 3}
    pairs = [row(f"v{n}", values=numbers) for n in range(count)]
    return evaluation_table(evaluation(*pairs, metrics=tuple(infos)), infos)


def test_many_metrics_are_laid_on_their_side_for_a_terminal() -> None:
    table = for_terminal(_many(2))
    heads = ["Metric", "Id", "v0", "v1", "mean over videos", "videos measured"]
    assert [column.head for column in table.columns] == heads
    assert rows(table)[0] == "M0 [px] ↓ | m0@x | 0.0 | 0.0 | 0.0 | 2/2"
    assert len(rows(table)) == 12, "m3 was measured on 0/2"
    assert [len(line.cells) for _, line in table.rows()] == [6] * 12


def test_many_videos_are_told_together_and_where_each_is() -> None:
    table = for_terminal(_many(5))
    assert [column.head for column in table.columns][2:] == ["mean over videos", "videos measured"]
    assert table.caption[-1] == "Each video has its row in the file of `--csv FILE`."
    assert for_terminal(evaluation_table(FOUND, INFOS)) == evaluation_table(FOUND, INFOS)
