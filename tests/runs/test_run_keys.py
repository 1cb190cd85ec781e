from __future__ import annotations

import sys
from pathlib import Path

import pytest
from run_fakes import ToyFootage, World, make_clip

from t2m_bench.core.errors import ConfigError
from t2m_bench.runs.keys import checkpoint_key, code_digest, footage_facts, method_facts, unit_key
from t2m_bench.runs.plan import Unit, choose_methods
from t2m_bench.runs.request import RunRequest


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "toypackage"
    (folder / "deep").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('must not be run')\n")
    (folder / "deep" / "code.py").write_text("X = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_code_digest_follows_every_source_below_a_package_without_running_it(package: Path) -> None:
    first = code_digest(["toypackage"])
    assert first == code_digest(["toypackage"])
    (package / "deep" / "code.py").write_text("X = 2\n")
    second = code_digest(["toypackage"])
    (package / "more.py").write_text("")
    third = code_digest(["toypackage"])
    (package / "notes.txt").write_text("not code")
    assert len({first, second, third}) == 3
    assert code_digest(["toypackage"]) == third
    assert "toypackage" not in sys.modules


def test_code_digest_does_not_depend_on_the_order_or_on_repetition() -> None:
    a, b = "t2m_bench.core.digest", "t2m_bench.core.clip"
    assert code_digest([a, b]) == code_digest([b, a, b])
    assert code_digest([a]) != code_digest([b])


@pytest.mark.parametrize("name", ["t2m_bench.nothing_here", "no_such_package.module", "sys"])
def test_code_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        code_digest([name])


def _key(**change: object) -> str:
    asked = RunRequest(methods=("learner+lpe=on",), dataset="toy", out=Path("out"))
    (choice,) = choose_methods(asked, World().wiring().methods())
    unit = Unit(
        choice, make_clip("ann"), make_clip(str(change.get("sound", "ann"))), "reconstruction", "P1", 0
    )
    values = {name: value for name, value in change.items() if name in ("drive", "seed")}
    unit = Unit(**{**vars(unit), **values})
    held_out = ToyFootage("ann", 30, 10, salt=str(change.get("held_out", "")))
    footage = footage_facts(ToyFootage("ann", 0, 30), held_out, held_out)
    facts = {"method": method_facts(choice, change.get("identity", {})), "footage": footage}
    return unit_key(unit, facts, str(change.get("recipe", "abc")))


def test_each_input_of_a_unit_changes_its_key() -> None:
    changes = [
        {}, {"drive": "P2"}, {"seed": 1}, {"recipe": "abd"}, {"held_out": "x"}, {"identity": {"a": 1}}, {"sound": "bo"},
    ]  # fmt: skip
    keys = [_key(**change) for change in changes]
    assert len(set(keys)) == len(changes)
    assert keys == [_key(**change) for change in changes]


def test_a_checkpoint_does_not_depend_on_the_held_out_part() -> None:
    train = ToyFootage("ann", 0, 30)
    base = checkpoint_key({"name": "learner"}, train, 0)
    assert base == checkpoint_key({"name": "learner"}, train, 0)
    assert base != checkpoint_key({"name": "learner"}, train, 1)
    assert base != checkpoint_key({"name": "other"}, train, 0)
    assert base != checkpoint_key({"name": "learner"}, ToyFootage("ann", 0, 29), 0)
