"""Damage that is done to a video on purpose, to see whether metrics notice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from t2m_bench.core.metric import Reel
from t2m_bench.media.video import VideoWriter
from t2m_bench.metrics.edited import EditedReel, Frames
from t2m_bench.metrics.reel import VideoReel
from t2m_bench.metrics.region import Region

Picture = NDArray[np.uint8]

LIPS = Region("lips", (61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91), 0.8)
"""What `frozen_mouth` holds: the lips and the skin that moves with them."""

_STEADY = (33, 133, 362, 263, 168, 6, 197, 195)
"""Corners of the eyes and bridge of the nose: they move with the skull."""
_FEATHER = 0.03  # of the picture's height


def blurred(base: Reel, sigma: float) -> EditedReel:
    """Gaussian blur of `sigma` pixels, edges mirrored."""
    reach = int(np.ceil(3 * sigma))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = (weights / weights.sum()).expand(3, 1, -1)  # [3, 1, K]

    def blur(frame: Picture) -> Picture:
        x = torch.from_numpy(frame).permute(2, 0, 1)[None].float()  # [1, 3, H, W]
        x = F.pad(x, (reach, reach, reach, reach), mode="reflect")
        x = F.conv2d(F.conv2d(x, kernel[:, :, None], groups=3), kernel[..., None], groups=3)
        shown: Picture = x[0].round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
        return np.ascontiguousarray(shown)

    return EditedReel(base, {"blur": sigma}, frames=lambda frames: map(blur, frames))


def noisy(base: Reel, deviation: float) -> EditedReel:
    """Independent Gaussian noise of `deviation` levels; the same noise each time."""

    def noise(frames: Frames) -> Frames:
        for index, frame in enumerate(frames):
            rng = np.random.default_rng([index, round(1000 * deviation)])
            added = frame + rng.normal(0, deviation, frame.shape)
            yield np.clip(np.rint(added), 0, 255).astype(np.uint8)

    return EditedReel(base, {"noise": deviation}, frames=noise)


def recompressed(base: Reel, crf: int, folder: Path) -> EditedReel:
    """H.264 of quality `crf` (51 is the worst), written to `folder`; the sound is untouched."""
    path = folder / f"crf{crf}.mp4"
    with VideoWriter(path, base.fps or 25, base.size, crf=crf) as video:
        for frame in base.frames():
            video.write(frame)
    coded = VideoReel(path)
    width, height = base.size  # the file has even sides
    facts = {"h264": crf, "coded": coded.digest}
    return EditedReel(base, facts, frames=lambda _: (frame[:height, :width] for frame in coded.frames()))


def dropped(base: Reel, every: int) -> EditedReel:
    """Of each `every` frames the first alone is shown, in place of the others too."""

    def hold(frames: Frames) -> Frames:
        kept: Picture | None = None
        for index, frame in enumerate(frames):
            kept = frame if kept is None or index % every == 0 else kept
            yield kept

    return EditedReel(base, {"dropped": every}, frames=hold)


def frozen_mouth(base: Reel, landmarks: NDArray[np.floating], share: float) -> EditedReel:
    """The mouth of the first frame in all frames, moved with the head and feathered, mixed in by `share`.

    Args:
        base: the reel.
        landmarks: of its frames, pixels at its size, NaN where no face was found, [T, 478, 2 or 3]. Frames without
            a face, and those before the first face, stay as they are.
        share: 1 hides the true mouth wholly.
    """
    points = landmarks[:, :, :2].astype(np.float64)
    seen = np.asarray(np.isfinite(points).all(axis=(1, 2)))
    first = int(np.argmax(seen)) if seen.any() else len(points)
    facts = {"frozen_mouth": share, "landmarks": _digest(points), "region": LIPS.digest}

    def freeze(frames: Frames) -> Iterator[Picture]:
        frames = iter(frames)
        yield from islice(frames, first)
        held: Picture | None = None
        for index, frame in enumerate(frames, start=first):
            held = frame if held is None else held
            yield _pasted(frame, held, points[index], points[first], share) if seen[index] else frame

    return EditedReel(base, facts, frames=freeze)


def _pasted(
    frame: Picture,
    held: Picture,
    points: NDArray[np.float64],  # [478, 2] of `frame`
    old: NDArray[np.float64],  # [478, 2] of `held`
    share: float,
) -> Picture:
    """`frame` with the mouth of `held`, turned, scaled and moved as the head did."""
    height, width = frame.shape[:2]
    steady = list(_STEADY)
    a, b = _similarity(points[steady], old[steady])
    was = (old[:, 0] + 1j * old[:, 1] - b) / a  # the old mouth where the head is now
    moved = np.stack([was.real, was.imag], axis=1)
    mask = LIPS.mask(points, (width, height)) | LIPS.mask(moved, (width, height))
    y, x = np.mgrid[:height, :width] + 0.5
    source = a * (x + 1j * y) + b
    grid = np.stack([2 * source.real / width - 1, 2 * source.imag / height - 1], axis=-1)
    picture = torch.from_numpy(held).permute(2, 0, 1)[None].float()
    warped = F.grid_sample(
        picture, torch.from_numpy(grid)[None].float(), padding_mode="border", align_corners=False
    )[0]
    reach = max(1, round(_FEATHER * height))
    soft = F.avg_pool2d(
        torch.from_numpy(mask)[None, None].float(), 2 * reach + 1, 1, reach, count_include_pad=False
    )[0]
    mixed = torch.lerp(torch.from_numpy(frame).permute(2, 0, 1).float(), warped, share * soft)
    shown: Picture = mixed.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    return np.ascontiguousarray(shown)


def _similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[complex, complex]:
    """a and b of the similarity a z + b that takes points [K, 2] nearest to others, x + iy for each."""
    z, w = (points[:, 0] + 1j * points[:, 1] for points in (source, target))
    z0, w0 = z.mean(), w.mean()
    a = complex(np.vdot(z - z0, w - w0) / np.vdot(z - z0, z - z0))
    return a, complex(w0 - a * z0)


def _digest(points: NDArray[np.float64]) -> str:
    return hashlib.sha256(np.ascontiguousarray(points).tobytes()).hexdigest()[:16]
