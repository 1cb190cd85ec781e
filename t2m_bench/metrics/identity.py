"""`id_sim@sface`: whether it is still the same person; and the feature `identity`.

The network is SFace (Zhong et al. 2021) as OpenCV's model zoo offers it, because its weights carry an open licence
(Apache-2.0) and it needs no further package, for MediaPipe brings OpenCV. ArcFace's own weights may be used for
non-commercial research only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core import assets
from t2m_bench.core.errors import AssetError, DependencyError, MetricError
from t2m_bench.core.metric import Arrays, Maker, Measured, Observed
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.faces import FaceMesh
from t2m_bench.metrics.infos import IDENTITY
from t2m_bench.metrics.landmarks import of_frames
from t2m_bench.tracking.canonical import LEFT_IRIS, RIGHT_IRIS
from t2m_bench.tracking.landmarks import ASSET as MESH_ASSET
from t2m_bench.tracking.landmarks import Detection, LandmarkDetector

IDENTITY_VERSION = 1
"""Raised when the same frame would give another embedding."""
ASSET = "sface"
EVERY = 5
"""Frames from one that is looked at to the next: a person stays the same, and each look costs two networks."""
FIVE_POINTS = (RIGHT_IRIS[0], LEFT_IRIS[0], 1, 61, 291)
"""Of MediaPipe's 478, what the crop is aligned by: pupils, tip of the nose, corners of the mouth; right ones first."""

Frame = NDArray[np.uint8]


class FaceEmbedder:
    """Embeddings of aligned faces by OpenCV's `FaceRecognizerSF`.

    Args:
        model: the ONNX file; resolved as the asset `sface` if None.

    Raises:
        AssetMissing, AssetError: the model file is missing or not the expected one.
        DependencyError: OpenCV is missing or has no face recogniser.
    """

    def __init__(self, model: Path | None = None) -> None:
        path = model or assets.resolve(ASSET)
        try:
            import cv2
        except ImportError as error:
            raise DependencyError(
                f"OpenCV cannot be imported ({error})", hint="Run `pip install opencv-contrib-python`"
            ) from error
        try:
            self._recogniser: Any = cv2.FaceRecognizerSF.create(str(path), "")
        except AttributeError as error:
            raise DependencyError(
                "This OpenCV has no FaceRecognizerSF", hint="Run `pip install -U opencv-contrib-python`"
            ) from error
        except cv2.error as error:
            raise AssetError(f"{path} cannot be used as a face recogniser ({_first_line(error)})") from error

    def embedding(self, frame: Frame, face: Detection) -> NDArray[np.float32]:
        """Of a face in a frame [H, W, 3] uint8 RGB: [D], not normalised (SFace has D = 128)."""
        row = np.zeros((1, 15), np.float32)  # box, five points, score: as OpenCV's face detector writes it
        row[0, 4:14] = face.landmarks[list(FIVE_POINTS), :2].ravel()
        blue_first = np.ascontiguousarray(frame[..., ::-1])
        crop = self._recogniser.alignCrop(blue_first, row)
        return np.array(self._recogniser.feature(crop), np.float32).ravel()


class Identity:
    """Embedding of every fifth frame, from the first."""

    name = "identity"
    assets = (MESH_ASSET, ASSET)

    def key(self, recipe: Recipe) -> Mapping[str, Any]:
        """The model, OpenCV, how faces are found, and this module's version."""
        return {
            "version": IDENTITY_VERSION,
            "model": recipe.asset_hash(ASSET),
            "opencv": _opencv_version(),
            "faces": dict(FaceMesh().key(recipe)),
        }

    @contextmanager
    def open(self, recipe: Recipe) -> Iterator[Maker]:
        """A detector and a recogniser with the recipe's models.

        Raises:
            AssetError, AssetMissing: a model file is missing, or is not the one that the recipe names.
            DependencyError: MediaPipe or OpenCV cannot be loaded.
        """
        for name in self.assets:
            recipe.check_asset(assets.get(name))
        embedder = FaceEmbedder()
        with LandmarkDetector(assets.resolve(MESH_ASSET)) as detector:
            yield lambda reel: IdentityExtractor(detector.detect, embedder.embedding)


class IdentityExtractor:
    """Keeps the embedding of every fifth frame.

    Args:
        detect: gives the largest face of a frame [H, W, 3] uint8, or None.
        embed: gives the embedding of that face, [D].
    """

    def __init__(
        self,
        detect: Callable[[Frame], Detection | None],
        embed: Callable[[Frame, Detection], NDArray[np.float32]],
    ) -> None:
        self._detect, self._embed = detect, embed
        self._found: list[NDArray[np.float32] | None] = []
        self._seen = 0

    def add(self, frames: Frame) -> None:
        """Look at some of frames [B, H, W, 3]."""
        for frame in frames:
            if self._seen % EVERY == 0:
                face = self._detect(frame)
                self._found.append(None if face is None else self._embed(frame, face))
            self._seen += 1

    def finish(self) -> Arrays:
        """`embedding` [ceil(T / 5), D], NaN where no face was found; D is 1 where there is none at all."""
        width = max((len(row) for row in self._found if row is not None), default=1)
        rows = np.full((len(self._found), width), np.nan, np.float32)
        for index, row in enumerate(self._found):
            if row is not None:
                rows[index] = row
        return {"embedding": rows}


def cosines(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Cosine of the angle of each row of `a` with that of `b`, [N, D] both, NaN where one is: [N]."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    found: NDArray[np.float64] = (x * y).sum(axis=1) / (np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1))
    return found


class IdentitySimilarity:
    """`id_sim@sface`."""

    info = IDENTITY

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Cosine of every fifth pair of frames; facts hold the reference with itself a second later, as a ceiling.

        Raises:
            MetricError: not one of these pairs shows a face in both.
        """
        assert reference is not None, "this compares with a reference"
        made, real = (side.features[Identity.name]["embedding"] for side in (prediction, reference))
        for rows, what in ((made, "frames of the prediction"), (real, "real frames")):
            if np.isnan(rows[:, 0]).all():
                raise MetricError(f"No face was found in any of the {len(rows)} {what} that were looked at")
        found = of_frames(cosines(made, real))
        facts = {"looked_at": float(len(real))}
        later = cosines(real[EVERY:], real[:-EVERY])  # 25 frames apart
        if np.isfinite(later).any():
            facts["reference_with_itself"] = float(np.nanmean(later))
        return Measured(found.value, frames=int(np.isfinite(cosines(made, real)).sum()), facts=facts)


def _opencv_version() -> str:
    try:
        import cv2
    except ImportError:
        return "absent"
    return str(cv2.__version__)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
