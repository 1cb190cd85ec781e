"""Many clips prepared into one folder: what is missing is made, each clip whole or not at all, errors kept apart."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import groupby
from pathlib import Path

import torch
from filelock import FileLock

from t2m_bench.core.atomic import move_file, write_text
from t2m_bench.core.digest import file_sha256
from t2m_bench.core.errors import MissingData, OutputError, T2MError
from t2m_bench.core.method import Reporter, SilentReporter
from t2m_bench.data.download import SUFFIXES, Downloader, VideoGone, find_raw, obtain, yt_dlp
from t2m_bench.data.ledger import WORK, LedgerRow, add_rows, read_ledger, record
from t2m_bench.data.manifest import ClipRow
from t2m_bench.data.preparation import PREPARATION_VERSION, Matting, prepare_clip, settings_digest

RAW = "raw"
"""Folder for downloaded videos, beside the clips."""


@dataclass(frozen=True)
class Order:
    """What is to be prepared, and how."""

    folder: Path
    """For clips, ledger and manifest."""
    raw: Path | None = None
    """Folder of raw videos; None downloads them."""
    matting: Matting = "none"
    offline: bool = False
    """Never download."""
    downloader: Downloader | None = None
    """In place of yt-dlp."""


def prepare_all(rows: Sequence[ClipRow], order: Order, *, jobs: int, report: Reporter) -> list[LedgerRow]:
    """Prepare those clips of a manifest that are not there yet.

    A clip is left alone when the ledger has it as made with these settings and its files are there. One that is gone
    stays so until its raw video lies in the folder. Several runs may work on one folder: each clip is made once.

    Args:
        rows: the clips.
        order: where and how.
        jobs: processes; each takes all clips of one video.
        report: takes progress, one step a clip.

    Returns:
        The ledger's rows of these clips, by id.

    Raises:
        DependencyError: a download is needed and yt-dlp is not installed.
        ConfigError: the ledger or the manifest in the folder does not read.
        OutputError: the folder cannot be written.
    """
    add_rows(order.folder, rows)
    ledger = read_ledger(order.folder)
    todo = [row for row in rows if not _is_done(row, ledger.get(row.id), order)]
    _check_downloader(todo, order)
    by_video = sorted(todo, key=lambda row: (row.video, row.id))
    groups = [list(clips) for _, clips in groupby(by_video, key=lambda row: row.video)]
    report.stage("preparing", len(todo))
    for done in _results(groups, order, jobs):
        report.advance(note=done.id)
        if done.status != "ok" or done.reason:
            report.log(f"{done.id}: {done.status}{f' ({done.reason})' if done.reason else ''}")
    ledger = read_ledger(order.folder)
    return [ledger[row.id] for row in sorted(rows, key=lambda row: row.id) if row.id in ledger]


def _results(groups: list[list[ClipRow]], order: Order, jobs: int) -> Iterator[LedgerRow]:
    if jobs <= 1 or len(groups) <= 1:
        for group in groups:
            yield from _prepare_video(group, order)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of libraries' threads
    with ProcessPoolExecutor(min(jobs, len(groups)), mp_context=context, initializer=_one_thread) as pool:
        waiting = [pool.submit(_prepare_group, group, order) for group in groups]
        try:
            for future in as_completed(waiting):
                yield from future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _one_thread() -> None:
    torch.set_num_threads(1)


def _prepare_group(rows: list[ClipRow], order: Order) -> list[LedgerRow]:
    return list(_prepare_video(rows, order))


def _prepare_video(rows: list[ClipRow], order: Order) -> Iterator[LedgerRow]:
    """All clips of one raw video."""
    try:
        source = _raw_video(rows[0], order)
        sha256 = file_sha256(source)
    except (T2MError, OSError) as error:
        for row in rows:
            done = _troubled(row, order, error)
            record(order.folder, done)
            yield done
        return
    for row in rows:
        yield _prepare_one(row, source, sha256, order)


def _raw_video(row: ClipRow, order: Order) -> Path:
    if order.raw is None:
        return obtain(
            row.video, row.url, order.folder / RAW, offline=order.offline, downloader=order.downloader
        )
    found = find_raw(order.raw, row.video)
    if found is None:
        raise MissingData(f"There is no raw video {row.video} ({', '.join(SUFFIXES)}) in {order.raw}")
    return found


def _prepare_one(row: ClipRow, source: Path, sha256: str, order: Order) -> LedgerRow:
    work = order.folder / WORK
    with FileLock(work / f"{row.id}.lock"):
        former = read_ledger(order.folder).get(row.id)
        if former and _is_done(row, former, order) and former.status == "ok":
            return former  # another process made it while this one waited
        part, note = work / f"{row.id}.part", work / f"{row.id}.json"
        try:
            found = _interrupted(note)
            settings = settings_digest(row, order.matting)
            _check_own(order.folder, row.id, former, found)
            if found is None or not _is_whole(found, settings, sha256, order.folder, part):
                found = _make(row, source, sha256, order, part, settings)
                # From here on a run that is killed can be finished by the next one.
                write_text(note, found.model_dump_json())
            _put_in_place(order.folder, part, found, former)
        except (T2MError, OSError, MemoryError) as error:
            failed = _troubled(row, order, error, former)
            record(order.folder, failed)
            if not note.exists():
                shutil.rmtree(part, ignore_errors=True)
            return failed
        record(order.folder, found)
        note.unlink(missing_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        return found


def _is_whole(found: LedgerRow, settings: str, sha256: str, folder: Path, part: Path) -> bool:
    """Whether what an interrupted run left is what is wanted now, in its place or still in its working folder."""
    same = (found.version, found.settings, found.source_sha256) == (PREPARATION_VERSION, settings, sha256)
    return same and all(_hash_at(part / name, folder / name) == h for name, h in found.hashes.items())


def _make(row: ClipRow, source: Path, sha256: str, order: Order, part: Path, settings: str) -> LedgerRow:
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    made = prepare_clip(row, source, part, order.matting, SilentReporter())
    return LedgerRow(
        id=row.id,
        status="ok",
        reason="; ".join(made.notes),
        date=_now(),
        source=source.name,
        source_sha256=sha256,
        frames=made.frames,
        seconds=made.seconds,
        matting=order.matting,
        version=PREPARATION_VERSION,
        settings=settings,
        **made.hashes,
    )


def _put_in_place(folder: Path, part: Path, done: LedgerRow, former: LedgerRow | None) -> None:
    for name in done.hashes:
        if (part / name).exists():
            move_file(part / name, folder / name)
    for name in set(former.hashes if former else ()) - set(done.hashes):
        (folder / name).unlink(missing_ok=True)  # the matte of a former preparation


def _check_own(folder: Path, name: str, former: LedgerRow | None, adopted: LedgerRow | None) -> None:
    """Refuse to replace a file that no preparation made.

    Raises:
        OutputError: there is one.
    """
    for file in (f"{name}.mp4", f"{name}.wav", f"{name}.matte.mkv"):
        path = folder / file
        own = [row.hashes.get(file) for row in (former, adopted) if row]
        if os.path.lexists(path) and (not path.is_file() or file_sha256(path) not in own):
            raise OutputError(
                f"{path} is in the way: it is not the file that a preparation made",
                hint="Move it away, and run the same command again",
            )


def _interrupted(note: Path) -> LedgerRow | None:
    """What a run that was killed had finished but not yet recorded."""
    with contextlib.suppress(OSError, ValueError):
        return LedgerRow.model_validate(json.loads(note.read_text(encoding="utf-8")))
    return None


def _hash_at(*places: Path) -> str:
    return next((file_sha256(path) for path in places if path.is_file()), "")


def _is_done(row: ClipRow, known: LedgerRow | None, order: Order) -> bool:
    if known is None or known.status == "failed":
        return False
    if known.status == "gone":
        return find_raw(order.raw or order.folder / RAW, row.video) is None
    same = known.version == PREPARATION_VERSION and known.settings == settings_digest(row, order.matting)
    return same and all((order.folder / name).is_file() for name in known.hashes)


def _troubled(row: ClipRow, order: Order, error: BaseException, former: LedgerRow | None = None) -> LedgerRow:
    """A row that says what went wrong; the hashes of a former preparation stay, for its files do."""
    former = former or read_ledger(order.folder).get(row.id)
    base = former or LedgerRow(id=row.id, status="failed", date="")
    reason = error.message if isinstance(error, T2MError) else f"{type(error).__name__}: {error}"
    return base.model_copy(
        update={
            "status": "gone" if isinstance(error, VideoGone) else "failed",
            "reason": " ".join(reason.split()),
            "date": _now(),
        }
    )


def _check_downloader(todo: Sequence[ClipRow], order: Order) -> None:
    """Tell once, and before any work, that yt-dlp is missing."""
    if order.raw is not None or order.offline or order.downloader is not None:
        return
    if any(row.url and find_raw(order.folder / RAW, row.video) is None for row in todo):
        yt_dlp()


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
