"""What `t2m-bench doctor` looks at. Nothing here changes the machine."""

from __future__ import annotations

import ctypes
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

from t2m_bench import __version__
from t2m_bench.core import assets
from t2m_bench.core.errors import AssetError
from t2m_bench.runs.machine import hardware, package_version

State = Literal["ok", "warn", "fail"]

_SYSTEM_LIBRARIES = ("libGL.so.1", "libEGL.so.1", "libGLESv2.so.2")
_APT_LINE = "apt-get install -y libgl1 libegl1 libgles2"
_OPENCV = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
_LIBRARIES = ("numpy", "torch", "numba", "av", "torchmetrics")
_CODECS = ("libx264", "aac", "ffv1", "flac")


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    state: State
    """`warn`: some parts will not work; `fail`: nothing useful will."""
    found: str
    hint: str = ""


def examine() -> list[Check]:
    """Look at everything."""
    return [
        _python(),
        *(_library(name) for name in _LIBRARIES),
        _opencv(),
        *_system_libraries(),
        _mediapipe(),
        _codecs(_CODECS),
        *_assets(),
        *(_folder(name, path) for name, path in _folders()),
    ]


def _python() -> Check:
    machine = hardware()
    found = f"{sys.version.split()[0]}, t2m-bench {__version__}, {machine['cpu']}, {machine['cores_usable']} cores"
    return Check("python", "ok", found)


def _library(name: str) -> Check:
    try:
        module = import_module(name)
    except (ImportError, OSError) as error:
        return Check(name, "fail", f"cannot be imported ({error})", f"Run `pip install {name}`")
    found = str(getattr(module, "__version__", None) or package_version(name))
    if name == "torch":
        found += f", CUDA {'available' if module.cuda.is_available() else 'not available: the CPU is used'}"
    return Check(name, "ok", found)


def _opencv() -> Check:
    there = [name for name in _OPENCV if package_version(name)]
    if len(there) > 1:
        hint = f"They overwrite one another: keep one (`pip uninstall {' '.join(there[1:])}`)"
        return Check("opencv", "warn", f"{' and '.join(there)} are both installed", hint)
    return Check("opencv", "ok", there[0] if there else "not installed, not needed")


def _system_libraries() -> Iterator[Check]:
    if not sys.platform.startswith("linux"):
        return
    for name in _SYSTEM_LIBRARIES:
        try:
            ctypes.CDLL(name)
        except OSError:
            yield Check(name, "warn", "not found; face tracking needs it", f"Run `{_APT_LINE}` as root")
        else:
            yield Check(name, "ok", "found")


def _mediapipe() -> Check:
    try:
        import_module("mediapipe.tasks.python.vision")
    except (ImportError, OSError) as error:
        why = f"cannot be imported ({error}); face tracking and landmark metrics need it"
        return Check("mediapipe", "warn", why, f"Run `pip install mediapipe` and `{_APT_LINE}` as root")
    return Check("mediapipe", "ok", str(package_version("mediapipe")))


def _codecs(names: Iterable[str]) -> Check:
    try:
        import av
    except ImportError:
        return Check("codecs", "fail", "PyAV cannot be imported", "Run `pip install av`")
    missing = []
    for name in names:
        try:
            av.Codec(name, "w")
        except ValueError:  # av.codec.codec.UnknownCodecError
            missing.append(name)
    if missing:
        hint = "Install PyAV from its wheel: `pip install --force-reinstall --only-binary av av`"
        return Check("codecs", "fail", f"PyAV lacks the encoders {', '.join(missing)}", hint)
    return Check("codecs", "ok", ", ".join(names))


def _assets() -> Iterator[Check]:
    for name in assets.ASSETS:
        hint = f"Run `t2m-bench assets fetch {name}`"
        try:
            found = assets.status(name)
        except AssetError as error:
            yield Check(f"asset {name}", "fail", error.message, error.hint)
            continue
        if found.state == "ok":
            yield Check(f"asset {name}", "ok", str(found.path))
        elif found.state == "missing" and found.asset.optional:
            needs = ", ".join(found.asset.needed_by)
            yield Check(f"asset {name}", "ok", f"not here; only {needs} needs it")
        elif found.state == "unstated":
            facts = f"{found.path} has no published hash, and none was stated"
            yield Check(f"asset {name}", "warn", facts, f"Run `t2m-bench assets fetch {name}`")
        elif found.state == "missing":
            yield Check(
                f"asset {name}", "warn", f"missing; needed by {', '.join(found.asset.needed_by)}", hint
            )
        else:
            yield Check(
                f"asset {name}", "fail", f"{found.path} is not the expected file", f"Delete it. {hint}"
            )


def _folders() -> Sequence[tuple[str, Path]]:
    return (("cache folder", assets.cache_folder().parent), ("this folder", Path.cwd()))


def _folder(name: str, path: Path) -> Check:
    place = path
    while not place.exists():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        hint = "Name another one in T2M_HOME" if name == "cache folder" else "Give --out a folder elsewhere"
        return Check(name, "warn", f"{path} cannot be written ({error.strerror})", hint)
    return Check(name, "ok", f"{path} can be written")
