"""Small clips made on the spot: moving pictures, a tone, and a track that says where things are."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from shared_material import SHARED

from t2m_bench.core.card import DatasetCard, SplitCard
from t2m_bench.core.clip import Clip
from t2m_bench.core.digest import file_sha256
from t2m_bench.core.recipe import Recipe, recipes
from t2m_bench.core.track import Track
from t2m_bench.media.video import VideoWriter

RATE = 16000
REAL_CLIP = SHARED / "data" / "hdtf" / "WDA_KatieHill_000.mp4"
ASSETS = SHARED / "assets"


def picture(number: int, size: tuple[int, int] = (64, 64)) -> NDArray[np.uint8]:
    """Picture `number` [H, W, 3]: a gradient that moves, so that no two of the first 50 are equal."""
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack(
        [(rows * 3 + 5 * number) % 256, (columns * 3) % 256, (rows + columns + number) % 256], -1
    ).astype(np.uint8)


def tone(seconds: float) -> NDArray[np.float32]:
    """A rising sine [S] at 16 kHz, so that no two stretches are equal."""
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * (200 + 50 * time) * time)).astype(np.float32)


def write_clip(
    path: Path,
    *,
    frames: int = 50,
    fps: float = 25,
    size: tuple[int, int] = (64, 64),
    sound_seconds: float | None = None,
    silent: bool = False,
) -> Path:
    """A video of `picture`s with a tone as long as the pictures, or `sound_seconds`; no sound track if `silent`."""
    seconds = frames / fps if sound_seconds is None else sound_seconds
    sound = None if silent else (tone(seconds), RATE)
    with VideoWriter(path, fps, size, audio=sound, lossless=path.suffix == ".mkv") as video:
        for number in range(frames):
            video.write(picture(number, size))
    return path


def write_varying(path: Path, frames: int = 50) -> Path:
    """A video whose frame times stumble: every fifth frame stays twice as long. With sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        sound = container.add_stream("aac", rate=RATE)
        sound.layout = "mono"
        time = 0
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
            time += 80 if number % 5 == 0 else 40
        container.mux(stream.encode(None))
        samples = tone(time / 1000)
        for at in range(0, len(samples) - 1024, 1024):
            block = av.AudioFrame.from_ndarray(samples[None, at : at + 1024], format="fltp", layout="mono")
            block.sample_rate, block.pts = RATE, at
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    return path


def some_track(frames: int, size: tuple[int, int] = (64, 64), *, seed: int = 0, fps: float = 25.0) -> Track:
    """A track of random numbers, every frame valid."""
    rng = np.random.default_rng(seed)
    landmarks = rng.uniform(0, size[0], (frames, 478, 3)).astype(np.float32)
    return Track(
        landmarks=landmarks,
        blendshapes=rng.uniform(0, 1, (frames, 52)).astype(np.float32),
        pose=np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1)),
        ear=rng.uniform(0, 0.4, (frames, 2)).astype(np.float32),
        box=np.tile(np.float32([8, 8, 56, 56]), (frames, 1)),
        valid=np.ones(frames, np.bool_),
        size=size,
        fps=fps,
        fov_deg=20.0,
        source="test",
    )


def clip_of(
    video: Path, *, frames: int = 50, track: Path | None = None, size: tuple[int, int] = (64, 64)
) -> Clip:
    """The clip of a written video."""
    return Clip(
        id=video.stem,
        dataset="test",
        speaker="someone",
        language="en",
        video=video,
        fps=25.0,
        frames=frames,
        width=size[0],
        height=size[1],
        sha256=file_sha256(video),
        matted=True,
        track=track,
    )


def tracked_clip(folder: Path, *, frames: int = 50, name: str = "clip.mp4", **options: object) -> Clip:
    """A clip with its ground-truth track, so that no detector is needed."""
    video = write_clip(folder / name, frames=frames, **options)  # type: ignore[arg-type]
    track = some_track(frames).save(folder / f"{Path(name).stem}.track.npz")
    return clip_of(video, frames=frames, track=track)


def card(*, raw: bool = False, train_fraction: float = 0.75, name: str = "test") -> DatasetCard:
    """A dataset card."""
    return DatasetCard(
        name=name,
        title="Test",
        summary="Nothing.",
        license="CC0-1.0",
        entry="none:none",
        languages=("en",),
        raw=raw,
        recipe="native",
        split=SplitCard(train_fraction=train_fraction),
        how_to_get="Draw it yourself",
    )


def native() -> Recipe:
    """The recipe of the demo."""
    return recipes().get("native")
