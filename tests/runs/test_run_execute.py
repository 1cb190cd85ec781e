from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_fakes import METRIC, STEPS, TEST, TRAIN, Lines, World, comparable

from t2m_bench.core.errors import OutputBusy, OutputError, UnknownName
from t2m_bench.core.record import Record
from t2m_bench.media.audio import read_audio
from t2m_bench.media.probe import probe
from t2m_bench.runs import execute
from t2m_bench.runs.execute import RunRequest, run
from t2m_bench.runs.folder import claim
from t2m_bench.runs.store import read_records


def go(
    out: Path, *methods: str, world: World | None = None, lines: Lines | None = None, **values: Any
) -> list[Record]:
    request = RunRequest(methods=methods, dataset="toy", out=out, **values)
    return run(request, lines or Lines(), wiring=(world or World()).wiring())


def test_a_run_makes_the_tree_and_returns_its_records(tmp_path: Path) -> None:
    records = go(tmp_path, "learner", "steady")
    assert [(record.clip, record.method, record.drive, record.status) for record in records] == [
        ("ann", "learner", "P1", "ok"), ("ann", "learner", "P2", "ok"), ("ann", "steady", "-", "ok"),
        ("berta", "learner", "P1", "ok"), ("berta", "learner", "P2", "ok"), ("berta", "steady", "-", "ok"),
    ]  # fmt: skip
    tree = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert tree >= {
        "manifest.json",
        "toy/reconstruction-P1/learner/ann/prediction.mp4",
        "toy/reconstruction-P2/learner/berta/record.json",
        "toy/reconstruction/steady/ann/log.txt",
        "toy/checkpoints/learner/ann/key.json",
        "toy/checkpoints/learner/berta/weights.txt",
    }
    assert not (tmp_path / ".work").exists()
    assert not list(tmp_path.rglob("*.part*"))
    assert not list(tmp_path.rglob("*.work"))
    by_place = sorted(
        records, key=lambda record: (record.protocol, record.drive != "-", record.drive, record.clip)
    )
    assert read_records(tmp_path) == by_place


def test_a_record_tells_what_was_done(tmp_path: Path) -> None:
    record = go(tmp_path, "learner@tiny+lpe=off", clips=("berta",), seed=3, drives=("P2",))[0]
    assert record.method == "learner@tiny+lpe=off"
    assert (record.method_name, record.preset, record.settings) == ("learner", "tiny", {"lpe": "off"})
    assert (record.expression, record.pose, record.seed) == ("generated", "reference", 3)
    assert (record.train_frames, record.test_frames) == ((0, TRAIN), (TRAIN, TRAIN + TEST))
    assert record.synthetic
    assert record.values[METRIC].frames == TEST
    assert record.provenance["metrics"] == [METRIC]
    assert record.provenance["method"]["identity"]["settings"] == {"lpe": "off"}
    assert record.provenance["software"]["t2m-bench"]
    assert record.cost.fit_seconds is not None
    assert record.cost.realtime_factor is not None


def test_a_method_gets_only_what_its_card_says_it_may_see(tmp_path: Path) -> None:
    world = World(clips=("ann",))
    go(tmp_path, "learner", "oracle", "watcher", "steady", world=world, drives=("P1", "P2", "P3"))
    requests = {(name, request.expression, request.pose): request for name, request in world.requests}
    p1 = requests["learner", "reference", "reference"]
    assert p1.motion is not None and np.isfinite(p1.motion.landmarks).all()
    p2 = requests["learner", "generated", "reference"]
    assert p2.motion is not None
    assert (
        np.isnan(p2.motion.blendshapes).all()
        and np.isnan(p2.motion.ear).all()
        and np.isnan(p2.motion.box).all()
    )
    assert np.isfinite(p2.motion.pose).all()
    kept = np.isfinite(p2.motion.landmarks).all(axis=(0, 2))
    assert 20 < kept.sum() < 80 and not kept[[13, 14, 152]].any(), "lips and chin must be hidden"
    assert requests["learner", "generated", "generated"].motion is None
    assert p1.held_out is p2.held_out is None
    oracle, watcher, steady = (
        next(request for name, request in world.requests if name == wanted)
        for wanted in ("oracle", "watcher", "steady")
    )
    assert oracle.held_out is not None and oracle.motion is None
    assert watcher.held_out is None and watcher.motion is not None
    assert steady.held_out is None and steady.motion is None
    assert {request.frames for _, request in world.requests} == {TEST}
    assert {request.subject.train.start + len(request.subject.train) for _, request in world.requests} == {
        TRAIN
    }


