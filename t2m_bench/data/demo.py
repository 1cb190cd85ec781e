"""The synthetic demo clips that ship with the package, with their ground-truth tracks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from t2m_bench.core.card import DatasetCard
from t2m_bench.core.clip import Clip
from t2m_bench.core.errors import MissingData
from t2m_bench.data.listing import read_clip

_FOLDER = "clips"


def clips(card: DatasetCard, folder: Path, root: Path | None) -> list[Clip]:
    """The clips `demo_<language>.mp4` beside the card, each with its `demo_<language>.track.npz`.

    Args:
        card: of the dataset.
        folder: of the card.
        root: not used: the data ships with the package.

    Raises:
        MissingData: a clip or its track is missing.
    """
    found = []
    for language in card.languages:
        name = f"demo_{language}"
        video, track = (folder / _FOLDER / f"{name}{suffix}" for suffix in (".mp4", ".track.npz"))
        for path in (video, track):
            if not path.is_file():
                raise MissingData(f"{path} is missing from this installation", hint=card.how_to_get)
        clip = read_clip(card, video, name, speaker=name, language=language)
        found.append(replace(clip, track=track, matted=True))
    return found
