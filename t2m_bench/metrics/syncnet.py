"""SyncNet: embeddings of lips and of sound, and how far the two lie apart at each shift in time.

The network sees 5 frames of a face at 25 frames a second and hears 20 columns of MFCC at 100 a second. What it makes
of both lies close where they belong together (Chung and Zisserman 2016).
"""

from __future__ import annotations

import copy
import math
import struct
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from t2m_bench.core.errors import AssetError, DependencyError

RATE = 16000
"""Samples of sound a second."""
FPS = 25
SAMPLES = RATE // FPS
"""Samples a frame."""
SIDE = 224
"""Of the faces, pixels."""
WINDOW = 5
"""Frames that the network sees at once."""
SHIFTS = 15
"""Frames by which sound and picture are moved against each other, both ways."""

_COLUMNS, _STEP = 20, 4  # MFCC columns of a window, and from one to the next
_HOP, _SPAN = 160, 400  # samples from one column to the next, and of one column
_BLOCK = 6000  # columns at once: the library holds about 10 kB for each
_CHUNK = 8  # windows at once

# What reading a file of weights that is none may end in.
_DAMAGED = (
    OSError,
    EOFError,
    UnpicklingError,
    struct.error,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)

Faces = NDArray[np.uint8]
"""[T, 224, 224, 3] BGR."""
Embeddings = NDArray[np.float32]
"""[W, D], one a window; window w starts at frame w."""


class Embedder(Protocol):
    """Turns faces and sound into points that lie close where they belong together."""

    def lips(self, faces: Faces) -> Embeddings:
        """Of every 5 frames in a row, [T - 4, D]."""
        ...

    def sound(self, columns: NDArray[np.float64]) -> Embeddings:
        """Of every 20 MFCC columns [C, 13], one each 4 columns, [(C - 20) // 4 + 1, D]."""
        ...


class SyncNet:
    """The published network on the CPU.

    Its lips branch is the same arithmetic done with two-dimensional convolutions: only the first layer reaches over
    time, and takes exactly the 5 frames of a window, so that these may as well be 15 channels of one picture. There
    is nothing to share between windows, but the pixels can lie channels last, which takes a third less time.

    Args:
        net: an instance of `syncnet_python`'s network.
    """

    def __init__(self, net: Any) -> None:
        net = net.eval()
        self._lips = nn.Sequential(*map(_flat, net.netcnnlip)).eval().to(memory_format=torch.channels_last)
        self._lips_head, self._net = net.netfclip, net

    def lips(self, faces: Faces) -> Embeddings:
        """Embeddings of lips, see `Embedder`."""
        count = max(0, len(faces) - WINDOW + 1)
        parts = []
        with torch.inference_mode():
            for begin in range(0, count, _CHUNK):
                some = torch.from_numpy(faces[begin : min(begin + _CHUNK, count) + WINDOW - 1])
                windows = some.float().unfold(0, WINDOW, 1)  # [B, H, W, 3, 5]
                flat = windows.flatten(3).permute(0, 3, 1, 2)  # [B, 15, H, W], channels last already
                parts.append(self._lips_head(self._lips(flat).flatten(1)))
        return torch.cat(parts).numpy() if parts else np.zeros((0, 1024), np.float32)

    def sound(self, columns: NDArray[np.float64]) -> Embeddings:
        """Embeddings of sound, see `Embedder`."""
        parts = []
        if len(columns) >= _COLUMNS:
            windows = torch.from_numpy(columns.astype(np.float32)).unfold(0, _COLUMNS, _STEP)  # [W, 13, 20]
            with torch.inference_mode():
                parts = [
                    self._net.forward_aud(some.unsqueeze(1).contiguous()) for some in windows.split(_CHUNK)
                ]
        return torch.cat(parts).numpy() if parts else np.zeros((0, 1024), np.float32)


def _flat(layer: nn.Module) -> nn.Module:
    """A layer over [B, C, T, H, W] as one over [B, C * T, H, W], for a T that ends with the first layer."""
    if isinstance(layer, nn.Conv3d):
        # Windows are laid out as [colour, frame], which is the order of the weights [out, colour, frame, y, x].
        weight = layer.weight.detach().flatten(1, 2)
        stride: Any = layer.stride[1:]
        padding: Any = layer.padding[1:]
        made = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2:], stride, padding)  # type: ignore[arg-type]
        bias = layer.bias
        assert bias is not None
        made.load_state_dict({"weight": weight, "bias": bias.detach()})
        return made
    if isinstance(layer, nn.BatchNorm3d):
        norm = nn.BatchNorm2d(layer.num_features, layer.eps)
        norm.load_state_dict(layer.state_dict())
        return norm
    if isinstance(layer, nn.MaxPool3d):
        sides: list[Any] = [
            value if isinstance(value, int) else value[1:]
            for value in (layer.kernel_size, layer.stride, layer.padding)
        ]
        return nn.MaxPool2d(*sides)
    return copy.deepcopy(layer)


