"""The ledger: one row a clip, whole beside other processes, and the digests that records get."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from preparation_samples import row

from t2m_bench.core.digest import file_sha256
from t2m_bench.core.errors import ConfigError, OutputError
from t2m_bench.data.ledger import (
    LEDGER,
    LedgerRow,
    add_rows,
    available_digest,
    differences,
    read_ledger,
    record,
)
from t2m_bench.data.manifest import read_manifest


def entry(name: str, **values: object) -> LedgerRow:
    return LedgerRow.model_validate(
        {"id": name, "status": "ok", "date": "2026-01-01T00:00:00+00:00", **values}
    )


def test_rows_come_back_and_replace_each_other(tmp_path: Path) -> None:
    record(tmp_path, entry("b", reason='odd, "very"', frames=3, seconds=0.12))
    record(tmp_path, entry("a", status="gone"))
    record(tmp_path, entry("a", status="failed", reason="why"))
    assert read_ledger(tmp_path) == {
        "a": entry("a", status="failed", reason="why"),
        "b": entry("b", reason='odd, "very"', frames=3, seconds=0.12),
    }
    lines = (tmp_path / LEDGER).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(
        "id,status,reason,date,source,source_sha256,video_sha256,audio_sha256,matte_sha256"
    )
    assert [line.split(",")[0] for line in lines] == ["id", "a", "b"]


def test_no_row_is_lost_between_writers(tmp_path: Path) -> None:
    threads = [threading.Thread(target=record, args=(tmp_path, entry(f"c{n}"))) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_ledger(tmp_path)) == 12


@pytest.mark.parametrize("text", ["id,status\na,what\n", "\x00", 'id,status,date\n"a', "x,y\n1,2\n"])
def test_a_damaged_ledger_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / LEDGER).write_text(text, encoding="utf-8")
    if not text.strip("\x00"):
        (tmp_path / LEDGER).write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"ledger.csv (is damaged|cannot be read)"):
        read_ledger(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file cannot be written"):
        record(tmp_path / "file", entry("a"))


def test_manifest_rows_are_merged(tmp_path: Path) -> None:
    add_rows(tmp_path, [row("b"), row("a")])
    add_rows(tmp_path, [row("c"), row("a", start=3)])
    rows = read_manifest(tmp_path / "clips.csv").rows
    assert [(one.id, one.start) for one in rows] == [("a", 3), ("b", 0), ("c", 0)]


def test_differences(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.wav", "b.mp4"):
        (tmp_path / name).write_text(name)
    hashes = {name: file_sha256(tmp_path / name) for name in ("a.mp4", "a.wav", "b.mp4")}
    record(tmp_path, entry("a", video_sha256=hashes["a.mp4"], audio_sha256=hashes["a.wav"]))
    record(tmp_path, entry("b", video_sha256=hashes["b.mp4"]))
    assert differences(tmp_path) == []
    (tmp_path / "a.wav").write_text("other")
    (tmp_path / "b.mp4").unlink()
    assert differences(tmp_path) == [
        f"{tmp_path / 'a.wav'} is not the file that was prepared",
        f"{tmp_path / 'b.mp4'} is missing",
    ]


def test_digests(tmp_path: Path) -> None:
    assert available_digest(tmp_path) == {}
    add_rows(tmp_path, [row("a"), row("b")])
    record(tmp_path, entry("a", video_sha256="1", audio_sha256="2"))
    first = available_digest(tmp_path)
    assert first["manifest"] == read_manifest(tmp_path / "clips.csv").digest and first["clips"] == 1
    record(tmp_path, entry("b", status="gone"))
    assert available_digest(tmp_path) == first
    record(tmp_path, entry("b", video_sha256="3", audio_sha256="4"))
    second = available_digest(tmp_path)
    assert second["available"] != first["available"] and second["clips"] == 2
    record(tmp_path, entry("a", video_sha256="1", audio_sha256="2", date="2030-01-01T00:00:00+00:00"))
    assert available_digest(tmp_path) == second
