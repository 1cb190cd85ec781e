"""`Recipe`: everything that changes a number, under one digest."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from t2m_bench.core.assets import Asset
from t2m_bench.core.card import read_card
from t2m_bench.core.digest import digest_of
from t2m_bench.core.errors import AssetError, ConfigError
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
    pairing: Literal["index"] = Field(
        description="Which frames are compared: equal numbers, counted from the first; nothing is left out."
    )
    region: Literal["full"] = Field(
        description="Pixels that a metric covers whose id names no region; `psnr@rgb.mouth` names its own."
    )
    masks: dict[str, str] = Field(
        description="Regions that ids may name, and the digest of how each is drawn (`metrics.region`)."
    )
    prediction: Literal["lossless", "encoded"] = Field(
        description="Which frames of built-in methods are scored: before or after H.264."
    )
    assets: dict[str, str] = Field(
        description="Model files of the metrics (detectors, backbones) and the SHA-256 each must have: 64 hex digits, "
        "or the first 8 or more."
    )
    psnr_cap_db: float = Field(description="PSNR of two equal frames, dB: the finite stand-in for infinity.")
    fid_floor: int = Field(
        default=2048,
        ge=0,
        description="Frames on each side under which FID of 2048 features is refused, and of fewer features in "
        "proportion; 0 forces it.",
    )
    metrics: tuple[str, ...] = Field(description="Metric ids, in table order.")
    aliases: dict[str, str] = Field(default_factory=dict, description="Plain names a user may type, to ids.")

    @property  # computed anew each time: pydantic would hand a cached one on to changed copies
    def digest(self) -> str:
        """Twelve hex digits over all fields but the texts."""
        return digest_of(self.model_dump(mode="json", exclude={"summary", "aliases"}))

    def scored_size(self, native: tuple[int, int]) -> tuple[int, int]:
        """Width and height at which a video of the size `native` is scored."""
        return native if self.size == "native" else (self.size, self.size)

    def asset_hash(self, name: str) -> str:
        """The hash that this recipe wants of a model file.

        Raises:
            ConfigError: it names none.
        """
        if name not in self.assets:
            raise ConfigError(
                f"Recipe {self.name!r} does not say which {name!r} it means",
                hint="Name its hash under assets",
            )
        return self.assets[name]

    def check_asset(self, asset: Asset) -> None:
        """Make sure that the model file this program knows is the one that the recipe means.

        Raises:
            AssetError: it is another one.
        """
        wanted = self.asset_hash(asset.name)
        if not asset.sha256.startswith(wanted) and not wanted.startswith(asset.sha256):
            raise AssetError(
                f"Recipe {self.name!r} wants {asset.file} with sha256 {wanted[:12]}, "
                f"this program knows {asset.sha256[:12]}",
                hint="Use the program version that the recipe was written for",
            )


def recipes() -> Registry[Recipe]:
    """The built-in recipes."""
    registry: Registry[Recipe] = Registry("recipe")
    for path in sorted((Path(__file__).parent.parent / "metrics" / "recipes").glob("*.toml")):
        registry.register(path.stem, lambda path=path: read_card(Recipe, path), origin=str(path))  # type: ignore[misc]
    return registry


def find_recipe(name: str) -> Recipe:
    """A built-in recipe by name, or a recipe of the user's by the path of its TOML file.

    Raises:
        UnknownName: there is no such recipe.
        ConfigError: the file is not there, or is no recipe.
    """
    return read_card(Recipe, Path(name)) if name.endswith(".toml") else recipes().get(name)
