"""The in-process executor: every unit of a request is made, scored and stored, or its failure is.

A run may be killed at any moment: a unit appears whole or not at all, training goes on where it stopped, and the
same request started again gives the same records.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any

from t2m_bench.core.clip import Clip
from t2m_bench.core.method import Reporter
from t2m_bench.core.metric import MetricInfo
from t2m_bench.core.record import Record
from t2m_bench.core.subject import Footage, Subject
from t2m_bench.runs.attempt import Attempt, Inputs, notes_of
from t2m_bench.runs.checkpoints import Checkpoints
from t2m_bench.runs.folder import claim, writing
from t2m_bench.runs.job import Job, ReadyMethod, resolve
from t2m_bench.runs.keys import checkpoint_key, footage_facts, unit_key
from t2m_bench.runs.log import UnitLog
from t2m_bench.runs.manifest import note_request
from t2m_bench.runs.plan import Unit
from t2m_bench.runs.problem import Problem, problem_of
from t2m_bench.runs.request import RunRequest
from t2m_bench.runs.rows import Outcome, make_record
from t2m_bench.runs.store import LOG, RECORD, ResultStore
from t2m_bench.runs.wiring import Prepared, Scored, Wiring, default_wiring

__all__ = ["RunRequest", "run"]

_CLIPS_KEPT = 2
"""A unit needs its own clip, and in `audio_driven` the next one."""


def run(request: RunRequest, report: Reporter, *, wiring: Wiring | None = None) -> list[Record]:
    """Do what is asked, skipping what is done already; return the records of all units asked for, in order.

    A unit that fails is a record with the reason, and the others go on.

    Args:
        request: what to run.
        report: takes progress; `log` gets one line a unit.
        wiring: other parts than this package's own.

    Raises:
        UsageError: an unknown name, a wrong setting, or nothing to do; nothing was written.
        DataError: the dataset has no data; nothing was written.
        OutputError: the output folder cannot be used, or the disk is full; what was finished is kept.
        OutputBusy: another run holds the folder.

    Example:
        >>> request = RunRequest(methods=("frozen",), dataset="demo", out=Path("runs"))
        >>> [record.status for record in run(request, SilentReporter())]
        ['ok', 'ok']
    """
    wiring = wiring or default_wiring()
    job = resolve(request, wiring)
    with claim(request.out) as out:
        note_request(out, request, job.recipe, job.units)
        executor = _Executor(job, wiring, out, report)
        return [executor.do(number, unit) for number, unit in enumerate(job.units, start=1)]


class _Executor:
    def __init__(self, job: Job, wiring: Wiring, out: Path, report: Reporter) -> None:
        self._job = job
        self._wiring = wiring
        self._out = out
        self._report = report
        self._cache = job.request.cache or wiring.cache()
        self._infos = wiring.metric_infos()
        self._store = ResultStore(out)
        self._checkpoints = Checkpoints(out, job.dataset.card.name)
        self._prepared: dict[str, Prepared | Problem] = {}
        self._unfit: dict[tuple[str, str], Exception] = {}
        """Trainings that failed in this run: the next drive need not fail again after the same hours."""
        self._lacking_found: Mapping[str, str] | None = None

    def do(self, number: int, unit: Unit) -> Record:
        """Find or make one unit."""
        started = time.monotonic()
        inputs, ready = self._inputs(unit), self._job.methods[unit.method.label]
        facts = _facts(inputs, ready)
        key = unit_key(unit, facts, self._job.recipe.digest)
        record = self._store.find(unit, key, self._is_whole)
        if record is not None:
            outcome = "already done"
        else:
            record = self._make(unit, key, facts, inputs, ready)
            outcome = f"{outcome_text(record, self._infos)} in {time.monotonic() - started:.0f} s"
        self._report.log(f"[{number}/{len(self._job.units)}] {unit.title}: {outcome}")
        return record

    def _inputs(self, unit: Unit) -> Inputs | Problem:
        clip = self._prepare(unit.clip)
        if isinstance(clip, Problem):
            return clip
        sound = clip if unit.sound.id == unit.clip.id else self._prepare(unit.sound)
        return sound if isinstance(sound, Problem) else Inputs(clip, sound.held_out)

    def _prepare(self, clip: Clip) -> Prepared | Problem:
        if clip.id in self._prepared:
            return self._prepared[clip.id]
        job, found = self._job, None
        try:
            self._report.stage(f"prepare, clip {clip.id}")
            found = self._wiring.prepare(
                clip, job.dataset.card, job.recipe, cache=self._cache, report=self._report
            )
        except Exception as error:  # noqa: BLE001 - one bad clip, whatever is wrong with it, must not end the run
            problem = problem_of("prepare", error, self._out)
        else:
            for note in found.notes:
                self._report.log(f"clip {clip.id}: {note}")
        while len(self._prepared) >= _CLIPS_KEPT:
            del self._prepared[next(iter(self._prepared))]
        self._prepared[clip.id] = found or problem
        return self._prepared[clip.id]

    def _make(
        self,
        unit: Unit,
        key: str,
        facts: dict[str, Any],
        inputs: Inputs | Problem,
        ready: ReadyMethod | Problem,
    ) -> Record:
        with self._store.scratch() as scratch:
            folder, work = scratch / "unit", scratch / "work"
            with writing(self._out):
                folder.mkdir()
                work.mkdir()
            with UnitLog(folder / LOG, unit.title, self._report) as log:
                if isinstance(inputs, Problem) or isinstance(ready, Problem):
                    problem = inputs if isinstance(inputs, Problem) else ready
                    assert isinstance(problem, Problem)
                    log.failure(problem.error)
                    outcome = Outcome(problem=problem)
                else:
                    attempt = Attempt(
                        unit, key, self._job.recipe, inputs, ready, self._fit, self._score, self._lacking
                    )
                    outcome = self._try(attempt, folder, work, log)
            told = {**facts, "data": dict(self._job.data)}
            record = make_record(unit, self._job.dataset.card, self._job.recipe, key, told, outcome)
            with writing(self._out):
                record.save(folder / RECORD)
            self._store.put(unit, folder)
        return record

    def _try(self, attempt: Attempt, folder: Path, work: Path, log: UnitLog) -> Outcome:
        try:
            return attempt.run(folder, work, log)
        except Exception as error:  # noqa: BLE001 - methods and metrics are foreign code, and their failure is a result
            problem = problem_of(attempt.stage, error, self._out)
            log.failure(error)
            return Outcome(problem=problem, notes=notes_of(attempt.unit, attempt.inputs), cost=attempt.cost())

    def _fit(self, unit: Unit, subject: Subject, report: Reporter) -> tuple[Path | None, float | None]:
        ready = self._job.methods[unit.method.label]
        if not unit.method.card.fits or isinstance(ready, Problem):
            return None, None
        label, seed = unit.method.label, unit.seed
        if error := self._unfit.get((label, subject.id)):
            raise error

        def train(work: Path) -> Path:
            report.stage("fit")
            return ready.method.fit(subject, work, seed, report)

        try:
            key = checkpoint_key(ready.facts, subject.train, seed)
            return self._checkpoints.obtain(label, subject.id, key, train)
        except Exception as error:
            self._unfit[label, subject.id] = error
            raise

    def _is_whole(self, record: Record) -> bool:
        """Whether no metric is missing from a finished record that this machine could compute by now."""
        lacked = record.provenance.get("lacking", [])
        return not lacked or all(name in self._lacking() for name in lacked)

    def _lacking(self) -> Mapping[str, str]:
        if self._lacking_found is None:
            self._lacking_found = self._wiring.lacking(self._job.recipe)
        return self._lacking_found

    def _score(self, video: Path, sound: Path, held_out: Footage | None, report: Reporter) -> Scored:
        lacking = self._lacking()  # found once a run: a download may take long to fail
        recipe, cache = self._job.recipe, self._cache
        return self._wiring.score(video, held_out, recipe, report, sound=sound, cache=cache, lacking=lacking)


def _facts(inputs: Inputs | Problem, ready: ReadyMethod | Problem) -> dict[str, Any]:
    footage = None
    if isinstance(inputs, Inputs):
        footage = footage_facts(inputs.clip.subject.train, inputs.clip.held_out, inputs.sound)
    return {"method": ready.facts if isinstance(ready, ReadyMethod) else None, "footage": footage}


def outcome_text(record: Record, infos: Mapping[str, MetricInfo]) -> str:
    """A record in a few words: its first values, or what went wrong."""
    if record.failure is not None:
        failure = record.failure
        hint = f". {failure.hint}" if failure.hint else ""
        message = shorten(failure.message, width=200, placeholder="…")
        return f"FAILED to {failure.stage} ({failure.kind}: {message}{hint})"
    parts = []
    for name, value in list(record.values.items())[:3]:
        title, digits = (infos[name].title, infos[name].digits) if name in infos else (name, 3)
        parts.append(f"{title} {value.value:.{digits}f} {value.unit}".rstrip())
    return ", ".join(parts) or "made"
