"""Mandarin, or any other language: a folder of prepared clips with the manifest that they were cut by."""

from __future__ import annotations

from pathlib import Path

from t2m_bench.core.card import DatasetCard
from t2m_bench.core.clip import Clip
from t2m_bench.core.errors import MissingData
from t2m_bench.data.ledger import read_ledger
from t2m_bench.data.listing import find_videos
from t2m_bench.data.manifest import Manifest, read_manifest
from t2m_bench.data.prepared import MANIFEST, prepared_clips


def clips(card: DatasetCard, folder: Path, root: Path | None) -> list[Clip]:
    """The prepared clips of the data root that its manifest names, not yet checked.

    A video without a row is left out: nobody has said who speaks in it, or agreed to its use.

    Args:
        card: of the dataset.
        folder: of the card; not used: the clips and the manifest are the user's.
        root: folder with `<id>.mp4`, `<id>.wav` and `clips.csv`, or the folder above it.

    Raises:
        MissingData: no root, no manifest or no clip of it; tells how to prepare them.
        ConfigError: the manifest or the ledger does not read.
    """
    videos = find_videos(card, root, (".mp4",))
    data = videos[0].parent
    rows = _manifest(card, data).by_id
    found = prepared_clips(card, {path: path.stem for path in videos}, rows, read_ledger(data))
    if not found:
        raise MissingData(f"No mp4 file in {data} is named as a clip of its {MANIFEST}", hint=card.how_to_get)
    return found


def _manifest(card: DatasetCard, data: Path) -> Manifest:
    # Clips may lie in a folder named as the dataset, the manifest beside that folder.
    places = [data, data.parent] if data.name == card.name else [data]
    for place in places:
        if (place / MANIFEST).is_file():
            return read_manifest(place / MANIFEST)
    raise MissingData(
        f"The clips in {data} have no {MANIFEST} beside them that says who speaks", hint=card.how_to_get
    )
