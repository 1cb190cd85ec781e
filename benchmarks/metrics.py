"""What it costs to score a video: all metrics in one pass, beside the reference tools one after another.

    python benchmarks/metrics.py VIDEO [--frames 120] [--json FILE]

VIDEO is one talking head; predictions are made from it. Networks have random weights, which cost as much as the real
ones, and detectors are told where the face is after they have looked. The reference tools get their frames from
memory, which is kind to them; the program decodes files. The FaceLandmarker model must be found (`T2M_ASSETS`).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import random_weights
import torch
from numpy.typing import NDArray
from rasterizer import machine
from rich.console import Console
from rich.table import Table

from t2m_bench.core.method import SilentReporter
from t2m_bench.core.recipe import Recipe, recipes
from t2m_bench.media.audio import read_audio, write_wav
from t2m_bench.media.video import VideoWriter, iter_frames, resize_frames
from t2m_bench.metrics import sync_legacy
from t2m_bench.metrics.fan import PublishedDetector
from t2m_bench.metrics.reel import VideoReel
from t2m_bench.metrics.score import compare
from t2m_bench.metrics.store import FeatureStore

SIDE = 512
FEW = 6
"""Frames of a tool that takes a second or more for each."""
SOME = 16
WARM_UP = 3
"""TorchScript is slow at first."""
FACE = (130.0, 110.0, 380.0, 430.0, 0.99)
GOAL_FIRST, GOAL_FURTHER = 2.0, 4.0
Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Videos:
    """A reference, two predictions of it, and their sound."""

    reference: Path
    first: Path
    second: Path
    sound: Path
    frames: int


def make_videos(video: Path, folder: Path, count: int) -> Videos:
    """The first frames at 512x512 without loss, and two damaged copies."""
    frames = np.stack([resize_frames(f[None], (SIDE, SIDE))[0] for f in islice(iter_frames(video), count)])
    paths = {}
    rng = np.random.default_rng(0)
    for name, strength in (("reference", 0), ("first", 6), ("second", 12)):
        paths[name] = folder / f"{name}.mkv"
        with VideoWriter(paths[name], 25, (SIDE, SIDE), lossless=True) as writer:
            for frame in frames:
                noise = rng.normal(0, strength, frame.shape) if strength else 0
                writer.write(np.clip(frame + noise, 0, 255).astype(np.uint8))
    sound = read_audio(video)[: len(frames) * 640]
    return Videos(**paths, sound=write_wav(folder / "sound.wav", sound, 16000), frames=len(frames))


def per_frame(count: int, work: Callable[[], object]) -> float:
    """Milliseconds a frame."""
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1e3 / count


def _unit(frames: Frames) -> torch.Tensor:
    return torch.from_numpy(frames.transpose(0, 3, 1, 2).copy()).float() / 255


def reference_tools(videos: Videos, folder: Path) -> dict[str, float]:
    """Milliseconds a pair of frames of each tool; `nan` where it cannot run here."""
    made, real = (np.stack(list(islice(iter_frames(p), SOME))) for p in (videos.first, videos.reference))
    return {
        "lpips script, alex": _lpips(made, real),
        "torchmetrics PSNR, SSIM, MS-SSIM": _torchmetrics(made, real),
        "pytorch-fid, both videos": _fid(made, real),
        "syncnet-python": _syncnet(videos, folder),
        "face-alignment with its detector, both videos": _face_alignment(made, real),
    }


def _lpips(made: Frames, real: Frames) -> float:
    import lpips

    network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()

    def script() -> None:
        with torch.no_grad():
            for a, b in zip(_unit(made), _unit(real), strict=True):
                network(a[None], b[None], normalize=True)

    return per_frame(len(made), script)


def _torchmetrics(made: Frames, real: Frames) -> float:
    from torchmetrics.functional import image

    def script() -> None:
        for a, b in zip(_unit(made), _unit(real), strict=True):
            image.peak_signal_noise_ratio(a[None], b[None], data_range=1.0)
            image.structural_similarity_index_measure(a[None], b[None], data_range=1.0)
            image.multiscale_structural_similarity_index_measure(a[None], b[None], data_range=1.0)

    return per_frame(len(made), script)


def _fid(made: Frames, real: Frames) -> float:
    from pytorch_fid import inception

    state = torch.load(folder_of("inception"), weights_only=True)
    with patch.object(inception, "load_state_dict_from_url", lambda url, progress: state):
        network = inception.InceptionV3([3]).eval()

    def script() -> None:
        with torch.no_grad():
            for frames in (made, real):
                network(_unit(frames))

    return per_frame(len(made), script)


def _syncnet(videos: Videos, folder: Path) -> float:
    if shutil.which("ffmpeg") is None:
        return float("nan")
    from syncnet_python.detectors.s3fd import S3FD
    from syncnet_python.syncnet_pipeline import SyncNetPipeline

    weights = {"s3fd_weights": folder_of("sfd_face"), "syncnet_weights": folder_of("syncnet")}
    pipeline = SyncNetPipeline({**{k: str(v) for k, v in weights.items()}, "min_track": 40}, device="cpu")
    looked = S3FD.detect_faces

    def told(self: Any, *arguments: Any, **options: Any) -> Any:
        looked(self, *arguments, **options)
        return np.array([FACE])

    with patch.object(S3FD, "detect_faces", told), _quiet():
        return per_frame(
            videos.frames,
            lambda: pipeline.inference(
                str(videos.first), str(videos.sound), cache_dir=str(folder / "theirs")
            ),
        )


def _face_alignment(made: Frames, real: Frames) -> float:
    aligner = PublishedDetector()._aligner
    for network in (aligner.face_detector.face_detector, aligner.face_alignment_net):
        network.to(memory_format=torch.contiguous_format)  # as the package has it
    both = (made[:FEW], real[:FEW])
    with _told_where(aligner.face_detector):
        for frame in made[:WARM_UP]:
            aligner.get_landmarks_from_image(frame.copy())
        return per_frame(
            FEW, lambda: [aligner.get_landmarks_from_image(f.copy()) for frames in both for f in frames]
        )


@contextmanager
def _told_where(detector: Any) -> Iterator[None]:
    """The detector looks, and then says where the face is."""
    looked = detector.detect_from_image

    def told(picture: Any) -> Any:
        looked(picture)
        return [np.array(FACE)]

    with patch.object(detector, "detect_from_image", told):
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Programs that are started print a lot."""
    sys.stdout.flush()
    kept, nowhere = [os.dup(1), os.dup(2)], os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        yield
    finally:
        sys.stdout.flush()
        for stream, handle in zip((1, 2), kept, strict=True):
            os.dup2(handle, stream)
            os.close(handle)
        os.close(nowhere)


