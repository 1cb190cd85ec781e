"""Manifests: what is written is read back, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from t2m_bench.core.errors import ConfigError, MissingData, UnknownName
from t2m_bench.core.resources import resource
from t2m_bench.data import manifest as module
from t2m_bench.data.manifest import COLUMNS, ClipRow, Manifest, parse_manifest, read_manifest, write_manifest

HEADER = ",".join(COLUMNS)


def row(name: str = "a", **values: object) -> ClipRow:
    given_values: dict[str, object] = {"id": name, "speaker": "s", "language": "en", "video": "v"}
    return ClipRow.model_validate(given_values | values)


def parse(*lines: str) -> Manifest:
    return parse_manifest("\n".join(lines) + "\n", "m.csv")


_NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", fullmatch=True)
# Cells are stripped when they are read, so texts that begin or end with a blank are not kept as they are.
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=40).map(str.strip)
_SECONDS = st.integers(0, 90_000).map(lambda tenths: tenths / 10)
_PIXELS = st.integers(0, 99_999)
_SIDES = st.integers(1, 99_999)


@st.composite
def _rows(draw: st.DrawFn) -> ClipRow:
    start = draw(_SECONDS)
    window = draw(
        st.none() | st.fixed_dictionaries({"x": _PIXELS, "y": _PIXELS, "width": _SIDES, "height": _SIDES})
    )
    return row(
        draw(_NAMES),
        subset=draw(_TEXTS),
        speaker=draw(_NAMES),
        language=draw(st.sampled_from(["en", "cmn", "zh-Hant-TW", "yue", "und"])),
        video=draw(_NAMES),
        url=draw(st.sampled_from(["", "https://example.org/watch?v=1,2"])),
        start=start,
        end=draw(st.none() | st.integers(1, 5000).map(lambda tenths: round(start + tenths / 10, 1))),
        **({} if window is None else {**window, "reference_height": draw(_SIDES)}),
        zoom=draw(st.integers(1, 1000)) / 100,
        splits=draw(st.sampled_from(["", "speakers:train", "speakers:test other:a"])),
        license=draw(_TEXTS.filter(bool)),
        note=draw(_TEXTS),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(rows=st.lists(_rows(), min_size=1, max_size=6, unique_by=lambda found: found.id.lower()))
def test_what_is_written_is_read_back(tmp_path: Path, rows: list[ClipRow]) -> None:
    path = tmp_path / "clips.csv"
    write_manifest(path, reversed(rows))
    read = read_manifest(path)
    assert read.rows == tuple(sorted(rows, key=lambda found: found.id))
    assert read.digest == Manifest(read.rows).digest
    before = path.read_bytes()
    write_manifest(path, rows)
    assert path.read_bytes() == before


def test_columns_with_a_default_may_be_left_out_and_their_order_is_free() -> None:
    (found,) = parse("video, language ,speaker,id", "film,cmn,wang,one").rows
    assert (found.id, found.video, found.speaker, found.language) == ("one", "film", "wang", "cmn")
    assert (found.start, found.end, found.has_window, found.zoom, found.license) == (
        0,
        None,
        False,
        1,
        "unknown",
    )


def test_empty_cells_are_defaults_and_blanks_around_values_go() -> None:
    (found,) = parse("id,speaker,language,video,start,end,zoom,note", " a ,s,en,v,, 3.5 ,,").rows
    assert (found.id, found.start, found.end, found.zoom, found.note) == ("a", 0, 3.5, 1, "")


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    path.write_bytes(b"\xef\xbb\xbfid,speaker,language,video\r\na,s,en,v\r\n")
    assert [found.id for found in read_manifest(path).rows] == ["a"]


def test_the_digest_is_that_of_the_rows_whatever_their_order() -> None:
    one = parse("id,speaker,language,video", "a,s,en,v", "b,s,en,v")
    two = parse("video,id,speaker,language", "v,b,s,en", "v,a,s,en")
    other = parse("id,speaker,language,video", "a,s,en,v", "b,t,en,v")
    assert one.digest == two.digest != other.digest


def test_the_parts_of_a_split() -> None:
    found = parse(
        "id,speaker,language,video,splits", "a,s,en,v,x:train y:test", "b,s,en,v,x:test", "c,s,en,v,"
    )
    assert found.by_id["a"].parts == {"x": "train", "y": "test"} and found.by_id["c"].parts == {}
    assert [clip.id for clip in found.part("x", "test").rows] == ["b"]
    with pytest.raises(UnknownName, match=r"No clip is in x:val. Known are x:test, x:train, y:test."):
        found.part("x", "val")
    with pytest.raises(UnknownName, match=r"Known are no splits."):
        parse("id,speaker,language,video", "a,s,en,v").part("x", "val")


def test_a_window_is_given_whole_or_not_at_all() -> None:
    assert row(x=0, y=0, width=2, height=2, reference_height=2).has_window
    header = "id,speaker,language,video,x,y,width,height,reference_height"
    with pytest.raises(
        ConfigError,
        match=r"m.csv, line 2: .*x, y, width, height and reference_height must be given together",
    ):
        parse(header, "a,s,en,v,1,2,3,4,")


@pytest.mark.parametrize("column", ["id", "speaker", "video"])
@pytest.mark.parametrize(
    "name", ["../up", "/etc/passwd", "a/b", "a\\b", ".hidden", "..", "-rf", "a b", "é", "", "x" * 101]
)
def test_names_that_could_leave_the_folder_are_refused(column: str, name: str) -> None:
    cells = {"id": "a", "speaker": "s", "language": "en", "video": "v", column: name}
    with pytest.raises(ConfigError, match=rf"m.csv, line 2, column '{column}': String should match pattern"):
        parse(",".join(cells), ",".join(cells.values()))


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("language", "english language", "column 'language': String should match pattern"),
        ("url", "file:///etc/passwd", "column 'url': String should match pattern"),
        ("url", "https://a b", "column 'url': String should match pattern"),
        ("start", "00:20", "column 'start': Input should be a valid number"),
        ("start", "-1", "column 'start': Input should be greater than or equal to 0"),
        ("start", "nan", "column 'start': Input should be a finite number"),
        ("end", "inf", "column 'end': Input should be a finite number"),
        ("end", "0", "column 'end': Input should be greater than 0"),
        ("x", "1.5", "column 'x': Input should be a valid integer"),
        ("width", "0", "column 'width': Input should be greater than 0"),
        ("zoom", "0", "column 'zoom': Input should be greater than 0"),
        ("zoom", "11", "column 'zoom': Input should be less than or equal to 10"),
        ("note", "n" * 401, "column 'note': String should have at most 400 characters"),
    ],
)
def test_a_bad_cell_is_named_by_line_and_column(column: str, value: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"m.csv, line 3, {text}"):
        columns = dict.fromkeys(["id", "speaker", "language", "video", column])
        cells = {"id": "b", "speaker": "s", "language": "en", "video": "v", column: value}
        good = cells | {"id": "a", "language": "en"} | ({} if column == "language" else {column: ""})
        parse(*(",".join(line) for line in (columns, good.values(), cells.values())))


def test_an_end_before_the_start_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"m.csv, line 2: Value error, end 5 is not after start 7"):
        parse("id,speaker,language,video,start,end", "a,s,en,v,7,5")


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (
            ["id,speaker,language,video,colour", "a,s,en,v,red"],
            r"m.csv has an unknown column 'colour'. The columns",
        ),
        (["id,speaker,language", "a,s,en"], r"m.csv lacks the column 'video'. The columns are id, subset,"),
        (["id,speaker,language,video,id", "a,s,en,v,b"], r"m.csv names a column twice"),
        ([""], r"m.csv lacks the column 'id'"),
        (["id,speaker,language,video"], r"m.csv has no rows. Add a row for each clip"),
        (
            ["id,speaker,language,video", "a,s,en"],
            r"m.csv, line 2 has another number of cells than the header",
        ),
        (["id,speaker,language,video", "a,s,en,v,w"], r"line 2 has another number of cells .* Quote cells"),
        (
            ["id,speaker,language,video", "a,s,en,v", "A,s,en,v"],
            r"m.csv has several rows with the id 'a'. Give each clip an id of its own",
        ),
        (["id,speaker,language,video", 'a,"s"x,en,v'], r"m.csv, line 2: no CSV \("),
    ],
)
def test_what_is_no_manifest_is_refused(lines: list[str], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        parse(*lines)


def test_files_that_cannot_be_manifests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingData, match=r"There is no manifest .*absent.csv. Name a CSV file with one row"):
        read_manifest(tmp_path / "absent.csv")
    with pytest.raises(ConfigError, match=r"cannot be read as UTF-8 text"):
        read_manifest(tmp_path)
    path = tmp_path / "clips.csv"
    path.write_bytes("é".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"clips.csv cannot be read as UTF-8 text"):
        read_manifest(path)
    monkeypatch.setattr(module, "LARGEST_MANIFEST", 0)
    with pytest.raises(ConfigError, match=r"clips.csv is larger than 0 MB, no manifest is"):
        read_manifest(path)


def test_all_manifests_of_the_repository_read() -> None:
    found = [*resource("datasets").glob("*/*.csv")]
    assert {path.name for path in found} >= {"clips.csv", "template.csv"}
    for path in found:
        assert read_manifest(path).rows
        assert path.read_text(encoding="utf-8").splitlines()[0] == HEADER
