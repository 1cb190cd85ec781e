"""The Mandarin loader: prepared clips with the user's own manifest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from data_samples import tone, write_clip

from t2m_bench.core.errors import ConfigError, MissingData
from t2m_bench.core.resources import resource
from t2m_bench.data.catalog import datasets
from t2m_bench.data.ledger import LedgerRow, record
from t2m_bench.data.manifest import ClipRow, read_manifest, write_manifest
from t2m_bench.media.audio import write_wav

COMMAND = r"`t2m-bench datasets prepare mandarin --manifest clips.csv --from RAW_DIR --out ROOT`"


def rows() -> list[ClipRow]:
    return [
        ClipRow(id="b_000", speaker="wang", language="cmn", video="b", license="consent A"),
        ClipRow(id="a_000", speaker="chan", language="yue", video="a"),
        ClipRow(id="later_000", speaker="chan", language="yue", video="later"),
    ]


def fill(folder: Path) -> Path:
    """Two prepared clips, one with its sound beside it."""
    folder.mkdir(exist_ok=True)
    for name in ("a_000", "b_000"):
        write_clip(folder / f"{name}.mp4", frames=3)
    write_wav(folder / "a_000.wav", tone(0.12), 16000)
    return folder


def test_clips_are_what_the_manifest_says(tmp_path: Path) -> None:
    fill(tmp_path)
    write_clip(tmp_path / "stranger.mp4", frames=3)
    write_manifest(tmp_path / "clips.csv", rows())
    first, second = datasets().get("mandarin").clips(tmp_path)
    assert (first.id, first.speaker, first.language) == ("a_000", "chan", "yue")
    assert (
        first.audio == tmp_path / "a_000.wav" and first.license == "Whatever the manifest says for each clip"
    )
    assert (second.id, second.speaker, second.language) == ("b_000", "wang", "cmn")
    assert second.audio is None and second.license == "consent A" and second.frames == 3
    assert {first.dataset, second.dataset} == {"mandarin"}


def test_clips_matted_by_the_preparation_are_not_matted_again(tmp_path: Path) -> None:
    fill(tmp_path)
    write_manifest(tmp_path / "clips.csv", rows())
    record(tmp_path, LedgerRow(id="a_000", status="ok", date="2024-01-01T00:00:00Z", matting="rvm"))
    record(tmp_path, LedgerRow(id="b_000", status="ok", date="2024-01-01T00:00:00Z"))
    assert [clip.matted for clip in datasets().get("mandarin").clips(tmp_path)] == [True, False]


@pytest.mark.parametrize("beside", [True, False])
def test_clips_may_lie_in_a_folder_of_the_data_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, beside: bool
) -> None:
    data = fill(tmp_path / "mandarin")
    write_manifest((data if beside else tmp_path) / "clips.csv", rows())
    monkeypatch.setenv("T2M_DATA", str(tmp_path))
    assert [clip.id for clip in datasets().get("mandarin").clips(None)] == ["a_000", "b_000"]


def test_a_manifest_above_a_folder_of_another_name_is_not_taken(tmp_path: Path) -> None:
    data = fill(tmp_path / "other")
    write_manifest(tmp_path / "clips.csv", rows())
    with pytest.raises(MissingData, match=r"The clips in .*other have no clips.csv beside them that says"):
        datasets().get("mandarin").clips(data)


def test_every_refusal_names_the_command(tmp_path: Path) -> None:
    load = datasets().get("mandarin").clips
    with pytest.raises(MissingData, match=rf"Dataset 'mandarin' has no data folder yet\. .*{COMMAND}"):
        load(None)
    with pytest.raises(MissingData, match=rf"of dataset 'mandarin' holds no .mp4 file\. .*{COMMAND}"):
        load(tmp_path)
    fill(tmp_path)
    with pytest.raises(
        MissingData, match=rf"have no clips.csv beside them that says who speaks\. .*{COMMAND}"
    ):
        load(tmp_path)
    write_manifest(tmp_path / "clips.csv", rows()[2:])
    with pytest.raises(
        MissingData, match=rf"No mp4 file in .* is named as a clip of its clips.csv\. .*{COMMAND}"
    ):
        load(tmp_path)


def test_a_broken_manifest_is_named(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "clips.csv").write_text("id,speaker\na,b\n")
    with pytest.raises(ConfigError, match=r"clips.csv lacks the column 'language'"):
        datasets().get("mandarin").clips(tmp_path)


def test_the_card_and_the_template() -> None:
    card = datasets().get("mandarin").card
    assert card.languages == ("cmn",) and not card.raw and not card.synthetic
    (example,) = read_manifest(resource("datasets", "mandarin", "template.csv")).rows
    assert example.id.startswith("example") and "EXAMPLE" in example.note and example.language == "cmn"
    assert example.has_window and not example.url


def test_hdtf_takes_the_manifest_beside_its_clips_before_its_own(tmp_path: Path) -> None:
    shutil.copy(datasets().get("demo").clips()[0].video, tmp_path / "WDA_KatieHill_000.mp4")
    entry = datasets().get("hdtf")
    assert [clip.speaker for clip in entry.clips(tmp_path)] == ["WDA_KatieHill"]
    (tmp_path / "clips.csv").write_text("id,speaker,language,video\nWDA_KatieHill_000,someone,de,x\n")
    assert [(clip.speaker, clip.language) for clip in entry.clips(tmp_path)] == [("someone", "de")]
