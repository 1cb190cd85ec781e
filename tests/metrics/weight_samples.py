"""Model files of the official layout with random weights, put where the program looks for the real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch
import torchvision

from t2m_bench.core import assets
from t2m_bench.core.digest import file_sha256


def trunk_layers(name: str, seed: int = 0) -> torch.nn.Sequential:
    """The convolutional part of torchvision's network of that name, with random weights that keep signals alive."""
    with torch.device("meta"):
        layers = getattr(torchvision.models, name)(weights=None).features
    layers = layers.to_empty(device="cpu")
    shuffle(layers, seed)
    return layers


def trunk_state(name: str, layers: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Weights under the names that torchvision's file has; the classifier, half a gigabyte, is one number a tensor."""
    with torch.device("meta"):
        names = getattr(torchvision.models, name)(weights=None).state_dict()
    mine = {f"features.{key}": value for key, value in layers.state_dict().items()}
    return {key: mine.get(key, torch.zeros(1)) for key in names}


def shuffle(network: torch.nn.Module, seed: int) -> None:
    """Random weights; normalisations that are not the identity."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.ndim == 4:
                weight.normal_(0, (2 / weight[0].numel()) ** 0.5, generator=draw)
            elif name.endswith("bias"):
                weight.normal_(0, 0.05, generator=draw)
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.weight.uniform_(0.8, 1.2, generator=draw)
                layer.running_mean.normal_(0, 0.2, generator=draw)
                layer.running_var.uniform_(0.5, 1.5, generator=draw)


def place(
    monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, state: Mapping[str, Any], *, old: bool = False
) -> dict[str, str]:
    """Write an asset into `folder` and make the program know its hash.

    Args:
        monkeypatch: undoes it.
        folder: becomes the place of model files.
        name: of the asset.
        state: what is in it.
        old: in the layout of PyTorch before 1.6.

    Returns:
        What the recipe must say under assets.
    """
    path = folder / assets.get(name).file
    if not path.exists():
        torch.save(dict(state), path, _use_new_zipfile_serialization=not old)
    return known(monkeypatch, path, name)


def known(monkeypatch: pytest.MonkeyPatch, path: Path, name: str) -> dict[str, str]:
    """Make the program know the hash of a file that is there; gives what the recipe must say under assets."""
    found = file_sha256(path)
    changed = replace(assets.get(name), sha256=found, size=path.stat().st_size)
    monkeypatch.setattr(assets, "ASSETS", MappingProxyType({**assets.ASSETS, name: changed}))
    monkeypatch.setenv("T2M_ASSETS", str(path.parent))
    return {name: found}


def no_assets(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """A machine without any model file and without a network."""
    monkeypatch.setenv("T2M_ASSETS", "")
    monkeypatch.setenv("T2M_HOME", str(home))
    monkeypatch.setenv("T2M_OFFLINE", "1")