def folder_of(name: str) -> Path:
    """Where a model file is."""
    from t2m_bench.core import assets

    return assets.resolve(name)


def ours(videos: Videos, recipe: Recipe, names: list[str], cache: Path) -> tuple[float, float, list[str]]:
    """Milliseconds a frame of a first method and of a further one on the same reference, and what was not computed."""
    store = FeatureStore(cache)
    times, lacking = [], set[str]()
    real_loader = sync_legacy.load_detector

    def told(path: Path) -> Callable[[Frames], NDArray[np.float64]]:
        look = real_loader(path)

        def detect(picture: Frames) -> NDArray[np.float64]:
            look(picture)
            return np.array([FACE])

        return detect

    with patch.object(sync_legacy, "load_detector", told):
        for video in (videos.first, videos.second):
            reels = VideoReel(video, videos.sound), VideoReel(videos.reference, videos.sound)

            def score(reels: tuple[VideoReel, VideoReel] = reels) -> None:
                found = compare(*reels, recipe, SilentReporter(), store=store, names=names)
                lacking.update(f"{name}: {why}" for name, why in found.unavailable.items())

            times.append(per_frame(videos.frames, score))
    return times[0], times[1], sorted(lacking)


def fan_seconds(videos: Videos) -> float:
    """Milliseconds a frame of our FAN feature: the package's own networks, once for each video."""
    detector = PublishedDetector()
    frames = list(islice(iter_frames(videos.first), FEW))
    with _told_where(detector._aligner.face_detector):
        for frame in frames[:WARM_UP]:
            detector.points(frame)
        return per_frame(FEW, lambda: [detector.points(frame) for frame in frames])


