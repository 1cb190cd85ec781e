"""How much, and in what manner, a head moves: `head_motion@std_ratio` and `pose_fd@windows`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import MetricError
from t2m_bench.core.metric import Measured, Observed
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.heads import both_faces, head_poses, scored_size
from t2m_bench.metrics.infos import HEAD_MOTION, POSE_FD

LEAST_FRAMES = 25
"""Frames with a face in both videos, below which no spread is computed."""
LEAST_DEGREES, LEAST_MILLIMETRES = 0.1, 0.5
"""Spread of a reference's head below which it counts as still: nothing can be compared with it."""
WINDOW, STRIDE = 25, 5
"""Frames of a window of poses, and from one window to the next."""
LEAST_WINDOWS = 30
"""Windows a side, below which their distribution says too little."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """How far a head moves about its mean place."""

    degrees: float
    """Root of the summed variances of the three components of its rotation."""
    millimetres: float
    """Root of the summed variances of the three components of its translation."""


def mean_rotation(rotations: Array) -> Array:
    """The rotation [3, 3] nearest to all rotations [T, 3, 3] in the sense of least squares."""
    u, _, vt = np.linalg.svd(rotations.mean(axis=0))
    middle = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    return np.asarray(u @ middle @ vt)


def rotation_vectors(rotations: Array) -> Array:
    """Axis times angle in radians, [T, 3], of rotations [T, 3, 3] by less than half a turn."""
    skew = np.stack(
        [
            rotations[:, 2, 1] - rotations[:, 1, 2],
            rotations[:, 0, 2] - rotations[:, 2, 0],
            rotations[:, 1, 0] - rotations[:, 0, 1],
        ],
        axis=-1,
    )  # 2 sin(angle) times the axis
    sine = np.linalg.norm(skew, axis=-1) / 2
    angle = np.arctan2(sine, (np.trace(rotations, axis1=1, axis2=2) - 1) / 2)
    # sinc is exact where the angle vanishes
    return skew / 2 / np.sinc(angle / np.pi)[:, None]


def motion(poses: Array, origin: Array) -> Array:
    """Where a head is relative to the mean place of another: rotation in degrees, translation in millimetres.

    Args:
        poses: [T, 4, 4] head to camera, decimetres; NaN where unknown.
        origin: as `poses`, of the video that says what rest is.

    Returns:
        [T, 6], NaN where `poses` are.
    """
    rest = origin[np.isfinite(origin[:, 0, 0])]
    place = mean_rotation(rest[:, :3, :3])
    moved = np.full((len(poses), 6), np.nan)
    good = np.isfinite(poses[:, 0, 0])
    moved[good, :3] = np.degrees(rotation_vectors(poses[good, :3, :3] @ place.T))
    moved[good, 3:] = 100 * (poses[good, :3, 3] - rest[:, :3, 3].mean(axis=0))
    return moved


def spread(moved: Array) -> Spread:
    """How far a head moves, of `motion` [T, 6] about its own mean, frames without a pose left out."""
    variance = moved[np.isfinite(moved[:, 0])].var(axis=0)
    return Spread(float(np.sqrt(variance[:3].sum())), float(np.sqrt(variance[3:].sum())))


class HeadMotionRatio:
    """`head_motion@std_ratio`."""

    info = HEAD_MOTION

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Geometric mean of the ratios of rotation and translation, over the frames in which both show a face.

        Raises:
            MetricError: fewer than 25 such frames, or a reference whose head is still.
        """
        made, real = _poses(prediction, reference, recipe)
        both = np.isfinite(made[:, 0, 0]) & np.isfinite(real[:, 0, 0])
        count = int(both.sum())
        if count < LEAST_FRAMES:
            raise MetricError(
                f"Head motion needs at least {LEAST_FRAMES} frames with a face in both videos, there are {count}"
            )
        made, real = made[both], real[both]
        own, wanted = spread(motion(made, made)), spread(motion(real, real))
        _check_moving(wanted)
        rotation, translation = own.degrees / wanted.degrees, own.millimetres / wanted.millimetres
        return Measured(
            float(np.sqrt(rotation * translation)),
            frames=count,
            facts={
                "rotation_ratio": rotation,
                "translation_ratio": translation,
                "rotation_deg": own.degrees,
                "rotation_deg_reference": wanted.degrees,
                "translation_mm": own.millimetres,
                "translation_mm_reference": wanted.millimetres,
            },
        )


