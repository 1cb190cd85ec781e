from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType

import pytest

from t2m_bench.core import assets
from t2m_bench.core.assets import Asset
from t2m_bench.core.errors import AssetError, AssetMissing, UnknownName

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NOWHERE = "http://127.0.0.1:9/tiny.bin"  # the discard port: nobody listens


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private cache folder and one tiny asset that cannot be downloaded."""
    monkeypatch.setenv("T2M_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("T2M_ASSETS", raising=False)
    monkeypatch.delenv("T2M_OFFLINE", raising=False)
    know(monkeypatch, NOWHERE)
    return tmp_path / "home"


def know(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    tiny = Asset("tiny", "tiny.bin", len(CONTENT), SHA256, url, "Apache-2.0", ("tests",))
    monkeypatch.setattr(assets, "ASSETS", MappingProxyType({"tiny": tiny}))


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file behind the asset's address, on this very machine."""
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "tiny.bin").write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        know(monkeypatch, f"http://127.0.0.1:{server.server_address[1]}/tiny.bin")
        yield folder / "tiny.bin"
        server.shutdown()
        thread.join()


def put(folder: Path, content: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny.bin"
    path.write_bytes(content)
    return path


def test_table_is_complete() -> None:
    for name, asset in assets.ASSETS.items():
        assert name == asset.name
        assert asset.url.startswith("https://") and asset.url.endswith(asset.file)
        assert asset.needed_by and asset.note
        if name != "rvm_mobilenetv3":  # no hash of it is published
            assert len(asset.sha256) == 64 and asset.size > 0
        assert asset.optional or asset.license == "Apache-2.0"
    assert assets.default_names() == ["face_landmarker", "selfie_segmentation"]


def test_hash_in_a_file_name_is_the_hash() -> None:
    for name in ("fan2d4", "s3fd"):
        asset = assets.get(name)
        assert asset.sha256.startswith(asset.file.split("-")[1].split(".")[0])


def test_named_folders_come_before_the_cache(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = put(home / "assets")
    assert assets.resolve("tiny") == cached
    second = put(tmp_path / "second")
    monkeypatch.setenv("T2M_ASSETS", os.pathsep.join([str(tmp_path / "absent"), "", str(second.parent)]))
    assert assets.resolve("tiny") == second


def test_environment_is_read_at_call_time(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home / "assets")
    assert assets.status("tiny").state == "ok"
    monkeypatch.setenv("T2M_HOME", str(tmp_path / "elsewhere"))
    assert assets.status("tiny").state == "missing"


def test_platform_cache_without_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("T2M_HOME", raising=False)
    assert assets.cache_folder().parts[-2:] == ("t2m-bench", "assets")


def test_wrong_hash_names_file_and_both_hashes(home: Path) -> None:
    path = put(home / "assets", b"damaged")
    with pytest.raises(AssetError) as caught:
        assets.resolve("tiny")
    text = str(caught.value)
    assert str(path) in text and SHA256 in text and hashlib.sha256(b"damaged").hexdigest() in text
    assert "t2m-bench assets fetch tiny" in text
    assert not isinstance(caught.value, AssetMissing)
    assert assets.status("tiny").state == "wrong-hash"


@pytest.mark.parametrize("value", ["1", "true", "YES"])
def test_offline_variable_forbids_downloads(
    home: Path, served: Path, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T2M_OFFLINE", value)
    with pytest.raises(AssetMissing, match="downloads are switched off") as caught:
        assets.resolve("tiny")
    assert "Run `t2m-bench assets fetch tiny` with a network" in str(caught.value)
    assert "T2M_ASSETS" in str(caught.value)
    assert assets.resolve("tiny", offline=False).read_bytes() == CONTENT


@pytest.mark.parametrize("value", ["", "0", "false"])
def test_offline_variable_may_be_off(
    home: Path, served: Path, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T2M_OFFLINE", value)
    assert assets.resolve("tiny") == home / "assets" / "tiny.bin"


def test_offline_argument_and_no_download(home: Path, served: Path) -> None:
    with pytest.raises(AssetMissing, match="switched off"):
        assets.resolve("tiny", offline=True)
    with pytest.raises(
        AssetMissing, match=r"not on this machine\. Run `t2m-bench assets fetch tiny`, or put"
    ):
        assets.resolve("tiny", download=False)
    assert not home.exists()


def test_download_goes_to_the_cache_once(home: Path, served: Path) -> None:
    path = assets.resolve("tiny")
    assert path == home / "assets" / "tiny.bin" and path.read_bytes() == CONTENT
    served.unlink()
    assert assets.resolve("tiny") == path


def test_download_of_a_wrong_file_leaves_nothing(home: Path, served: Path) -> None:
    served.write_bytes(b"another version")
    with pytest.raises(AssetError, match=f"sent a file with sha256 .*, expected {SHA256}"):
        assets.resolve("tiny")
    assert list((home / "assets").iterdir()) == []


@pytest.mark.parametrize("gone", [True, False], ids=["404", "refused"])
def test_failed_download_is_one_sentence(home: Path, served: Path, gone: bool, monkeypatch) -> None:
    served.unlink()
    if not gone:
        know(monkeypatch, NOWHERE)
    with pytest.raises(
        AssetMissing, match=r"tiny\.bin could not be downloaded from http://127\.0\.0\.1"
    ) as caught:
        assets.resolve("tiny")
    assert "\n" not in str(caught.value) and "T2M_ASSETS" in str(caught.value)
    assert list((home / "assets").iterdir()) == []


def test_fetch_replaces_a_damaged_cache_file_only(
    home: Path, served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home / "assets", b"damaged")
    with pytest.raises(AssetError, match="expected"):
        assets.fetch("tiny", offline=True)
    assert assets.fetch("tiny").read_bytes() == CONTENT
    mine = put(tmp_path / "mine", b"damaged")
    monkeypatch.setenv("T2M_ASSETS", str(mine.parent))
    with pytest.raises(AssetError, match="expected"):
        assets.fetch("tiny")
    assert mine.read_bytes() == b"damaged"


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(
        UnknownName, match="No asset is called 'face_landmaker'. Did you mean 'face_landmarker'"
    ):
        assets.resolve("face_landmaker")
    with pytest.raises(UnknownName, match="Known are .*face_landmarker, .*selfie_segmentation"):
        assets.status("zzz")


@pytest.fixture
def unpublished(home: Path, served: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny asset is served, but no hash of it is published; where its download goes."""
    bare = Asset(**{**vars(assets.get("tiny")), "sha256": "", "size": 0})
    monkeypatch.setattr(assets, "ASSETS", MappingProxyType({"tiny": bare}))
    return home / "assets" / "tiny.bin"


def test_nobody_reads_a_file_of_unknown_hash_until_the_user_states_one(unpublished: Path) -> None:
    with pytest.raises(AssetError, match=f"has sha256 {SHA256}, and its publisher gives none") as caught:
        assets.resolve("tiny")
    assert "sha256sum tiny.bin > tiny.bin.sha256" in str(caught.value)
    assert unpublished.read_bytes() == CONTENT  # downloaded, so that its hash can be compared
    assert assets.status("tiny").state == "unstated"
    statement = unpublished.with_name("tiny.bin.sha256")
    statement.write_text(f"{SHA256.upper()}  tiny.bin\n")
    assert assets.resolve("tiny") == unpublished and assets.status("tiny").state == "ok"
    unpublished.write_bytes(b"changed since")
    with pytest.raises(AssetError, match=f"expected {SHA256}"):
        assets.resolve("tiny")


def test_a_statement_that_is_no_hash_is_named(unpublished: Path) -> None:
    put(unpublished.parent)
    unpublished.with_name("tiny.bin.sha256").write_text("yes, I trust it")
    with pytest.raises(AssetError, match=r"tiny\.bin\.sha256 does not start with a SHA-256"):
        assets.resolve("tiny")
