"""Presets and settings."""

from __future__ import annotations

from dataclasses import fields

import pytest

from t2m_bench.core.errors import ConfigError, UnknownName
from t2m_bench.methods.talk2me.config import PRESETS, Config, resolve


def test_settings_are_laid_over_the_preset() -> None:
    config = resolve("tiny", {"steps": "7", "lpe": "off", "w_ssim": "0.5"})
    assert (config.steps, config.lpe, config.w_ssim) == (7, "off", 0.5)
    assert config.train_size == PRESETS["tiny"].train_size


def test_unknown_setting_and_preset_are_told_what_was_meant() -> None:
    with pytest.raises(UnknownName, match="Unknown setting of talk2me 'step'. Did you mean 'steps'"):
        resolve("small", {"step": "7"})
    with pytest.raises(UnknownName, match="Unknown preset 'smal' of talk2me. Did you mean 'small'"):
        resolve("smal", {})


@pytest.mark.parametrize(
    ("key", "text", "says"),
    [
        ("lpe", "maybe", "Use on or off"),
        ("steps", "many", "not int. Give a number"),
        ("w_ssim", "x", "not float"),
    ],
)
def test_bad_values_are_refused(key: str, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        resolve("small", {key: text})


def test_every_field_documents_itself() -> None:
    assert all(item.metadata.get("doc") for item in fields(Config))