def test_a_subject_is_trained_once_for_all_drives(tmp_path: Path) -> None:
    world = World(clips=("ann",))
    records = go(tmp_path, "learner", world=world, drives=("P1", "P2", "P3"))
    assert world.fits == ["learner ann"]
    assert [record.cost.fit_seconds is not None for record in records] == [True, False, False]


def test_the_video_has_the_driving_sound_and_says_what_it_is(tmp_path: Path) -> None:
    go(tmp_path, "learner", clips=("ann",), drives=("P1",))
    path = tmp_path / "toy/reconstruction-P1/learner/ann/prediction.mp4"
    info = probe(path)
    assert (info.codec, info.pixel_format, info.frames, info.fps) == ("h264", "yuv420p", TEST, 25.0)
    assert info.has_audio
    assert abs(info.audio_seconds - TEST / 25) < 0.05
    spectrum = np.abs(np.fft.rfft(read_audio(path, 16000)))
    assert abs(spectrum.argmax() * 16000 / (TEST / 25 * 16000) - 320) < 10, "the tone of clip ann"
    assert info.metadata["synthetic"] == "true"
    assert "not an authentic recording" in info.metadata["comment"]
    assert (info.metadata["method"], info.metadata["clip"], info.metadata["drive"]) == (
        "learner",
        "ann",
        "P1",
    )
    assert path.read_bytes().find(b"moov") < path.read_bytes().find(b"mdat"), "the index must come first"


def test_audio_driven_takes_other_sound_and_is_scored_without_real_frames(tmp_path: Path) -> None:
    world = World()
    records = go(tmp_path, "learner", world=world, protocol="audio_driven")
    assert [(record.clip, record.drive, record.status) for record in records] == [
        ("ann", "P4", "ok"), ("berta", "P4", "ok"),
    ]  # fmt: skip
    assert records[0].values == {}
    assert records[0].unavailable == {METRIC: "there are no real frames of this person saying this"}
    assert records[0].notes == ("driven by the held-out sound of clip berta",)
    path = tmp_path / "toy/audio_driven-P4/learner/ann/prediction.mp4"
    spectrum = np.abs(np.fft.rfft(read_audio(path, 16000)))
    assert abs(spectrum.argmax() * 25 / TEST - 400) < 10, "the tone of clip berta"
    assert [path.name for path in world.scored] == ["made.mkv"] * 2


def test_a_finished_unit_is_not_made_again(tmp_path: Path) -> None:
    first = go(tmp_path, "learner", "steady")
    world, lines = World(), Lines()
    second = go(tmp_path, "learner", "steady", world=world, lines=lines)
    assert second == first
    assert world.fits == [] and world.requests == [] and world.scored == []
    assert len([line for line in lines.logs if line.endswith("already done")]) == 6


def test_a_unit_whose_video_was_deleted_is_made_again(tmp_path: Path) -> None:
    before = comparable(tmp_path) if go(tmp_path, "steady") else {}
    (tmp_path / "toy/reconstruction/steady/ann/prediction.mp4").unlink()
    world = World()
    go(tmp_path, "steady", world=world)
    assert len(world.requests) == 1
    assert comparable(tmp_path) == before


def test_a_result_of_other_inputs_is_set_aside_and_comes_back(tmp_path: Path) -> None:
    old = go(tmp_path, "steady", clips=("ann",))[0]
    video = (tmp_path / "toy/reconstruction/steady/ann/prediction.mp4").read_bytes()
    new = go(tmp_path, "steady", clips=("ann",), seed=1)[0]
    assert new.key != old.key
    aside = tmp_path / f"toy/superseded/reconstruction/steady/ann-{old.key[:8]}"
    assert Record.load(aside / "record.json") == old
    assert (aside / "prediction.mp4").read_bytes() == video
    assert read_records(tmp_path) == [new], "what is set aside is in no table"
    world = World()
    assert go(tmp_path, "steady", clips=("ann",), world=world) == [old]
    assert world.requests == []
    assert (tmp_path / f"toy/superseded/reconstruction/steady/ann-{new.key[:8]}/prediction.mp4").is_file()
    assert not aside.exists()


