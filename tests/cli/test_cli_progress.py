from __future__ import annotations

import io
import time

import pytest
from rich.console import Console
from rich.progress import Progress

from t2m_bench.cli.progress import PlainReporter, RichReporter, open_reporter


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def test_plain_lines_come_every_five_seconds_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, stream = Clock(monkeypatch), io.StringIO()
    report = PlainReporter(stream)
    report.stage("talk2me P1, clip ann: train", 100)
    for _ in range(100):
        clock.now += 0.25
        report.advance(1, "loss 0.1")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 5
    assert lines[0] == "  talk2me P1, clip ann: train 20/100 (loss 0.1)"


def test_logged_lines_come_at_once_and_short_stages_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, stream = Clock(monkeypatch), io.StringIO()
    report = PlainReporter(stream)
    for number in range(3):
        report.stage(f"stage {number}", 10)
        clock.now += 1
        report.log(f"unit {number} done")
    assert stream.getvalue() == "unit 0 done\nunit 1 done\nunit 2 done\n"
    clock.now += 6
    report.stage("long one")
    report.advance()
    assert stream.getvalue().endswith("unit 2 done\n  long one\n")


def test_bars_show_the_stage_and_log_lines_stay() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, legacy_windows=False)
    with Progress(console=console, auto_refresh=False) as progress:
        report = RichReporter(progress)
        report.advance()
        report.stage("train [x]", 4)
        report.advance(3, "loss [0.1]")
        report.advance()
        (task,) = progress.tasks
        assert (task.description, task.completed, task.total) == ("train [x]", 4, 4)
        assert task.fields["note"] == "loss [0.1]"
        report.log("unit [1/4] done")
        report.stage("score", 2)
        assert len(progress.tasks) == 1
    assert "unit [1/4] done" in stream.getvalue(), "brackets are no markup"


def test_without_a_terminal_lines_are_plain(capsys: pytest.CaptureFixture[str]) -> None:
    with open_reporter() as report:
        report.log("done")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "done\n")