class LipReader:
    """Embeds faces as they come.

    Args:
        embedder: what embeds them.
        least: frames below which nothing is embedded.
    """

    def __init__(self, embedder: Embedder, least: int = WINDOW) -> None:
        self._embedder, self._hold = embedder, max(least, WINDOW + _CHUNK - 1)
        self._least = least
        self._faces: list[NDArray[np.uint8]] = []
        self._done: list[Embeddings] = []
        self.frames = 0

    def add(self, face: NDArray[np.uint8]) -> None:
        """The next face, [224, 224, 3] BGR."""
        self._faces.append(face)
        self.frames += 1
        if len(self._faces) == self._hold:
            self._embed()

    def finish(self) -> Embeddings:
        """Of all faces, [T - 4, D]; [0, 0] where there were too few."""
        if self.frames >= self._least and len(self._faces) >= WINDOW:
            self._embed()
        return np.concatenate(self._done) if self._done else np.zeros((0, 0), np.float32)

    def _embed(self) -> None:
        self._done.append(self._embedder.lips(np.stack(self._faces)))
        self._faces = self._faces[1 - WINDOW :]
        self._hold = WINDOW + _CHUNK - 1


def mfcc(samples: NDArray[np.float32], *, padded: bool) -> NDArray[np.float64]:
    """MFCC of sound as 16-bit numbers, by `python_speech_features` with its defaults.

    Args:
        samples: float [S] in [-1, 1] at 16 kHz.
        padded: whether a last column that the sound does not fill is filled with zeros, or left out.

    Returns:
        A column each 10 ms, [C, 13].

    Raises:
        DependencyError: the library is missing.
    """
    features = _speech_features()
    loud = np.clip(np.round(samples.astype(np.float64) * 32768), -32768, 32767).astype(np.int16)
    missing = max(0, len(loud) - _SPAN) / _HOP
    count = 1 + (math.ceil(missing) if padded else math.floor(missing))
    if not len(loud) or (not padded and len(loud) < _SPAN):
        return np.zeros((0, 13))
    parts = []
    for begin in range(0, count, _BLOCK):
        end = min(count, begin + _BLOCK)
        # Pre-emphasis changes the first sample of what it is given, which lies in the first column alone.
        early = 1 if begin else 0
        part = loud[(begin - early) * _HOP : (end - 1) * _HOP + _SPAN]
        parts.append(features.mfcc(part, RATE)[early:])
    return np.concatenate(parts)


def distances(lips: Embeddings, sound: Embeddings, first: int = 0, *, padded: bool) -> NDArray[np.float32]:
    """How far lips are from the sound that comes 15 frames before them to 15 after.

    Args:
        lips: of windows in a row, [W, D].
        sound: of the whole sound, [U, D].
        first: window of the sound that belongs to the first of the lips.
        padded: whether sound beyond the ends is the origin, as published, or counts for nothing.

    Returns:
        Euclidean, at shifts -15 to 15 in frames, [W, 31]; NaN where there is no sound, unless padded.
    """
    found = np.full((len(lips), 2 * SHIFTS + 1), np.nan, np.float32)
    mine = torch.from_numpy(lips)
    for column, shift in enumerate(range(-SHIFTS, SHIFTS + 1)):
        at = np.arange(len(lips)) + first + shift
        inside = (at >= 0) & (at < len(sound))
        other = np.zeros_like(lips)
        other[inside] = sound[at[inside]]
        apart = nn.functional.pairwise_distance(mine, torch.from_numpy(other)).numpy()
        found[:, column] = apart if padded else np.where(inside, apart, np.nan)
    return found


def load_syncnet(path: Path) -> SyncNet:
    """The network with the weights of a file in the official layout, a state dict.

    Raises:
        DependencyError: `syncnet-python` cannot be loaded.
        AssetError: the file holds something else.
    """
    net = sync_package().SyncNetModel()
    load_weights(net, path, "SyncNet")
    return SyncNet(net)


def load_weights(net: nn.Module, path: Path, what: str) -> None:
    """Fill a network from a state dict; counters of batches, which old files lack, may be missing.

    Raises:
        AssetError: the file is no such thing, or of another network.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        missing, unexpected = net.load_state_dict(state, strict=False)
    except _DAMAGED as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise AssetError(f"{path} cannot be used as the weights of {what} ({reason})") from error
    lacking = [name for name in missing if not name.endswith("num_batches_tracked")]
    if lacking or unexpected:
        odd = f"lacks {lacking[0]}" if lacking else f"has {unexpected[0]} too much"
        raise AssetError(f"{path} cannot be used as the weights of {what} (it {odd})")
    net.eval()


def sync_package() -> Any:
    """`syncnet_python`.

    Raises:
        DependencyError: it, or something it needs, is missing.
    """
    try:
        import syncnet_python
    except ImportError as error:
        raise _missing("syncnet-python", error) from error
    return syncnet_python


def _speech_features() -> Any:
    try:
        import python_speech_features
    except ImportError as error:
        raise _missing("python_speech_features", error) from error
    return python_speech_features


def _missing(name: str, error: ImportError) -> DependencyError:
    reason = str(error).splitlines()[0]
    return DependencyError(
        f"{name} cannot be loaded ({reason})", hint="Install it with `pip install 't2m-bench[sync]'`"
    )


def versions(names: Sequence[str]) -> dict[str, str]:
    """Versions of installed libraries, by name; `absent` where there is none."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found
