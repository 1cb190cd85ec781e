"""`Recipe`: everything that changes a number, under one digest."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from t2m_bench.core.card import read_card
from t2m_bench.core.digest import digest_of
from t2m_bench.core.registry import Registry


class Recipe(BaseModel):
    """How predictions are scored. Two records may share a table only if their recipes' digests are equal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: int = Field(ge=1, description="Raised whenever a number could change.")
    summary: str
    fps: float = Field(description="Frame rate at which frames are paired, one to one from the first.")
    size: int | Literal["native"] = Field(
        description="Side in pixels at which every metric is computed; `native`: the clip's own size."
    )
    resize: Literal["bicubic-antialias"] = Field(
        description="Filter used when a prediction or a reference has another size."
    )
    background: Literal["white"] = Field(description="What the reference is composited on.")
    matting: Literal["selfie", "rvm", "none"] = Field(
        description="Where the alpha of the reference comes from."
    )
    colour: Literal["rgb8"] = Field(description="Colour space of pixel metrics: 8-bit RGB as decoded.")
    prediction: Literal["lossless", "encoded"] = Field(
        description="Which frames of built-in methods are scored: before or after H.264."
    )
    landmarks: str = Field(description="Asset used as the face detector of landmark metrics.")
    landmarks_sha256: str = Field(description="Its hash.")
    psnr_cap_db: float = Field(description="PSNR of two equal frames, dB: the finite stand-in for infinity.")
    metrics: tuple[str, ...] = Field(description="Metric ids, in table order.")
    aliases: dict[str, str] = Field(default_factory=dict, description="Plain names a user may type, to ids.")

    @cached_property
    def digest(self) -> str:
        """Twelve hex digits over all fields but the texts."""
        return digest_of(self.model_dump(mode="json", exclude={"summary", "aliases"}))


def recipes() -> Registry[Recipe]:
    """The built-in recipes."""
    registry: Registry[Recipe] = Registry("recipe")
    for path in sorted((Path(__file__).parent.parent / "metrics" / "recipes").glob("*.toml")):
        registry.register(path.stem, lambda path=path: read_card(Recipe, path), origin=str(path))  # type: ignore[misc]
    return registry
