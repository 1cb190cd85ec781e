"""One attempt at one unit: fit, synthesize, encode, score."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from t2m_bench.core.digest import file_sha256
from t2m_bench.core.method import Reporter, Request
from t2m_bench.core.recipe import Recipe
from t2m_bench.core.record import Cost
from t2m_bench.core.subject import Footage, Subject
from t2m_bench.core.track import Track
from t2m_bench.media.audio import read_audio, write_wav
from t2m_bench.media.video import iter_frames
from t2m_bench.reports.sheet import save_sheet, sheet
from t2m_bench.runs.deliver import deliver, provenance_tags
from t2m_bench.runs.job import ReadyMethod
from t2m_bench.runs.machine import peak_rss_mb
from t2m_bench.runs.plan import NO_DRIVE, Unit
from t2m_bench.runs.problem import Stage
from t2m_bench.runs.rows import Outcome
from t2m_bench.runs.store import PREDICTION, SHEET
from t2m_bench.runs.wiring import Prepared, Scored
from t2m_bench.tracking.masking import rigid_only

SOUND_RATE = 16000
"""Samples per second of the driving sound."""
OWN_SOUND = "audio.wav"
"""A method that wants another sound in its video than the driving one leaves it under this name beside the video."""


@dataclass(frozen=True)
class Inputs:
    """The footage of a unit."""

    clip: Prepared
    sound: Footage
    """Held-out part of the clip whose sound drives."""


Fit = Callable[[Unit, Subject, Reporter], tuple[Path | None, float | None]]
"""Gives the checkpoint of a unit's method for a subject, and the seconds its training took."""


@dataclass
class Attempt:
    """What an attempt works with, and how far it is."""

    unit: Unit
    key: str
    recipe: Recipe
    inputs: Inputs
    ready: ReadyMethod
    fit: Fit
    score: Callable[[Path, Path, Footage | None, Reporter], Scored]
    """Takes a video, its sound, the real frames if there are any, and what shows progress."""
    lacking: Callable[[], Mapping[str, str]]
    """Metrics that this machine cannot compute."""
    stage: Stage = "fit"
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, folder: Path, work: Path, report: Reporter) -> Outcome:
        """Make `prediction.mp4` in `folder`, with `work` for everything else; return the scores.

        Raises:
            Exception: whatever a method or metric raises; `stage` then says where.
        """
        checkpoint, fit_seconds = self.fit(self.unit, self.inputs.clip.subject, report)
        if fit_seconds is not None:
            self.seconds["fit"] = fit_seconds
        samples = self.inputs.sound.audio(SOUND_RATE)
        request = make_request(self.unit, self.inputs, write_wav(work / "sound.wav", samples, SOUND_RATE))
        method_work = work / "method"
        method_work.mkdir()
        with self._timed("synthesize"):
            report.stage("synthesize")
            video = self.ready.method.synthesize(request, checkpoint, method_work, report)
        report.stage("encode")
        prediction = folder / PREDICTION
        tags = provenance_tags(self.unit, self.key, f"{self.recipe.name} {self.recipe.digest}")
        own = video.with_name(OWN_SOUND)
        heard = own if own.is_file() else request.audio
        sound = (read_audio(own, SOUND_RATE) if own.is_file() else samples, SOUND_RATE)
        rendered = deliver(video, prediction, frames=request.frames, fps=request.fps, sound=sound, tags=tags)
        return self._scored(video, heard, prediction, rendered, request, report)

    def cost(self, video_seconds: float | None = None) -> Cost:
        """What it took so far."""
        synthesize = self.seconds.get("synthesize")
        factor = synthesize / video_seconds if synthesize is not None and video_seconds else None
        return Cost(
            fit_seconds=_rounded(self.seconds.get("fit")),
            synthesize_seconds=_rounded(synthesize),
            score_seconds=_rounded(self.seconds.get("score")),
            realtime_factor=_rounded(factor),
            peak_rss_mb=peak_rss_mb(),
        )

    def _scored(
        self,
        video: Path,
        heard: Path,
        prediction: Path,
        rendered: tuple[int, int],
        request: Request,
        report: Reporter,
    ) -> Outcome:
        held_out = None if self.unit.protocol == "audio_driven" else self.inputs.clip.held_out
        if held_out is not None:
            picture = sheet(held_out.frames(), iter_frames(video), request.frames)
            save_sheet(prediction.with_name(SHEET), picture)
        with self._timed("score"):
            report.stage("score")
            source = prediction if self.recipe.prediction == "encoded" else video
            found = self.score(source, heard, held_out, report)
        lacking = self.lacking() if found.unavailable else {}
        return Outcome(
            values=found.values,
            unavailable=found.unavailable,
            size=found.size,
            rendered_size=found.rendered_size or rendered,
            cost=self.cost(request.frames / request.fps),
            notes=notes_of(self.unit, self.inputs) + tuple(found.notes),
            prediction_sha256=file_sha256(prediction),
            lacking=tuple(name for name, why in found.unavailable.items() if lacking.get(name) == why),
        )

    @contextmanager
    def _timed(self, stage: Stage) -> Iterator[None]:
        self.stage, started = stage, time.monotonic()
        yield
        self.seconds[stage] = time.monotonic() - started


def make_request(unit: Unit, inputs: Inputs, audio: Path) -> Request:
    """What a method is asked for, and no more than its card says it may see.

    As many frames as the driving sound lasts. Motion of the held-out frames is given whole where the expression is
    the reference's (or where a method without drives declares `test_motion`), without all that follows the expression
    where only the pose is; the held-out frames themselves only to methods that declare `test_frames`.
    """
    held_out, sees = inputs.clip.held_out, unit.method.card.sees
    expression, pose = unit.sources
    motion: Track | None = None
    if expression == "reference" or (unit.drive == NO_DRIVE and "test_motion" in sees):
        motion = held_out.track
    elif pose == "reference":
        motion = rigid_only(held_out.track)
    return Request(
        subject=inputs.clip.subject,
        audio=audio,
        frames=len(inputs.sound),
        size=held_out.size,
        fps=held_out.fps,
        seed=unit.seed,
        expression="reference" if expression == "reference" else "generated",
        pose="reference" if pose == "reference" else "generated",
        motion=motion,
        held_out=held_out if "test_frames" in sees else None,
    )


def notes_of(unit: Unit, inputs: Inputs) -> tuple[str, ...]:
    """What a reader of the record must know about its inputs."""
    notes = tuple(inputs.clip.notes)
    if unit.sound.id != unit.clip.id:
        notes += (f"driven by the held-out sound of clip {unit.sound.id}",)
    return notes


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
