"""From folders to clips."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from data_samples import card, write_clip
from hypothesis import given
from hypothesis import strategies as st

from t2m_bench.core.digest import file_sha256
from t2m_bench.core.errors import MissingData
from t2m_bench.core.resources import resource
from t2m_bench.data import demo, folder, hdtf
from t2m_bench.data.catalog import datasets
from t2m_bench.data.listing import clip_ids


@pytest.fixture(autouse=True)
def _no_data_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("T2M_DATA", raising=False)


def test_no_data_root_says_how_to_get_the_data() -> None:
    with pytest.raises(
        MissingData, match=r"Dataset 'hdtf' has no data folder yet\. .*--data-root FOLDER.*T2M_DATA"
    ):
        datasets().get("hdtf").clips(None)


def test_a_data_root_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        MissingData, match=r"The data folder .*absent of dataset 'hdtf' does not exist\. HDTF is"
    ):
        datasets().get("hdtf").clips(tmp_path / "absent")


@pytest.mark.parametrize("name", ["hdtf", "folder"])
def test_an_empty_data_root(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(MissingData, match=rf"The data folder .* of dataset '{name}' holds no \.mp4"):
        datasets().get(name).clips(tmp_path)


def test_clips_are_sorted_and_say_what_the_header_says(tmp_path: Path) -> None:
    write_clip(tmp_path / "WDA_B_001.mp4", frames=10)
    write_clip(tmp_path / "WDA_A_000.mp4", frames=10, fps=30, size=(80, 64))
    (tmp_path / ".hidden.mp4").write_bytes(b"x")
    (tmp_path / "folder.mp4").mkdir()
    first, second = datasets().get("hdtf").clips(tmp_path)
    assert (first.id, second.id) == ("WDA_A_000", "WDA_B_001")
    assert (first.fps, first.frames, first.width, first.height) == (30.0, 10, 80, 64)
    assert first.sha256 == file_sha256(tmp_path / "WDA_A_000.mp4")
    assert (first.dataset, first.speaker, first.language, first.synthetic) == ("hdtf", "WDA_A", "en", False)


def test_the_environment_names_the_root_and_a_folder_of_the_dataset_in_it_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hdtf").mkdir()
    write_clip(tmp_path / "hdtf" / "one.mp4", frames=2)
    monkeypatch.setenv("T2M_DATA", str(tmp_path))
    assert [clip.id for clip in datasets().get("hdtf").clips(None)] == ["one"]


def test_a_broken_file_is_listed_with_nothing_known_about_it(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    (tmp_path / "empty.mp4").touch()
    write_clip(tmp_path / "good.mp4", frames=3)
    broken, empty, good = datasets().get("hdtf").clips(tmp_path)
    assert (broken.frames, broken.width, broken.fps) == (empty.frames, empty.width, empty.fps) == (0, 0, 0.0)
    assert good.frames == 3


@pytest.mark.parametrize(
    ("clip", "speaker"),
    [
        ("WDA_KatieHill_000", "WDA_KatieHill"),
        ("WDA_AmyKlobuchar1_002", "WDA_AmyKlobuchar"),
        ("WRA_AdamKinzinger0_000", "WRA_AdamKinzinger"),
        ("RD_Radio31_000", "RD_Radio31"),
        ("holiday_2024", "holiday_2024"),
        ("me", "me"),
    ],
)
def test_the_speaker_in_a_name_of_hdtf(clip: str, speaker: str) -> None:
    assert hdtf.speaker_of(clip) == speaker


def test_own_videos_of_every_container_in_any_case(tmp_path: Path) -> None:
    for name in ("a.MP4", "b.mov", "c.webm", "d.avi", "e.mkv", "f.txt", "g.wav"):
        (tmp_path / name).write_bytes(b"x")
    found = folder.clips(card(name="folder"), tmp_path, tmp_path)
    assert [clip.id for clip in found] == ["a", "b", "c", "d", "e"]
    assert {clip.speaker for clip in found} == {"a", "b", "c", "d", "e"}


def test_names_with_spaces_accents_and_other_scripts_become_safe_ids() -> None:
    names = ["my film (1).mp4", "Élodie à Paris.mov", "..mp4.mp4", "視頻.mp4", "-rf.mp4", "a/../b.mp4"]
    ids = clip_ids(Path(name) for name in names)
    assert ids[Path("my film (1).mp4")] == "my_film_1"
    assert ids[Path("Élodie à Paris.mov")] == "Elodie_a_Paris"
    assert ids[Path("-rf.mp4")] == "rf"
    assert re.fullmatch(r"clip-[0-9a-f]{8}", ids[Path("視頻.mp4")])


def test_names_that_would_meet_are_told_apart_whatever_their_order() -> None:
    paths = [Path("a b.mp4"), Path("a_b.mp4"), Path("A b.mov"), Path("c.mp4")]
    ids = clip_ids(paths)
    assert len({name.lower() for name in ids.values()}) == 4
    assert ids[Path("c.mp4")] == "c"
    assert clip_ids(reversed(paths)) == ids


_STEMS = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1)


@given(st.lists(_STEMS, unique=True))
def test_any_file_name_gives_a_safe_and_unique_id(stems: list[str]) -> None:
    ids = clip_ids(Path(f"{stem}.mp4") for stem in stems)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,90}", name) for name in ids.values())
    assert len({name.lower() for name in ids.values()}) == len(ids)


def test_the_demo_brings_a_track_for_each_clip_and_is_called_synthetic() -> None:
    entry = datasets().get("demo")
    english, mandarin = sorted(entry.clips(None), key=lambda clip: clip.language, reverse=True)
    assert (english.id, mandarin.id) == ("demo_en", "demo_cmn")
    assert english.synthetic and mandarin.synthetic
    assert english.track is not None and english.track.is_file()
    assert english.speaker != mandarin.speaker


def test_a_demo_without_its_clips_says_so(tmp_path: Path) -> None:
    demo_card = datasets().get("demo").card
    with pytest.raises(MissingData, match=r"demo_en\.mp4 is missing from this installation"):
        demo.clips(demo_card, tmp_path, None)
    assert resource("datasets", "demo").is_dir()
