"""Clips that `datasets prepare` cut: `<id>.mp4` with its sound in `<id>.wav`, and what the manifest says about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from t2m_bench.core.card import DatasetCard
from t2m_bench.core.clip import Clip
from t2m_bench.data.listing import read_clip
from t2m_bench.data.manifest import ClipRow

if TYPE_CHECKING:
    from t2m_bench.data.ledger import LedgerRow

MANIFEST = "clips.csv"
"""Name of a manifest, beside a card or beside the clips."""


def prepared_clips(
    card: DatasetCard,
    videos: Mapping[Path, str],
    rows: Mapping[str, ClipRow],
    ledger: Mapping[str, LedgerRow],
) -> list[Clip]:
    """The videos that have a row, with its speaker, language and licence; rows without a video are left out.

    Args:
        card: of the dataset.
        videos: files with the ids of their clips.
        rows: of the manifest, by clip id.
        ledger: of the preparation, by clip id: says whose background is white already.
    """
    found = []
    for path, name in videos.items():
        if name in rows:
            clip = prepared_clip(card, path, rows[name])
            white = name in ledger and ledger[name].matting != "none"
            found.append(replace(clip, matted=white))
    return found


def prepared_clip(card: DatasetCard, video: Path, row: ClipRow) -> Clip:
    """One prepared video and its row."""
    clip = read_clip(card, video, row.id, speaker=row.speaker, language=row.language)
    license_text = card.license if row.license == "unknown" else row.license
    return replace(with_sound_beside(clip), license=license_text)


def with_sound_beside(clip: Clip) -> Clip:
    """The clip with the wav file of the same name as its sound, where there is one."""
    sound = clip.video.with_suffix(".wav")
    return replace(clip, audio=sound) if sound.is_file() else clip
