"""Pictures to look at: a clip with what the tracker made of it, and its eyes and its sound as curves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise, repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from t2m_bench import __version__
from t2m_bench.core.errors import AudioMissing, DataError, OutputError, UsageError
from t2m_bench.core.method import Reporter
from t2m_bench.core.track import Track
from t2m_bench.media.audio import read_audio
from t2m_bench.media.video import iter_frames, iter_gray, resize_frames
from t2m_bench.media.writer import VideoWriter
from t2m_bench.reports.drawing import Colour, stroke, text_size, tint, write
from t2m_bench.reports.sheet import save_sheet
from t2m_bench.tracking.canonical import (
    FACE_OVAL,
    LEFT_BROW,
    LEFT_EYE,
    LEFT_IRIS,
    LIPS_INNER,
    LIPS_OUTER,
    RIGHT_BROW,
    RIGHT_EYE,
    RIGHT_IRIS,
    canonical_face,
)
from t2m_bench.tracking.geometry import project, transform
from t2m_bench.tracking.matting import upsample_matte
from t2m_bench.tracking.tracker import Matting, track_clip

Picture = NDArray[np.uint8]

COLUMNS, ROWS = 4, 3
CELL_HEIGHT = 320
"""Height of a frame in the sheet, pixels."""
VIDEO_HEIGHT = 640
"""Least height of the picture in a video, pixels; larger ones are kept up to 1080."""
STRIP_HEIGHT = 150
"""Height of the curves."""
RATE = 16000
BLINK = 0.18
"""Eye aspect ratio below which an eye counts as closed (Dewi et al. 2022)."""

_GAP = 6
_INK, _FAINT, _PAPER = (40, 44, 52), (205, 210, 218), (255, 255, 255)
_BEHIND: Colour = (226, 232, 244)
_RIGHT, _LEFT, _SOUND = (214, 92, 40), (34, 110, 200), (120, 130, 145)
_LINES: tuple[tuple[tuple[int, ...], Colour, bool, float], ...] = (
    (FACE_OVAL, (255, 255, 255), True, 0.55),
    # The lower edge of a brow runs from its outer end inward, the upper edge back.
    (RIGHT_BROW[:5], (255, 214, 120), False, 0.9),
    (LEFT_BROW[:5], (255, 214, 120), False, 0.9),
    (RIGHT_EYE, (110, 235, 255), True, 0.95),
    (LEFT_EYE, (110, 235, 255), True, 0.95),
    (RIGHT_IRIS[1:], (255, 255, 255), True, 0.7),
    (LEFT_IRIS[1:], (255, 255, 255), True, 0.7),
    (LIPS_OUTER, (255, 130, 150), True, 0.95),
    (LIPS_INNER, (255, 180, 190), True, 0.95),
)
_AXES: tuple[tuple[tuple[float, float, float], Colour], ...] = (
    ((0.6, 0, 0), (235, 60, 60)),
    ((0, 0.6, 0), (60, 200, 80)),
    ((0, 0, 0.6), (70, 110, 255)),
)
_BOX: Colour = (255, 225, 90)
_LOST: Colour = (235, 40, 40)
_EAR_TOP = 0.45
_LEVEL_FLOOR_DB = -60.0
_NOSE_TIP = 4


@dataclass(frozen=True)
class Preview:
    """A clip and what is known about it."""

    video: Path
    track: Track
    level: NDArray[np.float64] | None
    """[T] loudness of the sound during each frame, 0 (-60 dB or less) to 1; None without sound."""

    @property
    def seconds(self) -> float:
        """Length of the clip."""
        return len(self.track) / self.track.fps


def open_preview(
    video: Path, *, track: Path | None, matting: Matting, cache: Path | None, report: Reporter
) -> Preview:
    """Track a clip, or take a track that is there, and measure its sound.

    Args:
        video: the clip.
        track: a track file; None looks for `NAME.track.npz` beside the clip, as the demo has it, and tracks the clip if
            there is none.
        matting: as for `track_clip`.
        cache: as for `track_clip`.
        report: takes progress.

    Raises:
        DataError: the track is not one of this clip.
        VideoError, AudioError, NoFaceFound, AssetMissing, DependencyError: as reading and tracking do.
    """
    beside = video.with_name(f"{video.stem}.track.npz")
    given = track or (beside if beside.is_file() else None)
    if given is None:
        found = track_clip(video, matting=matting, cache=cache, max_invalid=1.0, report=report)
    else:
        found = Track.load(given)
        first = next(iter(iter_frames(video, stop=1)))
        if found.size != (first.shape[1], first.shape[0]):
            raise DataError(
                f"{given} is a track of {found.size[0]}x{found.size[1]}, {video.name} is "
                f"{first.shape[1]}x{first.shape[0]}",
                hint="Name the track of this clip with --track",
            )
    return Preview(video, found, _level(video, found))


def _level(video: Path, track: Track) -> NDArray[np.float64] | None:
    try:
        samples = read_audio(video, RATE)
    except AudioMissing:
        return None
    edges = np.rint(np.arange(len(track) + 1) * RATE / track.fps).astype(int)
    power = np.zeros(len(track))
    for index, (start, stop) in enumerate(pairwise(edges)):
        heard = samples[start:stop].astype(np.float64)
        power[index] = np.square(heard).mean() if len(heard) else 0.0
    decibels = 10 * np.log10(np.maximum(power, 1e-12))
    return np.asarray(np.clip(1 - decibels / _LEVEL_FLOOR_DB, 0, 1))


def targets(out: Path | None, clip: Path, *, video: bool, force: bool) -> tuple[Path, Path | None]:
    """Sheet and video to write: a folder gets `CLIP.preview.png` and `.mp4`, a file name both suffixes.

    Raises:
        OutputError: one of them exists and `force` is not given, or is the clip itself.
        UsageError: a file name of another kind.
    """
    place = Path() if out is None else out
    if place.suffix and not place.is_dir():
        if place.suffix.lower() not in (".png", ".mp4"):
            raise UsageError(f"{place} ends in {place.suffix}", hint="Name a folder, a .png or an .mp4")
        base = place.with_suffix("")
    else:
        base = place / f"{clip.stem}.preview"
    sheet = base.with_name(f"{base.name}.png")
    moving = base.with_name(f"{base.name}.mp4") if video else None
    for path in (sheet, moving):
        if path is not None and path.exists() and (not force or path.samefile(clip)):
            hint = (
                "Name another file" if path.samefile(clip) else "Name another one with --out, or give --force"
            )
            raise OutputError(f"{path} exists already", hint=hint)
    return sheet, moving


def write_preview_sheet(preview: Preview, path: Path) -> Path:
    """Write twelve moments of the clip, evenly spaced, over the curves of the whole clip, as PNG."""
    frames = len(preview.track)
    wanted = sorted({round(i) for i in np.linspace(0, frames - 1, min(COLUMNS * ROWS, frames))})
    cells = [
        _drawn(preview, index, picture, matte, CELL_HEIGHT)
        for index, picture, matte in _pictures(preview)
        if index in wanted
    ]
    height, width = cells[0].shape[:2]
    columns = min(COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    total = columns * (width + _GAP) + _GAP
    page = np.full((rows * (height + _GAP) + _GAP + STRIP_HEIGHT, total, 3), 255, dtype=np.uint8)
    for number, cell in enumerate(cells):
        top = _GAP + number // columns * (height + _GAP)
        left = _GAP + number % columns * (width + _GAP)
        page[top : top + height, left : left + width] = cell
    curves = _curves(preview, total)
    for index in wanted:
        _cursor(curves, index, frames, _FAINT)
    page[-STRIP_HEIGHT:] = np.minimum(
        curves, _curves(preview, total)
    )  # the curves stay in front of the marks
    return save_sheet(path, page)


def write_preview_video(preview: Preview, path: Path, report: Reporter) -> Path:
    """Write every frame over the curves with a cursor, with the clip's sound, as H.264."""
    track = preview.track
    height = min(max(track.size[1], VIDEO_HEIGHT), 1080)
    width = round(track.size[0] * height / track.size[1])
    curves = _curves(preview, width)
    sound = None if preview.level is None else (read_audio(preview.video, RATE), RATE)
    tags = {
        "title": f"Tracking preview: {preview.video.stem}",
        "comment": "Edited media made for evaluation: a clip with what a face tracker found drawn over it; "
        f"not an authentic recording. Generated by t2m-bench {__version__}.",
        "generator": f"t2m-bench {__version__}",
        "synthetic": "true",
    }
    report.stage("preview", len(track))
    size = (width, height + STRIP_HEIGHT)
    with VideoWriter(path, track.fps, size, audio=sound, crf=18, metadata=tags) as writer:
        for index, picture, matte in _pictures(preview):
            strip = curves.copy()
            _cursor(strip, index, len(track), _INK)
            writer.write(np.concatenate([_drawn(preview, index, picture, matte, height), strip]))
            report.advance()
    return path


