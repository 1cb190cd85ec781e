"""LPIPS: the distance of two pictures in the features of a network, as the `lpips` package weighs them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from t2m_bench.core.digest import file_sha256
from t2m_bench.core.errors import DependencyError, MetricError
from t2m_bench.core.metric import FramePairs, Measure
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.infos import LPIPS_ALEX, LPIPS_VGG
from t2m_bench.metrics.network import asset_file, fastest_device, inference, load_state, unit_tensor

VERSION = "0.1"
"""Of the linear heads."""
HEADS = {
    "alex": "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    "vgg": "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
}
"""By trunk, the SHA-256 of the heads that the package ships: they decide the number as much as the trunk does."""
SMALLEST = {"alex": 31, "vgg": 16}
"""By trunk, the shortest side in pixels that leaves something of a picture in the last layer."""


class LpipsAlex:
    """`lpips@alex`: the one that papers print."""

    info = LPIPS_ALEX
    trunk, asset = "alex", "alexnet"

    @contextmanager
    def open(self, recipe: Recipe) -> Iterator[Measure]:
        """Load the network; what is given measures pairs one by one, so that batches change no number.

        Raises:
            AssetError, AssetMissing: the trunk's weights are missing, or are not those that the recipe names.
            DependencyError: `lpips` is missing, or its heads are not those of version 0.1.
        """
        package = _package()
        network = load_network(package, self.trunk, load_state(asset_file(self.asset, recipe)))
        device = fastest_device()
        network.to(device=device, memory_format=torch.channels_last)

        def measure(pairs: FramePairs) -> NDArray[np.float64]:
            _check_size(pairs, self.trunk)
            both = zip(pairs.prediction, pairs.reference, strict=True)
            with inference():
                return np.array([distance(network, unit_tensor(np.stack(pair), device)) for pair in both])

        yield measure

    def measure(self, pairs: FramePairs, recipe: Recipe) -> NDArray[np.float64]:
        """Distances, [B]; 0 for equal frames. Loads the network at every call: use `open` for more than one.

        Raises:
            MetricError: a side is too short.
            AssetError, AssetMissing, DependencyError: as `open`.
        """
        with self.open(recipe) as measure:
            return measure(pairs)


class LpipsVgg(LpipsAlex):
    """`lpips@vgg`: the one that papers train with."""

    info = LPIPS_VGG
    trunk, asset = "vgg", "vgg16"


def load_network(package: ModuleType, trunk: str, state: Mapping[str, torch.Tensor]) -> Any:
    """The package's own network with given weights in its trunk, in place of a download.

    Args:
        package: `lpips`.
        trunk: `alex` or `vgg`.
        state: weights of torchvision's network of that name; of its classifier nothing is used.

    Raises:
        DependencyError: the package's heads are not those of version 0.1.
    """
    heads = Path(str(package.__file__)).parent / "weights" / f"v{VERSION}" / f"{trunk}.pth"
    found = file_sha256(heads) if heads.is_file() else "absent"
    if found != HEADS[trunk]:
        raise DependencyError(
            f"{heads} holds other weights than those of LPIPS {VERSION} (sha256 {found[:12]})",
            hint="Run `pip install --force-reinstall lpips==0.1.4`",
        )
    # Made without memory: random weights for a classifier that nobody asks would take longer than the measuring.
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls torchvision in the old way
        network = package.LPIPS(
            net=trunk, version=VERSION, pretrained=False, pnet_rand=True, verbose=False
        ).eval()
    # The package cuts the trunk in slices but keeps the numbers of its layers: slice2.3.weight is features.3.weight.
    weights = {name: state["features." + name.partition(".")[2]] for name in network.net.state_dict()}
    network.net.load_state_dict(weights, assign=True)
    network.load_state_dict(load_state(heads), strict=False, assign=True)
    return network


def distance(network: Any, pair: torch.Tensor) -> float:
    """LPIPS of two pictures [2, 3, H, W] in [0, 1] under a network of the package.

    Both go through the trunk at once; each layer's features are divided by their length in every pixel, and their
    squared differences are weighted by channel and averaged over the picture (Zhang et al. 2018, Eq. 1).
    """
    layers = network.net(network.scaling_layer(pair.mul(2).sub_(1)))
    total = 0.0
    for layer, head in zip(layers, network.lins, strict=True):
        features = layer.permute(0, 2, 3, 1)  # [2, h, w, C], as it lies in memory
        features.div_(torch.linalg.vector_norm(features, dim=3, keepdim=True).add_(1e-10))
        difference = features[0].sub_(features[1]).square_().flatten(0, 1)  # [h * w, C]
        total += float((difference @ head.model[-1].weight.flatten()).mean(dtype=torch.float64))
    return total


def _check_size(pairs: FramePairs, trunk: str) -> None:
    height, width = pairs.reference.shape[1:3]
    if min(height, width) < SMALLEST[trunk]:
        raise MetricError(
            f"LPIPS with the trunk {trunk!r} needs sides of at least {SMALLEST[trunk]} pixels, "
            f"these are {width}x{height}",
            hint="Score at a larger size",
        )


def _package() -> ModuleType:
    try:
        import lpips
    except (ImportError, OSError) as error:
        raise DependencyError(
            f"LPIPS cannot be imported ({error})", hint="Run `pip install 't2m-bench[perceptual]'`"
        ) from error
    module: ModuleType = lpips
    return module
