"""From a video as a camera made it to a prepared clip: 25 fps, a square around the head, 512x512, 16 kHz sound."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from math import ceil
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from t2m_bench.core import assets
from t2m_bench.core.atomic import atomic_folder, write_text
from t2m_bench.core.clip import Clip
from t2m_bench.core.digest import digest_of, file_sha256
from t2m_bench.core.errors import AudioMissing, NoFaceFound, OutputError
from t2m_bench.core.method import Reporter
from t2m_bench.media.audio import cut_audio, missing_seconds, read_audio, write_wav
from t2m_bench.media.probe import MediaInfo, probe
from t2m_bench.media.video import VideoWriter, iter_frames_at, resize_frames
from t2m_bench.tracking.landmarks import ASSET, LandmarkDetector

NORMALISE_VERSION = 1
"""Raised when the same video would give another prepared clip."""

FPS = 25.0
SIDE = 512
RATE = 16000
FACE_SHARE = 0.44
"""Width of the face box over the side of the crop: room for hair and shoulders (HDTF's crops have about 0.5)."""
LARGEST_FACE_SHARE = 0.65
"""A crop is made smaller to stay in the picture, rather than padded, until the face has this share."""
FACE_HEIGHT = 0.55
"""Where the centre of the face box lies in the crop, from the top."""
ROOM_FOR_MOTION = 1.25
"""A head that moves gets a crop of at least this many times what its face sweeps."""
LOOK_EVERY = 5
"""Every n-th frame is searched for a face."""

_CRF = 8  # visually lossless: what is made here is the reference of every metric
_VIDEO, _SOUND, _SEAL = "clip.mp4", "clip.wav", "seal.json"


@dataclass(frozen=True)
class Crop:
    """A square of the source picture with square pixels; it may reach beyond the picture."""

    x: int
    """Left edge, pixels."""
    y: int
    """Top edge, pixels."""
    side: int
    """Pixels."""


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
    boxes, size = _face_boxes(clip, info, report)
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


def _face_boxes(clip: Clip, info: MediaInfo, report: Reporter) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """Face boxes [N, 4] of every `LOOK_EVERY`th frame that shows a face, and the picture's (width, height)."""
    boxes, size, looked = [], (0, 0), 0
    report.stage("finding the face", ceil(info.video_seconds * FPS))
    with LandmarkDetector() as detector:
        for index, frame in enumerate(_square_pixel_frames(info)):
            report.advance()
            if index % LOOK_EVERY:
                continue
            looked += 1
            size = (frame.shape[1], frame.shape[0])
            face = detector.detect(frame)
            if face is not None:
                boxes.append(face.box)
    if not boxes:
        raise NoFaceFound(
            f"No face was found in any of {looked} frames of {clip.video}",
            hint="Use a video where one face looks roughly at the camera and fills a fifth of the height or more",
        )
    return np.stack(boxes), size


def choose_crop(boxes: NDArray[np.float32], size: tuple[int, int]) -> Crop:
    """The square that shows head and shoulders of a face for a whole clip.

    Its side makes the median face `FACE_SHARE` wide, and is larger when the head moves about. It is made smaller to
    fit into the picture as long as the face keeps below `LARGEST_FACE_SHARE`, and is moved into the picture
    where it fits.

    Args:
        boxes: face boxes x0, y0, x1, y1 in pixels, [N, 4].
        size: width and height of the picture.
    """
    face = float(np.median(boxes[:, 2] - boxes[:, 0]))
    # Percentiles: one false detection must not decide.
    low, high = np.percentile(boxes[:, :2], 5, axis=0), np.percentile(boxes[:, 2:], 95, axis=0)
    sweep = float((high - low).max())
    wanted = max(face / FACE_SHARE, ROOM_FOR_MOTION * sweep)
    smallest = max(face / LARGEST_FACE_SHARE, sweep)
    side = max(2, round(min(wanted, max(smallest, min(size)))))
    centre_x, centre_y = (float(np.median(boxes[:, [axis, axis + 2]].mean(axis=1))) for axis in (0, 1))
    x = _inside(round(centre_x - side / 2), side, size[0])
    y = _inside(round(centre_y - side * FACE_HEIGHT), side, size[1])
    return Crop(x, y, side)


def _inside(start: int, side: int, length: int) -> int:
    """`start` moved so that `side` lies within `length`; where it cannot, so that all of `length` is shown."""
    low, high = sorted((0, length - side))
    return min(max(start, low), high)


def cut_out(
    frame: NDArray[np.uint8],  # [H, W, 3]
    crop: Crop,
) -> NDArray[np.uint8]:
    """The crop of a frame, [side, side, 3]; beyond the picture its edge is repeated."""
    rows = np.clip(np.arange(crop.y, crop.y + crop.side), 0, frame.shape[0] - 1)
    columns = np.clip(np.arange(crop.x, crop.x + crop.side), 0, frame.shape[1] - 1)
    return frame[rows[:, None], columns[None, :]]


def _square_pixel_frames(info: MediaInfo) -> Iterator[NDArray[np.uint8]]:
    """Frames at 25 fps, stretched where the file stores pixels that are not square."""
    stretch = _stretch(info)
    for frame in iter_frames_at(info.path, FPS):
        if stretch == 1.0:
            yield frame
        else:
            yield resize_frames(frame[None], (max(1, round(frame.shape[1] * stretch)), frame.shape[0]))[0]


def _stretch(info: MediaInfo) -> float:
    """Factor for the width, as shown, that makes pixels square."""
    aspect = info.pixel_aspect if info.rotation in (0, 180) else 1 / info.pixel_aspect
    return aspect if abs(aspect - 1) > 1e-3 else 1.0


def _notes(info: MediaInfo, crop: Crop) -> list[str]:
    notes = [f"cropped to {crop.side}x{crop.side} at ({crop.x}, {crop.y}) of {info.width}x{info.height}"]
    width = round(info.width * _stretch(info))
    if min(crop.x, crop.y) < 0 or crop.x + crop.side > width or crop.y + crop.side > info.height:
        notes.append(
            "the head is too close for the picture: the crop reaches beyond it, its edge is repeated there"
        )
    if not info.constant_fps or abs(info.fps - FPS) > 1e-3 * FPS:
        kind = "constant" if info.constant_fps else "varying"
        notes.append(f"frames chosen by time from {kind} {info.fps:.2f} fps")
    return notes
