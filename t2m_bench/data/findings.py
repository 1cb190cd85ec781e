"""What a pre-flight says about a clip: findings, and the verdict that follows from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from t2m_bench.core.errors import T2MError

Level = Literal["ok", "note", "warning", "refused"]
Verdict = Literal["ready", "usable with notes", "refused"]

LEVELS: tuple[Level, ...] = ("ok", "note", "warning", "refused")
"""From harmless to fatal."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    """`ok`; `note`: odd or unknown, but it changes no number; `warning`: it lowers what the clip is good for;
    `refused`: the clip is not scored."""
    code: str
    """What was looked at, as `cuts`: stable, for programs."""
    fact: str
    """What was found, without the final stop."""
    fix: str = ""
    """What to do about it; empty when nothing need be done."""


@dataclass(frozen=True)
class Report:
    """All findings about one clip."""

    path: Path
    findings: tuple[Finding, ...]
    facts: dict[str, Any] = field(default_factory=dict, hash=False)
    """Numbers behind the findings, ready for JSON."""

    @property
    def verdict(self) -> Verdict:
        """`refused` if anything is, `usable with notes` if anything is not `ok`, else `ready`."""
        worst = self.worst
        if worst is None or worst.level == "ok":
            return "ready"
        return "refused" if worst.level == "refused" else "usable with notes"

    @property
    def worst(self) -> Finding | None:
        """The first of the gravest findings."""
        return max(self.findings, key=lambda finding: LEVELS.index(finding.level), default=None)

    def finding(self, code: str) -> Finding | None:
        """The gravest finding of one code, or None where it was not looked at."""
        found = [finding for finding in self.findings if finding.code == code]
        return max(found, key=lambda finding: LEVELS.index(finding.level), default=None)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "path": str(self.path),
            "verdict": self.verdict,
            "findings": [asdict(finding) for finding in self.findings],
            "facts": self.facts,
        }


def refused_by(error: T2MError, code: str) -> Finding:
    """The finding that an error makes: its fact and its remedy."""
    return Finding("refused", code, error.message, error.hint)


def not_checked(error: T2MError, code: str) -> Finding:
    """The finding where a model or library that a check needs is missing."""
    return Finding("note", code, f"not checked: {_lower(error.message)}", error.hint)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
