from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_fakes import card

from t2m_bench.core.errors import ConfigError
from t2m_bench.runs.label import folder_name, make_choice, parse_label


def test_label_tells_only_what_differs_from_the_card() -> None:
    talk2me = card("talk2me", presets=("tiny", "small"), default_preset="small")
    assert make_choice(talk2me, "small", {}).label == "talk2me"
    assert make_choice(talk2me, "tiny", {}).label == "talk2me@tiny"
    assert make_choice(talk2me, "small", {"rig": "on", "lpe": "off"}).label == "talk2me+lpe=off+rig=on"


def test_a_label_reads_back_as_what_it_was_made_of() -> None:
    assert parse_label("talk2me") == ("talk2me", None, {})
    assert parse_label("talk2me@tiny+lpe=off+rig=on") == ("talk2me", "tiny", {"lpe": "off", "rig": "on"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' names no method"),
        ("@tiny", "names no method"),
        ("talk2me@", "names no method"),
        ("talk2me+lpe", "'lpe' is not of the form key=value"),
        ("talk2me+=off", "'=off' is not of the form key=value"),
        ("talk2me+lpe=on+lpe=off", "'lpe' is given twice, as 'on' and 'off'"),
    ],
)
def test_a_text_that_is_no_label_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_label(text)


@given(st.text(max_size=300))
def test_folder_names_can_be_made_anywhere(text: str) -> None:
    name = folder_name(text)
    assert name not in ("", ".", "..")
    assert not name.startswith(".")
    assert not set(name) & set('/\\:*?"<>| \0\n')
    assert len(name.encode()) <= 120


@given(st.text(max_size=40), st.text(max_size=40))
def test_different_texts_get_different_folders(one: str, other: str) -> None:
    assert (folder_name(one) == folder_name(other)) == (one == other)


def test_long_names_that_begin_alike_stay_apart() -> None:
    assert folder_name("x" * 300) != folder_name("x" * 300 + "y")


def test_names_of_all_scripts_stay_readable() -> None:
    assert folder_name("talk2me@tiny+lpe=off") == "talk2me@tiny+lpe=off"
    assert folder_name("新闻 01") == "新闻%2001"
    assert folder_name("../x") == "%2E.%2Fx"
