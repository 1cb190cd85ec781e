"""From landmarks in pixels to a head pose in decimetres, and back.

Camera: pinhole, principal point in the middle of the frame, square pixels, OpenCV axes (x right, y down, z forward).
Head: canonical axes (x right, y up, z toward the viewer). Both in decimetres. Every function works on all frames at
once, in float64. The pose pipeline is the one of MediaPipe's face geometry module, for any focal length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from t2m_bench.core.errors import ShapeError
from t2m_bench.tracking.canonical import LANDMARKS, MESH_POINTS, RIGID, canonical_face

Array = NDArray[np.float64]
Size = tuple[int, int]
"""Width and height in pixels."""

_FLIP = np.array([1.0, -1.0, -1.0])
_GAUSS_NEWTON_STEPS = 12
_HUBER_PX_AT_512 = 3.0
_MIN_DEPTH = 1e-3


def focal_length(size: Size, fov_deg: float) -> float:
    """Focal length in pixels of a camera with a vertical field of view of `fov_deg` degrees."""
    if not 0.0 < fov_deg < 180.0:
        raise ShapeError(f"fov_deg must lie between 0 and 180, got {fov_deg}")
    return float(size[1] / 2 / np.tan(np.radians(fov_deg) / 2))


def project(points: ArrayLike, focal: float, size: Size) -> Array:
    """Project camera-space points [..., 3] (dm) to pixels [..., 2]. Points at or behind the camera give NaN."""
    camera = np.asarray(points, dtype=np.float64)
    depth = np.where(camera[..., 2:] > _MIN_DEPTH, camera[..., 2:], np.nan)
    return np.asarray(camera[..., :2] / depth * focal + np.asarray(size, dtype=np.float64) / 2)


def transform(pose: ArrayLike, points: ArrayLike) -> Array:
    """Move head-space points [T, N, 3] or [N, 3] with rigid poses [T, 4, 4] to camera space [T, N, 3]."""
    pose = np.asarray(pose, dtype=np.float64)
    return np.asarray(
        np.asarray(points, dtype=np.float64) @ _transposed(pose[:, :3, :3]) + pose[:, None, :3, 3]
    )


def untransform(pose: ArrayLike, points: ArrayLike) -> Array:
    """Move camera-space points [T, N, 3] with rigid poses [T, 4, 4] back to head space [T, N, 3]."""
    pose = np.asarray(pose, dtype=np.float64)
    return np.asarray((np.asarray(points, dtype=np.float64) - pose[:, None, :3, 3]) @ pose[:, :3, :3])


def procrustes(source: Array, target: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Weighted similarity that moves `source` [N, 3] or [T, N, 3] onto `target` [T, N, 3].

    Minimises sum_i w_i |s R a_i + t - b_i|^2 over s, R, t (Umeyama 1991).

    Returns:
        scale [T], rotation [T, 3, 3] with determinant 1, translation [T, 3].
    """
    w = weight / weight.sum()
    source = np.broadcast_to(source, target.shape)
    source_mean = np.einsum("n,tni->ti", w, source)
    target_mean = np.einsum("n,tni->ti", w, target)
    a = source - source_mean[:, None]
    b = target - target_mean[:, None]
    u, _, vt = np.linalg.svd(np.einsum("n,tni,tnj->tij", w, b, a))
    u[..., 2] *= np.linalg.det(u @ vt)[:, None]  # a reflection is no head pose
    rotation = u @ vt
    spread = np.einsum("n,tni,tni->t", w, a, a)
    scale = np.einsum("n,tni,tij,tnj->t", w, b, rotation, a) / np.maximum(spread, 1e-12)
    translation = target_mean - scale[:, None] * np.einsum("tij,tj->ti", rotation, source_mean)
    return scale, rotation, translation


def metric_landmarks(landmarks: ArrayLike, focal: float, size: Size) -> tuple[Array, Array]:
    """Place landmarks in camera space, assuming a face of the canonical size, and find the head pose.

    This is MediaPipe's face geometry pipeline (two Procrustes rounds for the scale, one for the pose).

    Args:
        landmarks: [T, 478, 3] x and y in pixels, z in pixels (smaller is nearer).
        focal: pixels.
        size: width and height of the frame.

    Returns:
        points [T, 478, 3] in camera space that project onto `landmarks` exactly, and pose [T, 4, 4], head to camera.

    Raises:
        ShapeError: another shape, or values that are not finite.
    """
    pixels = _checked_landmarks(landmarks)
    face = canonical_face()
    index, weight = face.procrustes_index, face.procrustes_weight
    model = face.vertices[index] * _FLIP  # to the axes of the camera

    flat = pixels / focal  # the plane at distance 1
    flat[..., :2] -= np.asarray(size, dtype=np.float64) / 2 / focal
    middle = flat[:, :MESH_POINTS, 2].mean(axis=1)[:, None]

    scale = procrustes(model, flat[:, index], weight)[0]
    for _ in range(2):
        points = _unproject(flat, (flat[..., 2] - middle + 1.0) / scale[:, None])
        again, rotation, translation = procrustes(model, points[:, index], weight)
        scale = scale * again
    points = _unproject(flat, (flat[..., 2] - middle + 1.0) / scale[:, None])
    _, rotation, translation = procrustes(model, points[:, index], weight)
    return points, _pose(rotation * _FLIP, translation)


