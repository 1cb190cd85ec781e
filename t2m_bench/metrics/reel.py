"""`VideoReel`: a video file, with the sound beside it or in it, as metrics see it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.digest import digest_of, file_sha256
from t2m_bench.media import audio, picture, video
from t2m_bench.media.announced import frame_rate
from t2m_bench.media.audio import read_audio
from t2m_bench.media.container import open_media, video_stream
from t2m_bench.media.video import iter_frames, resize_frames

_READERS = (audio, picture, video)
"""The modules whose code decides what the same files give."""


class VideoReel:
    """The frames of a video in their order; implements `core.metric.Reel`.

    Args:
        path: the video file.
        sound: file with its sound; the video's own if None.

    Raises:
        VideoError: it cannot be opened, or holds no pictures.
    """

    def __init__(self, path: Path, sound: Path | None = None) -> None:
        self.path = Path(path)
        self._sound = sound or self.path
        with open_media(self.path) as container:
            stream = video_stream(container, self.path)
            self._fps = float(frame_rate(stream) or 0)
        frame = next(iter_frames(self.path, stop=1))  # as shown: rotated
        self._size = (frame.shape[1], frame.shape[0])

    @property
    def fps(self) -> float:
        """Frames per second by the header; 0.0 where it does not say."""
        return self._fps

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as shown."""
        return self._size

    @cached_property
    def digest(self) -> str:
        """Hash of the files' bytes and of the code that reads them."""
        return digest_of(
            {
                "code": [
                    file_sha256(Path(path)) for path in (__file__, *(str(m.__file__) for m in _READERS))
                ],
                "video": file_sha256(self.path),
                "sound": None if self._sound == self.path else file_sha256(self._sound),
            },
            length=32,
        )

    def frames(self, size: tuple[int, int] | None = None) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames [H, W, 3] uint8 RGB, resized by antialiased bicubic to `size` (width, height)."""
        for frame in iter_frames(self.path):
            yield frame if size is None else resize_frames(frame[None], size)[0]

    def audio(self, rate: int = 16000) -> NDArray[np.float32]:
        """The sound from the first frame on, [S] float32 in [-1, 1].

        Raises:
            AudioMissing: there is none.
        """
        return read_audio(self._sound, rate)
