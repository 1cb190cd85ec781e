"""Robust Video Matting (Lin et al. 2022), the matting of the Talk2Me paper, as a recurrent network over a video.

Its weights are under GPL-3.0 and are never shipped. The file is TorchScript: loading it runs what is in it, so it is
loaded only after its hash was found to be the one that the user stated (`core.assets`: none is published).
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from t2m_bench.core import assets
from t2m_bench.core.errors import AssetError, ShapeError

ASSET = "rvm_mobilenetv3"

_COARSE_SIDE = 512
"""Longest side, in pixels, at which the network looks at the whole picture (the authors' automatic ratio)."""
_STATES = 4


class RvmMatting:
    """Alpha of a person, frame after frame: the network remembers, so give it a video's frames in order.

    Args:
        model: the TorchScript file, which is run unchecked; resolved and checked as the asset `rvm_mobilenetv3` if
            None.
        device: of torch.

    Raises:
        AssetMissing, AssetError: the model file is missing, not the expected one, or its hash was never stated.
    """

    def __init__(self, model: Path | None = None, *, device: str = "cpu") -> None:
        path = model or assets.resolve(ASSET)
        try:
            network = torch.jit.load(str(path), map_location=device)
        except (RuntimeError, ValueError, OSError) as error:
            raise AssetError(
                f"{path} cannot be used as a matting network ({str(error).splitlines()[0]})"
            ) from error
        self._path = path
        self._device = device
        self._network: Any = network.eval()
        self.reset()

    def __enter__(self) -> RvmMatting:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._network = None
        self.reset()

    def reset(self) -> None:
        """Forget all frames: the next one starts another video."""
        self._memory: list[torch.Tensor | None] = [None] * _STATES
        self._size: tuple[int, int] | None = None

    def matte(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Alpha of the person in the next frame.

        Args:
            frame: [H, W, 3] uint8 RGB; all frames of a video have one size.

        Returns:
            [H, W] uint8, 255 = person.

        Raises:
            ShapeError: another shape or dtype, another size than before, or the matting is closed.
            AssetError: the network does not behave like Robust Video Matting.
        """
        if self._network is None:
            raise ShapeError("this RvmMatting is closed")
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ShapeError(f"frame must be uint8 [H, W, 3], got {frame.dtype} {list(frame.shape)}")
        height, width = frame.shape[:2]
        if self._size is not None and self._size != (width, height):
            raise ShapeError(
                f"frame must be {self._size[0]}x{self._size[1]} as the ones before, got {width}x{height}",
                hint="Call reset() before another video",
            )
        self._size = (width, height)
        alpha = self._alpha(frame, min(_COARSE_SIDE / max(height, width), 1.0))
        return np.asarray(alpha.mul(255).round().clamp(0, 255).to(torch.uint8).cpu().numpy())

    def _alpha(self, frame: NDArray[np.uint8], ratio: float) -> torch.Tensor:
        picture = torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1))).to(self._device)
        with torch.inference_mode():
            try:
                _, alpha, *memory = self._network(picture[None].float() / 255, *self._memory, ratio)
                found = tuple(alpha.shape)
            except (RuntimeError, ValueError, TypeError, AttributeError) as error:
                raise AssetError(
                    f"{self._path} does not run as Robust Video Matting ({str(error).strip().splitlines()[-1]})"
                ) from error
        if found != (1, 1, *frame.shape[:2]) or len(memory) != _STATES:
            raise AssetError(
                f"{self._path} gave an alpha of {list(found)} and {len(memory)} states, expected 4"
            )
        self._memory = memory
        return alpha[0, 0]
