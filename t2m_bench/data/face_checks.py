"""Checks of a clip's faces, cuts and lip sync, from what was seen in it. Each gives findings; none reads a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2m_bench.data.findings import Finding
from t2m_bench.data.lipsync import LipSync
from t2m_bench.data.stretch import (
    LONGEST_LOSS_SECONDS,
    MIN_SECONDS,
    SECOND_FACE_AREA,
    SECOND_FACE_SHARE,
    Stretch,
    frame_ends,
    runs,
)

LEAST_FACE_SHARE = 0.95
"""Share of frames that must show the face."""
SMALL_PIXELS, LARGE_PIXELS = 100, 225
"""Width of a face that is too little to tell lips apart, and the one it has in a prepared clip of 512x512."""
SMALL_SIDE_SHARE = 0.12
"""Height of the face over the picture's shorter side below which detectors start to miss it."""

NATURAL_MS = 80.0
"""Lips move about this much before they sound; a remedy aims at it."""

Box = NDArray[np.float32]


def check_face_share(
    valid: NDArray[np.bool_], times: NDArray[np.float64]
) -> tuple[list[Finding], dict[str, Any]]:
    """In how much of the clip the face is seen, and how long it is lost at most.

    Args:
        valid: [T] whether the face is seen.
        times: [T] seconds.
    """
    share, ends = float(valid.mean()), frame_ends(times)
    gaps = [
        (float(ends[stop - 1] - times[start]), float(times[start] - times[0])) for start, stop in runs(~valid)
    ]
    longest, at = max(gaps, default=(0.0, 0.0))
    facts = {
        "face_share": round(share, 4),
        "longest_loss_seconds": round(longest, 3),
        "longest_loss_at": round(at, 3) if gaps else None,
    }
    text = f"seen in {share:.1%} of the frames"
    level = "refused" if share < LEAST_FACE_SHARE else "ok" if share == 1 else "note"
    fix = {"ok": "", "note": "Nothing: the last good track is held there"}.get(
        level, "Cut the clip to a part where the face is seen"
    )
    found = [Finding(level, "face share", text, fix)]  # type: ignore[arg-type]
    if longest > LONGEST_LOSS_SECONDS:
        found.append(
            Finding(
                "refused",
                "face loss",
                f"lost for {longest:.2f} s at {at:.2f} s, {LONGEST_LOSS_SECONDS:g} s are allowed",
                "Cut the clip to a part where the face is seen",
            )
        )
    elif gaps:
        found.append(
            Finding(
                "note", "face loss", f"lost for {longest:.2f} s at most, at {at:.2f} s", "Nothing: bridged"
            )
        )
    else:
        found.append(Finding("ok", "face loss", "never lost"))
    return found, facts


def check_face_size(box: Box, size: tuple[int, int]) -> tuple[list[Finding], dict[str, Any]]:
    """How large the face is, and whether it stays in the picture.

    Args:
        box: [N, 4] of the frames that show it, pixels.
        size: width and height of the picture.
    """
    width = float(np.median(box[:, 2] - box[:, 0]))
    share = float(np.median(box[:, 3] - box[:, 1])) / min(size)
    outside = float(((box[:, :2] < 0).any(axis=1) | (box[:, 2:] > np.array(size)).any(axis=1)).mean())
    facts = {
        "face_pixels": round(width, 1),
        "face_side_share": round(share, 4),
        "face_outside_share": round(outside, 4),
    }
    text = f"{width:.0f} pixels wide, {share:.0%} of the picture's shorter side"
    if width < SMALL_PIXELS or share < SMALL_SIDE_SHARE:
        found = [Finding("warning", "face size", f"small: {text}", "Use a closer shot or a larger copy")]
    elif width < LARGE_PIXELS:
        found = [
            Finding(
                "note",
                "face size",
                text,
                f"A 512x512 clip of it is enlarged {LARGE_PIXELS / width:.1f}x; take a larger copy if there is one",
            )
        ]
    else:
        found = [Finding("ok", "face size", text)]
    if outside > LEAST_FACE_SHARE / 10:
        found.append(
            Finding(
                "warning",
                "face border",
                f"the picture's border cuts the face in {outside:.0%} of the frames",
                "Use a wider shot or crop",
            )
        )
    return found, facts


