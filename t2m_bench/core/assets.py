"""Model files: one table of what they are, and where they are found on this machine.

A file is looked for in the folders of `T2M_ASSETS`, then in the cache folder (`T2M_HOME`, or the platform's), then
downloaded into the cache. Whatever is found is checked against its SHA-256 before anybody reads it. Where the
publisher gives no hash, the user states it once, in a file beside the model (`FILE.sha256`, as `sha256sum` writes);
until then nobody reads the model.
"""

from __future__ import annotations

import difflib
import os
import re
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
    """Bytes; 0 where the publisher does not say."""
    sha256: str
    """64 hex digits; empty where none is published, so that the user must state it."""
    url: str
    """Where the publisher offers it."""
    license: str
    """SPDX identifier."""
    needed_by: tuple[str, ...]
    """Parts of this package that cannot work without it."""
    note: str = ""
    """What it is, in one line."""
    optional: bool = False
    """Only for parts that are not on by default: fetched and verified by name, not with all the others."""


@dataclass(frozen=True)
class AssetStatus:
    """What is known about one asset on this machine."""

    asset: Asset
    state: Literal["ok", "missing", "wrong-hash", "unstated"]
    """`unstated`: no hash is published and the user has stated none."""
    path: Path | None
    """Where it was found; None when missing."""
    found_sha256: str | None
    """Hash of the file found; None when missing."""


