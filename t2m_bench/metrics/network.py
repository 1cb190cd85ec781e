"""Networks that metrics look through: their weights, where they run, and that they give the same numbers everywhere."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from t2m_bench.core import assets
from t2m_bench.core.recipe import Recipe


def asset_file(name: str, recipe: Recipe) -> Path:
    """The model file of that name, if it is the one that the recipe means.

    Raises:
        AssetError, AssetMissing: it is not here, or it is another one.
        ConfigError: the recipe does not say which it means.
    """
    recipe.check_asset(assets.get(name))
    return assets.resolve(name)


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """The weights of a file that `torch.save` wrote, of today's or of the old layout; nothing in it is executed."""
    # Of a file of today's layout only the tensors that are used are read.
    state: dict[str, torch.Tensor] = torch.load(
        path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
    )
    return state


def fastest_device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def inference() -> Iterator[None]:
    """Without gradients and without the short floats that GPUs would take for convolutions."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        if torch.cuda.is_available():
            stack.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=False))
        yield


def unit_tensor(frames: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    """Frames [B, H, W, 3] as float32 [B, 3, H, W] in [0, 1], channels last in memory."""
    return torch.from_numpy(frames).to(device).permute(0, 3, 1, 2).to(torch.float32).div_(255)
