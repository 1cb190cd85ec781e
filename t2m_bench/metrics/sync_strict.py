"""`syncnet_strict`: SyncNet on what is really in the video.

The same network, detector and crop as the public pipeline, but: faces are cut from the decoded frames without
another codec; every window that has a picture and a sound is used and no other, nothing is padded; boxes are smoothed
over the frames there are; the sound is taken as a whole, so that a track hears what comes before and after it. A
track needs 44 frames: 25 windows even at the largest shift. Faces are looked for in every fifth frame and in
the first after a cut, for they do not move faster than that, and must exceed 64 pixels, the least that
the detector knows.

Frames stream through a ring that is as long as the longest gap of a track and half the filter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.metric import Arrays, Maker, Reel
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.sync_curves import Seen, Track, pack
from t2m_bench.metrics.sync_faces import MAX_GAP, SMOOTHING, Boxes, Detect, crop, same_face, squares
from t2m_bench.metrics.sync_legacy import DETECTOR, NETWORK, load_models, model_key, sound_of
from t2m_bench.metrics.syncnet import (
    SHIFTS,
    WINDOW,
    Embedder,
    Embeddings,
    LipReader,
    distances,
    mfcc,
)

STRICT_VERSION = 1
"""Raised when the same video would give other distances."""
LEAST_WINDOWS = 25
"""At every shift."""
MIN_FRAMES = LEAST_WINDOWS + SHIFTS + WINDOW - 1
"""Of a track."""
MIN_SIDE = 64
"""Of a face, pixels: the smallest anchor of the detector is 16 at a quarter of the size."""
EVERY = 5
"""Frames from one look for faces to the next."""
CUT = 30.0
"""Levels by which neighbouring frames must differ on average to belong to two shots."""

_LIBRARIES = ("syncnet-python", "python_speech_features", "opencv-contrib-python")
_HALF = SMOOTHING // 2


class SyncNetStrict:
    """Distances of lips and sound without loss and padding."""

    name = "syncnet_strict"
    assets = (NETWORK, DETECTOR)

    def key(self, recipe: Recipe) -> Mapping[str, Any]:
        """The models, the libraries, and this module's version."""
        return model_key(recipe, STRICT_VERSION, _LIBRARIES)

    @contextmanager
    def open(self, recipe: Recipe) -> Iterator[Maker]:
        """Detector and network with the recipe's models.

        Raises:
            AssetError, AssetMissing: a model file is missing, or is not the one that the recipe names.
            DependencyError: `syncnet-python` or a library of it cannot be loaded.
        """
        detect, embedder = load_models(recipe)

        def make(reel: Reel) -> StrictExtractor:
            return StrictExtractor(sound_of(reel), detect, embedder)

        yield make


class LiveTrack:
    """A face while its frames stream by.

    Args:
        first: frame in which it was found.
        box: there, [4] at least.
        embedder: of lips.
    """

    def __init__(self, first: int, box: NDArray[np.float64], embedder: Embedder) -> None:
        self.first, self.reader = first, LipReader(embedder, MIN_FRAMES)
        self._boxes: deque[NDArray[np.float64]] = deque([box[:4]])  # of the frames from `_from` on
        self._from = first
        self._sides = np.zeros(2)
        self.next = first
        """First frame that is not cropped yet."""

    @property
    def last(self) -> int:
        """Last frame whose box is known."""
        return self._from + len(self._boxes) - 1

    @property
    def side(self) -> float:
        """The larger of mean width and mean height of what was cropped, pixels."""
        return float(self._sides.max()) / max(1, self.reader.frames)

    def fits(self, box: NDArray[np.float64]) -> bool:
        """Whether a box is the same face."""
        return same_face(self._boxes[-1], box)

    def extend(self, frame: int, box: NDArray[np.float64]) -> None:
        """Found again at `frame`: boxes between are laid on a line."""
        last, begin = self._boxes[-1], self.last
        for number in range(begin + 1, frame + 1):
            share = (number - begin) / (frame - begin)
            self._boxes.append(last + share * (box[:4] - last))

    def stay(self, frame: int) -> None:
        """Not looked for up to `frame`: it is where it was."""
        self._boxes.extend([self._boxes[-1]] * (frame - self.last))

    def crop_until(self, end: int, pictures: Mapping[int, NDArray[np.uint8]]) -> None:
        """Show the reader the frames before `end`."""
        while self.next < end:
            low = max(self._from, self.next - _HALF)
            boxes = [self._boxes[n - self._from] for n in range(low, min(self.last, self.next + _HALF) + 1)]
            square = np.median(squares(np.stack(boxes)), axis=0)
            self.reader.add(crop(pictures[self.next][..., ::-1], square))
            box = self._boxes[self.next - self._from]
            self._sides += box[2:] - box[:2]
            self.next += 1
            while self._from < self.next - _HALF:
                self._boxes.popleft()
                self._from += 1


