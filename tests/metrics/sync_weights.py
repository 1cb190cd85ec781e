"""SyncNet with random weights, in the layout of the official file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch


def random_syncnet(seed: int = 0) -> Any:
    """The network, with weights of a size that lets something through; skips where the package is not installed."""
    package = pytest.importorskip("syncnet_python", reason="syncnet-python is not installed")
    torch.manual_seed(seed)
    net = package.SyncNetModel()
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Conv3d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(layer.weight)
            torch.nn.init.normal_(layer.bias, std=0.1)
        if isinstance(layer, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.normal_(layer.bias, std=0.1)
            torch.nn.init.uniform_(layer.running_var, 0.5, 1.5)
    with (
        torch.no_grad()
    ):  # pictures reach 255, MFCC about 20; distances then are about 10, as of the real network
        net.netcnnlip[0].weight /= 100
        net.netcnnaud[0].weight /= 10
        for head in (net.netfclip[-1], net.netfcaud[-1]):
            head.weight /= 20
    return net.eval()


def syncnet_file(folder: Path) -> Path:
    """A file of random weights."""
    path = folder / "syncnet_v2.model"
    torch.save(random_syncnet().state_dict(), path)
    return path
