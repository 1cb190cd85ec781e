"""From video files in a folder to `Clip`s, by their headers alone and without complaint.

A listing must not fail because one file is broken: whatever cannot be read is left 0 or empty here, and
`data.subject.prepare` says what is wrong with it.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from t2m_bench.core.card import DatasetCard
from t2m_bench.core.clip import Clip
from t2m_bench.core.digest import file_sha256
from t2m_bench.core.errors import MissingData, VideoError
from t2m_bench.media.announced import announced, frame_rate
from t2m_bench.media.container import open_media, video_stream

DATA_ROOT = "T2M_DATA"
"""Environment variable with the folder that holds the data when the command line names none."""

_LONGEST_ID = 80


def find_videos(card: DatasetCard, root: Path | None, suffixes: Iterable[str]) -> list[Path]:
    """The video files of a dataset, by name: those in the data root, else those in its folder named as the dataset.

    Args:
        card: of the dataset.
        root: the data root; None takes `T2M_DATA`.
        suffixes: of the files wanted, in lower case, with the dot.

    Raises:
        MissingData: no root is named, it is no folder, or no such file is in it; the hint says how to get the data.
    """
    named = os.environ.get(DATA_ROOT, "")
    if root is None and not named:
        raise MissingData(f"Dataset {card.name!r} has no data folder yet", hint=card.how_to_get)
    root = Path(root if root is not None else named).expanduser().absolute()
    if not root.is_dir():
        raise MissingData(
            f"The data folder {root} of dataset {card.name!r} does not exist", hint=card.how_to_get
        )
    wanted = tuple(suffixes)
    for folder in (root, root / card.name):
        found = _files(folder, wanted)
        if found:
            return found
    raise MissingData(
        f"The data folder {root} of dataset {card.name!r} holds no {', '.join(wanted)} file",
        hint=card.how_to_get,
    )


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and not path.is_dir()
    )


def clip_ids(paths: Iterable[Path]) -> dict[Path, str]:
    """A safe and unique clip id for each file: ASCII letters, digits, `_`, `-` and `.`, never a hidden name.

    Accents are dropped. Names that leave nothing, or the same as another file's, end in a hash of the name, so that
    an id depends on nothing but the names.
    """
    listed = list(paths)
    plain = {path: _ascii(path.stem) for path in listed}
    # Results of two clips must not share a folder where names are compared without case.
    often = Counter(name.lower() for name in plain.values())
    return {
        path: name if name and often[name.lower()] == 1 else f"{name or 'clip'}-{_name_hash(path)}"
        for path, name in plain.items()
    }


def _ascii(stem: str) -> str:
    letters = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "_", letters)[:_LONGEST_ID].strip("._-")


def _name_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]


def read_clip(card: DatasetCard, path: Path, clip_id: str, *, speaker: str, language: str) -> Clip:
    """What the header of a video file says; 0 or empty where it cannot be read."""
    width = height = frames = 0
    fps = 0.0
    try:
        with open_media(path) as container:
            stream = video_stream(container, path)
            width, height = int(stream.codec_context.width), int(stream.codec_context.height)
            fps = float(frame_rate(stream) or 0)
            frames = announced(container, stream, path).frames or 0
    except VideoError:
        pass  # told by `prepare`, which makes it a recorded failure of this clip alone
    return Clip(
        id=clip_id,
        dataset=card.name,
        speaker=speaker,
        language=language,
        video=path,
        fps=fps,
        frames=frames,
        width=width,
        height=height,
        sha256=_sha256(path),
        license=card.license,
        synthetic=card.synthetic,
        fov_deg=card.fov_deg,
    )


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError:
        return ""