def head_pose(landmarks: ArrayLike, focal: float, size: Size) -> Array:
    """Pose [T, 4, 4] of `metric_landmarks`."""
    return metric_landmarks(landmarks, focal, size)[1]


def canonical_landmarks(
    landmarks: ArrayLike, pose: ArrayLike, focal: float, size: Size, *, shape: ArrayLike | None = None
) -> Array:
    """Landmarks back-projected to head space, where only the expression moves them.

    The detector's depth gives the relief; its scale is set by the depths that the rigid points of `shape` have under
    `pose`, so that any pose, not only the pipeline's, may be given. The result, moved by `pose`, projects exactly
    onto `landmarks`.

    Args:
        landmarks: [T, 478, 3] pixels.
        pose: [T, 4, 4] head to camera.
        focal: pixels.
        size: width and height of the frame.
        shape: [N >= 468, 3] head-space shape, decimetres; the canonical face if None.

    Returns:
        [T, 478, 3] decimetres.
    """
    points, _ = metric_landmarks(landmarks, focal, size)
    model = canonical_face().vertices if shape is None else np.asarray(shape, dtype=np.float64)
    rigid = list(RIGID)
    wanted = transform(pose, model[rigid])[..., 2].mean(axis=1)
    found = points[:, rigid, 2].mean(axis=1)
    return untransform(pose, points * (wanted / found)[:, None, None])


def refine_pose(
    landmarks: ArrayLike,
    pose: ArrayLike,
    shape: ArrayLike,
    rigid_index: Sequence[int],
    focal: float,
    size: Size,
    *,
    steps: int = _GAUSS_NEWTON_STEPS,
) -> Array:
    """Fit each frame's pose so that `shape` projects onto the landmarks at `rigid_index` (perspective-n-point).

    Damped Gauss-Newton on the Huber-weighted squared distance in pixels, six numbers a frame, every frame on its
    own: no frame sees another one. A step that makes a frame worse is not taken.

    Args:
        landmarks: [T, 478, 2 or 3] pixels; z is not looked at.
        pose: [T, 4, 4] where to start.
        shape: [N, 3] head-space shape, decimetres.
        rigid_index: points of `shape` and `landmarks` that move with the skull, at least 4.
        focal: pixels.
        size: width and height of the frame.
        steps: iterations.

    Returns:
        [T, 4, 4] refined poses.
    """
    index = list(rigid_index)
    if len(index) < 4:
        raise ShapeError(f"rigid_index must hold at least 4 points, got {len(index)}")
    target = np.asarray(landmarks, dtype=np.float64)[:, index, :2]  # [T, K, 2]
    model = np.asarray(shape, dtype=np.float64)[index]  # [K, 3]
    knee = _HUBER_PX_AT_512 * size[1] / 512
    best = np.array(pose, dtype=np.float64)
    damping = np.full(len(best), 1e-3)
    residual, camera = _residual(best, model, target, focal, size)
    cost = _huber(residual, knee)
    for _ in range(steps):
        trial = _moved(best, _step(best, camera, residual, focal, knee, damping))
        trial_residual, trial_camera = _residual(trial, model, target, focal, size)
        trial_cost = _huber(trial_residual, knee)
        better = trial_cost < cost
        best[better], cost[better] = trial[better], trial_cost[better]
        residual[better], camera[better] = trial_residual[better], trial_camera[better]
        damping = np.where(better, damping * 0.1, damping * 10).clip(1e-9, 1e6)
    return best


def identity_shape(
    landmarks: ArrayLike,
    pose: ArrayLike,
    focal: float,
    size: Size,
    *,
    rounds: int = 2,
    rigid_index: Sequence[int] = RIGID,
) -> Array:
    """The person's own neutral shape: the median of the back-projected landmarks, re-estimated with refined poses.

    Give training frames only: the shape then knows nothing of the frames it will be tested on.

    Args:
        landmarks: [T, 478, 3] pixels, good frames only.
        pose: [T, 4, 4] of the pipeline (`Track.pose`).
        focal: pixels.
        size: width and height of the frame.
        rounds: how often poses are refined and the median is taken again.
        rigid_index: points the poses are refined on.

    Returns:
        [478, 3] decimetres, aligned with the canonical face (same axes, origin and size of the rigid points).
    """
    pose = np.asarray(pose, dtype=np.float64)
    shape = _aligned(np.median(canonical_landmarks(landmarks, pose, focal, size), axis=0))
    for _ in range(rounds):
        pose = refine_pose(landmarks, pose, shape, rigid_index, focal, size)
        shape = _aligned(np.median(canonical_landmarks(landmarks, pose, focal, size, shape=shape), axis=0))
    return shape


