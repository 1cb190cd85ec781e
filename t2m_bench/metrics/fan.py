"""Landmark distance with the detector of published figures; and the feature `fan_68`.

Settings are those of the `LMDMeter` class that ER-NeRF, SyncTalk and TalkingGaussian share: 8-bit RGB frames, S3FD on
the frame as it is, 2D FAN without the mirrored look, every frame on its own, and of several faces the last one that
the detector gives, which is the one it is least sure of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core import assets
from t2m_bench.core.errors import MetricError
from t2m_bench.core.metric import Arrays, Maker, Measured, Observed
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.infos import LMD_FAN_FACE, LMD_FAN_MOUTH
from t2m_bench.metrics.landmarks import centred_distance, of_frames
from t2m_bench.tracking.fan import ASSET, DETECTOR_ASSET, FanDetector

FAN_VERSION = 1
"""Raised when the same frame would give other points."""
POINTS = "points"
"""Name of the array: [T, 68, 2] pixels, NaN where no face was found."""
MOUTH = slice(48, 68)
"""Outer lip, then inner lip."""

Frame = NDArray[np.uint8]


class PublishedDetector(FanDetector):
    """As `FanDetector` with S3FD, but of several faces it takes the last one, as published figures do."""

    def __init__(self, device: str = "cpu", **paths: Any) -> None:
        super().__init__("sfd", device, flip=False, **paths)

    def points(self, frame: Frame, box: NDArray[np.floating] | None = None) -> NDArray[np.float32] | None:
        """The 68 points [68, 2] of the last face of a frame [H, W, 3], or None; of the face in `box` if given."""
        if box is not None:
            return super().points(frame, box)
        found = self._aligner.face_detector.detect_from_image(frame.copy())
        return self._aligned(frame, found[-1]) if len(found) else None


class FanPoints:
    """68 points of each frame; no frame sees another one."""

    name = "fan_68"
    assets = (ASSET, DETECTOR_ASSET)

    def key(self, recipe: Recipe) -> Mapping[str, Any]:
        """The models, the package, and this module's version."""
        return {
            "version": FAN_VERSION,
            "models": [recipe.asset_hash(name) for name in self.assets],
            "face-alignment": _package_version(),
        }

    @contextmanager
    def open(self, recipe: Recipe) -> Iterator[Maker]:
        """The two networks, as the recipe names them.

        Raises:
            AssetError, AssetMissing: a model file is missing, or is not the one that the recipe names.
            DependencyError: the package `face-alignment` cannot be loaded.
        """
        for name in self.assets:
            recipe.check_asset(assets.get(name))
        detector = PublishedDetector()
        yield lambda reel: FanExtractor(detector.points)


class FanExtractor:
    """Keeps what a detector says of each frame.

    Args:
        detect: gives the 68 points [68, 2] of a frame [H, W, 3] uint8, or None.
    """

    def __init__(self, detect: Callable[[Frame], NDArray[np.float32] | None]) -> None:
        self._detect = detect
        self._found: list[NDArray[np.float32] | None] = []

    def add(self, frames: Frame) -> None:
        """Look at frames [B, H, W, 3]."""
        self._found += [self._detect(frame) for frame in frames]

    def finish(self) -> Arrays:
        """`points` [T, 68, 2] in pixels, NaN where no face was found."""
        points = np.full((len(self._found), 68, 2), np.nan, np.float32)
        for index, face in enumerate(self._found):
            if face is not None:
                points[index] = face
        return {POINTS: points}


class FanMouthDistance:
    """`lmd@fan.mouth.px`."""

    info = LMD_FAN_MOUTH
    part = MOUTH

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Pixels a frame, NaN where either shows no face; facts count those frames.

        Raises:
            MetricError: no frame shows a face in both videos.
        """
        assert reference is not None, "LMD is a distance to a reference"
        sides = {}
        for observed, what in ((prediction, "frames of the prediction"), (reference, "real frames")):
            points = observed.features[FanPoints.name][POINTS]
            missing = int(np.isnan(points[:, 0, 0]).sum())
            if missing == len(points):
                raise MetricError(f"S3FD found no face in any of the {len(points)} {what}")
            sides[what] = points, missing
        (made, lost), (real, lost_real) = sides.values()
        found = of_frames(centred_distance(made[:, self.part], real[:, self.part]))
        facts = {"frames_without_face": lost, "frames_without_face_reference": lost_real}
        return Measured(found.value, found.per_frame, facts=facts)


class FanFaceDistance(FanMouthDistance):
    """`lmd@fan.face.px`."""

    info = LMD_FAN_FACE
    part = slice(0, 68)


def _package_version() -> str:
    try:
        return metadata.version("face-alignment")
    except metadata.PackageNotFoundError:
        return "absent"
