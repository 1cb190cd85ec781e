"""`t2m-bench datasets prepare`: raw videos to clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from t2m_bench.core.errors import UsageError

if TYPE_CHECKING:
    from t2m_bench.data.ledger import LedgerRow
    from t2m_bench.data.manifest import ClipRow
    from t2m_bench.data.preparation import Matting

EXAMPLE = "Example: t2m-bench datasets prepare hdtf --out DATA --from RAW_VIDEOS --subset WDA --jobs 4"
MATTINGS = ("none", "selfie", "rvm")


def prepare(
    name: Annotated[str, typer.Argument(help="hdtf, or mandarin with a manifest of your own.")],
    out: Annotated[Path, typer.Option("--out", help="Data root; clips come into its folder NAME.")],
    from_: Annotated[
        Path | None, typer.Option("--from", help="Folder of raw videos; without it they are downloaded.")
    ] = None,
    manifest: Annotated[Path | None, typer.Option(help="CSV file in place of the shipped one.")] = None,
    subset: Annotated[list[str] | None, typer.Option(help="Only this subset; may be repeated.")] = None,
    split: Annotated[str, typer.Option(help="Only one part of a named split, as speakers:test.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many clips, the first by id.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    matting: Annotated[str, typer.Option(help="Puts the person on white: none, selfie or rvm.")] = "none",
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash the prepared files again, make none.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Never download.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Cut raw videos to clips: 512x512, 25 fps, 16 kHz sound; what is there already is left alone.

    Exit code 1: a clip failed, or a file differs with --verify.
    """
    if name not in ("hdtf", "mandarin"):
        raise UsageError(f"{name!r} cannot be prepared", hint="Known are hdtf and mandarin")
    if matting not in MATTINGS:
        raise UsageError(f"No matting is called {matting!r}", hint=f"Known are {', '.join(MATTINGS)}")
    folder = out.expanduser().absolute() / name
    if verify:
        _verify(folder, json_)
        return
    if from_ is not None and not from_.expanduser().is_dir():
        raise UsageError(f"{from_} is no folder", hint="Name the folder that holds the raw videos")
    rows = _rows(name, manifest, subset or [], split, limit)
    from t2m_bench.cli.progress import open_reporter
    from t2m_bench.core.assets import is_offline
    from t2m_bench.data.batch import Order, prepare_all

    order = Order(
        folder=folder,
        raw=from_.expanduser().absolute() if from_ else None,
        matting=cast("Matting", matting),
        offline=is_offline(offline or None),
    )
    with open_reporter() as report:
        done = prepare_all(rows, order, jobs=jobs, report=report)
    _tell(folder, done, json_)


def _rows(
    name: str, manifest: Path | None, subsets: list[str], split: str, limit: int | None
) -> tuple[ClipRow, ...]:
    from t2m_bench.core.resources import resource
    from t2m_bench.data.manifest import read_manifest

    if manifest is None and name == "mandarin":
        raise UsageError(
            "mandarin has no clips of its own", hint="Name your list with --manifest (see datasets/mandarin)"
        )
    found = read_manifest(manifest or resource("datasets", name, "clips.csv"))
    if split:
        which, colon, part = split.partition(":")
        if not colon:
            raise UsageError(f"{split!r} is no part of a split", hint="Write it as speakers:test")
        found = found.part(which, part)
    known = sorted({row.subset for row in found.rows if row.subset})
    for word in subsets:
        if word not in known:
            raise UsageError(f"No clip is in subset {word!r}", hint=f"Known are {', '.join(known) or 'none'}")
    rows = tuple(row for row in found.rows if not subsets or row.subset in subsets)
    return rows[:limit]


def _verify(folder: Path, json_: bool) -> None:
    from t2m_bench.cli.output import print_json
    from t2m_bench.core.errors import MissingData
    from t2m_bench.data.ledger import LEDGER, available_digest, differences

    if not (folder / LEDGER).is_file():
        raise MissingData(f"{folder} has no {LEDGER}", hint="Name the --out of a former preparation")
    found = differences(folder)
    facts = available_digest(folder)
    if json_:
        print_json({"folder": str(folder), "differences": found, **facts})
    else:
        for text in found:
            print(text)
        print(f"{facts['clips']} clips in {folder}: {len(found) or 'no'} differences")
        if found:
            print("Move files that differ away and prepare again to make them anew.")
    if found:
        raise typer.Exit(1)


def _tell(folder: Path, done: list[LedgerRow], json_: bool) -> None:
    from t2m_bench.cli.output import print_json
    from t2m_bench.data.ledger import available_digest

    count: dict[str, int] = {
        status: sum(row.status == status for row in done) for status in ("ok", "gone", "failed")
    }
    seconds = sum(row.seconds for row in done if row.status == "ok")
    if json_:
        facts: dict[str, Any] = {"folder": str(folder), **count, "seconds": seconds}
        clips = [row.model_dump(mode="json") for row in done]
        print_json({**facts, "digests": available_digest(folder), "clips": clips})
    else:
        for row in done:
            if row.status != "ok":
                print(f"{row.id}: {row.status} ({row.reason})")
        told = ", ".join(f"{number} {status}" for status, number in count.items())
        print(f"{len(done)} clips in {folder}: {told}; {seconds / 60:.1f} minutes")
    if count["failed"] or not count["ok"]:
        raise typer.Exit(1)
