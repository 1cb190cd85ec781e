"""Which video is measured against which."""

from __future__ import annotations

from pathlib import Path

import pytest

from t2m_bench.core.errors import ConfigError, MissingData, UsageError
from t2m_bench.metrics.pairs import Pair, find_pairs, read_pairs


def _touch(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def test_two_files_are_a_pair_whatever_they_are_called(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "a", "one.mp4", "two.mkv")
    found = find_pairs(folder / "one.mp4", folder / "two.mkv")
    assert found.pairs == (Pair("one", folder / "one.mp4", folder / "two.mkv"),) and not found.unmatched


def test_folders_are_matched_by_name_case_included(tmp_path: Path) -> None:
    made = _touch(tmp_path / "made", "ann.mp4", "Bob.mp4", "cy.MOV", "notes.txt", ".hidden.mp4")
    real = _touch(tmp_path / "real", "ann.mkv", "bob.mp4", "cy.mp4")
    found = find_pairs(made, real)
    assert [pair.id for pair in found.pairs] == ["ann", "cy"]
    assert found.pairs[0].reference == real / "ann.mkv"
    assert found.unmatched == (made / "Bob.mp4", real / "bob.mp4")
    assert [pair.id for pair in find_pairs(made / "ann.mp4", real).pairs] == ["ann"]
    assert [pair.reference for pair in find_pairs(made, None).pairs] == [None, None, None]


def test_what_cannot_be_matched_is_said(tmp_path: Path) -> None:
    made, real = _touch(tmp_path / "made", "a.mp4"), _touch(tmp_path / "real", "b.mp4")
    with pytest.raises(
        MissingData, match="No video of .*made is called as one of .*real .such as 'a' and 'b'."
    ):
        find_pairs(made, real)
    with pytest.raises(MissingData, match="There is no file or folder .*nowhere"):
        find_pairs(tmp_path / "nowhere", None)
    with pytest.raises(MissingData, match="empty holds no video"):
        find_pairs(_touch(tmp_path / "empty", "x.txt"), None)
    with pytest.raises(UsageError, match="holds both a.mkv and a.mp4"):
        find_pairs(_touch(made, "a.mkv"), real)


def test_a_list_names_pairs_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("\ufeffprediction, reference,id,speaker\nx/b.mp4,y/b.mp4,,Ann\na.mp4,,first,\n")
    assert read_pairs(path).pairs == (
        Pair("b", tmp_path / "x/b.mp4", tmp_path / "y/b.mp4", "Ann"),
        Pair("first", tmp_path / "a.mp4", None),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "pairs.csv lacks the column 'prediction'"),
        ("prediction\n", "pairs.csv has no rows"),
        (
            "prediction,refrence\na,b\n",
            "has an unknown column 'refrence'. The columns are prediction, reference",
        ),
        ("prediction,prediction\na,b\n", "names a column twice"),
        ("prediction,reference\na.mp4\n", "line 2 has another number of cells"),
        ("prediction,reference\na.mp4,b.mp4,c\n", "line 2 has another number of cells"),
        ("prediction,reference\n,b.mp4\n", "line 2, column 'prediction': String should have at least 1"),
        ("prediction\na\x00b\n", "line 2"),
        ("prediction\nx/a.mp4\ny/a.mp4\n", "several pairs called 'a'. Give each an id"),
        ('prediction\n"a', "no CSV"),
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_pairs(path)
    assert said in str(caught.value)


def test_bytes_that_are_no_text_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_bytes(b"\xff\xfe\x00prediction")
    with pytest.raises(ConfigError, match="cannot be read as UTF-8 text"):
        read_pairs(tmp_path / "pairs.csv")
    with pytest.raises(MissingData, match="There is no list of pairs"):
        read_pairs(tmp_path / "absent.csv")
