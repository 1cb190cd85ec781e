"""Landmark distance of the mouth (LMD), in pixels and relative to the distance of the eyes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import ShapeError
from t2m_bench.core.metric import FramePairs
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.infos import LMD_IOD, LMD_PIXELS

MOUTH = (61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91, 78, 81, 13, 311, 308, 402, 14, 178)
"""The points 48 to 67 of the 68-point set among MediaPipe's 478: outer lip, then inner lip."""

OUTER_EYE_CORNERS = (33, 263)
"""The subject's right and left."""


def mouth_distance(
    prediction: NDArray[np.float32],  # [B, 478, 2], pixels
    reference: NDArray[np.float32],  # [B, 478, 2], pixels
) -> NDArray[np.float64]:
    """Mean Euclidean distance of the 20 mouth points, each set centred on its own mean.

    Centring leaves the shape of the mouth alone to count, not where the head is.

    Args:
        prediction: pixels, NaN where no face was found, [B, 478, 2].
        reference: as `prediction`, [B, 478, 2].

    Returns:
        Pixels, NaN where either has no face, [B].

    Raises:
        ShapeError: the two have other shapes.
    """
    if prediction.shape != reference.shape or prediction.shape[1:] != (478, 2):
        raise ShapeError(
            f"landmarks must have shape [B, 478, 2], got {list(prediction.shape)} and {list(reference.shape)}"
        )
    difference = _centred(prediction) - _centred(reference)  # [B, 20, 2]
    distance: NDArray[np.float64] = np.linalg.norm(difference, axis=-1).mean(axis=-1)
    return distance


def interocular_distance(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Distance of the outer eye corners in pixels, [B], of landmarks [B, 478, 2]; NaN where no face was found."""
    right, left = (landmarks[:, index].astype(np.float64) for index in OUTER_EYE_CORNERS)  # [B, 2] each
    distance: NDArray[np.float64] = np.linalg.norm(right - left, axis=-1)
    return distance


class MouthDistance:
    """`lmd@mouth.px`."""

    info = LMD_PIXELS

    def measure(self, pairs: FramePairs, recipe: Recipe) -> NDArray[np.float64]:
        """Pixels, [B]; NaN where either frame shows no face."""
        return mouth_distance(pairs.prediction_landmarks, pairs.reference_landmarks)


class MouthDistanceByEyes:
    """`lmd@mouth.iod`."""

    info = LMD_IOD

    def measure(self, pairs: FramePairs, recipe: Recipe) -> NDArray[np.float64]:
        """Percent of the reference's inter-ocular distance, [B]; NaN where either frame shows no face."""
        distance = mouth_distance(pairs.prediction_landmarks, pairs.reference_landmarks)
        return 100 * distance / interocular_distance(pairs.reference_landmarks)


def _centred(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    mouth = landmarks[:, MOUTH].astype(np.float64)  # [B, 20, 2]
    return mouth - mouth.mean(axis=1, keepdims=True)
