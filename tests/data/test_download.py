"""Raw videos found, or downloaded by a stand-in for yt-dlp; nothing here touches the network."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from t2m_bench.core.errors import DataError, DependencyError, MissingData
from t2m_bench.data.download import VideoGone, find_raw, obtain, options, yt_dlp

URL = "https://example.org/watch?v=1"


class Loader:
    """Writes a file as yt-dlp would, or fails as it would."""

    def __init__(self, *, fails: str = "", suffix: str = ".mkv") -> None:
        self.fails, self.suffix, self.asked = fails, suffix, list[str]()

    def __call__(self, url: str, told: Mapping[str, Any]) -> None:
        self.asked.append(url)
        if self.fails:
            raise RuntimeError(self.fails)
        target = told["outtmpl"]["default"].replace("%(ext)s", self.suffix[1:]).replace("%%", "%")
        Path(target).write_bytes(b"film")


def test_find_raw(tmp_path: Path) -> None:
    for name in ("a.webm", "a.mkv", "B.MOV", "a.txt", "c.f137.mp4", "d.part.mp4"):
        (tmp_path / name).touch()
    assert find_raw(tmp_path, "a") == tmp_path / "a.webm"
    assert find_raw(tmp_path, "b") == tmp_path / "B.MOV"
    assert find_raw(tmp_path, "c") is None and find_raw(tmp_path / "none", "a") is None
    (tmp_path / "a.mp4").touch()
    assert find_raw(tmp_path, "a") == tmp_path / "a.mp4"


def test_a_video_is_downloaded_once(tmp_path: Path) -> None:
    loader = Loader()
    first = obtain("film", URL, tmp_path / "100%(raw)s", downloader=loader)
    assert first == tmp_path / "100%(raw)s" / "film.mkv"
    assert obtain("film", URL, first.parent, downloader=loader) == first
    assert loader.asked == [URL]


def test_options_ask_for_the_best_of_both_gently(tmp_path: Path) -> None:
    told = options("film", tmp_path)
    assert told["format"] == "bestvideo*+bestaudio/best" and told["merge_output_format"] == "mkv"
    assert told["continuedl"] and told["retries"] >= 3 and told["sleep_interval"] > 0


@pytest.mark.parametrize(
    "said", ["ERROR: [youtube] x: Private video. Sign in", "Video unavailable", "HTTP Error 404"]
)
def test_gone(tmp_path: Path, said: str) -> None:
    with pytest.raises(VideoGone, match=r"film is no longer published at https://example.org"):
        obtain("film", URL, tmp_path, downloader=Loader(fails=said))


def test_a_network_that_fails_is_not_gone(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"film could not be downloaded .*\(timed out\)") as caught:
        obtain("film", URL, tmp_path, downloader=Loader(fails="ERROR: timed out"))
    assert not isinstance(caught.value, VideoGone)


def test_a_download_that_leaves_no_video(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gave no video file for film"):
        obtain("film", URL, tmp_path, downloader=Loader(suffix=".html"))


@pytest.mark.parametrize(("url", "offline"), [(URL, True), ("", False)])
def test_nothing_is_downloaded_offline_or_from_nowhere(tmp_path: Path, url: str, offline: bool) -> None:
    loader = Loader()
    with pytest.raises(MissingData, match="There is no raw video film"):
        obtain("film", url, tmp_path, offline=offline, downloader=loader)
    assert loader.asked == []


def test_yt_dlp_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yt_dlp", None)
    with pytest.raises(DependencyError, match=r"needs yt-dlp.*pip install 't2m-bench\[hdtf\]'"):
        yt_dlp()


def test_yt_dlp_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    class YoutubeDL:
        def __init__(self, told: dict[str, Any]) -> None:
            calls.append(told)

        def __enter__(self) -> YoutubeDL:
            return self

        def __exit__(self, *told: object) -> None:
            calls.append("closed")

        def download(self, urls: list[str]) -> None:
            calls.append(urls)

    monkeypatch.setitem(sys.modules, "yt_dlp", SimpleNamespace(YoutubeDL=YoutubeDL))
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(DependencyError, match="needs the ffmpeg program"):
        yt_dlp()
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    yt_dlp()(URL, {"quiet": True})
    assert calls == [{"quiet": True}, [URL], "closed"]
