"""`syncnet_legacy`: the public SyncNet pipeline step for step, quirks included.

What it does that nobody would ask for:

- The picture goes through MPEG-4, JPEG, the crop, MPEG-4 and JPEG again before the network sees it; the last JPEGs
  have the encoder's default quality, which is whatever 200 kbit/s leave, and so depends on the frames before.
- A track needs more than 100 detections (not frames), a shot at least 100 frames, and a face more than 100 pixels as
  the larger of mean width and mean height.
- A track looks at the best face of each frame only: where two people are seen, frames in which the other one has the
  higher confidence count as gaps.
- Boxes are smoothed by a median of 13 with zeros beyond the ends: the first and last 6 crops lie too far to the upper
  left and are too small.
- Crop corners are cut off to whole pixels, not rounded, and a face at the edge is filled up with grey 110.
- Pictures go in as BGR from 0 to 255, MFCC are made of 16-bit samples, each track from its own stretch of sound.
- Of n frames n - 5 windows are used.
- The sound is padded with 15 zero embeddings at both ends, and distances to those count in the means.
- LSE-D is the least of 31 mean distances and LSE-C the median minus it, so that a constant offset costs nothing.

Where it differs: pictures come from this program at the recipe's size and are taken for an RGB file, so that a file's
own colour matrix is honoured once, by the reader; the encoders run with one thread; now and then one of the last
JPEGs gets the next quantiser, for rate control counts bytes and encoder versions order codes of equal length in
another way; and sound and picture start together. (`syncnet-python`, given one file with both, delays the picture by
one or two frames: its AVI holds MP3, whose encoder delay moves the picture, but the sound is taken from the original.)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from t2m_bench.core import assets
from t2m_bench.core.errors import MetricError
from t2m_bench.core.metric import Arrays, Maker, Reel
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.sync_codecs import Jpeg, Mpeg4, bgr_of, frames_of
from t2m_bench.metrics.sync_curves import Seen, Track, pack
from t2m_bench.metrics.sync_faces import (
    Boxes,
    Detect,
    FaceTrack,
    crop,
    load_detector,
    published_tracks,
    smoothed_with_zeros,
    squares,
)
from t2m_bench.metrics.syncnet import (
    FPS,
    RATE,
    SAMPLES,
    SIDE,
    WINDOW,
    Embedder,
    LipReader,
    distances,
    load_syncnet,
    mfcc,
    versions,
)

LEGACY_VERSION = 1
"""Raised when the same video would give other distances."""
MIN_TRACK = 100
"""Frames of a shot at least; detections of a track must be more."""
MIN_SIDE = 100
"""Pixels that a face must exceed."""
NETWORK, DETECTOR = "syncnet", "sfd_face"

_LIBRARIES = ("syncnet-python", "scenedetect", "python_speech_features", "opencv-contrib-python", "av")


class SyncNetLegacy:
    """Distances of lips and sound as the public pipeline has them."""

    name = "syncnet_legacy"
    assets = (NETWORK, DETECTOR)

    def key(self, recipe: Recipe) -> Mapping[str, Any]:
        """The models, the libraries, and this module's version."""
        return model_key(recipe, LEGACY_VERSION, _LIBRARIES)

    @contextmanager
    def open(self, recipe: Recipe) -> Iterator[Maker]:
        """Detector and network with the recipe's models.

        Raises:
            AssetError, AssetMissing: a model file is missing, or is not the one that the recipe names.
            DependencyError: `syncnet-python` or a library of it cannot be loaded.
        """
        detect, embedder = load_models(recipe)
        with ExitStack() as stack:

            def make(reel: Reel) -> LegacyExtractor:
                folder = Path(stack.enter_context(TemporaryDirectory(prefix="t2m-syncnet-")))
                return LegacyExtractor(sound_of(reel), detect, embedder, folder)

            yield make


def model_key(recipe: Recipe, version: int, libraries: tuple[str, ...]) -> Mapping[str, Any]:
    """What decides distances beside the video."""
    return {
        "version": version,
        NETWORK: recipe.asset_hash(NETWORK),
        DETECTOR: recipe.asset_hash(DETECTOR),
        "libraries": versions(libraries),
    }


def load_models(recipe: Recipe) -> tuple[Detect, Embedder]:
    """The detector and the network that the recipe means.

    Raises:
        AssetError, AssetMissing, DependencyError: as `Feature.open`.
    """
    for name in (NETWORK, DETECTOR):
        recipe.check_asset(assets.get(name))
    network, detector = (assets.resolve(name) for name in (NETWORK, DETECTOR))
    return load_detector(detector), load_syncnet(network)


def sound_of(reel: Reel) -> NDArray[np.float32]:
    """The sound at 16 kHz, [S].

    Raises:
        MetricError: the video does not run at 25 frames a second.
        AudioMissing, AudioError: it has no sound that can be decoded.
    """
    if reel.fps and abs(reel.fps - FPS) > 1e-3 * FPS:
        raise MetricError(
            f"SyncNet sees {FPS} frames a second, this video runs at {reel.fps:g}",
            hint=f"Make the video at {FPS} frames a second",
        )
    return reel.audio(RATE)


