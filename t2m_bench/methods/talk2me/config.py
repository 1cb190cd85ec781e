"""Configuration of Talk2Me: one frozen dataclass, three presets, settings by `key=value`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_type_hints

from t2m_bench.core.errors import ConfigError, UnknownName
from t2m_bench.core.registry import check_keys, suggest


def _doc(default: Any, text: str) -> Any:
    return field(default=default, metadata={"doc": text})


@dataclass(frozen=True)
class Config:
    """Everything that shapes a Talk2Me avatar. Lengths in decimetres."""

    train_size: int = _doc(256, "Side in pixels at which the avatar is trained.")
    face_points: int = _doc(5000, "Gaussians on the tracked face mesh.")
    mouth_points: int = _doc(800, "Gaussians in the mouth cavity.")
    hull_points: int = _doc(6200, "Gaussians for hair, ears, neck and shoulders, cast from the matte.")
    steps: int = _doc(2000, "Optimisation steps of the avatar, one frame each.")
    warmup: int = _doc(50, "Steps of linear learning-rate warm-up.")
    width: int = _doc(64, "Hidden width of the deformation networks.")
    lpe: Literal["on", "off"] = _doc(
        "on", "Learnable positional encoding (Eq. 5-7), or plain sinusoids of the coordinates."
    )
    lpe_dim: int = _doc(32, "Channels of the positional feature z.")
    lpe_cycles: float = _doc(64.0, "Highest frequency of S(i), cycles over the table.")
    lpe_gate: float = _doc(2.0, "Initial logit of the gate of Eq. 6.")
    region: Literal["on", "off"] = _doc(
        "on", "Region weights (Eq. 2); off: every point follows both networks."
    )
    d_near: float = _doc(0.316, "Distance to a landmark under which a point follows the expression alone.")
    d_far: float = _doc(0.5, "Distance beyond which it follows the pose alone.")
    rig: Literal["on", "off"] = _doc("on", "Ridge-regressed landmark motion under the networks' offsets.")
    rig_ridge: float = _doc(10.0, "Its penalty.")
    ear: Literal["on", "off"] = _doc("on", "Eye aspect ratio as part of the expression.")
    lip_components: int = _doc(12, "Principal components of the lip contour in the expression.")
    w_ssim: float = _doc(0.2, "Weight of 1 - SSIM in the photometric loss; L1 has the rest.")
    w_offset: float = _doc(3e-3, "Weight of the mean squared raw offset.")
    noise_expression: float = _doc(0.3, "Standard deviation of the noise on the expression in training.")
    noise_pose: float = _doc(0.1, "Standard deviation of the noise on the pose input in training.")
    learning_rate: float = _doc(3.0, "Factor on all learning rates of the avatar.")
    final_rate: float = _doc(0.03, "Share of the learning rate left at the last step (cosine).")
    save_every: int = _doc(250, "Steps between resumable states.")
    motion_dim: int = _doc(64, "Channels of the expression and pose generators.")
    motion_layers: int = _doc(1, "Transformer layers in each.")
    motion_rank: int = _doc(8, "Rank of the K-product's factors (Eq. 8, 9).")
    motion_window: int = _doc(75, "Frames of a training window.")
    motion_epochs: int = _doc(150, "Passes over the training windows.")
    motion_patience: int = _doc(
        40, "Epochs without progress on the frames held back after which training stops."
    )
    motion_rate: float = _doc(1e-3, "Learning rate of the generators.")
    unit_frames: int = _doc(25, "Length of a pose unit, N.")
    unit_hop: int = _doc(5, "Hop between pose units.")
    unit_overlap: int = _doc(8, "Frames over which neighbouring units are cross-faded.")
    retrieval: Literal["viterbi", "greedy"] = _doc(
        "viterbi", "Chain units by continuity, or take the most similar one each."
    )
    refiner: Literal["on", "off"] = _doc("on", "Pose Refiner on top of the retrieved pose.")
    lambda_rec: float = _doc(10.0, "Weight of pose reconstruction (Eq. 12).")
    lambda_vel: float = _doc(1.0, "Weight of pose velocity (Eq. 12).")

    @property
    def points(self) -> int:
        """Number of Gaussians."""
        return self.face_points + self.mouth_points + self.hull_points

    def as_dict(self) -> dict[str, Any]:
        """JSON value."""
        return asdict(self)


PRESETS: Mapping[str, Config] = {
    "tiny": Config(
        train_size=64, face_points=1200, mouth_points=200, hull_points=1100, steps=150, width=32, lpe_dim=16,
        save_every=50, motion_dim=32, motion_rank=4, motion_window=50, motion_epochs=30,
    ),
    "small": Config(),
    "paper": Config(
        train_size=512, face_points=30_000, mouth_points=3_000, hull_points=42_000, steps=20_000, width=256,
        lpe_dim=128, learning_rate=1.0, save_every=1000, motion_dim=128, motion_rank=16, motion_window=100,
        motion_epochs=2000, motion_rate=1e-4,
    ),
}  # fmt: skip


def resolve(preset: str, settings: Mapping[str, str]) -> Config:
    """The configuration of `preset` with `settings` (texts, as the command line gives them) laid over it.

    Raises:
        UnknownName: no such preset or setting.
        ConfigError: a value of the wrong type or not among the choices.
    """
    if preset not in PRESETS:
        raise UnknownName(f"Unknown preset {preset!r} of talk2me", hint=suggest(preset, PRESETS))
    check_keys(settings, [item.name for item in fields(Config)], "setting of talk2me")
    hints = get_type_hints(Config)
    return replace(PRESETS[preset], **{key: _parse(key, text, hints[key]) for key, text in settings.items()})


def _parse(key: str, text: str, kind: Any) -> Any:
    choices = get_args(kind)
    if choices:
        if text not in choices:
            raise ConfigError(f"Setting {key} of talk2me is {text!r}", hint=f"Use {' or '.join(choices)}")
        return text
    try:
        return kind(text)
    except ValueError as error:
        raise ConfigError(
            f"Setting {key} of talk2me is {text!r}, not {kind.__name__}", hint="Give a number"
        ) from error
