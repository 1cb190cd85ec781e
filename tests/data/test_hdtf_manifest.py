"""HDTF's clips.csv: what it must hold, and that its script handles every oddity of the authors' files."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter, defaultdict
from pathlib import Path
from types import ModuleType

import pytest
from data_samples import tone, write_clip
from shared_material import SHARED

from t2m_bench.core.errors import ConfigError, MissingData
from t2m_bench.core.resources import resource
from t2m_bench.data.catalog import datasets
from t2m_bench.data.leak import leaks_in_manifest
from t2m_bench.data.ledger import LedgerRow, record
from t2m_bench.data.manifest import ClipRow, Manifest, read_manifest
from t2m_bench.media.audio import write_wav

FOLDER = Path(__file__).resolve().parents[2] / "datasets" / "hdtf"
ANNOTATIONS = SHARED / "hdtf_annotations"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script, which is not part of the package."""
    spec = importlib.util.spec_from_file_location("hdtf_make_clips", FOLDER / "make_clips.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def shipped() -> Manifest:
    """The manifest of the repository."""
    return read_manifest(resource("datasets", "hdtf", "clips.csv"))


def hours(rows: list[ClipRow]) -> float:
    return sum((row.end or 0) - row.start for row in rows) / 3600


def test_the_counts_of_the_shipped_manifest(shipped: Manifest) -> None:
    rows = shipped.rows
    assert Counter(row.subset for row in rows) == {"RD": 66, "WDA": 195, "WRA": 175}
    # 436, and 435 for who loses the row behind the byte-order mark. The paper says 362 clips, 15.8 h.
    assert len(rows) == 436
    assert len([row for row in rows if row.video != "WDA_CarolynMaloney2"]) == 435
    # 370 videos have an address, one of them no interval.
    assert len({row.video for row in rows}) == 369 and not any("Radio24" in row.id for row in rows)
    assert hours(list(rows)) == pytest.approx(17.0703, abs=1e-4)
    assert sum(row.note.startswith("no window") for row in rows) == 15
    assert sum(row.note.startswith("window left out") for row in rows) == 5
    assert sum(row.has_window for row in rows) == 436 - 15 - 5
    assert len({row.url for row in rows}) == 368  # one video has two names
    assert all(row.url.startswith("https://www.youtube.com/watch?v=") and "&" not in row.url for row in rows)
    assert {row.language for row in rows} == {"en"}
    assert {row.license for row in rows} == {datasets().get("hdtf").card.license}


def test_rows_that_were_read_off_the_authors_files_by_hand(shipped: Manifest) -> None:
    by_id = shipped.by_id
    first = by_id["WDA_CarolynMaloney2_000"]  # behind the byte-order mark
    assert (first.start, first.end, first.speaker) == (5, 300, "WDA_CarolynMaloney")
    assert first.url == "https://www.youtube.com/watch?v=RApGxN-O9Qc"
    assert (first.x, first.y, first.width, first.height, first.reference_height) == (363, 0, 564, 564, 720)
    assert first.zoom == 1.0
    last = by_id["WRA_AdamKinzinger2_002"]  # third of a line with a trailing blank
    assert (last.start, last.end, last.speaker) == (210, 230, "WRA_AdamKinzinger")
    assert (last.x, last.y, last.width, last.height, last.reference_height) == (396, 32, 465, 465, 720)
    assert last.zoom == 1.2 and last.video == "WRA_AdamKinzinger2"
    assert by_id["RD_Radio11_001"].speaker == "RD_Radio11"
    assert by_id["WDA_LucilleRoybal-Allard_000"].speaker == "WDA_LucilleRoybal-Allard"


def test_odd_heights_and_windows(shipped: Manifest) -> None:
    by_id = shipped.by_id
    heights = Counter(row.reference_height for row in shipped.rows if row.has_window)
    assert set(heights) == {360, 700, 714, 720, 1080, 2160}
    assert by_id["WRA_GregWalden_000"].note == "picture height 714 is unusual"
    assert by_id["WDA_DanKildee_000"].reference_height == 360
    for name in ("WRA_KevinMcCarthy1_000", "WRA_KevinMcCarthy1_001"):
        assert not by_id[name].has_window and by_id[name].note.endswith("in a picture of unknown height")
    for name in ("WDA_MaggieHassan_000", "WDA_MazieHirono1_000", "WRA_PeterKing_000"):
        assert not by_id[name].has_window and by_id[name].note.endswith("does not fit a picture 720 high")
    assert by_id["WDA_MazieHirono1_000"].zoom == 0.8  # the second recipe still has its ratio
    for row in shipped.rows:
        if row.x is not None and row.y is not None:
            assert row.width is not None and row.height is not None and row.reference_height is not None
            assert row.width == row.height and row.y + row.height <= row.reference_height
            assert row.x + row.width <= row.reference_height * 16 / 9 + 1


def test_no_speaker_and_no_moment_is_in_two_parts_of_a_split(shipped: Manifest) -> None:
    assert leaks_in_manifest(shipped) == []
    assert shipped.by_id["WDA_WhipJimClyburn_000"].speaker == "WDA_JamesClyburn"  # one video, two names
    assert shipped.by_id["WDA_WhipJimClyburn_000"].note == "overlaps WDA_JamesClyburn1_000"
    assert all(
        set(row.parts) == ({"speakers"} if row.subset == "RD" else {"speakers", "named"})
        for row in shipped.rows
    )


@pytest.mark.parametrize("subset", ["RD", "WDA", "WRA"])
def test_each_subset_is_split_about_80_10_10_by_speaker(shipped: Manifest, subset: str) -> None:
    speakers = defaultdict(set)
    for row in shipped.rows:
        if row.subset == subset:
            speakers[row.parts["speakers"]].add(row.speaker)
    total = sum(map(len, speakers.values()))
    assert len(speakers["test"]) == len(speakers["val"]) == round(total * 0.1)


def test_the_script_still_makes_the_shipped_file(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not ANNOTATIONS.is_dir():
        pytest.skip(
            "no annotation files of HDTF here: set T2M_SHARED to a folder that holds hdtf_annotations"
        )
    out = tmp_path / "clips.csv"
    assert script.main([str(ANNOTATIONS), "--out", str(out)]) == 0
    assert out.read_bytes() == (FOLDER / "clips.csv").read_bytes()
    said = capsys.readouterr().out
    assert "370 videos, 275 speakers" in said
    assert "436 clips, 17.07 h; the paper says 362 clips, 15.8 h" in said
    assert "416 clips with a window, 16.25 h" in said and "no interval: RD_Radio24" in said


FILES = {
    "annotion_time": "A0.mp4 00:20-01:35 \n\nB.mp4 61:00-61:30 1:02:03-1:02:13.5\nC.mp4\nD.mp4 00:00-00:10\n",
    "resolution": "A0.mp4 720\nB.mp4 714\nC.mp4 1080\nD.mp4 0\nGone.mp4 720",
    "video_url": "\ufeffA0 https://www.youtube.com/watch?v=AAA&t=6s\r\n"
    "B https://example.org/b\r\nC https://e.org/c\r\nD https://www.youtube.com/watch?list=1&v=AAA\r\nGone https://e.org/g",
    "crop_wh": "A0_0.mp4 100 600 20 600  \nB_1.mp4 7 300 415 300\nD_0.mp4 1 2 3 2\n",
    "crop_ratio": "A0_0.mp4 1.2\nB_1.mp4 0.9\nD_0.mp4 1.1\n",
}


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    """A small folder with every trap of the real one; RD and WRA are empty."""
    folder = tmp_path / "annotations"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / f"WDA_{name}.txt").write_bytes(text.encode())
        for subset in ("RD", "WRA"):
            (folder / f"{subset}_{name}.txt").write_bytes(b"")
    return folder


def made(script: ModuleType, annotations: Path) -> dict[str, ClipRow]:
    rows = script.clip_rows([script.read_subset(annotations, name) for name in script.SUBSETS], "CC-BY-4.0")
    return {row.id: row for row in rows}


def test_every_trap_in_small(script: ModuleType, annotations: Path) -> None:
    rows = made(script, annotations)
    assert list(rows) == ["WDA_A0_000", "WDA_B_000", "WDA_B_001", "WDA_D_000"]
    a, b0, b1, d = rows.values()
    assert (a.start, a.end, a.url) == (20, 95, "https://www.youtube.com/watch?v=AAA")
    assert (a.x, a.y, a.width, a.height, a.reference_height, a.zoom) == (100, 20, 600, 600, 720, 1.2)
    assert (b0.start, b0.end, b0.has_window, b0.zoom) == (3660, 3690, False, 1.0)
    assert b0.note == "no window; picture height 714 is unusual"
    assert (b1.start, b1.end, b1.has_window) == (3723, 3733.5, False)
    assert b1.note == "window left out: x 7 y 415 300x300 does not fit a picture 714 high"
    assert d.note == "window left out: x 1 y 3 2x2 in a picture of unknown height" and d.zoom == 1.1
    assert a.speaker == d.speaker == "WDA_A" and a.parts == d.parts  # the same video by its address


def test_the_summary_counts_videos_without_rows(script: ModuleType, annotations: Path) -> None:
    subsets = [script.read_subset(annotations, name) for name in script.SUBSETS]
    said = script.summary(subsets, script.clip_rows(subsets, "x"))
    assert "5 videos" in said and "4 clips" in said and "no interval: WDA_C, WDA_Gone" in said


def test_the_order_of_lines_does_not_matter(script: ModuleType, annotations: Path, tmp_path: Path) -> None:
    before = made(script, annotations)
    path = annotations / "WDA_annotion_time.txt"
    path.write_text("\n".join(reversed(path.read_text().splitlines())))
    assert made(script, annotations) == before


@pytest.mark.parametrize(
    ("text", "value"),
    [("00:00", 0), ("7", 7), ("01:35", 95), ("75:10", 4510), ("1:02:03", 3723), ("00:20.5", 20.5)],
)
def test_times(script: ModuleType, text: str, value: float) -> None:
    assert script.seconds(text) == value


@pytest.mark.parametrize("text", ["", ":", "1:60", "1:60:00", "a:10", "-1:10", "1:2:3:4", "00:20 ", "1:100"])
def test_what_is_no_time(script: ModuleType, text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        script.seconds(text)


@pytest.mark.parametrize(
    ("name", "old", "new", "text"),
    [
        ("annotion_time", "00:20-01:35", "00:20-01:75", r"WDA_annotion_time.txt, line 1: '00:20-01:75' is no interval"),
        ("annotion_time", "00:20-01:35", "00:20", r"line 1: '00:20' is no interval"),
        ("annotion_time", "00:20-01:35", "01:35-00:20", r"line 1: '01:35-00:20' does not end after it starts"),
        ("annotion_time", "D.mp4", "A0.mp4", r"WDA_annotion_time.txt, line 5: a second row of 'A0'"),
        ("annotion_time", "D.mp4", "E.mp4", r"WDA_crop_wh.txt, line 3: 'D_0' has no interval in WDA_annotion_time"),
        ("crop_wh", "100 600 20 600", "100 600 20", r"WDA_crop_wh.txt, line 1: 3 values of 'A0_0' instead of 4"),
        ("resolution", "A0.mp4 720", "A0.mp4 720p", r"WDA_resolution.txt, line 1: could not convert .*'720p'"),
        ("crop_ratio", "D_0.mp4 1.1", "D_0.mp4", r"WDA_crop_ratio.txt, line 3: 0 values of 'D_0' instead of 1"),
    ],
)  # fmt: skip
def test_a_line_that_does_not_read_is_named(
    script: ModuleType, annotations: Path, name: str, old: str, new: str, text: str
) -> None:
    path = annotations / f"WDA_{name}.txt"
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new))
    with pytest.raises(ConfigError, match=text):
        made(script, annotations)


