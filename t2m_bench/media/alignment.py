"""Whether a clip's pictures and sound fit each other and the recipe."""

from __future__ import annotations

from dataclasses import dataclass

from t2m_bench.core.errors import FpsMismatch
from t2m_bench.media.probe import MediaInfo

TOLERANCE_FRAMES = 2
"""Sound may be this many frames shorter than the pictures (0.08 s at 25 fps): encoders cut that much."""


@dataclass(frozen=True)
class Alignment:
    """How the sound of a clip covers its pictures."""

    frames: int
    """Number of frames."""
    video_seconds: float
    """Duration of the pictures."""
    has_audio: bool
    """Whether there is any sound."""
    audio_late_seconds: float
    """Silence at the start, for the sound starts after the pictures; 0.0 if it does not."""
    audio_short_seconds: float
    """Part of the pictures without sound, at the start and at the end together; 0.0 if all is covered."""
    audio_long_seconds: float
    """Sound after the last frame; 0.0 if none."""
    tolerance_seconds: float
    """How much may be missing."""

    @property
    def ok(self) -> bool:
        """Sound is there and covers the pictures within the tolerance."""
        return self.has_audio and self.audio_short_seconds <= self.tolerance_seconds

    @property
    def note(self) -> str:
        """One sentence for a record or an error; empty when `ok`."""
        if self.ok:
            return ""
        if not self.has_audio:
            return f"no sound for {self.video_seconds:.2f} s of video"
        return (
            f"sound is {self.audio_short_seconds:.2f} s shorter than the {self.video_seconds:.2f} s of video "
            f"({self.tolerance_seconds:.2f} s allowed)"
        )


def check_fps(info: MediaInfo, fps: float = 25.0) -> None:
    """Demand a constant frame rate.

    Raises:
        FpsMismatch: the rate varies or is another one.
    """
    hint = f"Convert it with `ffmpeg -i IN -vf fps={fps:g} -c:a copy OUT.mp4`"
    if not info.constant_fps:
        raise FpsMismatch(f"{info.path} has a varying frame rate ({info.fps:.3f} fps on average)", hint=hint)
    if info.frames > 1 and abs(info.fps - fps) > 1e-3 * fps:
        raise FpsMismatch(f"{info.path} has {info.fps:.3f} fps, not {fps:g}", hint=hint)


def check_alignment(
    info: MediaInfo,
    *,
    fps: float = 25.0,
    audio_seconds: float | None = None,
    tolerance_frames: float = TOLERANCE_FRAMES,
) -> Alignment:
    """Compare pictures and sound of a clip.

    Args:
        info: the probed video.
        fps: frame rate demanded.
        audio_seconds: duration of a separate sound file that starts with the first frame, used in place of the
            video's own sound; None for the video's own.
        tolerance_frames: how many frames of sound may be missing.

    Returns:
        What is missing or left over. The caller decides whether that is an error or a note.

    Raises:
        FpsMismatch: the frame rate is not constant, or not `fps`.
    """
    check_fps(info, fps)
    if audio_seconds is not None:
        present, start, end = audio_seconds > 0, 0.0, audio_seconds
    else:
        present, start, end = info.has_audio and info.audio_seconds > 0, info.start_offset, 0.0
        end = start + info.audio_seconds
    covered = max(0.0, min(end, info.video_seconds) - max(start, 0.0)) if present else 0.0
    return Alignment(
        frames=info.frames,
        video_seconds=info.video_seconds,
        has_audio=present,
        audio_late_seconds=min(max(start, 0.0), info.video_seconds) if present else 0.0,
        audio_short_seconds=max(0.0, info.video_seconds - covered),
        audio_long_seconds=max(0.0, end - info.video_seconds) if present else 0.0,
        tolerance_seconds=tolerance_frames / fps,
    )
