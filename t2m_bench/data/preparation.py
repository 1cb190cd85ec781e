"""One clip cut from a raw video: a stretch of time, a square around the head, 25 fps, 512x512, 16 kHz sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import ceil
from pathlib import Path
from typing import Any, Literal

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from t2m_bench.core import assets
from t2m_bench.core.digest import digest_of, file_sha256
from t2m_bench.core.errors import AudioMissing
from t2m_bench.core.method import Reporter
from t2m_bench.data.cropping import Crop, choose_crop, face_boxes, square_pixels, window_crop, zoomed
from t2m_bench.data.manifest import ClipRow
from t2m_bench.media.announced import exact
from t2m_bench.media.audio import read_audio_span, write_wav
from t2m_bench.media.container import TimedFrame, decode_video, open_media, video_stream
from t2m_bench.media.cutting import Cutter
from t2m_bench.media.picture import Matrix, Orientation, orientation_of, rgb_of
from t2m_bench.media.video import iter_frames_at, iter_timed_at, resize_frames
from t2m_bench.media.writer import VideoWriter, write_gray
from t2m_bench.tracking import landmarks
from t2m_bench.tracking.landmarks import LandmarkDetector
from t2m_bench.tracking.matting import composite

PREPARATION_VERSION = 1
"""Raised when the same raw video and row would give another clip."""

FPS = 25
SIDE = 512
RATE = 16000
THREADS = 1
"""Of the decoder: clips are prepared side by side in processes."""

Matting = Literal["none", "selfie", "rvm"]

# At this quality what is written differs from what was cut by less than a level on average; `superfast` takes a
# quarter of the time of `medium` and a third more space.
_CRF = 8


@dataclass(frozen=True)
class Prepared:
    """What was made of a row."""

    files: dict[str, Path]
    """`video`, `audio` and, with matting, `matte`."""
    frames: int
    notes: tuple[str, ...]
    """What is odd about it, one sentence each."""

    @property
    def seconds(self) -> float:
        """Duration of the pictures."""
        return self.frames / FPS

    @property
    def hashes(self) -> dict[str, str]:
        """Of the files, as the ledger's columns name them."""
        return {f"{kind}_sha256": file_sha256(path) for kind, path in self.files.items()}


@dataclass(frozen=True)
class Source:
    """The first look at a raw video."""

    path: Path
    stored: tuple[int, int]
    """Width and height of the frames as stored."""
    size: tuple[int, int]
    """Width and height as shown, with square pixels."""
    orientation: Orientation
    stretch: float
    """Factor for the shown width that makes pixels square."""
    interlaced: bool


def look_at(path: Path) -> Source:
    """Facts of a raw video, by its first frame.

    Raises:
        VideoError: it cannot be read.
        AudioMissing: it has no sound.
    """
    with open_media(path) as container:
        stream = video_stream(container, path)
        aspect = float(exact(stream.sample_aspect_ratio)) or 1.0
        if not container.streams.audio:
            raise AudioMissing(f"{path} has no sound", hint="Use a video with a sound track")
    frame = next(decode_video(path, threads=THREADS)).frame
    orientation = orientation_of(frame)
    width, height = (frame.height, frame.width) if orientation.transpose else (frame.width, frame.height)
    stretch = square_pixels(aspect, orientation.degrees)
    return Source(
        path=path,
        stored=(frame.width, frame.height),
        size=(max(1, round(width * stretch)), height),
        orientation=orientation,
        stretch=stretch,
        interlaced=bool(frame.interlaced_frame),
    )


def settings_digest(row: ClipRow, matting: Matting) -> str:
    """Digest of all that decides a clip but its raw video.

    Raises:
        AssetMissing, AssetError: see `assets`.
    """
    kept = ("video", "start", "end", "x", "y", "width", "height", "reference_height")
    facts: dict[str, Any] = {name: getattr(row, name) for name in kept}
    models = [] if row.has_window else [landmarks.ASSET]
    if not row.has_window:
        facts["zoom"] = row.zoom
    if matting != "none":
        facts["matting"] = matting
        models.append(_matting_asset(matting))
    hashes = [assets.get(name).sha256 or file_sha256(assets.resolve(name)) for name in models]
    return digest_of({**facts, "models": hashes})


