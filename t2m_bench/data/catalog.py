"""The datasets there are: cards of this package, of entry points and of plug-in folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from t2m_bench.core.card import DatasetCard, read_card
from t2m_bench.core.clip import Clip
from t2m_bench.core.digest import digest_of
from t2m_bench.core.errors import ConfigError
from t2m_bench.core.plugins import CardSource, card_sources, check_name, load_entry
from t2m_bench.core.registry import Registry
from t2m_bench.core.resources import resource
from t2m_bench.data.ledger import available_digest
from t2m_bench.data.manifest import read_manifest
from t2m_bench.data.prepared import MANIFEST


@dataclass(frozen=True)
class DatasetEntry:
    """A dataset's card and where it lies."""

    card: DatasetCard
    folder: Path
    """Folder of the card file; its data may lie beside it."""
    plugin: Path | None = None
    """Folder that its loader is imported from, for plug-ins."""

    def clips(self, root: Path | None = None) -> list[Clip]:
        """The clips, sorted by id, not yet checked: what is wrong with one is said by `data.subject.prepare`.

        The card's entry is called as `entry(card, folder, root)`.

        Args:
            root: folder with the data, for datasets that need one; None leaves it to the dataset (`T2M_DATA`).

        Raises:
            MissingData: there are none; tells how to get them.
            ConfigError: two clips share an id, or the entry cannot be loaded.
        """
        found: list[Clip] = load_entry(self.card.entry, self.plugin)(self.card, self.folder, root)
        twice = sorted(name for name, count in Counter(clip.id for clip in found).items() if count > 1)
        if twice:
            raise ConfigError(f"Dataset {self.card.name!r} has several clips called {twice[0]!r}")
        return sorted(found, key=lambda clip: clip.id)

    def digests(self, clips: Sequence[Clip]) -> dict[str, str | int]:
        """What a record must say about the data at hand.

        Args:
            clips: all clips that were listed.

        Returns:
            `available`: digest of ids and hashes of the clips; `clips`: how many; `manifest`: digest of the manifest
            that they were prepared by, or of the dataset's own, where there is one.

        Raises:
            ConfigError: a manifest does not read.
        """
        for folder in sorted({clip.video.parent for clip in clips}):
            prepared = available_digest(folder)
            if prepared:
                return prepared
        facts: dict[str, str | int] = {
            "available": digest_of(sorted([clip.id, clip.sha256] for clip in clips)),
            "clips": len(clips),
        }
        own = self.folder / MANIFEST
        return {"manifest": read_manifest(own).digest, **facts} if own.is_file() else facts


def datasets() -> Registry[DatasetEntry]:
    """All datasets by name. Cards are read on first use; a plug-in may not replace a built-in.

    Raises:
        ConfigError: two datasets claim one name, or a folder of `T2M_PLUGINS` is missing.
    """
    registry: Registry[DatasetEntry] = Registry("dataset")
    for source in card_sources("dataset", resource("datasets").glob("*/dataset.toml")):
        registry.register(source.name, partial(_entry, source), origin=source.origin)
    return registry


def _entry(source: CardSource) -> DatasetEntry:
    path = source.locate()
    card = read_card(DatasetCard, path)
    check_name(source, card.name)
    return DatasetEntry(card, path.parent, source.folder)
