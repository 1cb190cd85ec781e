"""Landmark rig: the linear motion of the face mesh with the expression, under the networks' offsets.

With seconds of footage the deformation network alone leaves the mouth almost unmoved; a closed-form ridge regression
from e to the landmarks' motion moves it from the first step, and the network learns what remains.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def fit_rig(
    expression: NDArray[np.float32], canonical: Array, neutral: Array, ridge: float
) -> NDArray[np.float32]:
    """Ridge regression from [1, e] to the displacement of the mesh landmarks in the face plane.

    Depth is left out: a single camera sees it too poorly.

    Args:
        expression: [T, E] training expressions.
        canonical: [T, 468, 3] landmarks in head space, decimetres.
        neutral: [468, 3] neutral shape.
        ridge: penalty on all but the constant.

    Returns:
        [1 + E, 468, 2] decimetres: row 0 is the constant.
    """
    frames = len(expression)
    inputs = np.concatenate([np.ones((frames, 1)), expression.astype(np.float64)], axis=1)
    target = (canonical - neutral)[..., :2].reshape(frames, -1)
    penalty = np.diag([0.0] + [ridge] * expression.shape[1])
    weights = np.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ target)
    return weights.reshape(inputs.shape[1], -1, 2).astype(np.float32)
