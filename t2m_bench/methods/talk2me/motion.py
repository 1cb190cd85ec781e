"""From a track to the numbers that drive an avatar: expression e (with EAR, the paper's beta) and head pose p.

Everything here is learnt from the training frames alone and frozen: the person's neutral shape, the spread of each
coefficient, the lip components and the mean pose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import TrackingError
from t2m_bench.core.track import Track
from t2m_bench.tracking.canonical import LIPS_INNER, LIPS_OUTER, MESH_POINTS, RIGID
from t2m_bench.tracking.geometry import canonical_landmarks, identity_shape, refine_pose, rotation_from_vector

Array = NDArray[np.float64]

BLENDSHAPE_FLOOR = 0.02
"""Smallest spread a blendshape is divided by: several hardly ever move."""
LIP_FLOOR = 0.004
"""The same for lip components, decimetres."""
EXPRESSION_LIMIT = 4.0
POSE_LIMIT = 1.5
_LIPS = [*LIPS_OUTER, *LIPS_INNER]
_MIN_VALID = 10


@dataclass(frozen=True)
class MotionSpace:
    """The frozen map between tracks and driving numbers of one person."""

    shape: Array
    """[478, 3] neutral landmarks in head space, decimetres."""
    blendshape_mean: Array
    """[51]"""
    blendshape_std: Array
    """[51], floored."""
    lip_mean: Array
    """[80] lip contour, x and y in head space, decimetres."""
    lip_basis: Array
    """[C, 80] orthonormal rows."""
    lip_std: Array
    """[C], floored."""
    ear_range: Array
    """[2, 2] 5 % and 95 % quantile of each eye's aspect ratio (rows: right, left)."""
    rotation_mean: Array
    """[3, 3] chordal mean of the head rotations."""
    translation_mean: Array
    """[3] decimetres."""
    pose_std: Array
    """[6] of axis-angle (radians) and translation (dm) about the mean."""

    @property
    def expression_size(self) -> int:
        """Numbers in e with EAR: 51 blendshapes, C lip components, two eyes."""
        return 51 + len(self.lip_basis) + 2

    @property
    def mouth_index(self) -> NDArray[np.int64]:
        """Entries of e that move the jaw or the lips."""
        return np.r_[22:49, 51 : 51 + len(self.lip_basis)]

    @property
    def eye_index(self) -> NDArray[np.int64]:
        """Entries of e that move brows, lids or gaze, EAR included."""
        return np.r_[0:5, 8:22, self.expression_size - 2 : self.expression_size]

    @classmethod
    def learn(cls, track: Track, lip_components: int) -> MotionSpace:
        """Learn the space from the training part of a clip.

        Args:
            track: training frames; invalid ones are left out.
            lip_components: principal components of the lip contour to keep.

        Raises:
            TrackingError: too few frames with a face.
        """
        good = track.valid
        if good.sum() < _MIN_VALID:
            raise TrackingError(
                f"Only {int(good.sum())} of {len(track)} training frames show a face",
                hint=f"Give footage with at least {_MIN_VALID} good frames",
            )
        landmarks = track.landmarks[good].astype(np.float64)
        start = track.pose[good].astype(np.float64)
        shape = identity_shape(landmarks, start, track.focal, track.size)
        pose = refine_pose(landmarks, start, shape, RIGID, track.focal, track.size)
        canonical = canonical_landmarks(landmarks, pose, track.focal, track.size, shape=shape)
        lips = canonical[:, _LIPS, :2].reshape(len(canonical), -1)
        lip_mean = lips.mean(axis=0)
        count = min(lip_components, len(lips) - 1)
        basis = np.linalg.svd(lips - lip_mean, full_matrices=False)[2][:count]
        blendshapes = track.blendshapes[good, 1:].astype(np.float64)
        rotation_mean = _mean_rotation(pose[:, :3, :3])
        translation_mean = pose[:, :3, 3].mean(axis=0)
        numbers = _pose_numbers(pose, rotation_mean, translation_mean)
        low, high = np.quantile(track.ear[good].astype(np.float64), [0.05, 0.95], axis=0)
        return cls(
            shape=shape,
            blendshape_mean=blendshapes.mean(axis=0),
            blendshape_std=np.maximum(blendshapes.std(axis=0), BLENDSHAPE_FLOOR),
            lip_mean=lip_mean,
            lip_basis=basis,
            lip_std=np.maximum(((lips - lip_mean) @ basis.T).std(axis=0), LIP_FLOOR),
            ear_range=np.stack([low, np.maximum(high, low + 0.02)], axis=1),
            rotation_mean=rotation_mean,
            translation_mean=translation_mean,
            pose_std=np.maximum(numbers.std(axis=0), [0.005] * 3 + [0.005] * 3),
        )

    def head_pose(self, track: Track) -> Array:
        """Head pose of each frame [T, 4, 4]: the track's, refined on the rigid points of this person's shape.

        Needs only the rigid landmarks, so a masked track will do.
        """
        return refine_pose(track.landmarks, track.pose, self.shape, RIGID, track.focal, track.size)

    def canonical(self, track: Track) -> Array:
        """Mesh landmarks of each frame in head space [T, 468, 3], decimetres."""
        pose = self.head_pose(track)
        return canonical_landmarks(track.landmarks, pose, track.focal, track.size, shape=self.shape)[
            :, :MESH_POINTS
        ]

    def expression(self, track: Track) -> NDArray[np.float32]:
        """e of each frame [T, E]: blendshapes and lip components standardised, EAR in [-1, 1]; clamped to +-4."""
        blendshapes = (track.blendshapes[:, 1:] - self.blendshape_mean) / self.blendshape_std
        lips = self.canonical(track)[:, _LIPS, :2].reshape(len(track), -1)
        lip = (lips - self.lip_mean) @ self.lip_basis.T / self.lip_std
        low, high = self.ear_range[:, 0], self.ear_range[:, 1]
        ear = np.clip((track.ear - low) / (high - low), 0, 1) * 2 - 1
        e = np.concatenate([blendshapes, lip, ear], axis=1)
        return e.clip(-EXPRESSION_LIMIT, EXPRESSION_LIMIT).astype(np.float32)

    def pose_numbers(self, pose: Array) -> NDArray[np.float32]:
        """Poses [T, 4, 4] as standardised numbers [T, 6]: axis-angle about the mean rotation, then translation."""
        numbers = _pose_numbers(pose, self.rotation_mean, self.translation_mean)
        return (numbers / self.pose_std).astype(np.float32)

    def pose_matrices(self, numbers: NDArray[np.floating]) -> Array:
        """Inverse of `pose_numbers`: [T, 6] to [T, 4, 4]."""
        values = np.asarray(numbers, dtype=np.float64) * self.pose_std
        pose = np.tile(np.eye(4), (len(values), 1, 1))
        pose[:, :3, :3] = rotation_from_vector(values[:, :3]) @ self.rotation_mean
        pose[:, :3, 3] = values[:, 3:] + self.translation_mean
        return pose

    @property
    def mean_pose(self) -> Array:
        """[4, 4] mean head pose: where the shoulders stay."""
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = self.rotation_mean, self.translation_mean
        return pose

    def as_dict(self) -> dict[str, Array]:
        """Arrays by name, for the checkpoint."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def network_pose(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pose input of the deformation network: half the standardised numbers, clamped to what training has seen."""
    return (numbers / 2).clip(-POSE_LIMIT, POSE_LIMIT)


def _mean_rotation(rotations: Array) -> Array:
    u, _, vt = np.linalg.svd(rotations.mean(axis=0))
    return np.asarray(u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt)


def _pose_numbers(pose: Array, rotation_mean: Array, translation_mean: Array) -> Array:
    relative = pose[:, :3, :3] @ rotation_mean.T
    return np.concatenate([_rotation_vector(relative), pose[:, :3, 3] - translation_mean], axis=1)


def _rotation_vector(rotation: Array) -> Array:
    """Axis-angle [T, 3] of rotations [T, 3, 3] of less than half a turn."""
    cosine = ((np.trace(rotation, axis1=1, axis2=2) - 1) / 2).clip(-1, 1)
    angle = np.arccos(cosine)
    skew = np.stack(
        [
            rotation[:, 2, 1] - rotation[:, 1, 2],
            rotation[:, 0, 2] - rotation[:, 2, 0],
            rotation[:, 1, 0] - rotation[:, 0, 1],
        ],
        axis=1,
    )
    return np.asarray(skew / 2 / np.maximum(np.sinc(angle / np.pi), 1e-6)[:, None])
