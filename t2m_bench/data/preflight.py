"""Pre-flight: everything that can be wrong with a clip, looked for before anything is scored.

`check_media` needs no model; `check_clip` adds faces, cuts and lip sync. The video is decoded by `probe`, once more for
cuts and for counting faces, and by the tracker unless its track is cached or given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from t2m_bench.core.errors import (
    AssetError,
    AudioError,
    DataError,
    DependencyError,
    MissingData,
    NoFaceFound,
    ShapeError,
    T2MError,
)
from t2m_bench.core.method import Reporter, SilentReporter
from t2m_bench.core.track import Track
from t2m_bench.data import face_checks, media_checks
from t2m_bench.data.findings import Finding, Report, not_checked, refused_by
from t2m_bench.data.folder import SUFFIXES
from t2m_bench.data.lipsync import lip_sync, mouth_measures
from t2m_bench.data.stretch import MIN_SECONDS, usable_stretch
from t2m_bench.media.audio import read_audio
from t2m_bench.media.container import decode_video
from t2m_bench.media.loudness import measure_loudness
from t2m_bench.media.picture import rgb_of
from t2m_bench.media.probe import MediaInfo, probe
from t2m_bench.tracking.cuts import SIDE, PictureChanges, find_cuts, picture_changes
from t2m_bench.tracking.landmarks import LandmarkDetector
from t2m_bench.tracking.tracker import track_clip

COUNT_EVERY = 5
"""Faces are counted in every n-th frame."""
MAX_FACES = 4
_RATE = 16_000
_FACE_CODE = "faces"


@dataclass
class _Looked:
    """What one walk over a video gives."""

    times: list[float] = field(default_factory=list)
    faces: dict[int, list[NDArray[np.float32]]] = field(default_factory=dict)


@dataclass(frozen=True)
class MediaCheck:
    """What is known about a clip without looking for faces."""

    info: MediaInfo | None
    """None where the video cannot be read."""
    sound: NDArray[np.float32] | None
    """[S] mono at 16 kHz from the first frame on; None where it cannot be read."""
    findings: tuple[Finding, ...]
    facts: dict[str, Any] = field(hash=False)


def find_clips(path: Path) -> list[Path]:
    """The videos that a path names: itself, those in the folder, or else those in its folders.

    Hidden files and mattes (`*.matte.*`, `matte.*`) are left out.

    Raises:
        MissingData: it does not exist, or holds no video.
    """
    if not path.is_dir():
        if not path.exists():
            raise MissingData(f"{path} does not exist", hint="Name a video file or a folder of them")
        return [path]
    for pattern in ("*", "*/*"):
        found = sorted(one for one in path.glob(pattern) if _is_clip(one.relative_to(path)) and one.is_file())
        if found:
            return found
    raise MissingData(f"{path} holds no video file", hint=f"Known suffixes are {', '.join(SUFFIXES)}")


def _is_clip(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    matte = path.stem == "matte" or path.stem.endswith(".matte")
    return path.suffix.lower() in SUFFIXES and not hidden and not matte


def check_clip(
    path: Path,
    *,
    audio: Path | None = None,
    track: Track | None = None,
    cache: Path | None = None,
    report: Reporter | None = None,
) -> Report:
    """Check one clip from container to lip sync; never raises for what is wrong with the clip.

    Args:
        path: the video.
        audio: its sound in a file of its own; None takes the wav file of the same name, else the video's own sound.
        track: of the whole clip, where the caller has it; None tracks the face.
        cache: folder for tracks; the platform's cache folder if None.
        report: takes progress.

    Returns:
        The report. Where the face model or a library is missing, what needs it is a note `not checked`.

    Raises:
        OutputError: the cache of tracks cannot be written.
    """
    path, report = Path(path), report or SilentReporter()
    media = check_media(path, audio=audio)
    findings, facts = list(media.findings), dict(media.facts)
    if media.info is None:
        return Report(path, tuple(findings), facts)
    looked, changes, missing = _look(path, media.info.frames, report)
    times = np.array(looked.times)
    findings = [*media_checks.check_frames(media.info, times), *findings]
    if missing is None and track is None:
        try:
            # Every share of lost frames is judged below, so none is an error here.
            track = track_clip(path, matting="none", cache=cache, max_invalid=1.0, report=report)
        except NoFaceFound as error:
            findings.append(refused_by(error, "face share"))
        except (AssetError, DependencyError) as error:
            missing = error
    if track is not None and len(track) != len(times):
        findings.append(
            Finding(
                "refused",
                "track",
                f"the track has {len(track)} frames, the video {len(times)}",
                "Track it again",
            )
        )
        track = None
    if missing is not None:
        findings.append(not_checked(missing, _FACE_CODE))
    seen, seen_facts = _faces_and_cuts(times, changes, looked.faces, track, media)
    return Report(path, (*findings, *seen), {**facts, **seen_facts})


def check_media(path: Path, *, audio: Path | None = None) -> MediaCheck:
    """Check a clip's container and sound: needs no model, and never raises for what is wrong with the clip.

    Args:
        path: the video.
        audio: as in `check_clip`.
    """
    try:
        info = probe(path)
    except DataError as error:
        return MediaCheck(None, None, (refused_by(error, "video"),), {})
    beside = path.with_suffix(".wav")
    audio = audio or (beside if beside.is_file() else None)
    facts: dict[str, Any] = {
        "frames": info.frames,
        "fps": round(info.fps, 4),
        "constant_fps": info.constant_fps,
        "width": info.width,
        "height": info.height,
        "rotation": info.rotation,
        "video_seconds": round(info.video_seconds, 4),
        "audio_seconds": round(info.audio_seconds, 4),
        "start_offset_seconds": round(info.start_offset, 4),
        "audio_rate": info.audio_rate,
        "audio_file": str(audio) if audio else None,
    }
    findings = [media_checks.check_length(info.video_seconds)]
    try:
        sound, more, levels = _check_sound(info, audio)
    except (AudioError, ShapeError) as error:
        return MediaCheck(info, None, (*findings, refused_by(error, "sound")), facts)
    return MediaCheck(info, sound, (*findings, *more), {**facts, **levels})


def _check_sound(
    info: MediaInfo, audio: Path | None
) -> tuple[NDArray[np.float32], list[Finding], dict[str, Any]]:
    source = audio or info.path
    sound = read_audio(source, _RATE)
    if audio is None:
        findings = media_checks.check_streams(info.video_seconds, info.audio_seconds, info.start_offset)
        stored = read_audio(source, info.audio_rate) if info.audio_rate else sound
        rate = info.audio_rate or _RATE
    else:  # a sound file of its own starts with the first frame
        findings = media_checks.check_streams(info.video_seconds, len(sound) / _RATE, 0.0)
        stored, rate = sound, _RATE
    loudness = measure_loudness(stored, rate)
    return (
        sound,
        [*findings, *media_checks.check_loudness(loudness)],
        {"loudness": _rounded(asdict(loudness))},
    )


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 5) for name, value in values.items()}


def _look(path: Path, frames: int, report: Reporter) -> tuple[_Looked, PictureChanges, T2MError | None]:
    """One walk over the pictures: times, faces, changes, and the error that kept faces from being counted."""
    looked, missing = _Looked(), None
    report.stage(f"{path.name}: cuts and faces", frames)
    with ExitStack() as stack:
        detector: LandmarkDetector | None = None
        try:
            detector = stack.enter_context(LandmarkDetector(num_faces=MAX_FACES))
        except (AssetError, DependencyError) as error:
            missing = error
        changes = picture_changes(_small_pictures(path, looked, detector, report))
    return looked, changes, missing


def _small_pictures(
    path: Path, looked: _Looked, detector: LandmarkDetector | None, report: Reporter
) -> Iterator[NDArray[np.uint8]]:
    shrink, convert = VideoReformatter(), VideoReformatter()
    for index, timed in enumerate(decode_video(path)):
        looked.times.append(float(timed.time))
        if detector is not None and index % COUNT_EVERY == 0:
            looked.faces[index] = [face.box for face in detector.detect_all(rgb_of(timed.frame, convert))]
        report.advance()
        small: Any = shrink.reformat(
            timed.frame, width=SIDE, height=SIDE, format="rgb24", interpolation="AREA"
        )
        yield small.to_ndarray()


def _faces_and_cuts(
    times: NDArray[np.float64],
    changes: PictureChanges,
    faces: dict[int, list[NDArray[np.float32]]],
    track: Track | None,
    media: MediaCheck,
) -> tuple[list[Finding], dict[str, Any]]:
    box, valid = (None, None) if track is None else (track.box, track.valid)
    cuts = find_cuts(changes, box, valid)
    cut_finding, facts = face_checks.check_cuts(cuts, times)
    findings = [cut_finding]
    second = face_checks.second_faces(faces, len(times), COUNT_EVERY)
    if track is not None:
        results: Sequence[tuple[list[Finding], dict[str, Any]]] = (
            face_checks.check_face_share(track.valid, times),
            face_checks.check_face_size(track.box[track.valid], track.size),
        )
        for found, more in results:
            findings += found
            facts |= more
    if any(faces.values()):
        count, more = face_checks.check_face_count(faces, second)
        findings.append(count)
        facts |= more
    lost = None if track is None else ~track.valid
    stretch = usable_stretch(times, cuts=cuts, second_face=second, lost=lost)
    seconds = media.facts["video_seconds"]
    if seconds >= MIN_SECONDS:  # a shorter clip has been told already
        part, more = face_checks.check_stretch(stretch, seconds)
        findings.append(part)
        facts |= more
    if track is not None and media.sound is not None and stretch is not None and media.sound.any():
        mouth = mouth_measures(track.landmarks, track.blendshapes)
        inside = np.zeros(len(times), np.bool_)
        inside[stretch.start : stretch.stop] = True  # another shot, or another face, may have another lag
        sync = lip_sync(mouth, times - times[0], media.sound, track.valid & inside)
        findings.append(face_checks.check_lip_sync(sync))
        facts["lip_sync"] = sync.to_dict()
    return findings, facts