def _pictures(preview: Preview) -> Iterator[tuple[int, Picture, Picture | None]]:
    """Number, frame and matte, in order.

    Raises:
        DataError: the clip has another number of frames than its track.
    """
    matte, frames, count = preview.track.matte, len(preview.track), 0
    mattes: Iterator[Picture | None] = (
        repeat(None) if matte is None else chain(iter_gray(matte), repeat(None))
    )
    for picture, alpha in zip(iter_frames(preview.video), mattes, strict=False):
        if count < frames:
            yield count, picture, alpha
        count += 1
    if count != frames:
        raise DataError(
            f"The track of {preview.video} has {frames} frames, the clip has {count}",
            hint="Name the track of this clip with --track, or delete the wrong one",
        )


def _drawn(preview: Preview, index: int, picture: Picture, matte: Picture | None, height: int) -> Picture:
    """A frame, scaled to a height, with its track drawn on it."""
    track = preview.track
    scale = height / picture.shape[0]
    canvas = resize_frames(picture[None], (round(picture.shape[1] * scale), height))[0].copy()
    if matte is not None:
        canvas = tint(canvas, upsample_matte(matte, canvas.shape[1], height), _BEHIND, 0.75)
    thin = max(1.0, height / 420)
    x0, y0, x1, y1 = track.box[index] * scale
    frame = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    valid = bool(track.valid[index])
    stroke(canvas, frame, _BOX if valid else _LOST, width=thin, opacity=0.8, closed=True)
    if valid:
        _draw_face(canvas, track, index, scale, thin)
    else:
        write(canvas, (10, height - 24), "NO FACE", _LOST, scale=2)
    _label(canvas, f"{index}  {index / track.fps:.2f}s")
    return canvas


