"""`Clip`: one prepared talking-head video and what is known about it without decoding it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Clip:
    """One prepared talking-head video.

    Prepared means: constant 25 fps, the head inside the frame, centre of projection in the middle. The sound is
    in `audio` where a dataset brings a separate file, else in the video.
    """

    id: str
    """Unique within the dataset; also the name of its result folder."""
    dataset: str
    """Name of the dataset card."""
    speaker: str
    """Who speaks; clips of one speaker are never independent samples."""
    language: str
    """BCP 47 tag of what is spoken (`en`, `cmn`), or `und`."""
    video: Path
    """The video file."""
    fps: float
    """Frames per second."""
    frames: int
    """Number of frames that decode."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    sha256: str
    """Of the video file, as 64 hex digits."""
    audio: Path | None = None
    """Separate sound file, or None when the video carries the sound."""
    license: str = "unknown"
    """Licence of the material."""
    synthetic: bool = False
    """True when no person was filmed: shown wherever the clip appears."""
    matted: bool = False
    """True when the background is already white."""
    track: Path | None = None
    """Ground-truth track file that the dataset brings (`Track.save` layout), or None."""
    fov_deg: float = 20.0
    """Vertical field of view assumed for this clip's camera, degrees."""

    @property
    def sound(self) -> Path:
        """The file that holds the sound."""
        return self.audio or self.video

    @property
    def seconds(self) -> float:
        """Duration of the picture in seconds."""
        return self.frames / self.fps
