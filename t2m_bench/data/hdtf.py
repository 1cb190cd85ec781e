"""HDTF: a folder of prepared clips, 512x512 at 25 fps with their sound."""

from __future__ import annotations

import re
from pathlib import Path

from t2m_bench.core.card import DatasetCard
from t2m_bench.core.clip import Clip
from t2m_bench.data.ledger import read_ledger
from t2m_bench.data.listing import clip_ids, find_videos, read_clip
from t2m_bench.data.manifest import read_manifest
from t2m_bench.data.prepared import MANIFEST, prepared_clips, with_sound_beside


def clips(card: DatasetCard, folder: Path, root: Path | None) -> list[Clip]:
    """The mp4 files of the data root, not yet checked.

    Those that the manifest beside the clips or the card knows have its speaker, language and licence; others are named
    by `speaker_of`. A wav file of the same name is the sound.

    Raises:
        MissingData: there are none.
        ConfigError: the ledger or the manifest beside them does not read.
    """
    ids = clip_ids(find_videos(card, root, (".mp4",)))
    beside = next(iter(ids)).parent
    known = read_manifest(folder / MANIFEST).by_id
    if (beside / MANIFEST).is_file():
        known = {**known, **read_manifest(beside / MANIFEST).by_id}
    others = [
        with_sound_beside(read_clip(card, path, name, speaker=speaker_of(name), language=card.languages[0]))
        for path, name in ids.items()
        if name not in known
    ]
    return prepared_clips(card, ids, known, read_ledger(beside)) + others


def speaker_of(clip_id: str) -> str:
    """The speaker of a clip named in HDTF's way.

    `WDA_KatieHill_000` is a cut of a video of `WDA_KatieHill`. `WDA_AmyKlobuchar0_000` and `WDA_AmyKlobuchar1_000`
    are cuts of two videos of one person, `WDA_AmyKlobuchar`; the number in `RD_Radio31_000` is that of a programme,
    so it stays. A name of another form is its own speaker.
    """
    match = re.fullmatch(r"(?P<video>(?P<party>[A-Z]{2,3})_[\w-]+?)_\d+", clip_id)
    if match is None:
        return clip_id
    return match["video"] if match["party"] == "RD" else match["video"].rstrip("0123456789")