def second_faces(faces: Mapping[int, Sequence[Box]], frames: int, every: int) -> NDArray[np.bool_]:
    """[T] where a second face of counting size is there.

    Args:
        faces: boxes [4] of all faces, largest first, by number of the frame looked at.
        frames: T.
        every: distance of the frames looked at; what is seen in one holds for those up to its neighbours.
    """
    flags = np.zeros(frames, np.bool_)
    for at, boxes in faces.items():
        areas = [float(np.prod(np.maximum(box[2:] - box[:2], 0))) for box in boxes]
        if len(areas) > 1 and areas[1] >= SECOND_FACE_AREA * areas[0]:
            flags[max(0, at - every + 1) : at + every] = True
    return flags


def check_face_count(
    faces: Mapping[int, Sequence[Box]], second: NDArray[np.bool_]
) -> tuple[Finding, dict[str, Any]]:
    """How many faces there are; `faces` and `second` as in and from `second_faces`."""
    most = max((len(boxes) for boxes in faces.values()), default=0)
    counted = sum(bool(second[at]) and len(faces[at]) > 1 for at in faces)
    share = counted / max(1, len(faces))
    facts = {"most_faces": most, "second_face_share": round(share, 4)}
    if second.mean() > SECOND_FACE_SHARE:
        text = f"a second large face in {share:.0%} of the frames"
        return Finding("refused", "faces", text, "Cut or crop the clip to one face"), facts
    if counted > 1:  # one alone is a false detection more often than a person
        text = f"one; another large one passes in {share:.0%} of the frames"
        return Finding("note", "faces", text, "Nothing: the main face is followed"), facts
    return Finding("ok", "faces", "one" if most < 2 else "one; others are small or seen once"), facts


def check_cuts(cuts: Sequence[int], times: NDArray[np.float64]) -> tuple[Finding, dict[str, Any]]:
    """Whether there is more than one shot."""
    at = [float(times[frame] - times[0]) for frame in cuts]
    facts = {"cuts": [round(value, 3) for value in at]}
    if not cuts:
        return Finding("ok", "cuts", "none"), facts
    shown = ", ".join(f"{value:.2f}" for value in at[:5]) + (", ..." if len(at) > 5 else "")
    text = f"{len(cuts)} cut{'s' if len(cuts) > 1 else ''}, at {shown} s"
    return Finding("refused", "cuts", text, "Cut the clip to one shot"), facts


def check_stretch(stretch: Stretch | None, seconds: float) -> tuple[Finding, dict[str, Any]]:
    """What part of the clip, `seconds` long, may be used: see `data.stretch` for the rule."""
    if stretch is None:
        return (
            Finding(
                "refused",
                "usable",
                f"no {MIN_SECONDS:g} s without a cut and with exactly one face",
                "Crop it to one face, or use another clip",
            ),
            {"usable": None},
        )
    facts = {"usable": {"start": round(stretch.start_seconds, 3), "end": round(stretch.end_seconds, 3)}}
    if stretch.whole:
        return Finding("ok", "usable", "the whole clip"), facts
    return (
        Finding(
            "refused",
            "usable",
            f"{stretch.seconds:.2f} of {seconds:.2f} s are one shot of one face",
            f"Cut to start={stretch.start_seconds:.3f} end={stretch.end_seconds:.3f} (manifest columns)",
        ),
        facts,
    )


def check_lip_sync(sync: LipSync) -> Finding:
    """What the lag between lips and sound means for the clip."""
    if sync.verdict == "too short to say":
        return Finding("note", "lip sync", "too short to say: 8 s of a face with sound are needed to be sure")
    measured = f"correlation {sync.correlation:.2f}, by chance {sync.chance:.2f}, p = {sync.p_value:.3f}"
    if sync.verdict == "no reliable link":
        return Finding(
            "warning",
            "lip sync",
            f"no reliable link between lips and sound (best at {sync.lag_frames:+d} frames; {measured})",
            "Look whether the sound is the right one; else drive the expression from the reference only",
        )
    late = f"sound {abs(sync.offset_ms or 0):.0f} ms {'after' if (sync.offset_ms or 0) >= 0 else 'before'} the lips"
    if sync.verdict == "in sync":
        return Finding("ok", "lip sync", f"in sync: {late} ({sync.lag_frames:+d} frames; {measured})")
    shift = (NATURAL_MS - (sync.offset_ms or 0)) / 1000
    return Finding(
        "warning",
        "lip sync",
        f"offset of {sync.lag_frames:+d} frames: {late} ({measured})",
        f"Shift the sound: `ffmpeg -i IN -itsoffset {shift:.3f} -i IN -map 0:v -map 1:a -c:v copy OUT.mp4`",
    )
