"""A run that is killed, anywhere, and started again gives the records of a run that was left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from run_fakes import STEPS, Lines, World, comparable

from t2m_bench.runs import checkpoints, execute, store
from t2m_bench.runs.execute import RunRequest, run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs SIGKILL and fork")


def request(out: Path) -> RunRequest:
    return RunRequest(methods=("learner", "broken"), dataset="toy", out=out, clips=("ann",))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DeadlyMoves:
    """Dies before or after the n-th rename of a folder."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.at, self.after, self.count = at, after, 0
        self.move = store.move_folder

    def __call__(self, source: Path, target: Path) -> Path:
        self.count += 1
        if self.count == self.at and not self.after:
            die()
        moved = self.move(source, target)
        if self.count == self.at and self.after:
            die()
        return moved


def run_in_child(out: Path, world: World, moves: DeadlyMoves | None = None) -> int:
    """Run in a forked process; how it ended, as `os.waitstatus_to_exitcode` tells."""
    child = os.fork()
    if child == 0:
        code = 3
        try:
            if moves:
                store.move_folder = checkpoints.move_folder = moves  # type: ignore[assignment]
            run(request(out), Lines(), wiring=world.wiring())
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[str], int]:
    """Records, events and number of renames of a run that nobody disturbs."""
    out, world = tmp_path_factory.mktemp("reference"), World()
    moves = DeadlyMoves(0, after=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "move_folder", moves)
        patch.setattr(checkpoints, "move_folder", moves)
        run(request(out), Lines(), wiring=world.wiring())
    return comparable(out), world.events, moves.count


def kill_at_event(number: int) -> World:
    world = World()
    world.on_event = lambda count, name: die() if count == number else None
    return world


def test_killed_at_every_event_and_started_again(
    tmp_path: Path, reference: tuple[dict[str, Any], list[str], int]
) -> None:
    expected, events, _ = reference
    assert len(events) == 8 + STEPS
    for number in range(1, len(events) + 1):
        out = tmp_path / str(number)
        assert run_in_child(out, kill_at_event(number)) == -signal.SIGKILL, events[number - 1]
        run(request(out), Lines(), wiring=World().wiring())
        assert comparable(out) == expected, f"killed at event {number}: {events[number - 1]}"
        assert not (out / ".work").exists()


@pytest.mark.parametrize("after", [False, True])
def test_killed_around_every_rename_and_started_again(
    tmp_path: Path, reference: tuple[dict[str, Any], list[str], int], after: bool
) -> None:
    expected, _, moves = reference
    assert moves == 5, "a checkpoint, what its training left, three units"
    for number in range(1, moves + 1):
        out = tmp_path / str(number)
        assert run_in_child(out, World(), DeadlyMoves(number, after=after)) == -signal.SIGKILL
        run(request(out), Lines(), wiring=World().wiring())
        assert comparable(out) == expected, f"killed {'after' if after else 'before'} rename {number}"
        assert not list(out.rglob("*.work"))


def test_killed_again_and_again_a_run_still_ends(
    tmp_path: Path, reference: tuple[dict[str, Any], list[str], int]
) -> None:
    """A life lasts five events: too few to train in one, enough to go on each time."""
    lives = 0
    while run_in_child(tmp_path, kill_at_event(6)) != 0:
        lives += 1
        assert lives < 10
    assert lives >= 2
    assert comparable(tmp_path) == reference[0]


def test_killed_while_replacing_an_older_result_loses_nothing(tmp_path: Path) -> None:
    """Old results lie in place or among the superseded ones at every moment."""
    new = World(salt="new")
    for after in (False, True):
        for number in range(1, 5):
            out = tmp_path / f"{after}{number}"
            run(request(out), Lines(), wiring=World().wiring())
            old = {record["key"] for record in comparable(out).values() if record["status"] == "ok"}
            assert run_in_child(out, new, DeadlyMoves(number, after=after)) == -signal.SIGKILL
            kept = {json.loads(path.read_text())["key"] for path in out.rglob("record.json")}
            assert old <= kept, f"killed {'after' if after else 'before'} rename {number}"


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from run_fakes import Lines, World
from t2m_bench.runs.execute import RunRequest, run
run(RunRequest(methods=("learner", "broken"), dataset="toy", out=Path(sys.argv[1]), clips=("ann",)), Lines(),
    wiring=World(step_seconds=0.4).wiring())
"""


def test_a_process_killed_from_outside_while_it_trains(
    tmp_path: Path, reference: tuple[dict[str, Any], list[str], int]
) -> None:
    state = tmp_path / "toy/checkpoints/learner/ann.work/state.txt"
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path), str(Path(__file__).parent)]
    ) as process:
        deadline = time.monotonic() + 60
        while not (state.exists() and len(state.read_text().split()) >= 2):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    done = len(state.read_text().split())
    assert done < STEPS
    world = World()
    execute.run(request(tmp_path), Lines(), wiring=world.wiring())
    steps = [event for event in world.events if event.startswith("fit step")]
    assert steps[: STEPS - done] == [f"fit step {number}" for number in range(done, STEPS)], "it went on"
    assert comparable(tmp_path) == reference[0]
