from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from run_fakes import World, card, make_clip

from t2m_bench.core.card import MethodCard
from t2m_bench.core.errors import ConfigError, DataError, UnknownName, UsageError
from t2m_bench.core.registry import Registry
from t2m_bench.runs.plan import Unit, choose_clips, choose_methods, drives_of, plan_units
from t2m_bench.runs.request import RunRequest

CLIPS = [make_clip(name) for name in ("ann", "berta", "carl")]


def request(*methods: str, **values: Any) -> RunRequest:
    return RunRequest(methods=methods, dataset="toy", out=Path("out"), **values)


def registry() -> Registry[MethodCard]:
    return World().wiring().methods()


def labels(asked: RunRequest) -> list[str]:
    return [choice.label for choice in choose_methods(asked, registry())]


def units(asked: RunRequest) -> list[tuple[str, str, str, str]]:
    chosen = choose_clips(CLIPS, asked)
    planned = plan_units(choose_methods(asked, registry()), chosen, CLIPS, asked)
    return [(unit.clip.id, unit.method.label, unit.drive, unit.sound.id) for unit in planned]


def test_reconstruction_runs_p1_and_p2_and_methods_without_drives_once() -> None:
    assert units(request("learner", "steady", clips=("ann",))) == [
        ("ann", "learner", "P1", "ann"),
        ("ann", "learner", "P2", "ann"),
        ("ann", "steady", "-", "ann"),
    ]


def test_units_go_clip_by_clip_in_the_order_of_the_dataset() -> None:
    found = units(request("steady", "oracle", clips=("carl", "ann")))
    assert [(clip, label) for clip, label, _, _ in found] == [
        ("ann", "steady"), ("ann", "oracle"), ("carl", "steady"), ("carl", "oracle"),
    ]  # fmt: skip


def test_named_drives_replace_the_default_ones() -> None:
    found = units(request("learner", "steady", clips=("ann",), drives=("P3", "P1", "P3")))
    assert [(label, drive) for _, label, drive, _ in found] == [
        ("learner", "P3"), ("learner", "P1"), ("steady", "-"),
    ]  # fmt: skip


def test_audio_driven_takes_the_sound_of_the_next_clip_and_leaves_controls_out() -> None:
    asked = request("learner", "speaker", "steady", protocol="audio_driven")
    assert units(asked) == [
        ("ann", "learner", "P4", "berta"), ("ann", "speaker", "-", "berta"),
        ("berta", "learner", "P4", "carl"), ("berta", "speaker", "-", "carl"),
        ("carl", "learner", "P4", "ann"), ("carl", "speaker", "-", "ann"),
    ]  # fmt: skip


def test_folders_of_a_unit() -> None:
    (choice,) = choose_methods(request("learner@tiny+lpe=off"), registry())
    unit = Unit(choice, CLIPS[0], CLIPS[0], "reconstruction", "P1", 0)
    assert unit.folders == ("reconstruction-P1", "learner@tiny+lpe=off", "ann")
    assert unit.sources == ("reference", "reference")
    plain = Unit(choice, CLIPS[0], CLIPS[1], "audio_driven", "-", 0)
    assert plain.folders[0] == "audio_driven"
    assert plain.sources == ("-", "-")


def test_a_preset_goes_to_the_methods_that_have_it() -> None:
    assert labels(request("learner", "steady", preset="tiny")) == ["learner@tiny", "steady"]
    assert labels(request("learner", preset="small")) == ["learner"]
    assert labels(request("learner@tiny", "other", preset="small")) == ["learner@tiny", "other"]


def test_settings_go_to_all_but_controls_and_a_label_wins() -> None:
    asked = request("learner+lpe=on", "other", "steady", settings={"lpe": "off"})
    assert labels(asked) == ["learner+lpe=on", "other+lpe=off", "steady"]


def test_the_same_method_is_run_once() -> None:
    assert labels(request("steady", "learner", "steady", "learner@small")) == ["steady", "learner"]


def test_unknown_names_get_a_suggestion() -> None:
    with pytest.raises(UnknownName, match="Unknown method 'lerner'. Did you mean 'learner'"):
        labels(request("lerner"))
    with pytest.raises(
        UnknownName, match="None of the chosen methods has a preset 'tinny'. Did you mean 'tiny'"
    ):
        labels(request("learner", "steady", preset="tinny"))
    with pytest.raises(UnknownName, match="learner has no preset 'smal'. Did you mean 'small'"):
        labels(request("learner@smal"))
    with pytest.raises(UnknownName, match="has no clip 'bertha'. Did you mean 'berta'"):
        units(request("steady", clips=("bertha",)))
    with pytest.raises(UnknownName, match="Unknown protocol 'reconstructoin'. Did you mean 'reconstruction'"):
        units(request("steady", protocol="reconstructoin"))
    with pytest.raises(UnknownName, match="Unknown drive 'P7'. Did you mean"):
        units(request("learner", drives=("P7",)))


def test_wrong_use_is_refused() -> None:
    with pytest.raises(UsageError, match="No method is named. Name one with --method"):
        labels(request())
    with pytest.raises(UsageError, match="controls have none"):
        labels(request("steady", settings={"lpe": "off"}))
    with pytest.raises(
        UsageError, match="P4 does not belong to the protocol reconstruction. Use --protocol audio_driven"
    ):
        units(request("learner", drives=("P4",)))
    with pytest.raises(UsageError, match="P1 does not belong to the protocol audio_driven"):
        units(request("learner", protocol="audio_driven", drives=("P1",)))
    with pytest.raises(
        UsageError, match=r"None of the chosen methods \(steady\) can run audio_driven with P4"
    ):
        units(request("steady", protocol="audio_driven"))
    with pytest.raises(UsageError, match="A limit of 0 clips leaves nothing to do"):
        units(request("steady", limit=0))
    with pytest.raises(DataError, match="Dataset 'toy' holds no clips"):
        choose_clips([], request("steady"))


def test_audio_driven_needs_a_second_clip_even_if_only_one_is_run() -> None:
    asked = request("learner", protocol="audio_driven", limit=1)
    assert units(asked) == [("ann", "learner", "P4", "berta")]
    with pytest.raises(UsageError, match="takes the sound of another clip"):
        plan_units(choose_methods(asked, registry()), CLIPS[:1], CLIPS[:1], asked)


def test_a_card_may_not_take_reference_motion_it_does_not_declare() -> None:
    sly = card("sly", category="GAN", drives=("P2",), sees=("train_frames",))
    with pytest.raises(ConfigError, match="sly offers P2 but does not declare that it sees test_motion"):
        drives_of(sly, request("sly"))