def reprojection_error(
    landmarks: ArrayLike, pose: ArrayLike, shape: ArrayLike, index: Sequence[int], focal: float, size: Size
) -> Array:
    """Mean distance [T] in pixels between the landmarks at `index` and the projection of `shape` there."""
    rows = list(index)
    seen = project(transform(pose, np.asarray(shape, dtype=np.float64)[rows]), focal, size)
    target = np.asarray(landmarks, dtype=np.float64)[:, rows, :2]
    return np.asarray(np.linalg.norm(seen - target, axis=-1).mean(axis=-1))


def rotation_from_vector(vector: ArrayLike) -> Array:
    """Rotation matrices [..., 3, 3] of axis-angle vectors [..., 3] in radians (Rodrigues)."""
    v = np.asarray(vector, dtype=np.float64)
    angle = np.linalg.norm(v, axis=-1)[..., None, None]
    k = _cross_matrix(v)
    # sinc keeps both factors exact at angle 0
    return np.asarray(
        np.eye(3) + np.sinc(angle / np.pi) * k + 0.5 * np.sinc(angle / 2 / np.pi) ** 2 * (k @ k),
    )


def _checked_landmarks(landmarks: ArrayLike) -> Array:
    pixels = np.array(landmarks, dtype=np.float64)
    if pixels.ndim != 3 or pixels.shape[1:] != (LANDMARKS, 3):
        raise ShapeError(f"landmarks must have shape [T, {LANDMARKS}, 3], got {list(pixels.shape)}")
    if not np.isfinite(pixels).all():
        raise ShapeError("landmarks hold values that are not finite")
    return pixels


def _unproject(flat: Array, depth: Array) -> Array:
    """Points [T, N, 3] at `depth` [T, N] on the rays through `flat` [T, N, 3], whose plane lies at distance 1."""
    return np.concatenate([flat[..., :2] * depth[..., None], depth[..., None]], axis=-1)


def _aligned(shape: Array) -> Array:
    """Rigidly move and scale `shape` [478, 3] onto the canonical face, by the weights of the pose pipeline."""
    face = canonical_face()
    index = face.procrustes_index
    scale, rotation, translation = procrustes(
        shape[None, index], face.vertices[None, index], face.procrustes_weight
    )
    return np.asarray(scale[0] * shape @ rotation[0].T + translation[0])


def _pose(rotation: Array, translation: Array) -> Array:
    pose = np.tile(np.eye(4), (len(rotation), 1, 1))
    pose[:, :3, :3], pose[:, :3, 3] = rotation, translation
    return pose


def _residual(pose: Array, model: Array, target: Array, focal: float, size: Size) -> tuple[Array, Array]:
    camera = transform(pose, model)  # [T, K, 3]
    return project(camera, focal, size) - target, camera


def _huber(residual: Array, knee: float) -> Array:
    """Sum over points of the Huber loss of the distance; infinite where a point lies behind the camera."""
    distance = np.linalg.norm(residual, axis=-1)
    loss = np.where(distance <= knee, 0.5 * distance**2, knee * (distance - 0.5 * knee))
    return np.nan_to_num(loss.sum(axis=-1), nan=np.inf)


def _step(pose: Array, camera: Array, residual: Array, focal: float, knee: float, damping: Array) -> Array:
    """Gauss-Newton step [T, 6]: rotation about the head's origin (radians), then translation (dm)."""
    x, y, z = np.moveaxis(camera, -1, 0)
    z = np.where(z > _MIN_DEPTH, z, np.nan)  # such a frame gets no step
    zero = np.zeros_like(z)
    by_point = focal * np.stack(  # d pixel / d camera point
        [np.stack([1 / z, zero, -x / z**2], -1), np.stack([zero, 1 / z, -y / z**2], -1)], -2
    )  # [T, K, 2, 3]
    arm = camera - pose[:, None, :3, 3]
    jacobian = np.concatenate([by_point @ -_cross_matrix(arm), by_point], axis=-1)  # [T, K, 2, 6]
    distance = np.linalg.norm(residual, axis=-1)
    weight = knee / np.maximum(distance, knee)  # [T, K]
    normal = np.einsum("tk,tkci,tkcj->tij", weight, jacobian, jacobian)
    gradient = np.einsum("tk,tkci,tkc->ti", weight, jacobian, residual)
    diagonal = np.einsum("tii->ti", normal)
    normal = normal + (damping[:, None] * diagonal + 1e-12)[:, :, None] * np.eye(6)
    return -np.linalg.solve(normal, gradient[..., None])[..., 0]


def _moved(pose: Array, step: Array) -> Array:
    return _pose(rotation_from_vector(step[:, :3]) @ pose[:, :3, :3], pose[:, :3, 3] + step[:, 3:])


def _cross_matrix(v: Array) -> Array:
    x, y, z = np.moveaxis(v, -1, 0)
    zero = np.zeros_like(x)
    rows = [np.stack([zero, -z, y], -1), np.stack([z, zero, -x], -1), np.stack([-y, x, zero], -1)]
    return np.stack(rows, axis=-2)


def _transposed(matrix: Array) -> Array:
    return np.swapaxes(matrix, -1, -2)
