from __future__ import annotations

import json
import re
import subprocess
import sys
import time

import pytest

from t2m_bench import __version__
from t2m_bench.cli import main

HEAVY = (
    "torch", "numpy", "pydantic", "numba", "av", "mediapipe", "cv2", "pandas", "scipy", "filelock", "torchmetrics",
)  # fmt: skip
VERBS = [
    ["run"], ["evaluate"], ["table"], ["doctor"], ["methods", "list"], ["methods", "show"], ["datasets", "list"],
    ["datasets", "show"], ["datasets", "prepare"], ["datasets", "check"], ["datasets", "preview"],
    ["metrics", "list"], ["metrics", "show"], ["recipes", "list"], ["recipes", "show"],
    ["assets", "list"], ["assets", "fetch"], ["assets", "verify"],
]  # fmt: skip


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    code = caught.value.code
    assert isinstance(code, int)
    return code


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["run", "--help"], ["evaluate", "--help"], ["table", "--help"], ["assets", "--help"]],
)
def test_help_imports_nothing_heavy(arguments: list[str], record_property: pytest.RecordProperty) -> None:
    script = (
        "import sys, json\nfrom t2m_bench.cli import main\n"
        "try:\n    main(sys.argv[1:])\nfinally:\n    print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    record_property("seconds", round(time.perf_counter() - started, 3))
    loaded = set(json.loads(done.stderr))
    # Newer versions of typer parse options with pydantic, so the help of a verb with options has it.
    allowed = set() if arguments == ["--help"] else {"pydantic"}
    assert loaded & set(HEAVY) <= allowed
    assert "Usage: t2m-bench" in done.stdout


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_each_verb_has_help_with_an_example(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*verb, "--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Example: " in shown
    assert f"t2m-bench {' '.join(verb)}" in shown.split("Example: ")[1]


def test_run_has_few_options(capsys: pytest.CaptureFixture[str]) -> None:
    call("run", "--help")
    options = set(re.findall(r"^│ [ *]*(--[a-z-]+)", capsys.readouterr().out, re.MULTILINE)) - {"--help"}
    assert {"--method", "--dataset", "--out"} <= options
    assert len(options) <= 14


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert capsys.readouterr().out == f"t2m-bench {__version__}\n"


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert call() == 0
    assert "Usage: t2m-bench" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rum"], "No such command 'rum'"),
        (["run", "--metod", "x"], "No such option"),
        (["run", "--dataset", "demo"], "Missing option '--method'"),
        (["run", "-m", "mean", "-d", "demo", "--seed", "few"], "Invalid value for '--seed'"),
        (["run", "-m", "mean", "-d", "demo", "--seed", "-1"], "Invalid value for '--seed'"),
        (["table", "one"], "Invalid value for "),
        (["methods"], "Missing command"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert "--help`" in shown.err
    assert "Traceback" not in shown.err
    assert len(shown.err.strip().splitlines()) == 1


def test_python_m_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "t2m_bench", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"t2m-bench {__version__}\n"
