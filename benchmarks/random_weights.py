"""Model files in their official layouts with random weights: they cost as much time as the real ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import torch
import torchvision

from t2m_bench.core import assets
from t2m_bench.core.digest import file_sha256

Trunks = ("alexnet", "vgg16")


def _trunk(name: str) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        network = getattr(torchvision.models, name)(weights=None)
    # LPIPS has no use for the classifier, half a gigabyte.
    return {
        key: torch.randn(value.shape) * 0.05 if key.startswith("features") else torch.zeros(1)
        for key, value in network.state_dict().items()
    }


def _inception() -> dict[str, torch.Tensor]:
    from pytorch_fid import inception

    # The package builds the network and then loads what it downloads; only the first half is wanted.
    with (
        patch.object(torch.nn.Module, "load_state_dict", lambda self, state: None),
        patch.object(inception, "load_state_dict_from_url", lambda url, progress: {}),
    ):
        state: dict[str, torch.Tensor] = inception.fid_inception_v3().state_dict()
    return state


def _syncnet() -> dict[str, torch.Tensor]:
    from syncnet_python.SyncNetModel import S

    state: dict[str, torch.Tensor] = S().state_dict()
    return state


def _blind(state: dict[str, torch.Tensor], head: str) -> dict[str, torch.Tensor]:
    """The same detector, sure that nothing is a face: a random one finds thousands, and sorting them takes long."""
    for name, value in state.items():
        if head in name:
            value.zero_()
            if name.endswith("bias"):
                value[:-1] = 9.0  # all but the last channel speak for the background
    return state


def _sfd_face() -> dict[str, torch.Tensor]:
    from syncnet_python.detectors.s3fd.nets import S3FDNet

    return _blind(S3FDNet(device="cpu").state_dict(), "conf.")


def _s3fd() -> dict[str, torch.Tensor]:
    from face_alignment.detection.sfd.net_s3fd import s3fd

    return _blind(s3fd().state_dict(), "mbox_conf")


class _LastMaps(torch.nn.Module):
    """What the published file gives: the maps of the last stack."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        maps: Any = self.network(picture)
        last: torch.Tensor = maps[-1] if isinstance(maps, list | tuple) else maps
        return last


def _write_fan(path: Path) -> None:
    from face_alignment import api

    network = api.FAN(4).eval()  # of four stacks, as 2DFAN-4 is
    with torch.no_grad():
        torch.jit.trace(_LastMaps(network), torch.zeros(1, 3, 256, 256), check_trace=False).save(str(path))


def write(folder: Path) -> None:
    """All files into `folder`."""
    torch.manual_seed(0)
    states = {
        **{name: _trunk(name) for name in Trunks},
        "inception": _inception(), "syncnet": _syncnet(), "sfd_face": _sfd_face(), "s3fd": _s3fd(),
    }  # fmt: skip
    for name, state in states.items():
        torch.save(state, folder / assets.get(name).file)
    _write_fan(folder / assets.get("fan2d4").file)


@contextmanager
def known(folder: Path) -> Iterator[dict[str, str]]:
    """While open, the program takes the files of `folder` for the real ones; gives their hashes by asset."""
    found = {asset.name: folder / asset.file for asset in assets.ASSETS.values()}
    hashes = {name: file_sha256(path) for name, path in found.items() if path.is_file()}
    changed = {
        name: replace(assets.get(name), sha256=sha256, size=found[name].stat().st_size)
        for name, sha256 in hashes.items()
    }
    with ExitStack() as stack:
        stack.enter_context(patch.object(assets, "ASSETS", MappingProxyType({**assets.ASSETS, **changed})))
        yield hashes
