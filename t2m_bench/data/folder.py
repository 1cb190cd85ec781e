"""A person's own videos, of any size, frame rate and container."""

from __future__ import annotations

from pathlib import Path

from t2m_bench.core.card import DatasetCard
from t2m_bench.core.clip import Clip
from t2m_bench.data.listing import clip_ids, find_videos, read_clip

SUFFIXES = (".mp4", ".mov", ".webm", ".avi", ".mkv")


def clips(card: DatasetCard, folder: Path, root: Path | None) -> list[Clip]:
    """The videos of the data root, as they are; `data.normalise` makes prepared clips of them.

    Each file counts as a speaker of its own, in an unknown language.

    Raises:
        MissingData: there are none.
    """
    ids = clip_ids(find_videos(card, root, SUFFIXES))
    return [
        read_clip(card, path, name, speaker=name, language=card.languages[0]) for path, name in ids.items()
    ]
