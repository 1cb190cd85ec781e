"""The sentences under a table: what was measured, how, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import shorten

from t2m_bench.core.record import Record
from t2m_bench.reports.table import Cell

ORACLE, SEES_TEST, PARTIAL, BETTER, MIXED = "†", "‡", "*", "§", "#"
BETTER_TOLD = "better than the real video itself: this number says little about how real it looks or sounds"

_LONGEST_MESSAGE = 200

_DRIVES = {
    "P1": "P1 = expression and pose of the reference (the avatar alone)",
    "P2": "P2 = expression from the sound, pose of the reference",
    "P3": "P3 = expression and pose from the sound",
    "P4": "P4 = expression and pose from the sound of another clip",
    "-": "- = no expression or pose input",
}


def caption(
    records: Sequence[Record], titles: Mapping[str, str], cells: Sequence[Cell], main: Record | None = None
) -> tuple[str, ...]:
    """All sentences of a table over `records`.

    Args:
        records: all of one dataset and protocol; not empty.
        titles: of columns by metric id.
        cells: the metric cells, for the signs that need explaining.
        main: one of the recipe that unmarked cells are of; the first if None.
    """
    return (
        _what(records),
        _how(records, main or records[0]),
        _drives(records),
        *_signs(records, cells),
        *_mixed(records, main or records[0]),
        *_resized(records),
        *_clips_differ(records),
        *_uncovered(records, titles),
        *_unavailable(records, titles),
        *_failures(records),
    )


def _what(records: Sequence[Record]) -> str:
    clips = {record.clip for record in records}
    synthetic = sum(record.synthetic for record in records)
    kind = "synthetic" if synthetic == len(records) else "partly synthetic" if synthetic else "recorded"
    count = f"{len(clips)} {kind} {'clip' if len(clips) == 1 else 'clips'}"
    told = "; no person was filmed" if kind == "synthetic" else ""
    part = (
        "held-out part of each clip" if records[0].protocol == "reconstruction" else "sound of another clip"
    )
    return f"Dataset {records[0].dataset}: {count}, {part}, mean over clips{told}."


def _how(records: Sequence[Record], main: Record) -> str:
    sizes = sorted({record.size for record in records if record.size})
    scored = ", ".join(f"{width}x{height}" for width, height in sizes)
    seeds = sorted({record.seed for record in records})
    parts = [f"Recipe {main.recipe} ({main.recipe_digest})"]
    parts += [f"scored at {scored}"] if scored else []
    parts.append(f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}")
    return ", ".join(parts) + "."


def _drives(records: Sequence[Record]) -> str:
    used = {record.drive for record in records}
    return f"Drive: {'; '.join(told for drive, told in _DRIVES.items() if drive in used)}."


def _signs(records: Sequence[Record], cells: Sequence[Cell]) -> Iterable[str]:
    if any(cell.bold for cell in cells):
        apart = "; P1, which is given the true expression, only competes with P1"
        with_p1 = any(record.expression == "reference" for record in records)
        yield f"Best bold, second underlined{apart if with_p1 else ''}."
    if any(record.oracle for record in records):
        yield f"{ORACLE} oracle: sees what no real method may see; not ranked."
    if any("test_frames" in record.sees and not record.oracle for record in records):
        yield f"{SEES_TEST} is given the held-out frames."
    if any(PARTIAL in cell.mark for cell in cells):
        yield f"{PARTIAL} over fewer clips than others in the column; not ranked."
    if any(BETTER in cell.mark for cell in cells):
        yield f"{BETTER} {BETTER_TOLD}."


def mixed_marks(records: Sequence[Record], main: Record) -> dict[str, str]:
    """The sign of each recipe, by digest; none for the main one."""
    others = sorted({(record.recipe, record.recipe_digest) for record in records})
    digests = [digest for _, digest in others if digest != main.recipe_digest]
    return {digest: MIXED * count for count, digest in enumerate(digests, start=1)}


def _mixed(records: Sequence[Record], main: Record) -> Iterable[str]:
    names = {record.recipe_digest: record.recipe for record in records}
    for digest, sign in mixed_marks(records, main).items():
        yield (
            f"{sign} under another recipe, {names[digest]} ({digest}): not comparable with the other rows, "
            "not ranked."
        )


def _resized(records: Sequence[Record]) -> Iterable[str]:
    found: dict[tuple[str, tuple[int, int], tuple[int, int]], None] = {}
    for record in records:
        if record.size and record.rendered_size and record.size != record.rendered_size:
            found[record.method, record.rendered_size, record.size] = None
    for method, made, scored in found:
        yield f"{method} made {made[0]}x{made[1]}, resized to {scored[0]}x{scored[1]} before scoring."


def _clips_differ(records: Sequence[Record]) -> Iterable[str]:
    contents: dict[str, set[str]] = {}
    for record in records:
        footage = record.provenance.get("footage") or {}
        if "held_out" in footage:
            contents.setdefault(record.clip, set()).add(footage["held_out"])
    for clip, digests in sorted(contents.items()):
        if len(digests) > 1:
            yield f"Careful: clip {clip} or its track was not the same in all rows; run them again."


def _uncovered(records: Sequence[Record], titles: Mapping[str, str]) -> Iterable[str]:
    found: dict[tuple[str, str, str], list[int]] = {}
    for record in records:
        for metric, value in record.values.items():
            total = found.setdefault((metric, record.method, record.drive), [0, 0])
            total[0] += value.frames
            total[1] += value.frames_asked
    for (metric, method, drive), (measured, asked) in found.items():
        if measured < asked:
            title = titles.get(metric, metric)
            yield f"{title} of {_row(method, drive)}: measured on {measured} of {asked} frames."


def _unavailable(records: Sequence[Record], titles: Mapping[str, str]) -> Iterable[str]:
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for record in records:
        for metric, reason in record.unavailable.items():
            metrics, units = found.setdefault(reason, ({}, {}))
            metrics[titles.get(metric, metric)] = None
            units[f"{_row(record.method, record.drive)} on {record.clip}"] = None
    for reason, (metrics, units) in found.items():
        where = "all rows" if len(units) == len(records) and len(units) > 1 else ", ".join(units)
        yield f"Not computed: {', '.join(metrics)} for {where}: {reason.rstrip('.')}."


def _failures(records: Sequence[Record]) -> Iterable[str]:
    found: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    for record in records:
        if failure := record.failure:
            rows = found.setdefault((failure.stage, failure.kind, failure.message), {})
            rows.setdefault(record.clip, []).append(_row(record.method, record.drive))
    for (stage, kind, message), clips in found.items():
        where = "; ".join(f"{', '.join(rows)} on {clip}" for clip, rows in clips.items())
        yield f"Failed: {where}, to {stage} ({kind}: {_shortened(message)})."


def _shortened(message: str) -> str:
    """Records hold the whole message."""
    return shorten(message.rstrip("."), width=_LONGEST_MESSAGE, placeholder="…")


def _row(method: str, drive: str) -> str:
    return method if drive == "-" else f"{method} {drive}"
