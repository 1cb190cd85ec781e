from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from t2m_bench.core.errors import MethodError
from t2m_bench.runs.checkpoints import Checkpoints

KEY, OTHER = "a" * 32, "b" * 32


def trainer(text: str, seen: list[str] | None = None, *, below: str = "checkpoint") -> Callable[[Path], Path]:
    def fit(work: Path) -> Path:
        if seen is not None:
            seen.append(f"{text}: {sorted(path.name for path in work.iterdir() if path.name != 'key.json')}")
        made = work / below
        made.mkdir(exist_ok=True)
        (made / "weights").write_text(text)
        return made

    return fit


def obtain(root: Path, key: str, fit: Callable[[Path], Path]) -> tuple[Path, float | None]:
    return Checkpoints(root, "toy").obtain("learner", "ann", key, fit)


def forbidden(work: Path) -> Path:
    raise AssertionError("trained again")


def test_a_checkpoint_is_made_once(tmp_path: Path) -> None:
    place, seconds = obtain(tmp_path, KEY, trainer("one"))
    assert place == tmp_path / "toy" / "checkpoints" / "learner" / "ann"
    assert seconds is not None
    assert json.loads((place / "key.json").read_text()) == {"key": KEY}
    assert not place.with_name("ann.work").exists()
    assert obtain(tmp_path, KEY, forbidden) == (place, None)


def test_the_work_folder_itself_may_be_the_checkpoint(tmp_path: Path) -> None:
    place, _ = obtain(tmp_path, KEY, trainer("one", below="."))
    assert (place / "weights").read_text() == "one"


def test_training_goes_on_where_a_failure_left_it(tmp_path: Path) -> None:
    def dies(work: Path) -> Path:
        (work / "state").write_text("step 3")
        raise RuntimeError("killed")

    seen: list[str] = []
    with pytest.raises(RuntimeError):
        obtain(tmp_path, KEY, dies)
    obtain(tmp_path, KEY, trainer("one", seen))
    assert seen == ["one: ['state']"]


def test_work_of_another_key_is_not_continued_and_not_lost(tmp_path: Path) -> None:
    def dies(work: Path) -> Path:
        (work / "state").write_text("step 3")
        raise RuntimeError("killed")

    seen: list[str] = []
    with pytest.raises(RuntimeError):
        obtain(tmp_path, OTHER, dies)
    obtain(tmp_path, KEY, trainer("one", seen))
    assert seen == ["one: []"]
    aside = tmp_path / "toy" / "superseded" / "checkpoints" / "learner" / f"ann.work-{OTHER[:8]}"
    assert (aside / "state").read_text() == "step 3"


def test_a_stale_checkpoint_is_set_aside_and_comes_back(tmp_path: Path) -> None:
    obtain(tmp_path, KEY, trainer("one"))
    place, _ = obtain(tmp_path, OTHER, trainer("two"))
    assert (place / "weights").read_text() == "two"
    assert len(list((tmp_path / "toy" / "superseded").rglob("weights"))) == 1
    place, seconds = obtain(tmp_path, KEY, forbidden)
    assert (place / "weights").read_text() == "one"
    assert seconds is None
    assert [path.read_text() for path in (tmp_path / "toy" / "superseded").rglob("weights")] == ["two"]


def test_a_work_folder_that_outlived_its_training_is_removed(tmp_path: Path) -> None:
    place, _ = obtain(tmp_path, KEY, trainer("one"))
    work = place.with_name("ann.work")
    work.mkdir()
    (work / "key.json").write_text(json.dumps({"key": KEY}))
    obtain(tmp_path, KEY, forbidden)
    assert not work.exists()


def test_a_checkpoint_outside_the_work_folder_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with pytest.raises(MethodError, match="learner returned .*elsewhere as its checkpoint"):
        obtain(tmp_path, KEY, lambda work: elsewhere)
    with pytest.raises(MethodError, match="which is no folder in its work folder"):
        obtain(tmp_path, KEY, lambda work: work / "missing")
    assert elsewhere.is_dir()
