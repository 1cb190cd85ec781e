"""From a video as a camera made it to a prepared clip: 25 fps, a square around the head, 512x512, 16 kHz sound."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from math import ceil
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from t2m_bench.core import assets
from t2m_bench.core.atomic import atomic_folder, write_text
from t2m_bench.core.clip import Clip
from t2m_bench.core.digest import digest_of, file_sha256
from t2m_bench.core.errors import AudioMissing, OutputError
from t2m_bench.core.method import Reporter
from t2m_bench.data.cropping import Crop, choose_crop, cut_out, face_boxes, square_pixels
from t2m_bench.media.audio import cut_audio, missing_seconds, read_audio, write_wav
from t2m_bench.media.probe import MediaInfo, probe
from t2m_bench.media.video import VideoWriter, iter_frames_at, resize_frames
from t2m_bench.tracking.landmarks import ASSET, LandmarkDetector

NORMALISE_VERSION = 1
"""Raised when the same video would give another prepared clip."""

FPS = 25.0
SIDE = 512
RATE = 16000

_CRF = 8  # visually lossless: what is made here is the reference of every metric
_VIDEO, _SOUND, _SEAL = "clip.mp4", "clip.wav", "seal.json"


def normalise(clip: Clip, *, cache: Path, report: Reporter) -> tuple[Clip, list[str]]:
    """The prepared clip of a raw one, made once and kept under the hash of the source.

    Frames are chosen by their times (repeated or dropped, never blended). One crop holds for the whole clip; where it
    reaches beyond the picture the edge is repeated. The source file is only read.

    Args:
        clip: raw, of any size, rate, orientation and container.
        cache: root of the cache folder.
        report: takes progress.

    Returns:
        The clip with its new video and sound, and what was done to it, one sentence each.

    Raises:
        VideoError: the video cannot be read.
        AudioMissing: it has no sound.
        NoFaceFound: no frame looked at shows a face.
        AssetMissing, DependencyError: what face detection needs is missing.
        OutputError: the cache cannot be written.
    """
    info = probe(clip.video)
    if not info.has_audio:
        raise AudioMissing(f"{clip.video} has no sound", hint="Use a video with a sound track")
    source = clip.sha256 or file_sha256(clip.video)
    folder = cache / "prepared" / digest_of([source, assets.get(ASSET).sha256, NORMALISE_VERSION], length=32)
    seal = _sealed(folder)
    if seal is None:
        seal = _make(clip, info, folder, report)
    made = replace(
        clip,
        video=folder / _VIDEO,
        audio=folder / _SOUND,
        sha256=seal[_VIDEO],
        fps=FPS,
        width=SIDE,
        height=SIDE,
        frames=int(seal["frames"]),
    )
    return made, _notes(info, Crop(**json.loads(seal["crop"])))


def _make(clip: Clip, info: MediaInfo, folder: Path, report: Reporter) -> dict[str, str]:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            seal = _sealed(folder)
            if seal is not None:
                return seal  # another process made it while this one waited
            shutil.rmtree(folder, ignore_errors=True)
            with atomic_folder(folder) as new:
                return _write(clip, info, new, report)
    except OSError as error:
        raise OutputError(
            f"The cache folder {folder.parent} cannot be written ({error.strerror or error})",
            hint="Free some disk, or name another folder in T2M_HOME",
        ) from error


def _write(clip: Clip, info: MediaInfo, folder: Path, report: Reporter) -> dict[str, str]:
    report.stage("finding the face", ceil(info.video_seconds * FPS))
    with LandmarkDetector() as detector:
        boxes, size = face_boxes(_square_pixel_frames(info), detector, clip.video, report)
    crop = choose_crop(boxes, size)
    report.stage("cropping", ceil(info.video_seconds * FPS))
    with VideoWriter(folder / _VIDEO, FPS, (SIDE, SIDE), crf=_CRF) as video:
        for frame in _square_pixel_frames(info):
            video.write(resize_frames(cut_out(frame, crop)[None], (SIDE, SIDE))[0])
            report.advance()
    sound = read_audio(clip.video, RATE)
    # Sound that ends early is left short: whether that is too much is for `prepare` to say.
    short = missing_seconds(len(sound), RATE, 0, video.frames, FPS)
    whole = cut_audio(sound, RATE, 0, video.frames, FPS)
    write_wav(folder / _SOUND, whole[: len(whole) - round(short * RATE)], RATE)
    seal = {
        _VIDEO: file_sha256(folder / _VIDEO),
        _SOUND: file_sha256(folder / _SOUND),
        "frames": str(video.frames),
        "crop": json.dumps(asdict(crop)),
    }
    write_text(folder / _SEAL, json.dumps(seal))
    return seal


def _sealed(folder: Path) -> dict[str, str] | None:
    """What is known about a finished folder, or None where it is absent or damaged."""
    try:
        seal: dict[str, str] = json.loads((folder / _SEAL).read_text(encoding="utf-8"))
        whole = all(file_sha256(folder / name) == seal[name] for name in (_VIDEO, _SOUND))
        return seal if whole and {"frames", "crop"} <= set(seal) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _square_pixel_frames(info: MediaInfo) -> Iterator[NDArray[np.uint8]]:
    """Frames at 25 fps, stretched where the file stores pixels that are not square."""
    stretch = square_pixels(info.pixel_aspect, info.rotation)
    for frame in iter_frames_at(info.path, FPS):
        if stretch == 1.0:
            yield frame
        else:
            yield resize_frames(frame[None], (max(1, round(frame.shape[1] * stretch)), frame.shape[0]))[0]


def _notes(info: MediaInfo, crop: Crop) -> list[str]:
    notes = [f"cropped to {crop.side}x{crop.side} at ({crop.x}, {crop.y}) of {info.width}x{info.height}"]
    width = round(info.width * square_pixels(info.pixel_aspect, info.rotation))
    if crop.reaches_beyond((width, info.height)):
        notes.append(
            "the head is too close for the picture: the crop reaches beyond it, its edge is repeated there"
        )
    if not info.constant_fps or abs(info.fps - FPS) > 1e-3 * FPS:
        kind = "constant" if info.constant_fps else "varying"
        notes.append(f"frames chosen by time from {kind} {info.fps:.2f} fps")
    return notes
