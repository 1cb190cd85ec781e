"""`t2m-bench evaluate`: score videos that were made elsewhere, and see whether the metrics can be trusted."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from t2m_bench.core.metric import MetricInfo
    from t2m_bench.core.recipe import Recipe
    from t2m_bench.metrics.evaluation import Evaluation
    from t2m_bench.metrics.pairs import Pairs
    from t2m_bench.metrics.selftest import Card
    from t2m_bench.reports.table import Table

EXAMPLE = "Example: t2m-bench evaluate MADE.mp4 REAL.mp4 --metrics psnr,lmd --out scores.json"
_DEFAULT = "paper"
_NONE = "-"


def evaluate(
    prediction: Annotated[
        Path | None, typer.Argument(metavar="PRED", help="Video to score, or folder of videos.")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Argument(metavar="REF", help="Real video, or folder matched by name; `-` or nothing: none."),
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="CSV instead: prediction,reference[,id,speaker].")
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metrics", "-m", help="Ids or plain names, by commas; else the recipe's."),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help=f"How to score: a name, or a .toml file; else {_DEFAULT}.")
    ] = None,
    shortest: Annotated[
        bool, typer.Option("--shortest", help="Cut both to their common number of frames.")
    ] = False,
    controls: Annotated[
        bool, typer.Option("--controls", help="Measure the real videos too; flag what beats them.")
    ] = False,
    selftest: Annotated[
        bool,
        typer.Option("--selftest", help="Plant damage in PRED (else a demo clip); check every metric moves."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write all there is to this JSON file.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table to this CSV file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files; FID of few frames, too.")] = False,
    format_: Annotated[
        str, typer.Option("--format", "-f", help="rich, md, latex, html, csv or json.")
    ] = "rich",
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Never download anything.")] = False,
) -> None:
    """Score one video against another, or many.

    A file or a folder each, matched by name. What cannot be computed here is said, and the rest is scored; a video
    that fails is a row with its reason. Exit code 1 if any failed.
    """
    from t2m_bench.core.recipe import find_recipe
    from t2m_bench.reports.formats import check_format

    if offline:
        os.environ["T2M_OFFLINE"] = "1"
    check_format(format_)
    for path in (out, csv):
        _check_free(path, force=force)
    asked = [name.strip() for part in metrics or () for name in part.split(",") if name.strip()]
    chosen = find_recipe(recipe or ("strict" if selftest else _DEFAULT))
    if force:  # a recipe of its own, by its digest
        chosen = chosen.model_copy(update={"fid_floor": 0})
    if selftest:
        _check_no_pairs(reference, pairs)
        failed = _selftest(prediction, chosen, asked, out, csv, format_, json_=json_)
    else:
        found = _find(prediction, reference, pairs)
        failed = _evaluate(
            found, chosen, asked, out, csv, format_, json_=json_, shortest=shortest, controls=controls
        )
    if failed:
        raise typer.Exit(1)


def _check_free(path: Path | None, *, force: bool) -> None:
    from t2m_bench.core.errors import OutputError

    if path is not None and path.is_dir():
        raise OutputError(f"{path} is a folder", hint="Name a file")
    if path is not None and path.exists() and not force:
        raise OutputError(f"{path} is there already", hint="Name another file, or give --force")


def _check_no_pairs(reference: Path | None, pairs: Path | None) -> None:
    from t2m_bench.core.errors import UsageError

    if reference is not None or pairs is not None:
        raise UsageError("A self-test takes one video and no reference", hint="Give `--selftest [VIDEO]`")


def _find(prediction: Path | None, reference: Path | None, pairs: Path | None) -> Pairs:
    from t2m_bench.core.errors import UsageError
    from t2m_bench.metrics.pairs import find_pairs, read_pairs

    if pairs is not None:
        if prediction is not None:
            raise UsageError("Videos are named twice, by PRED and by --pairs", hint="Give one of them")
        return read_pairs(pairs)
    if prediction is None:
        raise UsageError("No video is named", hint="Give PRED and REF, --pairs or --selftest")
    return find_pairs(prediction, None if reference is None or str(reference) == _NONE else reference)


def _evaluate(
    pairs: Pairs,
    recipe: Recipe,
    asked: list[str],
    out: Path | None,
    csv: Path | None,
    format_: str,
    *,
    json_: bool,
    shortest: bool,
    controls: bool,
) -> bool:
    from t2m_bench.cli.progress import open_reporter
    from t2m_bench.metrics.catalog import metric_infos
    from t2m_bench.metrics.evaluate import evaluate as measure
    from t2m_bench.metrics.evaluate import metric_names
    from t2m_bench.reports.evaluation import evaluation_table
    from t2m_bench.runs.machine import software

    names, infos = metric_names(asked, recipe), metric_infos()
    lacking = _lacking(recipe, names, infos)
    with open_reporter() as report:
        found: Evaluation = measure(
            pairs, recipe, report, names=names, shortest=shortest, controls=controls, lacking=lacking
        )
    found = found.model_copy(update={"software": software()})
    made = evaluation_table(found, infos, missing_assets(found.lacking, infos))
    try:
        _write(out, csv, made, found.as_json(per_frame=True))
    finally:  # a full disk must not cost the numbers
        _show(made, format_, found.as_json(per_frame=False) if json_ else None)
    return bool(found.failed)


def _selftest(
    video: Path | None,
    recipe: Recipe,
    asked: list[str],
    out: Path | None,
    csv: Path | None,
    format_: str,
    *,
    json_: bool,
) -> bool:
    from t2m_bench.cli.progress import open_reporter
    from t2m_bench.metrics.catalog import metric_infos
    from t2m_bench.metrics.evaluate import metric_names
    from t2m_bench.metrics.expectations import effects
    from t2m_bench.metrics.selftest import demo_video
    from t2m_bench.metrics.selftest import selftest as check
    from t2m_bench.reports.selftest import card_json, card_table

    infos = metric_infos()
    names = metric_names(asked, recipe) if asked else tuple(name for name in infos if effects(name))
    lacking = _lacking(recipe, names, infos)
    with open_reporter() as report:
        card: Card = check(video or demo_video(), recipe, report, names=names, lacking=lacking)
    made = card_table(card, infos, missing_assets(lacking, infos))
    try:
        _write(out, csv, made, card_json(card))
    finally:
        _show(made, format_, card_json(card) if json_ else None)
    return bool(card.failed)


def _lacking(recipe: Recipe, names: Iterable[str], infos: Mapping[str, MetricInfo]) -> dict[str, str]:
    from t2m_bench.runs.availability import lacking_metrics

    return lacking_metrics(recipe.model_copy(update={"metrics": tuple(names)}), infos)


def missing_assets(lacking: Iterable[str], infos: Mapping[str, MetricInfo]) -> list[str]:
    """Model files that metrics need and this machine does not have."""
    from t2m_bench.core import assets

    needed = dict.fromkeys(asset for name in lacking if name in infos for asset in infos[name].assets)
    return [asset for asset in needed if asset in assets.ASSETS and assets.status(asset).state == "missing"]


def _show(made: Table, format_: str, value: dict[str, Any] | None) -> None:
    """On stdout: a JSON value if there is one, else the table."""
    from t2m_bench.cli.output import print_json, show_table
    from t2m_bench.reports.evaluation import for_terminal
    from t2m_bench.reports.formats import render

    if value is not None:
        print_json(value)
    elif format_ == "rich":
        show_table(for_terminal(made))
    else:
        print(render(made, format_), end="")


def _write(out: Path | None, csv: Path | None, made: Table, value: dict[str, Any]) -> None:
    """Write the JSON value and the table to the files that are named.

    Raises:
        OutputError: one cannot be written.
    """
    from t2m_bench.core.atomic import write_text
    from t2m_bench.core.errors import OutputError
    from t2m_bench.reports.text import to_csv

    texts = [(out, _json_text(value))] if out is not None else []
    texts += [(csv, to_csv(made))] if csv is not None else []
    for path, text in texts:
        try:
            write_text(path, text)
        except OSError as error:
            raise OutputError(f"{path} cannot be written ({error.strerror or error})") from error


def _json_text(value: dict[str, Any]) -> str:
    import json

    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