class LegacyExtractor:
    """Writes each frame as the pipeline's JPEG and looks for faces in it; crops and embeds when all are there.

    Args:
        sound: at 16 kHz, [S].
        detect: finds faces.
        embedder: the network.
        folder: empty, for files that the caller removes.
        min_track: frames, see `MIN_TRACK`.
    """

    def __init__(
        self,
        sound: NDArray[np.float32],
        detect: Detect,
        embedder: Embedder,
        folder: Path,
        *,
        min_track: int = MIN_TRACK,
    ) -> None:
        self._sound, self._detect, self._embedder = sound, detect, embedder
        self._folder, self._min_track = folder, min_track
        self._codec: Mpeg4 | None = None
        self._detections: list[Boxes] = []

    def add(self, frames: NDArray[np.uint8]) -> None:
        """Take frames [B, H, W, 3].

        Raises:
            MetricError: the disk is full.
        """
        if self._codec is None:
            size = (frames.shape[2], frames.shape[1])
            self._codec, self._jpeg, self._shots = Mpeg4(size), Jpeg(size, fixed=True), Shots(size)
        for picture in frames:
            for decoded in self._codec.add(picture):
                self._look(decoded)

    def finish(self) -> Arrays:
        """Distances of all tracks, see `sync_curves`."""
        if self._codec is None:
            return pack([], Seen())
        for decoded in self._codec.finish():
            self._look(decoded)
        shots = self._shots.finish()
        seen = Seen(
            frames=len(self._detections),
            with_face=sum(len(boxes) > 0 for boxes in self._detections),
            longest_shot=max(end - begin for begin, end in shots),
        )
        found = []
        for face in self._tracks(shots, seen):
            track = self._measured(face)
            if track is None:
                seen.soundless += 1
            else:
                found.append(track)
        return pack(found, seen)

    def _look(self, frame: av.VideoFrame) -> None:
        import cv2

        self._shots.add(frame)
        path = self._file(len(self._detections))
        try:
            path.write_bytes(self._jpeg.encode(frame))
        except OSError as error:
            raise _no_room(error) from error
        picture = cv2.imread(os.fspath(path))
        self._detections.append(self._detect(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)))  # type: ignore[arg-type]

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:06d}.jpg"

    def _tracks(self, shots: list[tuple[int, int]], seen: Seen) -> Iterator[FaceTrack]:
        for begin, end in shots:
            if end - begin < self._min_track:
                continue
            for track in published_tracks(self._detections[begin:end], begin):
                seen.of_track(track.detections, track.side)
                if track.detections > self._min_track and track.side > MIN_SIDE:
                    yield track

    def _measured(self, face: FaceTrack) -> Track | None:
        """None where there is too little sound."""
        length = len(face.boxes)
        sound = self._sound[face.first * SAMPLES : (face.first + length) * SAMPLES]
        count = min(length, len(sound) // SAMPLES) - WINDOW
        if count < 1:
            return None
        reader, jpeg = LipReader(self._embedder), Jpeg((SIDE, SIDE), fixed=False)
        for frame in frames_of(self._cropped(face)):
            reader.add(_decoded(jpeg.encode(frame)))
        heard = self._embedder.sound(mfcc(sound, padded=True))
        return Track(face.first, length, distances(reader.finish()[:count], heard[:count], padded=True))

    def _cropped(self, face: FaceTrack) -> Path:
        """A video of the face."""
        import cv2

        path = self._folder / "face.avi"
        fourcc = cv2.VideoWriter.fourcc(*"XVID")
        writer = cv2.VideoWriter(os.fspath(path), fourcc, FPS, (SIDE, SIDE))
        try:
            if not writer.isOpened():
                raise MetricError(
                    "OpenCV cannot write MPEG-4 video here", hint="Install opencv-contrib-python"
                )
            for number, square in enumerate(smoothed_with_zeros(squares(face.boxes)), face.first):
                picture = cv2.imread(os.fspath(self._file(number)))
                assert picture is not None, "it was read before"
                writer.write(crop(picture, square))  # type: ignore[arg-type]
        finally:
            writer.release()
        return path


class Shots:
    """Stretches between cuts, as PySceneDetect's content detector has them.

    Args:
        size: width and height of the pictures.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        from scenedetect import ContentDetector
        from scenedetect.scene_manager import compute_downscale_factor

        factor = compute_downscale_factor(max(size))
        self._size = tuple(max(1, round(side / factor)) for side in size) if factor > 1 else None
        self._detector: Any = ContentDetector()
        self._cuts: set[int] = set()
        self._count = 0

    def add(self, frame: av.VideoFrame) -> None:
        """The next picture."""
        import cv2

        picture: Any = bgr_of(frame)
        if self._size is not None:
            picture = cv2.resize(picture, self._size, interpolation=cv2.INTER_LINEAR)
        self._cuts.update(map(int, self._detector.process_frame(self._count, picture)))
        self._count += 1

    def finish(self) -> list[tuple[int, int]]:
        """First frame of each shot, and the one after its last."""
        self._cuts.update(map(int, self._detector.post_process(self._count)))
        ends = [0, *sorted(self._cuts), self._count]
        return list(pairwise(ends))


def _decoded(file: bytes) -> NDArray[np.uint8]:
    import cv2

    return np.asarray(cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def _no_room(error: OSError) -> MetricError:
    return MetricError(
        f"The pipeline's pictures could not be written to a temporary folder ({error.strerror or error})",
        hint="Make room, or name another folder in TMPDIR",
    )