_LONGEST_REASON = 100
_HASH = re.compile(r"[0-9a-fA-F]{64}")
_MEDIAPIPE = "https://storage.googleapis.com"
_FAN = "https://www.adrianbulat.com/downloads/python-fan"
_RVM = "https://github.com/PeterL1n/RobustVideoMatting/releases/download/v1.0.0"
_OPENCV_ZOO = "https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models"
_TORCHVISION = "https://download.pytorch.org/models"
_PYTORCH_FID = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights"
_SYNCNET = "https://www.robots.ox.ac.uk/~vgg/software/lipsync/data"
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
    # The publisher writes the first ten hex digits of the hash into each file name; the rest is what those who
    # pin these files agree on.
    Asset(
        name="fan2d4",
        file="2DFAN4-cd938726ad.zip",
        size=96_316_515,
        sha256="cd938726adb1f15f361263cce2db9cb820c42585fa8796ec72ce19107f369a46",
        url=f"{_FAN}/2DFAN4-cd938726ad.zip",
        license="BSD-3-Clause",
        needed_by=("landmark backend fan",),
        note="Face Alignment Network, 68 points in 2D, TorchScript",
        optional=True,
    ),
    Asset(
        name="s3fd",
        file="s3fd-619a316812.pth",
        size=89_843_225,
        sha256="619a31681264d3f7f7fc7a16a42cbbe8b23f31a256f75a366e5a1bcd59b33543",
        url=f"{_FAN}/s3fd-619a316812.pth",
        license="BSD-3-Clause",
        needed_by=("landmark backend fan",),
        note="S3FD face detector that comes with the Face Alignment Network",
        optional=True,
    ),
    Asset(
        name="sface",
        file="face_recognition_sface_2021dec.onnx",
        size=38_696_353,
        sha256="0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
        url=f"{_OPENCV_ZOO}/face_recognition_sface/face_recognition_sface_2021dec.onnx",
        license="Apache-2.0",
        needed_by=("metric id_sim",),
        note="SFace face recognition, MobileFaceNet, of OpenCV's model zoo",
        optional=True,
    ),
    # As above: the file names of these three begin the hash.
    Asset(
        name="alexnet",
        file="alexnet-owt-7be5be79.pth",
        size=244_408_911,
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        url=f"{_TORCHVISION}/alexnet-owt-7be5be79.pth",
        license="BSD-3-Clause",
        needed_by=("metric lpips@alex",),
        note="AlexNet of torchvision, trained on ImageNet-1K, the trunk of LPIPS",
        optional=True,
    ),
    Asset(
        name="vgg16",
        file="vgg16-397923af.pth",
        size=553_433_881,
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        url=f"{_TORCHVISION}/vgg16-397923af.pth",
        license="BSD-3-Clause",
        needed_by=("metric lpips@vgg",),
        note="VGG-16 of torchvision, trained on ImageNet-1K, the trunk of LPIPS",
        optional=True,
    ),
    Asset(
        name="inception",
        file="pt_inception-2015-12-05-6726825d.pth",
        size=95_628_359,
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        url=f"{_PYTORCH_FID}/pt_inception-2015-12-05-6726825d.pth",
        license="Apache-2.0",
        needed_by=("metric fid", "metric kid"),
        note="TensorFlow's Inception of 2015-12-05 as pytorch-fid ported it",
        optional=True,
    ),
    Asset(
        name="rvm_mobilenetv3",
        file="rvm_mobilenetv3_fp32.torchscript",
        size=0,
        sha256="",
        url=f"{_RVM}/rvm_mobilenetv3_fp32.torchscript",
        license="GPL-3.0-only",
        needed_by=("matting rvm",),
        note="Robust Video Matting, MobileNetV3, TorchScript",
        optional=True,
    ),
    # The publisher of these two states no licence for the weights; the code around them is MIT. The hashes are what
    # those who pin these files agree on.
    Asset(
        name="syncnet",
        file="syncnet_v2.model",
        size=54_573_114,
        sha256="961e8696f888fce4f3f3a6c3d5b3267cf5b343100b238e79b2659bff2c605442",
        url=f"{_SYNCNET}/syncnet_v2.model",
        license="LicenseRef-unstated",
        needed_by=("metric lse_d", "metric lse_c", "metric av_offset"),
        note="SyncNet, embeddings of lips and sound",
        optional=True,
    ),
    Asset(
        name="sfd_face",
        file="sfd_face.pth",
        size=89_844_381,
        sha256="d54a87c2b7543b64729c9a25eafd188da15fd3f6e02f0ecec76ae1b30d86c491",
        url=f"{_SYNCNET}/sfd_face.pth",
        license="LicenseRef-unstated",
        needed_by=("metric lse_d", "metric lse_c", "metric av_offset"),
        note="S3FD face detector of the public SyncNet pipeline",
        optional=True,
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


def default_names() -> list[str]:
    """The assets that everybody needs, in order."""
    return [name for name, asset in ASSETS.items() if not asset.optional]


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
            expected = asset.sha256 or _stated_sha256(path)
            if not expected:
                return AssetStatus(asset, "unstated", path, found)
            return AssetStatus(asset, "ok" if found == expected else "wrong-hash", path, found)
    return AssetStatus(asset, "missing", None, None)


def resolve(name: str, *, offline: bool | None = None, download: bool | None = None) -> Path:
    """Path of the checked file of the asset `name`, downloading it when that is allowed and needed.

    Args:
        name: a key of `ASSETS`.
        offline: True never downloads; None follows `T2M_OFFLINE`.
        download: False never downloads either, for callers that only want to know; None downloads what is not
            optional: hundreds of megabytes are fetched by those who ask for them.

    Raises:
        UnknownName: no such asset.
        AssetMissing: it is not on this machine and was not, or could not be, downloaded.
        AssetError: a file of that name is there but its content is not the expected one, or nobody has stated what
            to expect.
    """
    found = status(name)
    if found.path is not None:
        return _checked(found)
    if is_offline(offline):
        why = f"Asset '{name}' ({found.asset.file}) is not on this machine and downloads are switched off"
        raise AssetMissing(why, hint=_remedy(name, "with a network"))
    if not (download or (download is None and not found.asset.optional)):
        why = f"Asset '{name}' ({found.asset.file}) is not on this machine"
        raise AssetMissing(why, hint=_remedy(name))
    _download(found.asset)
    return _checked(status(name))


def fetch(name: str, *, offline: bool | None = None) -> Path:
    """As `resolve`, but a damaged file in the cache folder is replaced instead of reported.

    Raises:
        UnknownName, AssetMissing, AssetError: as `resolve`.
    """
    found = status(name)
    if found.state == "wrong-hash" and found.path is not None and found.path.parent == cache_folder():
        if is_offline(offline):
            raise _wrong_hash(found)
        _download(found.asset)
    return resolve(name, offline=offline, download=True)


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
            if asset.sha256 and found != asset.sha256:
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


def _checked(found: AssetStatus) -> Path:
    """The path of an asset that is there and has the right content.

    Raises:
        AssetError: it has not, or nobody has said what is right.
    """
    if found.state == "wrong-hash":
        raise _wrong_hash(found)
    assert found.path is not None
    if found.state == "unstated":
        raise AssetError(
            f"{found.path} has sha256 {found.found_sha256}, and its publisher gives none to compare with",
            hint=f"If you trust where it came from, say so with `cd {found.path.parent} && "
            f"sha256sum {found.path.name} > {found.path.name}.sha256`",
        )
    return found.path


def _wrong_hash(found: AssetStatus) -> AssetError:
    assert found.path is not None
    return AssetError(
        f"{found.path} has sha256 {found.found_sha256}, "
        f"expected {found.asset.sha256 or _stated_sha256(found.path)}",
        hint=f"Delete it and run `t2m-bench assets fetch {found.asset.name}`",
    )


def _stated_sha256(path: Path) -> str:
    """What the user says the hash of `path` is, in `sha256sum`'s format; empty where nothing is said."""
    statement = path.with_name(f"{path.name}.sha256")
    try:
        words = statement.read_text(encoding="utf-8").split() if statement.is_file() else []
    except (OSError, UnicodeDecodeError) as error:
        raise AssetError(f"{statement} cannot be read ({error})") from error
    if words and not _HASH.fullmatch(words[0]):
        raise AssetError(
            f"{statement} does not start with a SHA-256 of 64 hex digits",
            hint=f"Write it with `sha256sum {path.name} > {statement.name}`",
        )
    return words[0].lower() if words else ""


def _hash(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise AssetError(f"{path} cannot be read ({error.strerror or error})") from error


def _reason(error: Exception) -> str:
    """What went wrong in a few words: requests wraps the whole of urllib's story into its messages."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text if len(text) <= _LONGEST_REASON else type(error).__name__