def measure(video: Path, count: int) -> dict[str, Any]:
    """All figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = folder / "weights"
        weights.mkdir()
        random_weights.write(weights)
        places = os.pathsep.join([str(weights), os.environ.get("T2M_ASSETS", "")])
        with random_weights.known(weights) as hashes, patch.dict(os.environ, {"T2M_ASSETS": places}):
            videos = make_videos(video, folder, count)
            theirs = reference_tools(videos, folder)
            recipe = recipes().get("paper")
            recipe = recipe.model_copy(update={"assets": {**recipe.assets, **hashes}, "fid_floor": 0})
            suite = ["psnr@rgb", "ssim@rgb", "ms_ssim@rgb.5", "lpips@alex", "fid@inception"]
            modes = {
                "with LSE legacy": [*suite, "lmd@mouth.px", "lse_d@legacy", "lse_c@legacy"],
                "with LSE strict": [*suite, "lmd@mouth.px", "lse_d@strict", "lse_c@strict"],
                "pictures and landmarks only": [*suite, "lmd@mouth.px"],
                "PSNR, SSIM, MS-SSIM": suite[:3],
            }
            found = {
                mode: ours(videos, recipe, names, folder / f"cache{n}")
                for n, (mode, names) in enumerate(modes.items())
            }
            return {"theirs": theirs, "ours": found, "fan": fan_seconds(videos), "frames": videos.frames}


def report(figures: dict[str, Any]) -> list[str]:
    """Print the tables; return the lines of the goals."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    theirs: dict[str, float] = figures["theirs"]
    table = Table(title="Reference tools, ms a pair of 512x512 frames", title_justify="left")
    for head in ("tool", "ms"):
        table.add_column(head, justify="left" if head == "tool" else "right")
    for tool, time_ in theirs.items():
        table.add_row(tool, "cannot run here" if np.isnan(time_) else f"{time_:.0f}")
    whole = float(np.nansum(list(theirs.values())))
    table.add_row("one after another", f"{whole:.0f}", style="bold")
    console.print(table)

    table = Table(title="Ours, ms a pair of 512x512 frames", title_justify="left")
    for head in (
        "metrics in one pass",
        "first method",
        "further method",
        "x first",
        "x further",
        "not computed",
    ):
        table.add_column(head, justify="left" if head in ("metrics in one pass", "not computed") else "right")
    lines = []
    fan = figures["fan"]
    rows = {mode: (first, further, lacking) for mode, (first, further, lacking) in figures["ours"].items()}
    legacy = rows["with LSE legacy"]
    rows["with LSE legacy, and LMD by FAN"] = (legacy[0] + 2 * fan, legacy[1] + fan, legacy[2])
    for mode, (first, further, lacking) in rows.items():
        full = "LSE" in mode
        ratios = [f"{whole / first:.1f}", f"{whole / further:.1f}"] if full else ["", ""]
        table.add_row(mode, f"{first:.0f}", f"{further:.0f}", *ratios, "; ".join(lacking))
        if full:
            for what, ratio, goal in (
                ("first", whole / first, GOAL_FIRST),
                ("further", whole / further, GOAL_FURTHER),
            ):
                reached = "reached" if ratio >= goal else "NOT reached"
                lines.append(f"{reached}: {mode}, {what} method at least {goal:.0f}x: {ratio:.1f}x")
    console.print(table)
    return lines


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there as well")
    options = parser.parse_args()
    threads = os.cpu_count() or 1
    where = machine(threads)
    figures = measure(options.video, options.frames)
    print(where)
    lines = report(figures)
    print("\n".join(lines))
    if options.json:
        text = json.dumps({"machine": where, **figures, "goals": lines}, indent=1)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
