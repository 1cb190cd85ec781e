"""Model files: one table of what they are, and where they are found on this machine.

A file is looked for in the folders of `T2M_ASSETS`, then in the cache folder (`T2M_HOME`, or the platform's), then
downloaded into the cache. Whatever is found is checked against its SHA-256 before anybody reads it.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from t2m_bench.core.atomic import atomic_path
from t2m_bench.core.digest import file_sha256
from t2m_bench.core.errors import AssetError, AssetMissing, UnknownName

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0


@dataclass(frozen=True)
class Asset:
    """One model file that this package does not ship."""

    name: str
    """What the command line and the code call it."""
    file: str
    """File name, the same in every folder."""
    size: int
    """Bytes."""
    sha256: str
    """64 hex digits."""
    url: str
    """Where the publisher offers it."""
    license: str
    """SPDX identifier."""
    needed_by: tuple[str, ...]
    """Parts of this package that cannot work without it."""
    note: str = ""
    """What it is, in one line."""


@dataclass(frozen=True)
class AssetStatus:
    """What is known about one asset on this machine."""

    asset: Asset
    state: Literal["ok", "missing", "wrong-hash"]
    path: Path | None
    """Where it was found; None when missing."""
    found_sha256: str | None
    """Hash of the file found; None when missing."""


_LONGEST_REASON = 100
_MEDIAPIPE = "https://storage.googleapis.com"
_TABLE = (
    Asset(
        name="face_landmarker",
        file="face_landmarker.task",
        size=3_758_596,
        sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
        url=f"{_MEDIAPIPE}/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
        license="Apache-2.0",
        needed_by=("tracking", "metric lmd", "method talk2me"),
        note="MediaPipe face detector, 478-point face mesh and 52 blendshapes",
    ),
    Asset(
        name="selfie_segmentation",
        file="selfie_segmentation.tflite",
        size=249_024,
        sha256="8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27",
        url=f"{_MEDIAPIPE}/mediapipe-assets/selfie_segmentation.tflite",
        license="Apache-2.0",
        needed_by=("matting", "method talk2me"),
        note="MediaPipe selfie segmentation, general model, 256x256",
    ),
)

ASSETS: Mapping[str, Asset] = MappingProxyType({asset.name: asset for asset in _TABLE})
"""Every asset by name."""


def get(name: str) -> Asset:
    """The asset called `name`.

    Raises:
        UnknownName: there is none; the text suggests the nearest name.
    """
    if name in ASSETS:
        return ASSETS[name]
    near = difflib.get_close_matches(name, ASSETS, n=1)
    guess = f"Did you mean '{near[0]}'" if near else f"Known are {', '.join(sorted(ASSETS))}"
    raise UnknownName(f"No asset is called '{name}'", hint=guess)


def cache_folder() -> Path:
    """Folder that downloads go to: `T2M_HOME`/assets, or the platform's cache folder for this package."""
    home = os.environ.get("T2M_HOME", "")
    if home:
        return Path(home).expanduser() / "assets"
    import pooch  # late: it is slow to import and only this branch and downloads need it

    return Path(pooch.os_cache("t2m-bench")) / "assets"


def search_folders() -> list[Path]:
    """Folders that are looked through, in order: those of `T2M_ASSETS`, then the cache folder."""
    named = os.environ.get("T2M_ASSETS", "").split(os.pathsep)
    return [*(Path(folder).expanduser() for folder in named if folder), cache_folder()]


def is_offline(offline: bool | None = None) -> bool:
    """Whether downloads are forbidden: what the caller says, else `T2M_OFFLINE` (unset, empty, 0, false: allowed)."""
    if offline is not None:
        return offline
    return os.environ.get("T2M_OFFLINE", "").strip().lower() not in {"", "0", "false", "no"}


def status(name: str) -> AssetStatus:
    """Find and hash the file of the asset `name`; never downloads.

    Raises:
        UnknownName: no such asset.
    """
    asset = get(name)
    for folder in search_folders():
        path = folder / asset.file
        if path.is_file():
            found = _hash(path)
            return AssetStatus(asset, "ok" if found == asset.sha256 else "wrong-hash", path, found)
    return AssetStatus(asset, "missing", None, None)


def resolve(name: str, *, offline: bool | None = None, download: bool = True) -> Path:
    """Path of the checked file of the asset `name`, downloading it when that is allowed and needed.

    Args:
        name: a key of `ASSETS`.
        offline: True never downloads; None follows `T2M_OFFLINE`.
        download: False never downloads either, for callers that only want to know.

    Raises:
        UnknownName: no such asset.
        AssetMissing: it is not on this machine and was not, or could not be, downloaded.
        AssetError: a file of that name is there but its content is not the expected one.
    """
    found = status(name)
    if found.state == "wrong-hash":
        raise _wrong_hash(found)
    if found.path is not None:
        return found.path
    if is_offline(offline):
        why = f"Asset '{name}' ({found.asset.file}) is not on this machine and downloads are switched off"
        raise AssetMissing(why, hint=_remedy(name, "with a network"))
    if not download:
        why = f"Asset '{name}' ({found.asset.file}) is not on this machine"
        raise AssetMissing(why, hint=_remedy(name))
    return _download(found.asset)


def fetch(name: str, *, offline: bool | None = None) -> Path:
    """As `resolve`, but a damaged file in the cache folder is replaced instead of reported.

    Raises:
        UnknownName, AssetMissing, AssetError: as `resolve`.
    """
    found = status(name)
    if found.state == "wrong-hash" and found.path is not None and found.path.parent == cache_folder():
        if is_offline(offline):
            raise _wrong_hash(found)
        return _download(found.asset)
    return resolve(name, offline=offline)


def _download(asset: Asset) -> Path:
    import pooch

    target = cache_folder() / asset.file
    try:
        with atomic_path(target) as temporary, ExitStack() as stack:

            def close_later(response: Any, **_: Any) -> None:  # pooch leaves a refused connection open
                stack.callback(response.close)

            get_file = pooch.HTTPDownloader(
                timeout=(CONNECT_SECONDS, READ_SECONDS), hooks={"response": close_later}
            )
            # A failure of the network is an OSError (requests), a malformed address a ValueError.
            get_file(asset.url, str(temporary), None)
            found = file_sha256(temporary)
            if found != asset.sha256:
                raise AssetError(
                    f"{asset.url} sent a file with sha256 {found}, expected {asset.sha256}",
                    hint=f"Put the right {asset.file} in a folder named in T2M_ASSETS",
                )
    except (OSError, ValueError) as error:
        why = f"{asset.file} could not be downloaded from {asset.url} to {target.parent} ({_reason(error)})"
        raise AssetMissing(why, hint=_remedy(asset.name, "when the network is back")) from error
    return target


def _remedy(name: str, when: str = "") -> str:
    command = f"Run `t2m-bench assets fetch {name}`{' ' + when if when else ''}"
    return f"{command}, or put the file in a folder named in T2M_ASSETS"


def _wrong_hash(found: AssetStatus) -> AssetError:
    return AssetError(
        f"{found.path} has sha256 {found.found_sha256}, expected {found.asset.sha256}",
        hint=f"Delete it and run `t2m-bench assets fetch {found.asset.name}`",
    )


def _hash(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise AssetError(f"{path} cannot be read ({error.strerror or error})") from error


def _reason(error: Exception) -> str:
    """What went wrong in a few words: requests wraps the whole of urllib's story into its messages."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text if len(text) <= _LONGEST_REASON else type(error).__name__
