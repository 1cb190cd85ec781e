"""Raw videos: found in a folder, or downloaded with yt-dlp into one."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from t2m_bench.core.errors import DataError, DependencyError, MissingData

SUFFIXES = (".mp4", ".mov", ".webm", ".avi", ".mkv")

Downloader = Callable[[str, Mapping[str, Any]], None]
"""Downloads an address with yt-dlp's options; raises what yt-dlp raises."""

_GONE = (
    "private video",
    "video unavailable",
    "this video is unavailable",
    "is no longer available",
    "has been removed",
    "removed by the uploader",
    "account has been terminated",
    "account associated with this video",
    "does not exist",
    "http error 404",
    "http error 410",
)


class VideoGone(MissingData):
    """A raw video is no longer published."""


def find_raw(folder: Path, name: str) -> Path | None:
    """The raw video called `name` with a suffix of `SUFFIXES`, in their order; None where there is none.

    A file of exactly this name wins over one whose name or suffix has other capitals.
    """
    for suffix in SUFFIXES:
        if (folder / f"{name}{suffix}").is_file():
            return folder / f"{name}{suffix}"
    if not folder.is_dir():
        return None
    alike = [
        path
        for path in folder.iterdir()
        if path.stem.lower() == name.lower() and path.suffix.lower() in SUFFIXES and path.is_file()
    ]
    return min(alike, key=lambda path: (SUFFIXES.index(path.suffix.lower()), path.name), default=None)


def obtain(
    name: str, url: str, folder: Path, *, offline: bool = False, downloader: Downloader | None = None
) -> Path:
    """The raw video in `folder`, downloaded if it is not there: best pictures and best sound, in one file.

    One download at a time for all processes that share the folder, with pauses, retries, and going on where a former
    one stopped.

    Args:
        name: of the file without suffix.
        url: where it is published.
        folder: for raw videos.
        offline: never download.
        downloader: in place of yt-dlp.

    Raises:
        VideoGone: private or removed.
        MissingData: it is not here, and no address is known or the network must not be used.
        DataError: the download failed.
        DependencyError: yt-dlp or ffmpeg is missing.
    """
    found = find_raw(folder, name)
    if found:
        return found
    if offline or not url:
        raise MissingData(
            f"There is no raw video {name} in {folder}",
            hint="Put it there, or leave out --offline" if url else "Put it there: its row gives no address",
        )
    download = downloader or yt_dlp()
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".download.lock"):
        if found := find_raw(folder, name):
            return found
        try:
            download(url, options(name, folder))
        except Exception as error:
            raise _told(name, url, error) from error
        found = find_raw(folder, name)
    if found is None:
        raise DataError(f"{url} gave no video file for {name}", hint="Look at the address in a browser")
    return found


def options(name: str, folder: Path) -> dict[str, Any]:
    """What yt-dlp is told."""
    return {
        "format": "bestvideo*+bestaudio/best",
        "merge_output_format": "mkv",  # holds whatever codecs are best
        "outtmpl": {"default": str(folder / name).replace("%", "%%") + ".%(ext)s"},
        "noplaylist": True,
        "continuedl": True,
        "overwrites": False,
        "retries": 10,
        "fragment_retries": 10,
        "sleep_interval_requests": 1,
        "sleep_interval": 3,
        "max_sleep_interval": 8,
        "socket_timeout": 30,
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
    }


def yt_dlp() -> Downloader:
    """yt-dlp, ready to be called.

    Raises:
        DependencyError: it, or the ffmpeg program that it merges pictures and sound with, is not installed.
    """
    try:
        module = importlib.import_module("yt_dlp")
    except ImportError as error:
        raise DependencyError(
            "Downloading needs yt-dlp, which is not installed",
            hint="Run `pip install 't2m-bench[hdtf]'`, or name a folder of raw videos with --from",
        ) from error
    if shutil.which("ffmpeg") is None:
        raise DependencyError(
            "Downloading needs the ffmpeg program, with which yt-dlp joins pictures and sound",
            hint="Install ffmpeg (Debian: `apt-get install ffmpeg`), or name a folder of raw videos with --from",
        )

    def download(url: str, settings: Mapping[str, Any]) -> None:
        with module.YoutubeDL(dict(settings)) as loader:
            loader.download([url])

    return download


def _told(name: str, url: str, error: Exception) -> DataError:
    text = str(error).replace("ERROR: ", "").strip().splitlines()
    reason = text[0] if text else type(error).__name__
    if any(word in str(error).lower() for word in _GONE):
        return VideoGone(f"{name} is no longer published at {url} ({reason})")
    return DataError(
        f"{name} could not be downloaded from {url} ({reason})", hint="Run the same command again"
    )
