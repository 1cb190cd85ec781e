"""Cards: TOML files that describe a method or dataset without importing it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from t2m_bench.core.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Sees = Literal["train_frames", "test_frames", "test_audio", "test_motion"]
Drive = Literal["P1", "P2", "P3", "P4"]


class Card(BaseModel):
    """What every card holds. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="What a user types.")
    title: str = Field(description="What a table prints.")
    summary: str = Field(description="One sentence.")
    license: str = Field(description="SPDX id of the code or data, or what it forbids in words.")
    paper: str = Field(default="", description="Link or reference.")
    citation: str = Field(default="", description="BibTeX or text.")


class MethodCard(Card):
    """A method: what it is, needs and may see."""

    entry: str = Field(description="`package.module:Class` that implements `Method`.")
    category: Literal["GAN", "NeRF", "3DGS", "control"] = Field(description="Row group of Table 1.")
    fits: bool = Field(description="Whether it is trained for each subject.")
    drives: tuple[Drive, ...] = Field(
        default=(),
        description="Protocol drives it can be asked for; empty: it has no expression or pose input, and runs once.",
    )
    sees: tuple[Sees, ...] = Field(
        description="What it is given beside the driving audio. `test_frames` are the held-out frames themselves."
    )
    oracle: bool = Field(
        default=False, description="True when it uses what no real method may see; tables mark it."
    )
    presets: tuple[str, ...] = Field(default=("default",), description="Named configurations.")
    default_preset: str = Field(default="default", description="The preset when none is given.")
    assets: tuple[str, ...] = Field(default=(), description="Model files it cannot do without.")
    code: tuple[str, ...] = Field(description="Modules and packages whose source decides its results.")


class SplitCard(BaseModel):
    """The time split of each clip: the first part trains, the last part tests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train_fraction: float = Field(
        gt=0, lt=1, description="Share of the frames, from the start, that a method may train on."
    )


class DatasetCard(Card):
    """A dataset: where it comes from and how it is used."""

    entry: str = Field(description="`package.module:function` that lists its clips.")
    languages: tuple[str, ...] = Field(description="BCP 47 tags.")
    synthetic: bool = Field(default=False, description="True when no person was filmed.")
    raw: bool = Field(
        default=False,
        description="True when clips come as a camera made them: each is cropped to 512x512 at 25 fps first.",
    )
    recipe: str = Field(description="Recipe used when none is named.")
    split: SplitCard
    fov_deg: float = Field(
        default=20.0, gt=1, lt=120, description="Vertical field of view assumed in tracking, degrees."
    )
    how_to_get: str = Field(description="One sentence for the user who has no data yet.")


CardT = TypeVar("CardT", bound=BaseModel)


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        ConfigError: it cannot be read or parsed; names the file and the line.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as TOML ({error})") from error


def parse_card(kind: type[CardT], values: dict[str, Any], where: str) -> CardT:
    """Validate `values` as a card.

    Raises:
        ConfigError: names the card, the field and what is wrong with it.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{where}: field {field!r}: {first['msg']}", hint="Correct the card") from error


def read_card(kind: type[CardT], path: Path) -> CardT:
    """Read and validate one card file."""
    return parse_card(kind, read_toml(path), str(path))
