"""`jitter@landmarks`: how much a face trembles once its head is held still."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import MetricError
from t2m_bench.core.metric import Measured, Observed
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.faces import POINTS, FaceMesh
from t2m_bench.metrics.heads import face_points, frontal_faces, scored_size
from t2m_bench.metrics.infos import JITTER
from t2m_bench.metrics.landmarks import OUTER_EYE_CORNERS
from t2m_bench.tracking.canonical import LIPS_INNER, LIPS_OUTER, MESH_POINTS, RIGID

LEAST_TRIPLES = 23
"""Runs of three frames with a face, below which nothing is given: those of 25 frames."""

Array = NDArray[np.float64]


def second_differences(faces: Array) -> Array:
    """Length of x[t+1] - 2 x[t] + x[t-1] of each point, as seen from the front, over the distance of the eyes.

    Args:
        faces: landmarks in the head's own axes, [T, 478, 3]; NaN where no face was found.

    Returns:
        Percent of the clip's median distance of the outer eye corners, [T, 468]; NaN where a frame or one of its
        neighbours has no face, so always in the first and the last.
    """
    trembling = np.full((len(faces), MESH_POINTS), np.nan)
    if len(faces) < 3:
        return trembling
    flat = faces[:, :MESH_POINTS, :2]
    right, left = (faces[:, index] for index in OUTER_EYE_CORNERS)
    eyes = np.linalg.norm(right - left, axis=-1)
    apart = float(np.median(eyes[np.isfinite(eyes)])) if np.isfinite(eyes).any() else np.nan
    change = flat[2:] - 2 * flat[1:-1] + flat[:-2]
    trembling[1:-1] = 100 * np.linalg.norm(change, axis=-1) / apart
    return trembling


class LandmarkJitter:
    """`jitter@landmarks`."""

    info = JITTER

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Mean of all points of the mesh a frame; facts hold that of lips and of rigid points, and the reference's.

        Raises:
            MetricError: fewer than 23 runs of three frames with a face.
        """
        size = scored_size(prediction, reference, recipe)
        points = face_points(prediction, "frames of the prediction")
        each = second_differences(frontal_faces(points, size))
        values = each.mean(axis=1)
        good = np.isfinite(values)
        if good.sum() < LEAST_TRIPLES:
            raise MetricError(
                f"Jitter needs at least {LEAST_TRIPLES} runs of three frames with a face, there are {int(good.sum())}"
            )
        facts = {
            "lips": float(each[good][:, LIPS_OUTER + LIPS_INNER].mean()),
            "rigid": float(each[good][:, RIGID].mean()),
        }
        if reference is not None and FaceMesh.name in reference.features:
            real = second_differences(frontal_faces(reference.features[FaceMesh.name][POINTS], size))
            shown = np.isfinite(real[:, 0])
            if shown.any():
                facts["reference"] = float(real[shown].mean())
        return Measured(float(values[good].mean()), values, facts=facts)