@pytest.mark.parametrize("change", [{"salt": "new code"}, {"footage_salt": "new track"}])
def test_changed_methods_and_footage_make_new_results(tmp_path: Path, change: dict[str, str]) -> None:
    go(tmp_path, "learner", clips=("ann",), drives=("P1",))
    world = World(**change)
    go(tmp_path, "learner", clips=("ann",), drives=("P1",), world=world)
    assert world.fits == ["learner ann"]
    assert len(list((tmp_path / "toy/superseded").rglob("prediction.mp4"))) == 1
    assert len(list((tmp_path / "toy/superseded").rglob("weights.txt"))) == 1


def test_a_failing_method_is_recorded_and_the_others_go_on(tmp_path: Path) -> None:
    lines = Lines()
    records = go(tmp_path, "broken", "buggy", "short", "steady", clips=("ann",), lines=lines)
    assert [record.status for record in records] == ["failed", "failed", "failed", "ok"]
    broken, buggy, short = (record.failure for record in records[:3])
    assert broken is not None and buggy is not None and short is not None
    assert (broken.stage, broken.kind, broken.message) == (
        "synthesize",
        "MethodError",
        "the renderer gave up",
    )
    assert broken.hint == "Use another one"
    assert (buggy.kind, buggy.message) == ("ValueError", "shapes (3,) and (4,) do not match")
    assert short.message == f"the method made {TEST - 1} frames, {TEST} were asked for"
    log = (tmp_path / "toy/reconstruction/buggy/ann/log.txt").read_text()
    assert "Traceback" in log and "second line" in log
    assert not (tmp_path / "toy/reconstruction/short/ann/prediction.mp4").exists()
    assert any(
        "FAILED to synthesize (MethodError: the renderer gave up. Use another one)" in line
        for line in lines.logs
    )


def test_a_traceback_is_shown_only_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet, loud = Lines(), Lines()
    monkeypatch.delenv("T2M_DEBUG", raising=False)
    go(tmp_path, "buggy", clips=("ann",), lines=quiet)
    monkeypatch.setenv("T2M_DEBUG", "1")
    go(tmp_path, "buggy", clips=("ann",), lines=loud)
    assert not any("Traceback" in line for line in quiet.logs)
    assert any("Traceback" in line for line in loud.logs)


def test_failed_units_are_tried_again_and_leave_nothing_behind(tmp_path: Path) -> None:
    assert [record.status for record in go(tmp_path, "steady", world=World(no_face=("ann",)))] == [
        "failed",
        "ok",
    ]
    failure = read_records(tmp_path)[0].failure
    assert failure is not None
    assert (failure.stage, failure.kind, failure.message) == (
        "prepare",
        "NoFaceFound",
        "no frame shows a face",
    )
    world = World()
    assert [record.status for record in go(tmp_path, "steady", world=world)] == ["ok", "ok"]
    assert len(world.requests) == 1, "the clip that was done is not done again"
    assert not (tmp_path / "toy/superseded").exists()


def test_a_good_result_survives_a_later_failure(tmp_path: Path) -> None:
    good = go(tmp_path, "steady", clips=("ann",))[0]
    assert go(tmp_path, "steady", clips=("ann",), world=World(no_face=("ann",)))[0].status == "failed"
    world = World()
    assert go(tmp_path, "steady", clips=("ann",), world=world) == [good]
    assert world.requests == [], "brought back, not made again"


def test_a_training_that_failed_is_not_repeated_for_the_next_drive(tmp_path: Path) -> None:
    world = World(clips=("ann",))
    records = go(tmp_path, "untrainable", "steady", world=world)
    assert [record.status for record in records] == ["failed", "failed", "ok"]
    assert records[1].failure is not None
    assert (records[1].failure.stage, records[1].failure.message) == ("fit", "loss is not finite")
    assert world.fits == ["untrainable ann"]


def test_a_metric_that_lacked_something_is_computed_when_it_is_there(tmp_path: Path) -> None:
    missing = {METRIC: "face_landmarker is not on this machine"}
    records = go(tmp_path, "steady", clips=("ann",), world=World(unavailable=missing, lacking=missing))
    assert (records[0].status, records[0].unavailable) == ("ok", missing)
    still = World(unavailable=missing, lacking=missing)
    assert go(tmp_path, "steady", clips=("ann",), world=still) == records
    assert still.requests == []
    now = World()
    assert METRIC in go(tmp_path, "steady", clips=("ann",), world=now)[0].values
    assert len(now.requests) == 1


def test_a_metric_that_cannot_be_computed_for_another_reason_is_not_tried_again(tmp_path: Path) -> None:
    world = World(unavailable={METRIC: "No face was found"})
    go(tmp_path, "steady", clips=("ann",), world=world)
    again = World()
    go(tmp_path, "steady", clips=("ann",), world=again)
    assert again.requests == []