def test_a_missing_file_ends_the_script_with_one_sentence(
    script: ModuleType, annotations: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (annotations / "WRA_crop_wh.txt").unlink()
    with pytest.raises(MissingData, match=r"There is no .*WRA_crop_wh.txt. Name the folder HDTF_dataset"):
        made(script, annotations)
    out = tmp_path / "out.csv"
    with pytest.raises(SystemExit) as raised:
        script.main([str(annotations), "--out", str(out)])
    assert raised.value.code == 1 and not out.exists()
    assert "WRA_crop_wh.txt" in capsys.readouterr().err


def test_the_loader_takes_speaker_and_sound_of_known_clips(tmp_path: Path) -> None:
    write_clip(tmp_path / "WDA_WhipJimClyburn_000.mp4", frames=3)
    write_wav(tmp_path / "WDA_WhipJimClyburn_000.wav", tone(0.12), 16000)
    write_clip(tmp_path / "WDA_Nobody3_000.mp4", frames=3)
    record(
        tmp_path,
        LedgerRow(id="WDA_WhipJimClyburn_000", status="ok", date="2024-01-01T00:00:00Z", matting="selfie"),
    )
    other, known = datasets().get("hdtf").clips(tmp_path)
    assert (known.matted, other.matted) == (True, False)
    assert known.speaker == "WDA_JamesClyburn"  # the name alone would say otherwise
    assert known.audio == known.sound == tmp_path / "WDA_WhipJimClyburn_000.wav"
    assert (known.language, known.license) == ("en", datasets().get("hdtf").card.license)
    assert (other.id, other.speaker, other.audio) == ("WDA_Nobody3_000", "WDA_Nobody", None)
    assert other.sound == other.video