def _draw_face(canvas: Picture, track: Track, index: int, scale: float, thin: float) -> None:
    points = track.landmarks[index, :, :2] * scale
    for line, colour, closed, opacity in _LINES:
        stroke(canvas, points[list(line)], colour, width=thin, opacity=opacity, closed=closed)
    nose = canonical_face().vertices[_NOSE_TIP]
    ends = np.array([nose, *(nose + np.array(axis) for axis, _ in _AXES)])
    seen = project(transform(track.pose[index][None], ends)[0], track.focal, track.size) * scale
    for (_, colour), end in zip(_AXES, seen[1:], strict=True):
        stroke(canvas, np.stack([seen[0], end]), colour, width=2.4 * thin)


def _label(canvas: Picture, text: str) -> None:
    """White letters on a dark plate in the upper left corner."""
    scale = 2 if canvas.shape[0] >= 600 else 1
    width, height = text_size(text, scale)
    plate = canvas[6 : 12 + height, 6 : 14 + width]
    plate[:] = plate // 3
    write(canvas, (10, 9), text, _PAPER, scale=scale)


def _curves(preview: Preview, width: int) -> Picture:
    """The strip [150, width, 3]: eye aspect ratio above, loudness below, without a cursor."""
    track = preview.track
    strip = np.full((STRIP_HEIGHT, width, 3), 255, dtype=np.uint8)
    middle, bottom = STRIP_HEIGHT * 3 // 5, STRIP_HEIGHT - 8
    x = _columns(len(track), width)

    def ear_y(values: NDArray[np.floating]) -> NDArray[np.floating]:
        return middle - 6 - np.clip(values / _EAR_TOP, 0, 1) * (middle - 16)

    closed = ear_y(np.full(2, BLINK))
    stroke(strip, np.stack([x[[0, -1]], closed], axis=1), _FAINT, width=1)
    for side, colour in ((0, _RIGHT), (1, _LEFT)):
        values = np.where(track.valid, track.ear[:, side], np.nan)
        stroke(strip, np.stack([x, ear_y(values)], axis=1), colour, width=1.6)
    if preview.level is not None:
        top = bottom - preview.level * (bottom - middle - 6)
        at = np.interp(np.arange(width) + 0.5, x, top)
        inside = (np.arange(width) >= x[0]) & (np.arange(width) <= x[-1])
        filled = (
            (np.arange(STRIP_HEIGHT)[:, None] >= at) & (np.arange(STRIP_HEIGHT)[:, None] < bottom) & inside
        )
        strip[filled] = _SOUND
    stroke(strip, [(x[0], bottom), (x[-1], bottom)], _FAINT, width=1)
    write(strip, (8, 4), "EAR", _INK)
    write(strip, (32, 4), "R", _RIGHT)
    write(strip, (42, 4), "L", _LEFT)
    write(strip, (8, middle), "SOUND" if preview.level is not None else "NO SOUND", _INK)
    return strip


def _columns(frames: int, width: int) -> NDArray[np.float64]:
    """Where each frame lies on the strip, pixels from the left."""
    return np.linspace(10, width - 10, frames) if frames > 1 else np.full(1, width / 2)


def _cursor(strip: Picture, index: int, frames: int, colour: Colour) -> None:
    x = _columns(frames, strip.shape[1])[index]
    stroke(strip, [(x, 14), (x, STRIP_HEIGHT - 4)], colour, width=1.4)