def test_wrong_use_touches_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for methods, dataset, match in (
        (("steedy",), "toy", "Did you mean 'steady'"),
        (("steady",), "toi", "Unknown dataset 'toi'. Did you mean 'toy'"),
        (("learner+ple=off",), "toy", "Unknown setting 'ple'. Did you mean 'lpe'"),
    ):
        with pytest.raises(UnknownName, match=match):
            run(RunRequest(methods=methods, dataset=dataset, out=out), Lines(), wiring=World().wiring())
    assert not out.exists()


def test_two_runs_on_one_folder(tmp_path: Path) -> None:
    with claim(tmp_path), pytest.raises(OutputBusy, match="is in use by process"):
        go(tmp_path, "steady")
    assert [record.status for record in go(tmp_path, "steady")] == ["ok", "ok"]


def test_the_manifest_gathers_what_was_asked_of_the_folder(tmp_path: Path) -> None:
    go(tmp_path, "steady", clips=("ann",))
    go(tmp_path, "steady", clips=("ann",))
    go(tmp_path, "learner@tiny", limit=1, seed=2)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert [(asked["labels"], asked["clips"], asked["seed"]) for asked in manifest["requests"]] == [
        (["steady"], ["ann"], 0), (["learner@tiny"], ["ann"], 2),
    ]  # fmt: skip
    (environment,) = manifest["environments"].values()
    assert {"python", "torch", "numpy", "av", "mediapipe"} <= environment["software"].keys()
    assert {"cpu", "cores", "memory_gb"} <= environment["hardware"].keys()
    (recipe,) = manifest["recipes"].values()
    assert recipe["name"] == "native" and recipe["metrics"] == [METRIC]
    assert manifest["clips"]["toy"].keys() == {"ann"}


@contextmanager
def full_disk_at(monkeypatch: pytest.MonkeyPatch, what: str) -> Iterator[None]:
    """Let one kind of file fail to be written for want of space."""
    write = Path.write_text

    def refuse(self: Path, *args: Any, **kwargs: Any) -> int:
        if what in self.name:
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return write(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", refuse)
        yield


@pytest.mark.parametrize("what", ["record", "manifest", "weights", "key"])
def test_a_full_disk_ends_the_run_and_keeps_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    reference = tmp_path / "reference"
    go(reference, "steady", "learner", clips=("ann",))
    out = tmp_path / "out"
    go(out, "steady", clips=("ann",))
    with (
        full_disk_at(monkeypatch, what),
        pytest.raises(OutputError, match=r"The disk that holds .* is full") as caught,
    ):
        go(out, "steady", "learner", clips=("ann",))
    assert caught.value.exit_code == 1
    assert "run the same command again" in str(caught.value)
    assert [record.method for record in read_records(out)] == ["steady"]
    go(out, "steady", "learner", clips=("ann",))
    assert comparable(out) == comparable(reference)


def test_a_method_that_hides_a_full_disk_behind_its_own_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=0))
        with pytest.raises(OutputError, match=r"The disk that holds .* is full"):
            go(tmp_path, "buggy", clips=("ann",))
    assert go(tmp_path, "buggy", clips=("ann",))[0].status == "failed", (
        "with room on the disk it is the unit's own"
    )


def test_log_has_the_stages_and_the_lines_of_the_method(tmp_path: Path) -> None:
    lines = Lines()
    go(tmp_path, "learner", clips=("ann",), drives=("P1",), lines=lines)
    log = (tmp_path / "toy/reconstruction-P1/learner/ann/log.txt").read_text()
    for text in (
        "-- fit",
        f"-- train ({STEPS} steps)",
        "trained step 3",
        "-- synthesize",
        "-- encode",
        "-- score",
    ):
        assert text in log
    assert "learner P1, clip ann: train" in lines.stages
    assert not any("trained step" in line for line in lines.logs), (
        "a terminal is spared the method's own lines"
    )


def test_notes_of_the_data_reach_the_record_and_are_said_once(tmp_path: Path) -> None:
    lines = Lines()
    records = go(
        tmp_path, "steady", "oracle", clips=("ann",), lines=lines, world=World(notes=("sound is late",))
    )
    assert [record.notes for record in records] == [("sound is late",)] * 2
    assert lines.logs.count("clip ann: sound is late") == 1


def test_the_public_names_of_the_executor() -> None:
    assert set(execute.__all__) == {"RunRequest", "run"}
