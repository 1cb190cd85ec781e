"""`inception`: what pytorch-fid's Inception network sees in every frame, for FID and KID."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate
from torch.nn.utils.fusion import fuse_conv_bn_eval

from t2m_bench.core.errors import DependencyError
from t2m_bench.core.metric import Arrays, Maker
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.network import asset_file, fastest_device, inference, load_state, unit_tensor

ASSET = "inception"
INCEPTION_VERSION = 1
"""Raised when the same frame would give other features."""
POOL3, BLOCK0 = "pool3", "block0"
"""Names of the arrays: [T, 2048] of the last average pooling, and [T, 64] of the first maximum pooling, averaged over
the picture as pytorch-fid does."""
WIDTHS = {POOL3: 2048, BLOCK0: 64}
SIDE = 299
"""Pixels of the square that every frame is resized to."""
BATCH = 8
"""Frames that go through the network at once. Always the same ones, however frames come in: convolutions of batches of
another size differ in the last digit."""

Look = Callable[[torch.Tensor], dict[str, NDArray[np.float32]]]
"""Features of frames [B, 3, 299, 299] in [0, 1], by name of the array."""


class InceptionFeatures:
    """Features of each frame; no frame sees another one."""

    name = "inception"
    assets = (ASSET,)

    def key(self, recipe: Recipe) -> Mapping[str, Any]:
        """The weights, the library that holds the architecture, the numbers' type and this module's version."""
        return {
            "version": INCEPTION_VERSION,
            "model": recipe.asset_hash(ASSET),
            "pytorch_fid": _package_version(),
            "dtype": "float32",
        }

    @contextmanager
    def open(self, recipe: Recipe) -> Iterator[Maker]:
        """The network with the recipe's weights.

        Raises:
            AssetError, AssetMissing: the weights are missing, or are not those that the recipe names.
            DependencyError: `pytorch-fid` cannot be imported.
        """
        device = fastest_device()
        network = load_network(_private_module(), asset_file(ASSET, recipe)).to(device)
        network.to(memory_format=torch.channels_last)
        yield lambda reel: InceptionExtractor(lambda frames: look(network, frames), device)


class InceptionExtractor:
    """Keeps what the network sees in each frame.

    Args:
        look: gives the features of a batch of resized frames.
        device: where it runs.
    """

    def __init__(self, look: Look, device: torch.device) -> None:
        self._look, self._device = look, device
        self._waiting: list[torch.Tensor] = []
        self._found: list[dict[str, NDArray[np.float32]]] = []

    def add(self, frames: NDArray[np.uint8]) -> None:
        """Look at frames [B, H, W, 3], in batches of eight."""
        for frame in frames:
            with inference():
                self._waiting.append(resized(unit_tensor(frame[None], self._device)))
            if len(self._waiting) == BATCH:
                self._flush()

    def finish(self) -> Arrays:
        """`pool3` [T, 2048] and `block0` [T, 64], float32."""
        if self._waiting:
            self._flush()
        return {
            name: np.concatenate([np.zeros((0, width), np.float32), *(found[name] for found in self._found)])
            for name, width in WIDTHS.items()
        }

    def _flush(self) -> None:
        with inference():
            self._found.append(self._look(torch.cat(self._waiting)))
        self._waiting.clear()


def resized(frames: torch.Tensor) -> torch.Tensor:
    """Frames [B, 3, H, W] at 299x299, bilinear without antialiasing and with pixel centres, as pytorch-fid has it."""
    return interpolate(frames, size=(SIDE, SIDE), mode="bilinear", align_corners=False)


def look(network: Any, frames: torch.Tensor) -> dict[str, NDArray[np.float32]]:
    """Features of frames [B, 3, 299, 299] in [0, 1]."""
    block0, pool3 = network(frames)
    return {
        POOL3: pool3.flatten(1).cpu().numpy(),
        BLOCK0: block0.mean(dim=(2, 3)).cpu().numpy(),
    }


def load_network(module: ModuleType, weights: Path) -> torch.nn.Module:
    """The network of `pytorch_fid.inception` with the weights of a file, normalisations folded into convolutions.

    Args:
        module: a private copy of `pytorch_fid.inception`, which is changed.
        weights: as that package downloads them.
    """
    # Its constructor downloads the weights; in this copy of the module it is handed ours. All else is its own code.
    module.__dict__["load_state_dict_from_url"] = lambda url, **_: load_state(weights)
    network: torch.nn.Module = module.InceptionV3(output_blocks=(0, 3), resize_input=False).eval()
    for layer in network.modules():
        if isinstance(layer, module.torchvision.models.inception.BasicConv2d):
            layer.conv = fuse_conv_bn_eval(layer.conv, layer.bn)
            layer.bn = torch.nn.Identity()
    return network


def _private_module() -> ModuleType:
    """A copy of `pytorch_fid.inception` that nobody else sees."""
    try:
        spec = find_spec("pytorch_fid.inception")
        if spec is None or spec.loader is None:
            raise ImportError("No module named 'pytorch_fid.inception'")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    except (ImportError, OSError) as error:
        raise DependencyError(
            f"The Inception network of pytorch-fid cannot be imported ({error})",
            hint="Run `pip install 't2m-bench[perceptual]'`",
        ) from error
    return module


def _package_version() -> str:
    try:
        return metadata.version("pytorch-fid")
    except metadata.PackageNotFoundError:
        return "absent"