class StrictExtractor:
    """Crops and embeds faces as frames come.

    Args:
        sound: at 16 kHz, [S].
        detect: finds faces.
        embedder: the network.
    """

    def __init__(self, sound: NDArray[np.float32], detect: Detect, embedder: Embedder) -> None:
        self._sound, self._detect, self._embedder = sound, detect, embedder
        self._ring: dict[int, NDArray[np.uint8]] = {}
        self._live: list[LiveTrack] = []
        self._found: list[tuple[int, int, Embeddings]] = []  # first frame, frames, lips
        self._seen = Seen()
        self._count = self._shot = 0
        self._thumb: NDArray[np.int16] | None = None

    def add(self, frames: NDArray[np.uint8]) -> None:
        """Take frames [B, H, W, 3]."""
        for picture in frames:
            self._one(picture)

    def finish(self) -> Arrays:
        """Distances of all tracks, see `sync_curves`."""
        self._end_shot()
        heard = self._embedder.sound(mfcc(self._sound, padded=False))
        tracks = []
        for first, length, lips in sorted(self._found, key=lambda found: found[:2]):
            rows = distances(lips, heard, first, padded=False)
            if np.isfinite(rows).sum(axis=0).min() < LEAST_WINDOWS:
                self._seen.soundless += 1
            else:
                tracks.append(Track(first, length, rows))
        return pack(tracks, self._seen)

    def _one(self, picture: NDArray[np.uint8]) -> None:
        thumb = picture[::8, ::8].astype(np.int16)
        if self._thumb is not None and np.abs(thumb - self._thumb).mean() > CUT:
            self._end_shot()
        self._thumb = thumb
        number = self._count
        self._ring[number] = picture.copy()
        self._count += 1
        if (number - self._shot) % EVERY == 0:
            self._look(number, self._detect(picture))
        for track in [track for track in self._live if number - track.last >= MAX_GAP]:
            self._close(track)
        for track in self._live:
            track.crop_until(track.last - _HALF + 1, self._ring)
        needed = min((track.next for track in self._live), default=self._count)
        for old in [old for old in self._ring if old < needed]:
            del self._ring[old]

    def _look(self, number: int, boxes: Boxes) -> None:
        self._seen.frames += 1
        self._seen.with_face += bool(len(boxes))
        free = list(self._live)
        for box in boxes:
            match = next((track for track in free if track.fits(box)), None)
            if match is None:
                self._live.append(LiveTrack(number, box, self._embedder))
            else:
                free.remove(match)
                match.extend(number, box)

    def _end_shot(self) -> None:
        self._seen.longest_shot = max(self._seen.longest_shot, self._count - self._shot)
        for track in list(self._live):
            # Frames after the last look at which it was there.
            if self._count - 1 - track.last < EVERY:
                track.stay(self._count - 1)
            self._close(track)
        self._shot = self._count
        self._ring.clear()

    def _close(self, track: LiveTrack) -> None:
        self._live.remove(track)
        track.crop_until(track.last + 1, self._ring)
        self._seen.of_track(track.reader.frames, track.side)
        lips = track.reader.finish()
        if len(lips) and track.side > MIN_SIDE:
            self._found.append((track.first, track.reader.frames, lips))
