"""Cards, recipes, records and tracks: what they refuse, and what comes back from disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from t2m_bench.core.card import MethodCard, parse_card, read_card, read_toml
from t2m_bench.core.digest import canonical_json, digest_of, file_sha256
from t2m_bench.core.errors import ConfigError, DataError, ShapeError, T2MError
from t2m_bench.core.recipe import Recipe, recipes
from t2m_bench.core.record import Cost, MetricValue, Record
from t2m_bench.core.track import BLENDSHAPES, Track

CARD = {
    "name": "x",
    "title": "X",
    "summary": "s",
    "license": "MIT",
    "entry": "a.b:C",
    "category": "GAN",
    "fits": False,
    "sees": ["train_frames"],
    "code": ["a.b"],
}

PSNR = MetricValue(
    value=20.0, unit="dB", direction="higher", frames=1, frames_asked=2, per_frame=(20.0, None)
)


def _track(frames: int = 3) -> Track:
    rng = np.random.default_rng(0)
    return Track(
        landmarks=rng.normal(size=(frames, 478, 3)).astype(np.float32),
        blendshapes=rng.random((frames, 52)).astype(np.float32),
        pose=np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1)),
        ear=rng.random((frames, 2)).astype(np.float32),
        box=rng.random((frames, 4)).astype(np.float32),
        valid=np.ones(frames, dtype=np.bool_),
        size=(64, 48),
        fps=25.0,
        fov_deg=20.0,
        source="test",
    )


def _record(**changes: object) -> Record:
    values: dict[str, object] = {
        "key": "k", "status": "ok", "method": "m", "method_name": "m", "method_title": "M", "category": "GAN",
        "preset": "default", "settings": {}, "sees": (), "dataset": "d", "synthetic": True, "clip": "c",
        "speaker": "s", "language": "en", "protocol": "reconstruction", "drive": "-", "expression": "-", "pose": "-",
        "seed": 0, "recipe": "native", "recipe_digest": "0", "train_frames": (0, 30), "test_frames": (30, 40),
        "values": {"psnr@rgb": PSNR},
    }  # fmt: skip
    return Record.model_validate({**values, **changes})


def test_card_refuses_unknown_and_missing_fields() -> None:
    with pytest.raises(ConfigError, match="card.toml: field 'tilte': Extra inputs are not permitted"):
        parse_card(MethodCard, {**CARD, "tilte": "X"}, "card.toml")
    with pytest.raises(ConfigError, match="card.toml: field 'title': Field required"):
        parse_card(MethodCard, {k: v for k, v in CARD.items() if k != "title"}, "card.toml")


def test_card_names_are_plain(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="field 'name'"):
        parse_card(MethodCard, {**CARD, "name": "../x"}, "card.toml")


def test_broken_toml_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text('name = "x"\ntitle = \n')
    with pytest.raises(ConfigError, match=r"card.toml cannot be read as TOML .*line 2"):
        read_toml(path)
    with pytest.raises(ConfigError, match="absent.toml cannot be read as TOML"):
        read_card(MethodCard, tmp_path / "absent.toml")


def test_recipes_differ_where_their_numbers_would() -> None:
    registry = recipes()
    paper, native = registry.get("paper"), registry.get("native")
    assert paper.digest != native.digest
    assert paper.digest == registry.get("paper").digest
    assert paper.model_copy(update={"summary": "other words"}).digest == paper.digest
    changed = paper.model_dump()
    for field, value in (
        ("size", 256),
        ("psnr_cap_db", 90.0),
        ("assets", {"face_landmarker": "0" * 64}),
        ("version", paper.version + 1),
        ("masks", {"face": "0" * 12}),
    ):
        assert Recipe(**{**changed, field: value}).digest != paper.digest


def test_record_round_trip_and_cost_is_not_its_identity(tmp_path: Path) -> None:
    record = _record()
    assert Record.load(record.save(tmp_path / "record.json")) == record
    slower = _record(cost=Cost(fit_seconds=9.0))
    assert slower != record
    assert slower.comparable() == record.comparable()


@pytest.mark.parametrize("text", ["", "{", "{}", '{"version": 2}'])
def test_broken_record(tmp_path: Path, text: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(DataError, match="record.json is not a readable record. Run the same command again"):
        Record.load(path)


def test_track_round_trip(tmp_path: Path) -> None:
    track = _track()
    again = Track.load(track.save(tmp_path / "track.npz"))
    for name in ("landmarks", "blendshapes", "pose", "ear", "box", "valid"):
        assert np.array_equal(getattr(again, name), getattr(track, name))
    assert (again.size, again.fps, again.fov_deg, again.source) == ((64, 48), 25.0, 20.0, "test")


def test_track_refuses_arrays_of_other_lengths() -> None:
    with pytest.raises(ShapeError, match=r"track.ear must have shape \[T, 2\] with T = 3, got \[2, 2\]"):
        replace(_track(), ear=np.zeros((2, 2), np.float32))


def test_track_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "track.npz"
    path.write_bytes(b"PK nothing")
    with pytest.raises(ShapeError, match="track.npz is not a track file"):
        Track.load(path)


def test_part_of_a_track() -> None:
    track = _track(5)
    part = track.part(1, 4)
    assert len(part) == 3
    assert np.array_equal(part.landmarks, track.landmarks[1:4])


def test_focal_length_of_the_field_of_view() -> None:
    assert _track().focal == pytest.approx(24 / np.tan(np.radians(10)), rel=1e-6)


def test_blendshapes_are_the_52_names_in_order() -> None:
    assert len(BLENDSHAPES) == len(set(BLENDSHAPES)) == 52
    assert (BLENDSHAPES[9], BLENDSHAPES[25], BLENDSHAPES[51]) == ("eyeBlinkLeft", "jawOpen", "noseSneerRight")


def test_digests() -> None:
    assert canonical_json({"b": 1, "a": [1.5, None]}) == '{"a":[1.5,null],"b":1}'
    assert digest_of({"b": 1, "a": 2}) == digest_of({"a": 2, "b": 1}) != digest_of({"a": 2, "b": 2})
    with pytest.raises(ValueError, match="Out of range float"):
        canonical_json(float("nan"))


def test_file_hash(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_errors_say_clip_fact_and_remedy() -> None:
    error = T2MError("the sound is missing.", hint="Add some.", clip="c1")
    assert str(error) == "c1: the sound is missing. Add some."
    assert error.kind == "T2MError"
