"""`ClipFootage`: a stretch of a clip, decoded on demand, the person composited on white."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.clip import Clip
from t2m_bench.core.digest import digest_of, file_sha256
from t2m_bench.core.errors import UsageError
from t2m_bench.core.track import Track
from t2m_bench.media import audio, picture, video
from t2m_bench.media.audio import cut_audio, read_audio
from t2m_bench.media.video import iter_frames, iter_gray, resize_frames
from t2m_bench.tracking import matting
from t2m_bench.tracking.matting import composite

_WHITE = 255
_MAKERS = (audio, picture, video, matting)
"""The modules whose code decides what the same files give; this one beside them."""


class ClipFootage:
    """Frames `start` to `stop` (exclusive) of a clip; implements `core.subject.Footage`.

    Args:
        clip: the prepared clip.
        track: of the whole clip, with its matte if the person is to be cut out.
        start: first frame.
        stop: one past the last frame.

    Raises:
        UsageError: `start` to `stop` is no range of the track.
    """

    def __init__(self, clip: Clip, track: Track, start: int, stop: int) -> None:
        if not 0 <= start < stop <= len(track):
            raise UsageError(f"frames {start} to {stop} are no part of the {len(track)} frames of {clip.id}")
        self._clip = clip
        self._matte = track.matte
        self._start, self._stop = start, stop
        self._track = track.part(start, stop)
        self._sound: dict[int, NDArray[np.float32]] = {}

    @property
    def clip_id(self) -> str:
        """Of the clip."""
        return self._clip.id

    @property
    def start(self) -> int:
        """First frame, counted from the start of the clip."""
        return self._start

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self._clip.fps

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the clip, pixels."""
        return self._clip.width, self._clip.height

    @property
    def track(self) -> Track:
        """Of this stretch."""
        return self._track

    def __len__(self) -> int:
        return self._stop - self._start

    @cached_property
    def digest(self) -> str:
        """Hash of everything that decides the frames, the track and the sound of this stretch."""
        return digest_of(
            {
                "code": [file_sha256(Path(path)) for path in (__file__, *(str(m.__file__) for m in _MAKERS))],
                "video": self._clip.sha256,
                "sound": _file_hash(self._clip.audio),
                "matte": _file_hash(self._matte),
                "track": track_digest(self._track),
                "range": [self._start, self._stop],
                "fps": self.fps,
            },
            length=32,
        )

    def frames(self, size: tuple[int, int] | None = None) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames [H, W, 3] uint8 RGB on white; one is held at a time.

        Args:
            size: width and height; the clip's own if None. Resized by antialiased bicubic, after compositing.
        """
        for frame in self._on_white():
            yield frame if size is None else resize_frames(frame[None], size)[0]

    def _on_white(self) -> Iterator[NDArray[np.uint8]]:
        frames = iter_frames(self._clip.video, start=self._start, stop=self._stop)
        if self._matte is None:
            yield from frames
            return
        mattes = islice(iter_gray(self._matte), self._start, self._stop)
        for frame, matte in zip(frames, mattes, strict=True):
            yield composite(frame, matte, _WHITE)

    def audio(self, rate: int = 16000) -> NDArray[np.float32]:
        """The sound of this stretch, [S] float32 in [-1, 1], S = frames * rate / fps; silence where it is missing."""
        if rate not in self._sound:
            whole = read_audio(self._clip.sound, rate)
            self._sound[rate] = cut_audio(whole, rate, self._start, len(self), self.fps)
        return self._sound[rate].copy()


def track_digest(track: Track) -> str:
    """Hash of the numbers of a track, whatever file they came from."""
    total = hashlib.sha256()
    for array in (track.landmarks, track.blendshapes, track.pose, track.ear, track.box, track.valid):
        total.update(np.ascontiguousarray(array).tobytes())
    return digest_of([total.hexdigest(), list(track.size), track.fps, track.fov_deg, track.source], length=32)


def _file_hash(path: Path | None) -> str | None:
    return None if path is None else file_sha256(path)
