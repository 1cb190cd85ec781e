"""What a video file really holds, found by decoding it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from t2m_bench.core.errors import AudioError
from t2m_bench.media.announced import exact, frame_rate
from t2m_bench.media.audio import audio_stream, decode_audio
from t2m_bench.media.container import decode_video, open_media, shown_for, video_stream
from t2m_bench.media.picture import Orientation, orientation_of

_GRID_TOLERANCE = Fraction(1, 10)


@dataclass(frozen=True)
class MediaInfo:
    """Facts of one video file."""

    path: Path
    """The file."""
    width: int
    """Pixels, as shown (after rotation)."""
    height: int
    """Pixels, as shown (after rotation)."""
    frames: int
    """Number of frames that decode."""
    fps: float
    """Average frames per second; 0.0 if a single frame gives no hint."""
    constant_fps: bool
    """True when every timestamp lies within a tenth of a frame of a constant rate."""
    video_seconds: float
    """From the first frame's time to the end of the last."""
    codec: str
    """Video codec, as `h264`."""
    pixel_format: str
    """As stored, as `yuv420p`."""
    rotation: int
    """Clockwise turn in degrees that showing the picture needs: 0, 90, 180 or 270. Reading applies it."""
    pixel_aspect: float
    """Width of a pixel over its height; reading does not correct it."""
    has_audio: bool
    """True when there is a sound stream."""
    audio_rate: int
    """Samples per second, 0 without sound."""
    audio_channels: int
    """Number of channels, 0 without sound."""
    audio_seconds: float
    """Duration of the sound that decodes, from its own first sample; 0.0 without sound."""
    start_offset: float
    """Start of the sound minus start of the picture in seconds: positive when the sound starts late."""
    metadata: dict[str, str] = field(default_factory=dict, hash=False)
    """Container tags, keys in lower case."""


def probe(path: Path) -> MediaInfo:
    """Decode a video once and say what is in it.

    Raises:
        VideoError: missing, empty or unreadable file, no video, no frame, or fewer frames than announced; the sentence
            says which.
    """
    path = Path(path)
    with open_media(path) as container:
        stream = video_stream(container, path)
        stated = frame_rate(stream)
        codec, pixels = stream.codec_context.name, stream.codec_context.pix_fmt or "unknown"
        aspect = stream.sample_aspect_ratio
        metadata = {key.lower(): value for key, value in container.metadata.items()}
    times: list[Fraction] = []
    orientation, size, tick = Orientation(), (0, 0), Fraction(0)
    for timed in decode_video(path):
        if not times:
            orientation = orientation_of(timed.frame)
            size = (timed.frame.width, timed.frame.height)
            tick = exact(timed.frame.time_base)
            pixels = timed.frame.format.name
        times.append(timed.time)
    fps, constant = rate_of(times, stated, tick)
    gap = times[-1] - times[-2] if len(times) > 1 else Fraction(0)
    last = shown_for(timed, gap, 1 / fps if fps else Fraction(0))
    audio = _probe_audio(path)
    return MediaInfo(
        path=path,
        width=size[1] if orientation.transpose else size[0],
        height=size[0] if orientation.transpose else size[1],
        frames=len(times),
        fps=float(fps),
        constant_fps=constant,
        video_seconds=float(times[-1] + last - times[0]),
        codec=codec,
        pixel_format=pixels,
        rotation=orientation.degrees,
        pixel_aspect=float(exact(aspect)) or 1.0,
        has_audio=audio is not None,
        audio_rate=audio.rate if audio else 0,
        audio_channels=audio.channels if audio else 0,
        audio_seconds=float(audio.end - audio.start) if audio else 0.0,
        start_offset=float(audio.start - times[0]) if audio and audio.end > audio.start else 0.0,
        metadata=metadata,
    )


def rate_of(times: Sequence[Fraction], stated: Fraction | None, tick: Fraction) -> tuple[Fraction, bool]:
    """Average rate of frames at `times` (seconds), and whether it is constant.

    The rate is (T - 1) / (last - first). The container's `stated` rate is preferred where it agrees to one in a
    thousand, since containers with coarse ticks (Matroska: 1 ms) cannot tell 29.97 from 29.97003. It is constant
    when each time lies within a tenth of a frame, or one and a half ticks, of the even grid.
    """
    if len(times) < 2 or times[-1] <= times[0]:
        return stated or Fraction(0), len(times) == 1
    measured = (len(times) - 1) / (times[-1] - times[0])
    slack = max(Fraction(3, 2) * tick, _GRID_TOLERANCE / measured)
    even = all(abs(time - times[0] - index / measured) <= slack for index, time in enumerate(times))
    # Ends that are a tick off weigh more the shorter the clip.
    agreement = max(Fraction(1, 1000), 2 * tick / (times[-1] - times[0]))
    agrees = stated is not None and abs(stated - measured) <= measured * agreement
    return (stated if agrees and stated else measured), even


@dataclass(frozen=True)
class _AudioFacts:
    rate: int
    channels: int
    start: Fraction
    end: Fraction


def _probe_audio(path: Path) -> _AudioFacts | None:
    """Facts of the sound as far as it decodes; reading it is where damage is reported."""
    with open_media(path) as container:
        if not container.streams.audio:
            return None
        start = end = None
        rate = channels = 0
        try:
            stream = audio_stream(container, path)
            rate, channels = (
                int(stream.codec_context.sample_rate or 0),
                int(stream.codec_context.channels or 0),
            )
            for time, samples, rate in decode_audio(container, stream, path):
                start = time if start is None else start
                end = max(end or time, time + Fraction(len(samples), rate))
        except AudioError:
            return _AudioFacts(rate, channels, start or Fraction(0), end or start or Fraction(0))
        return _AudioFacts(rate, channels, start or Fraction(0), end or start or Fraction(0))
