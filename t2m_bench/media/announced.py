"""What a container's header promises about a stream, so that a file cut short does not pass for a short one."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.container import InputContainer

# Demuxers whose stream durations come from a header; others estimate them from the bit rate or the file size.
_TRUSTED = ("mov", "avi", "aiff", "flac")


@dataclass(frozen=True)
class Announced:
    """A stream as its container's header describes it."""

    frames: int | None
    """Number of pictures, or None where nothing is said."""
    counted: bool
    """True when `frames` is written in the header, False when it follows from duration and rate."""
    end: Fraction | None
    """When the stream ends, seconds on the container's clock, or None."""
    slack: Fraction
    """By how many frame durations a whole file may end earlier than `end`."""
    cut: bool
    """True when the file has fewer bytes than its header says (Matroska, WAV and AVI)."""

    def lacks(self, frames: int, end: Fraction, step: Fraction) -> bool:
        """Whether pictures are missing when `frames` of them, `step` seconds each, decode up to `end`.

        A count alone proves nothing: an edit list may hide pictures that the header counts.
        """
        if self.frames is None:
            return self.cut
        short = self.end is not None and end < self.end - self.slack * step
        return frames < self.frames and (short or self.cut)


def announced(container: InputContainer, stream: Any, path: Path) -> Announced:
    """Read the promises for `stream` of the open `container`, the file at `path`."""
    matroska = "matroska" in container.format.name
    end = _tagged_end(stream) if matroska else _stated_end(container, stream)
    frames, counted = _stated_frames(stream), True
    rate = frame_rate(stream) if stream.type == "video" else None
    if frames is None and end is not None and rate is not None:
        start = (stream.start_time or 0) * exact(stream.time_base)
        frames, counted = max(0, round((end - start) * rate)), False
    # MP4 knows the duration of its last picture; Matroska and AVI take it for as long as the others.
    slack = Fraction(1, 2) if "mov" in container.format.name else Fraction(3, 2)
    return Announced(frames, counted, end, slack, is_cut(path))


def frame_rate(stream: Any) -> Fraction | None:
    """Frames per second as the container states them, or None."""
    for name in ("average_rate", "guessed_rate", "base_rate"):
        rate = exact(getattr(stream, name, None))
        if 0 < rate <= 1000:
            return rate
    return None


def exact(rational: Any) -> Fraction:
    """A PyAV rational as a Fraction; 0 where it is unset (PyAV gives None, or 0/1, by version)."""
    return Fraction(rational.numerator, rational.denominator) if rational else Fraction(0)


def _stated_frames(stream: Any) -> int | None:
    if stream.frames > 0:
        return int(stream.frames)
    for key, value in stream.metadata.items():
        if key.upper().startswith("NUMBER_OF_FRAMES") and value.strip().isdecimal():
            return int(value)
    return None


def _stated_end(container: InputContainer, stream: Any) -> Fraction | None:
    if not stream.duration or container.format.name.split(",")[0] not in _TRUSTED:
        return None
    return (int(stream.duration) + (stream.start_time or 0)) * exact(stream.time_base)


def _tagged_end(stream: Any) -> Fraction | None:
    """Matroska's statistics tag `DURATION`, `hh:mm:ss.fraction`, which counts from zero."""
    for key, value in stream.metadata.items():
        if key.upper().startswith("DURATION"):
            try:
                hours, minutes, seconds = value.strip().split(":")
                return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
            except (ValueError, ZeroDivisionError):
                return None
    return None


def is_cut(path: Path) -> bool:
    """Whether a Matroska, WAV or AVI file ends before the element that holds all of it does.

    Files of other formats, and those written as a stream without a size, count as whole.
    """
    with path.open("rb") as file:
        head = file.read(4096)
        size = file.seek(0, 2)
    if head[:4] == b"RIFF":
        length = int.from_bytes(head[4:8], "little")
        return length < 0xFFFFFFFF and 8 + length > size
    if head[:4] != b"\x1aE\xdf\xa3":
        return False
    header, at = _vint(head, 4)
    if header is None or head[at + header : at + header + 4] != b"\x18\x53\x80\x67":
        return False
    segment, at = _vint(head, at + header + 4)
    return segment is not None and at + segment > size


def _vint(data: bytes, at: int) -> tuple[int | None, int]:
    """EBML size at `at` and the offset behind it; None for the reserved value "unknown"."""
    if at >= len(data) or data[at] == 0:
        return None, at
    width = 9 - data[at].bit_length()
    mask = (1 << 7 * width) - 1
    value = int.from_bytes(data[at : at + width], "big") & mask
    return (None if value == mask else value), at + width
