"""`RunRequest`: what a user asks for, before anything is looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Protocol = Literal["reconstruction", "audio_driven"]
PROTOCOLS: tuple[Protocol, ...] = ("reconstruction", "audio_driven")


@dataclass(frozen=True)
class RunRequest:
    """One `t2m-bench run`."""

    methods: tuple[str, ...]
    """Names or labels of methods: `talk2me`, `talk2me@tiny`, `talk2me@tiny+lpe=off`."""
    dataset: str
    out: Path
    """Result folder: new, empty, or one that an earlier run made."""
    data_root: Path | None = None
    """Where the dataset's clips are; None for those that bring their own."""
    protocol: Protocol = "reconstruction"
    drives: tuple[str, ...] = ()
    """P1 to P4; empty for the protocol's default."""
    preset: str | None = None
    """For all methods that have it and whose label does not name another one."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """For all methods but the controls; a setting in a label wins."""
    clips: tuple[str, ...] = ()
    """Ids; empty for all."""
    limit: int | None = None
    """At most this many clips, from the first."""
    recipe: str | None = None
    """None for the dataset's own."""
    seed: int = 0
    cache: Path | None = None
    """Folder for prepared clips and tracks; None for the platform's."""

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "methods": list(self.methods),
            "dataset": self.dataset,
            "data_root": str(self.data_root) if self.data_root else None,
            "protocol": self.protocol,
            "drives": list(self.drives),
            "preset": self.preset,
            "settings": dict(sorted(self.settings.items())),
            "clips": list(self.clips),
            "limit": self.limit,
            "recipe": self.recipe,
            "seed": self.seed,
        }
