"""Checks of a clip's container and sound: no face model needed. Each gives findings; none reads a file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2m_bench.data.findings import Finding
from t2m_bench.data.stretch import MIN_SECONDS as SHORTEST_SECONDS
from t2m_bench.media.alignment import TOLERANCE_FRAMES
from t2m_bench.media.loudness import SILENCE_DBFS, Loudness
from t2m_bench.media.probe import MediaInfo
from t2m_bench.media.video import MAX_GAP_SECONDS

FPS = 25.0
TOLERANCE_SECONDS = TOLERANCE_FRAMES / FPS
"""Sound may be this much shorter than the pictures."""
HOLE_STEPS = 1.8
"""A frame that stays this many times as long as usual is followed by a hole."""
FREEZE_SECONDS = 0.5
SHORT_SECONDS = 8.0
START_SECONDS = 0.02
"""A start of the sound this near to that of the pictures is the same start."""
LATE_SECONDS = 0.5
MOSTLY_SILENT = 0.6
QUIET_DBFS = -45.0
CLIPPED_SHARE = 0.001

_CUT_TO_SOUND = "Cut the clip to its sound (manifest start and end), or replace the sound"


def check_frames(info: MediaInfo, times: NDArray[np.float64]) -> list[Finding]:
    """Number of frames against the timestamps [T], and whether the rate is constant."""
    steps = np.diff(times)
    found = [_frame_count(info, times, steps)]
    if len(steps) and float(steps.max()) > MAX_GAP_SECONDS:
        at = int(steps.argmax())
        found.append(
            Finding(
                "refused",
                "timestamps",
                f"the timestamps jump by {steps[at]:.1f} s after frame {at}",
                "Re-encode it with `ffmpeg -i IN OUT.mp4`",
            )
        )
    elif len(steps) and float(steps.max()) > FREEZE_SECONDS:
        at = int(steps.argmax())
        found.append(
            Finding(
                "warning",
                "timestamps",
                f"the picture stands still for {steps[at]:.2f} s at {times[at] - times[0]:.2f} s",
                "Cut the clip to a part before or after it (manifest start and end)",
            )
        )
    found.append(_rate(info))
    return found


def _frame_count(info: MediaInfo, times: NDArray[np.float64], steps: NDArray[np.float64]) -> Finding:
    usual = float(np.median(steps)) if len(steps) else 0.0
    twins = int((steps <= 0).sum())
    missing = (
        int(sum(round(step / usual) - 1 for step in steps if step >= HOLE_STEPS * usual)) if usual > 0 else 0
    )
    if not info.constant_fps and missing == 0 and twins == 0:
        return Finding("ok", "frames", f"{info.frames} frames, rising timestamps")
    if missing or twins:
        parts = [f"{missing} missing by their timestamps"] * bool(missing)
        parts += [f"{twins} with the timestamp of the one before"] * bool(twins)
        level = "warning" if (missing + twins) > 0.05 * info.frames else "note"
        return Finding(
            level,  # type: ignore[arg-type]
            "frames",
            f"of {info.frames + missing} frames {' and '.join(parts)}",
            "Frames are chosen by their times, so that sound keeps in step; take a better copy if you have one",
        )
    return Finding("ok", "frames", f"{info.frames} frames, as many as the timestamps say")


def _rate(info: MediaInfo) -> Finding:
    if info.constant_fps and abs(info.fps - FPS) <= 1e-3 * FPS:
        return Finding("ok", "fps", f"constant {info.fps:g} fps")
    kind = "constant" if info.constant_fps else "varying"
    average = "" if info.constant_fps else " on average"
    return Finding(
        "note",
        "fps",
        f"{kind} {info.fps:.2f} fps{average}, not {FPS:g}",
        "Let `datasets prepare` or `run --dataset folder` choose frames by time",
    )


def check_length(seconds: float) -> Finding:
    """Whether the clip is long enough."""
    if seconds < SHORTEST_SECONDS - 1e-6:
        return Finding(
            "refused",
            "length",
            f"{seconds:.2f} s long, {SHORTEST_SECONDS:g} s are the least",
            "Use a longer clip",
        )
    if seconds < SHORT_SECONDS - 1e-6:
        return Finding(
            "note",
            "length",
            f"only {seconds:.1f} s long",
            f"{SHORT_SECONDS:g} s and more train and test better",
        )
    return Finding("ok", "length", f"{seconds:.2f} s")


def check_streams(video_seconds: float, audio_seconds: float, start_offset: float) -> list[Finding]:
    """Start and duration of the sound against those of the pictures.

    Args:
        video_seconds: from the first frame to the end of the last.
        audio_seconds: of the sound, from its first sample.
        start_offset: start of the sound minus start of the pictures, seconds.
    """
    end = start_offset + audio_seconds
    short = max(0.0, start_offset) + max(0.0, video_seconds - max(end, 0.0))
    return [_start(start_offset), _durations(end - video_seconds, min(short, video_seconds))]


def _start(offset: float) -> Finding:
    if abs(offset) <= START_SECONDS:
        return Finding("ok", "start", f"sound and pictures start together ({1000 * offset:+.0f} ms)")
    if offset > 0:
        level = "warning" if offset > LATE_SECONDS else "note"
        return Finding(
            level,  # type: ignore[arg-type]
            "start",
            f"the sound starts {1000 * offset:.0f} ms after the pictures",
            "Nothing for the sync: the gap is read as silence; cut it off if it is long",
        )
    return Finding(
        "note",
        "start",
        f"the sound starts {-1000 * offset:.0f} ms before the pictures",
        "Nothing: what sounds before the first frame is not used",
    )


def _durations(longer: float, short: float) -> Finding:
    if short > TOLERANCE_SECONDS + 1e-6:
        return Finding(
            "refused",
            "duration",
            f"{short:.2f} s of the pictures have no sound, {TOLERANCE_SECONDS:.2f} s are allowed",
            _CUT_TO_SOUND,
        )
    if longer > TOLERANCE_SECONDS:
        return Finding(
            "note",
            "duration",
            f"{longer:.2f} s of sound after the last frame",
            "Nothing: it is not used",
        )
    return Finding("ok", "duration", f"sound and pictures last equally long ({1000 * longer:+.0f} ms)")


def check_loudness(loudness: Loudness) -> list[Finding]:
    """Whether the sound is silent, too quiet or clipped."""
    found = []
    if loudness.silent_share >= 1.0:
        found.append(
            Finding(
                "refused",
                "loudness",
                f"the sound is silent (at most {loudness.peak_dbfs:.0f} dBFS)",
                "Use a clip with speech, or put the right sound in",
            )
        )
    elif loudness.silent_share > MOSTLY_SILENT:
        found.append(
            Finding(
                "warning",
                "loudness",
                f"{loudness.silent_share:.0%} of the sound is below {SILENCE_DBFS:g} dBFS",
                "Cut the clip to where somebody speaks",
            )
        )
    elif loudness.rms_dbfs < QUIET_DBFS:
        found.append(
            Finding(
                "note", "loudness", f"quiet: {loudness.rms_dbfs:.0f} dBFS rms", "Nothing, or a louder copy"
            )
        )
    else:
        found.append(
            Finding(
                "ok", "loudness", f"{loudness.rms_dbfs:.0f} dBFS rms, {loudness.silent_share:.0%} silence"
            )
        )
    if loudness.clipped_share > CLIPPED_SHARE:
        found.append(
            Finding(
                "warning",
                "clipping",
                f"{loudness.clipped_share:.1%} of the samples are clipped",
                "Take a copy of the sound that was not recorded too loud; turning it down does not help",
            )
        )
    else:
        found.append(Finding("ok", "clipping", f"{loudness.clipped_share:.2%} of the samples are clipped"))
    return found