def pose_windows(moved: Array) -> Array:
    """Windows [N, 25, 12] of `motion` [T, 6] and its change from the frame before; those with a gap are left out."""
    change = np.diff(moved, axis=0)
    both = np.concatenate([moved[1:], change], axis=1)  # [T - 1, 12]
    starts = range(0, len(both) - WINDOW + 1, STRIDE)
    windows = np.array([both[start : start + WINDOW] for start in starts]).reshape(-1, WINDOW, 12)
    return windows[np.isfinite(windows).all(axis=(1, 2))]


def frechet_distance(a: Array, b: Array) -> float:
    """|mean a - mean b|^2 + tr(A + B - 2 (A B)^(1/2)) for samples [N, D] and [M, D] with covariances A and B.

    tr (A B)^(1/2) is the sum of the singular values of the product of the centred samples, so that covariances of
    fewer samples than dimensions are no trouble.
    """
    x, y = a - a.mean(axis=0), b - b.mean(axis=0)
    x, y = x / np.sqrt(len(a) - 1), y / np.sqrt(len(b) - 1)
    total = float((x**2).sum() + (y**2).sum() + ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum())
    root = np.linalg.svd(_triangle(x) @ _triangle(y).T, compute_uv=False)
    return max(total - 2 * float(root.sum()), 0.0)


def _triangle(samples: Array) -> Array:
    """Fewer rows [min(N, D), D] with the same products of columns, so that thousands of windows stay cheap."""
    return np.asarray(np.linalg.qr(samples, mode="r")) if len(samples) > samples.shape[1] else samples


def window_distance(prediction: Array, reference: Array) -> float:
    """Frechet distance of pose windows, relative to how much those of the reference vary.

    Rotation, translation and the changes of both are each divided by the root mean square of their deviations in the
    reference, so that degrees and millimetres count alike; the distance is divided by the total variance of the
    reference's windows. A head at rest in the reference's mean place has 1.

    Args:
        prediction: [N, 25, 12] of `pose_windows`.
        reference: [M, 25, 12].
    """
    scale = np.ones(12)
    for part in (slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12)):
        scale[part] = np.sqrt(reference[..., part].var(axis=(0, 1)).mean())
    a, b = ((windows / scale).reshape(len(windows), -1) for windows in (prediction, reference))
    return frechet_distance(a, b) / float(b.var(axis=0, ddof=1).sum())


class PoseWindowDistance:
    """`pose_fd@windows`."""

    info = POSE_FD

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Of one video.

        Raises:
            MetricError: fewer than 30 windows a side, or a reference whose head is still.
        """
        assert reference is not None, "this compares with a reference"
        return self.pool([prediction], [reference], recipe)

    def pool(
        self, predictions: Sequence[Observed], references: Sequence[Observed], recipe: Recipe
    ) -> Measured:
        """Of the windows of all videos together, each relative to the mean place of its own reference.

        Facts hold the distance of the first half of the reference's windows from the second: a prediction that is no
        further away cannot be told from the real person.

        Raises:
            MetricError: fewer than 30 windows a side, or references whose heads are still.
        """
        sides: tuple[list[Array], list[Array]] = ([], [])
        for prediction, reference in zip(predictions, references, strict=True):
            made, real = _poses(prediction, reference, recipe)
            sides[0].append(pose_windows(motion(made, real)))
            sides[1].append(pose_windows(motion(real, real)))
        made_windows, real_windows = (np.concatenate(side) for side in sides)
        count = min(len(made_windows), len(real_windows))
        if count < LEAST_WINDOWS:
            raise MetricError(
                f"The distance of head motion needs at least {LEAST_WINDOWS} windows of {WINDOW} frames without a gap "
                f"a side, there are {count}",
                hint=f"Score at least {WINDOW + STRIDE * (LEAST_WINDOWS - 1) + 1} frames, in one video or several",
            )
        _check_moving(spread(real_windows.reshape(-1, 12)[:, :6]))
        return Measured(
            window_distance(made_windows, real_windows),
            frames=sum(observed.frames for observed in predictions),
            facts={
                "windows": len(made_windows),
                "windows_reference": len(real_windows),
                "reference_halves": window_distance(*np.array_split(real_windows, 2)),
            },
        )


def _poses(prediction: Observed, reference: Observed | None, recipe: Recipe) -> tuple[Array, Array]:
    size = scored_size(prediction, reference, recipe)
    made, real = both_faces(prediction, reference)
    return head_poses(made, size), head_poses(real, size)


def _check_moving(reference: Spread) -> None:
    if reference.degrees < LEAST_DEGREES or reference.millimetres < LEAST_MILLIMETRES:
        raise MetricError(
            f"The reference's head stands still ({reference.degrees:.2f} degrees, {reference.millimetres:.2f} mm): "
            "there is no motion to compare with"
        )