def prepare_clip(row: ClipRow, path: Path, folder: Path, matting: Matting, report: Reporter) -> Prepared:
    """Cut one clip.

    Pictures and sound both start when the frame shown at `row.start` appeared, seconds counted from the first frame of
    the raw video. Frames are chosen by their times (repeated or left out, never blended), the sound's loudness is
    not touched. The video carries the sound too, for players; the wav is the exact one. With matting the person is
    put on white, and the alpha lies beside it.

    Args:
        row: says which part.
        path: the raw video.
        folder: for `<id>.mp4`, `<id>.wav` and `<id>.matte.mkv`.
        matting: what cuts out the person.
        report: takes progress, one step a frame.

    Raises:
        VideoError: the raw video cannot be decoded, or ends before `row.start`.
        AudioError: it has no sound in this stretch, or damaged sound.
        NoFaceFound: there is no window, and no face either.
        AssetMissing, DependencyError: a model is missing.
        OutputError: the files cannot be written.
    """
    source = look_at(path)
    crop, notes = _crop(row, source, report)
    if source.interlaced:
        notes.append("the raw video is interlaced and was not made progressive")
    shown = iter_timed_at(path, FPS, start=row.start, end=row.end, threads=THREADS)
    head = next(shown)
    cuts = _cuts(chain([head], shown), source, crop)
    video, audio = folder / f"{row.id}.mp4", folder / f"{row.id}.wav"
    files = {"video": video, "audio": audio}
    sound = read_audio_span(path, RATE, head[0].time, _most_seconds(row))
    report.stage(row.id, _expected(row))
    if matting == "none":
        frames = _write_cut(cuts, (sound, RATE), video, report)
    else:
        files["matte"] = folder / f"{row.id}.matte.mkv"
        frames = _write_matted(cuts, (sound, RATE), files, matting, report)
    # Sound that ends early is left short: whether that is too much is said when the clip is used.
    write_wav(audio, sound[: frames * RATE // FPS], RATE)
    return Prepared(files, frames, (*notes, *_shortness(row, frames, len(sound))))


def _most_seconds(row: ClipRow) -> Fraction:
    """As much sound as the pictures could need."""
    if row.end is None:
        return Fraction(10**6)
    return Fraction(row.end - row.start).limit_denominator(1_000_000) + Fraction(1, FPS)


def _crop(row: ClipRow, source: Source, report: Reporter) -> tuple[Crop, list[str]]:
    if row.has_window:
        crop = window_crop(row, source.size)
    else:
        report.stage(f"finding the face of {row.id}", _expected(row))
        with LandmarkDetector() as detector:
            boxes, _ = face_boxes(_upright(row, source), detector, source.path, report)
        crop = zoomed(choose_crop(boxes, source.size), row.zoom, source.size)
    if crop.reaches_beyond(source.size):
        return crop, [
            f"the window of {crop.side} pixels reaches beyond the picture of {source.size[0]}x{source.size[1]}, "
            "its edge is repeated there"
        ]
    return crop, []


def _upright(row: ClipRow, source: Source) -> Iterator[NDArray[np.uint8]]:
    for frame in iter_frames_at(source.path, FPS, start=row.start, end=row.end):
        yield frame if source.stretch == 1.0 else resize_frames(frame[None], source.size)[0]


def _expected(row: ClipRow) -> int | None:
    return None if row.end is None else ceil((row.end - row.start) * FPS)


def _cuts(
    shown: Iterable[tuple[TimedFrame, int]], source: Source, crop: Crop
) -> Iterator[tuple[Any, Matrix, int]]:
    """Each distinct frame of the clip as `yuv420p`, its matrix, and how often it is shown."""
    cutter = Cutter(
        source.stored,
        source.orientation,
        corner=(crop.x, crop.y),
        side=crop.side,
        stretch=source.stretch,
        out=SIDE,
    )
    for timed, repeats in shown:
        frame, matrix = cutter.cut(timed.frame)
        yield frame, matrix, repeats


def _write_cut(
    cuts: Iterator[tuple[Any, Matrix, int]],
    sound: tuple[NDArray[np.float32], int],
    path: Path,
    report: Reporter,
) -> int:
    with ExitStack() as stack:
        video: VideoWriter | None = None
        for frame, matrix, repeats in cuts:
            if video is None:
                writer = VideoWriter(
                    path, FPS, (SIDE, SIDE), audio=sound, crf=_CRF, preset="superfast", matrix=matrix
                )
                video = stack.enter_context(writer)
            for _ in range(repeats):
                video.write_yuv(frame)
                report.advance()
    return video.frames if video else 0


def _write_matted(
    cuts: Iterator[tuple[Any, Matrix, int]],
    sound: tuple[NDArray[np.float32], int],
    files: dict[str, Path],
    matting: Matting,
    report: Reporter,
) -> int:
    reformatter = VideoReformatter()
    with (
        _matter(matting) as matter,
        VideoWriter(files["video"], FPS, (SIDE, SIDE), audio=sound, crf=_CRF, preset="superfast") as video,
    ):

        def mattes() -> Iterator[NDArray[np.uint8]]:
            for frame, _, repeats in cuts:
                picture = rgb_of(frame, reformatter)
                alpha = matter.matte(picture)
                white = composite(picture, alpha)
                for _ in range(repeats):
                    video.write(white)
                    report.advance()
                    yield alpha

        write_gray(files["matte"], mattes(), FPS)
        return video.frames


def _matter(matting: Matting) -> Any:
    if matting == "rvm":
        from t2m_bench.tracking.rvm import RvmMatting

        return RvmMatting()
    from t2m_bench.tracking.matting import SelfieMatting

    return SelfieMatting()


def _matting_asset(matting: Matting) -> str:
    if matting == "rvm":
        from t2m_bench.tracking import rvm

        return rvm.ASSET
    from t2m_bench.tracking import matting as selfie

    return selfie.ASSET


def _shortness(row: ClipRow, frames: int, samples: int) -> list[str]:
    notes = []
    if row.end is not None and (missing := row.end - row.start - frames / FPS) > 0.5:
        notes.append(f"the raw video ends {missing:.1f} s before the clip does")
    if (silent := frames / FPS - samples / RATE) > 1e-3:
        notes.append(f"the sound ends {silent:.3f} s before the pictures")
    return notes
