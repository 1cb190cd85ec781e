"""What the tracking tests share: the real clips and model files outside the repository, and short cuts of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from shared_material import SHARED

from t2m_bench.core import assets
from t2m_bench.media.video import read_frames, resize_frames
from t2m_bench.media.writer import VideoWriter

Frames = NDArray[np.uint8]


def shared_folder() -> Path:
    """Folder with model files and real clips; skips the test where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared material in {SHARED}: set T2M_SHARED")
    return SHARED


def use_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the package find the shared model files and nothing else, without a network."""
    folder = shared_folder() / "assets"
    if not all((folder / assets.get(name).file).is_file() for name in assets.default_names()):
        pytest.skip(f"no model files in {folder}")
    monkeypatch.setenv("T2M_ASSETS", str(folder))
    monkeypatch.setenv("T2M_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("T2M_OFFLINE", "1")


def real_clip(number: int = 0) -> Path:
    """One of the real clips."""
    clips = sorted((shared_folder() / "data" / "hdtf").glob("*.mp4"))
    if len(clips) <= number:
        pytest.skip("no real clips in the shared folder")
    return clips[number]


def real_frames(count: int, side: int = 256, number: int = 0) -> Frames:
    """The first frames [count, side, side, 3] of a real clip."""
    return resize_frames(read_frames(real_clip(number), stop=count), (side, side))


def write_clip(path: Path, frames: Frames) -> Path:
    """Write frames without loss at 25 fps."""
    with VideoWriter(path, 25, (frames.shape[2], frames.shape[1]), lossless=True) as video:
        for frame in frames:
            video.write(frame)
    return path


class ToyRvm(torch.nn.Module):
    """Signature and layout of Robust Video Matting.

    Alpha is `gain` times the number of frames seen, at most 1; the last state is the coarse ratio.
    """

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def forward(
        self,
        src: torch.Tensor,
        r1: torch.Tensor | None,
        r2: torch.Tensor | None,
        r3: torch.Tensor | None,
        r4: torch.Tensor | None,
        downsample_ratio: float,
    ) -> list[torch.Tensor]:
        """fgr, pha and four states."""
        level = torch.zeros_like(src[:, :1])
        seen = (level if r1 is None else r1) + self.gain
        alpha = torch.clamp(seen, 0.0, 1.0)
        ratio = torch.full([1, 1, 1, 1], downsample_ratio)
        return [src, alpha, seen, level, level, ratio]


def write_toy_rvm(path: Path, gain: float) -> Path:
    """Save a `ToyRvm` as TorchScript."""
    torch.jit.script(ToyRvm(gain)).save(str(path))
    return path
