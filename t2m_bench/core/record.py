"""`Record`: one (method, clip, protocol, recipe) row, as `record.json` holds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from t2m_bench.core.atomic import write_text
from t2m_bench.core.errors import DataError

RECORD_VERSION: Literal[1] = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MetricValue(_Part):
    """One metric on one clip."""

    value: float = Field(description="Mean over the frames that could be measured, or of the whole video.")
    unit: str
    direction: Literal["higher", "lower", "none"]
    frames: int = Field(description="Frames measured.")
    frames_asked: int = Field(description="Frames that should have been.")
    per_frame: tuple[float | None, ...] = Field(
        default=(),
        description="One value a frame; null where it could not be measured. Empty for a number of the whole video.",
    )
    facts: dict[str, float] = Field(
        default_factory=dict, description="What else a reader of the number should know, by name."
    )


class Failure(_Part):
    """Why a unit has no numbers."""

    stage: Literal["prepare", "fit", "synthesize", "score"]
    kind: str = Field(description="Class of the error.")
    message: str
    hint: str = ""


class Cost(_Part):
    """What it took on the machine of `manifest.json`. Not part of a record's identity: it differs from run to run."""

    fit_seconds: float | None = Field(
        default=None, description="Wall time of training; null when reused or not needed."
    )
    synthesize_seconds: float | None = None
    score_seconds: float | None = None
    realtime_factor: float | None = Field(
        default=None,
        description="Seconds of computing for one second of video; under 1 is faster than it plays.",
    )
    peak_rss_mb: float | None = Field(
        default=None, description="Largest resident memory of the process so far, MiB."
    )


class Record(_Part):
    """One row of results. Everything but `cost` is a function of the inputs."""

    version: Literal[1] = RECORD_VERSION
    key: str = Field(description="Hash of all inputs of the unit.")
    status: Literal["ok", "failed"]
    method: str = Field(
        description="Label: the method's name, and its preset and settings where they are not the default ones."
    )
    method_name: str
    method_title: str
    category: str
    preset: str
    settings: dict[str, str]
    oracle: bool = False
    sees: tuple[str, ...]
    dataset: str
    synthetic: bool
    clip: str
    speaker: str
    language: str
    protocol: Literal["reconstruction", "audio_driven"]
    drive: str = Field(description="P1..P4, or `-` for a method without expression and pose inputs.")
    expression: str = Field(description="`reference`, `generated` or `-`.")
    pose: str
    seed: int
    recipe: str
    recipe_digest: str
    size: tuple[int, int] | None = Field(default=None, description="Width and height at which it was scored.")
    rendered_size: tuple[int, int] | None = Field(
        default=None, description="Width and height the method made; differs from `size` when it was resized."
    )
    train_frames: tuple[int, int] = Field(
        description="First and one past the last frame a method may train on."
    )
    test_frames: tuple[int, int]
    values: dict[str, MetricValue] = Field(default_factory=dict)
    unavailable: dict[str, str] = Field(
        default_factory=dict, description="Metrics that could not be computed, and why."
    )
    failure: Failure | None = None
    notes: tuple[str, ...] = ()
    provenance: dict[str, Any] = Field(default_factory=dict, description="Hashes and software versions.")
    cost: Cost = Cost()

    def comparable(self) -> dict[str, Any]:
        """The record without its cost: equal for equal inputs."""
        return self.model_dump(mode="json", exclude={"cost"})

    def save(self, path: Path) -> Path:
        """Write to `path`, atomically."""
        return write_text(path, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Record:
        """Read `path`.

        Raises:
            DataError: it is no record, or of another version.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise DataError(
                f"{path} is not a readable record", hint="Run the same command again to make it anew"
            ) from error
