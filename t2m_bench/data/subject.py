"""From a clip to a subject: every check that a clip must pass, its track, and the time split."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import floor
from pathlib import Path

from t2m_bench.core.card import DatasetCard
from t2m_bench.core.clip import Clip
from t2m_bench.core.digest import file_sha256
from t2m_bench.core.errors import AudioMissing, DataError, T2MError
from t2m_bench.core.method import Reporter
from t2m_bench.core.recipe import Recipe
from t2m_bench.core.subject import Footage, Subject
from t2m_bench.core.track import Track
from t2m_bench.data.footage import ClipFootage
from t2m_bench.data.normalise import normalise
from t2m_bench.data.time_split import repeated_frames
from t2m_bench.media.alignment import check_alignment
from t2m_bench.media.audio import read_audio
from t2m_bench.media.probe import MediaInfo, probe
from t2m_bench.tracking.tracker import track_clip

MIN_TRAIN_FRAMES = 25
MIN_TEST_FRAMES = 5

_PROBE_RATE = 16000


@dataclass(frozen=True)
class PreparedClip:
    """A clip that passed all checks, split in time."""

    clip: Clip
    """As found by decoding, and as normalised if its dataset is raw."""
    subject: Subject
    """With the first part of the clip."""
    held_out: Footage
    """The rest of the clip."""
    notes: tuple[str, ...]
    """What was found odd but usable, one sentence each; for the record."""


def prepare(clip: Clip, card: DatasetCard, recipe: Recipe, *, cache: Path, report: Reporter) -> PreparedClip:
    """Check a clip, track it and split it in time.

    Args:
        clip: from `DatasetEntry.clips`.
        card: of its dataset: says how it is split, and whether it is raw.
        recipe: says which frame rate, size and matting are demanded.
        cache: root of the cache folder.
        report: takes progress.

    Raises:
        VideoError: missing, unreadable, truncated or empty video.
        AudioMissing: no sound.
        FpsMismatch: not constant at the recipe's rate.
        DataError: sound too short, too few frames, not square where the recipe has one side, or a track that the
            dataset brings does not fit.
        NoFaceFound, TrackingError: no face, or lost for too long.
        AssetMissing, DependencyError: what tracking needs is missing.
    """
    with _naming(clip.id):
        notes: list[str] = []
        if card.raw:
            clip, told = normalise(clip, cache=cache, report=report)
            notes += told
        info = probe(clip.video)
        clip = replace(
            clip,
            fps=recipe.fps,
            frames=info.frames,
            width=info.width,
            height=info.height,
            sha256=clip.sha256 or file_sha256(clip.video),
        )
        notes += _check_sound(clip, info, recipe)
        _check_size(clip, recipe)
        train_frames = split_frames(clip.frames, card.split.train_fraction)
        notes += repeated_frames(clip, train_frames, cache)
        track = _track(clip, recipe, cache, report)
        notes += _lost_faces(track)
        subject = Subject(
            id=clip.id,
            speaker=clip.speaker,
            language=clip.language,
            train=ClipFootage(clip, track, 0, train_frames),
            synthetic=clip.synthetic,
        )
        held_out = ClipFootage(clip, track, train_frames, clip.frames)
        held_out.audio()  # damaged sound is found now, not after hours of training
    return PreparedClip(clip, subject, held_out, tuple(notes))


def split_frames(frames: int, train_fraction: float) -> int:
    """How many of `frames`, from the start, train; the rest tests.

    Raises:
        DataError: fewer than 25 train or fewer than 5 test.
    """
    train = floor(frames * train_fraction + 1e-9)  # 0.7 * 10 is 6.999...
    if train < MIN_TRAIN_FRAMES or frames - train < MIN_TEST_FRAMES:
        raise DataError(
            f"{frames} frames split into {train} to train and {frames - train} to test, "
            f"at least {MIN_TRAIN_FRAMES} and {MIN_TEST_FRAMES} are needed",
            hint="Use a longer clip",
        )
    return train


@contextmanager
def _naming(clip_id: str) -> Iterator[None]:
    """Tell errors from below which clip they are about."""
    try:
        yield
    except T2MError as error:
        error.clip = error.clip or clip_id
        raise


def _check_sound(clip: Clip, info: MediaInfo, recipe: Recipe) -> list[str]:
    separate = None
    if clip.audio is not None:
        separate = len(read_audio(clip.audio, _PROBE_RATE)) / _PROBE_RATE
    found = check_alignment(info, fps=recipe.fps, audio_seconds=separate)
    if not found.has_audio:
        raise AudioMissing(f"{clip.sound} has no sound", hint="Use a video with a sound track")
    if not found.ok:
        covered = found.video_seconds - found.audio_short_seconds
        raise DataError(
            f"The sound of {clip.sound} covers {covered:.2f} s of {found.video_seconds:.2f} s of video, "
            f"at most {found.tolerance_seconds:.2f} s may be missing",
            hint="Cut the video to its sound, or replace the sound",
        )
    notes = []
    if found.audio_short_seconds > 1e-3:
        notes.append(
            f"the sound is {found.audio_short_seconds:.3f} s shorter than the video: padded with silence"
        )
    if found.audio_long_seconds > found.tolerance_seconds:
        notes.append(f"{found.audio_long_seconds:.2f} s of sound after the last frame are not used")
    return notes


def _check_size(clip: Clip, recipe: Recipe) -> None:
    if recipe.size != "native" and clip.width != clip.height:
        raise DataError(
            f"{clip.video} is {clip.width}x{clip.height}, recipe {recipe.name!r} needs a square picture",
            hint="Crop it to a square around the head, or let `--dataset folder` do it",
        )


def _track(clip: Clip, recipe: Recipe, cache: Path, report: Reporter) -> Track:
    if clip.track is None:
        return track_clip(
            clip.video,
            fov_deg=clip.fov_deg,
            matting="none" if clip.matted else recipe.matting,
            cache=cache / "tracks",
            sha256=clip.sha256,
            report=report,
        )
    track = Track.load(clip.track)
    if len(track) != clip.frames or track.size != (clip.width, clip.height):
        raise DataError(
            f"{clip.track} is a track of {len(track)} frames of {track.size[0]}x{track.size[1]}, "
            f"{clip.video.name} has {clip.frames} of {clip.width}x{clip.height}",
            hint="Make the two from one another again",
        )
    return track


def _lost_faces(track: Track) -> list[str]:
    lost = int((~track.valid).sum())
    return (
        [f"no face was found in {lost} of {len(track)} frames: the last good track is held there"]
        if lost
        else []
    )
