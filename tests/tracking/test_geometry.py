from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from t2m_bench.core.errors import ShapeError
from t2m_bench.tracking import geometry
from t2m_bench.tracking.canonical import RIGID, canonical_face

Array = NDArray[np.float64]
SIZES = [(512, 512), (590, 512), (256, 384)]
FLIP = np.diag([1.0, -1.0, -1.0])


def make_pose(vector: list[float], translation: list[float]) -> Array:
    """[1, 4, 4]: a head turned by `vector` (axis-angle, in head axes) at `translation` decimetres."""
    pose = np.eye(4)[None].copy()
    pose[0, :3, :3] = FLIP @ geometry.rotation_from_vector(vector)
    pose[0, :3, 3] = translation
    return pose


def detect(shape: Array, pose: Array, focal: float, size: tuple[int, int]) -> Array:
    """What a perfect detector would say of `shape` [468, 3]: landmarks [T, 478, 3] in pixels, depth relative."""
    whole = np.concatenate([shape, np.repeat(shape[[159]], 5, axis=0), np.repeat(shape[[386]], 5, axis=0)])
    camera = geometry.transform(pose, whole)
    pixels = geometry.project(camera, focal, size)
    middle = camera[:, :468, 2].mean(axis=1)[:, None]
    depth = (camera[..., 2] - middle) / middle * focal
    return np.concatenate([pixels, depth[..., None]], axis=-1)


def degrees_between(a: Array, b: Array) -> Array:
    turn = np.swapaxes(a[:, :3, :3], 1, 2) @ b[:, :3, :3]
    return np.degrees(np.arccos(((np.trace(turn, axis1=1, axis2=2) - 1) / 2).clip(-1, 1)))


angles = st.floats(-0.5, 0.5)
poses = st.builds(
    lambda rx, ry, rz, x, y, z: make_pose([rx, ry, rz], [x, y, z]),
    angles, angles, angles, st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(6.0, 14.0),
)  # fmt: skip


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("fov", [12.0, 20.0, 40.0, 63.0])
def test_pipeline_recovers_a_known_pose_at_any_field_of_view(fov: float, size: tuple[int, int]) -> None:
    focal = geometry.focal_length(size, fov)
    distance = 3.0 * focal / size[1]  # the face fills the same share of the frame
    truth = make_pose([0.2, -0.35, 0.1], [0.2, -0.1, distance])
    points, pose = geometry.metric_landmarks(
        detect(canonical_face().vertices, truth, focal, size), focal, size
    )
    assert degrees_between(pose, truth)[0] < 0.2
    np.testing.assert_allclose(pose[0, :3, 3], truth[0, :3, 3], atol=0.004 * distance)
    np.testing.assert_allclose(
        points[0, :468], geometry.transform(truth, canonical_face().vertices)[0], atol=0.004 * distance
    )


@settings(max_examples=40, deadline=None)
@given(truth=poses)
def test_pipeline_on_any_pose(truth: Array) -> None:
    size = (512, 512)
    focal = geometry.focal_length(size, 20.0)
    landmarks = detect(canonical_face().vertices, truth, focal, size)
    pose = geometry.head_pose(landmarks, focal, size)
    assert degrees_between(pose, truth)[0] < 0.3
    assert pose[0, 2, 3] == pytest.approx(truth[0, 2, 3], rel=0.005)
    rotation = pose[0, :3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)


def test_frontal_face_has_the_documented_axes() -> None:
    size = (512, 512)
    focal = geometry.focal_length(size, 20.0)
    assert focal == pytest.approx(1451.9, abs=0.1)
    truth = make_pose([0, 0, 0], [0, 0, 10])
    pixels = geometry.project(geometry.transform(truth, canonical_face().vertices), focal, size)[0]
    assert pixels[10, 1] < pixels[152, 1]  # forehead above chin, y down
    assert pixels[33, 0] < 256 < pixels[263, 0]  # the subject's right eye on the image's left
    assert geometry.transform(truth, canonical_face().vertices)[0, 4, 2] < 10.0  # the nose is nearer


@settings(max_examples=30, deadline=None)
@given(truth=poses, seed=st.integers(0, 1000))
def test_canonical_landmarks_reproject_exactly_under_any_pose(truth: Array, seed: int) -> None:
    size = (512, 512)
    focal = geometry.focal_length(size, 20.0)
    noise = np.random.default_rng(seed).normal(0, 2.0, (1, 478, 3))
    landmarks = detect(canonical_face().vertices, truth, focal, size) + noise
    head = geometry.canonical_landmarks(landmarks, truth, focal, size)
    again = geometry.project(geometry.transform(truth, head), focal, size)
    np.testing.assert_allclose(again, landmarks[..., :2], atol=1e-8)
    assert np.abs(head[0, :468] - canonical_face().vertices).max() < 0.2


@settings(max_examples=30, deadline=None)
@given(
    truth=poses, turn=st.tuples(*[st.floats(-0.15, 0.15)] * 3), push=st.tuples(*[st.floats(-0.3, 0.3)] * 3)
)
def test_refined_pose_is_exact_without_noise(
    truth: Array, turn: tuple[float, ...], push: tuple[float, ...]
) -> None:
    size = (512, 512)
    focal = geometry.focal_length(size, 20.0)
    shape = canonical_face().vertices
    landmarks = detect(shape, truth, focal, size)
    start = truth.copy()
    start[0, :3, :3] = geometry.rotation_from_vector(turn) @ start[0, :3, :3]
    start[0, :3, 3] += push
    pose = geometry.refine_pose(landmarks, start, shape, RIGID, focal, size, steps=25)
    np.testing.assert_allclose(pose, truth, atol=1e-5)


def turning_head(frames: int) -> Array:
    time = np.linspace(0, 2 * np.pi, frames)
    poses = [make_pose([0.15 * np.sin(t), 0.4 * np.cos(t), 0.1 * np.sin(2 * t)], [0.1, 0, 9.0]) for t in time]
    return np.concatenate(poses)


def test_refined_pose_under_noise_and_outliers() -> None:
    size = (512, 512)
    focal = geometry.focal_length(size, 20.0)
    shape = canonical_face().vertices
    truth = turning_head(60)
    rng = np.random.default_rng(0)
    landmarks = detect(shape, truth, focal, size)
    landmarks += rng.normal(0, 1.0, landmarks.shape)
    landmarks[:, RIGID[:3], 0] += 60.0  # hair over the forehead
    start = geometry.head_pose(landmarks, focal, size)
    pose = geometry.refine_pose(landmarks, start, shape, RIGID, focal, size)
    assert degrees_between(pose, truth).mean() < 0.8
    assert np.abs(pose[:, :2, 3] - truth[:, :2, 3]).mean() < 0.01
    assert np.abs(pose[:, 2, 3] / truth[:, 2, 3] - 1).mean() < 0.01


def test_frames_do_not_see_each_other() -> None:
    size = (512, 512)
    focal = geometry.focal_length(size, 20.0)
    shape = canonical_face().vertices
    landmarks = detect(shape, turning_head(12), focal, size)
    landmarks += np.random.default_rng(1).normal(0, 1.0, landmarks.shape)
    start = geometry.head_pose(landmarks, focal, size)
    whole = geometry.refine_pose(landmarks, start, shape, RIGID, focal, size)
    alone = geometry.refine_pose(landmarks[5:6], start[5:6], shape, RIGID, focal, size)
    np.testing.assert_allclose(whole[5:6], alone, atol=1e-10)
    np.testing.assert_allclose(start[5:6], geometry.head_pose(landmarks[5:6], focal, size), atol=1e-10)


def test_refinement_never_makes_a_frame_worse() -> None:
    size = (512, 512)
    focal = geometry.focal_length(size, 20.0)
    shape = canonical_face().vertices
    landmarks = detect(shape, turning_head(20), focal, size)
    start = geometry.head_pose(landmarks, focal, size)
    start[:, :2, 3] += np.random.default_rng(4).uniform(-1, 1, (20, 2))
    start[0, 2, 3] = 0.5  # partly behind the camera: there is nothing to compare with
    pose = geometry.refine_pose(landmarks, start, shape, RIGID, focal, size, steps=2)
    np.testing.assert_array_equal(pose[0], start[0])
    before = geometry.reprojection_error(landmarks, start, shape, RIGID, focal, size)
    after = geometry.reprojection_error(landmarks, pose, shape, RIGID, focal, size)
    assert (after[1:] < before[1:]).all()


def test_identity_shape_finds_the_person_behind_poses_and_speech() -> None:
    size = (512, 512)
    focal = geometry.focal_length(size, 20.0)
    canonical = canonical_face().vertices
    person = canonical * [1.06, 0.95, 1.0] + [[0, 0.03, 0]] * (canonical[:, 1:2] > 0.3)
    truth = turning_head(50)
    rng = np.random.default_rng(2)
    landmarks = detect(person, truth, focal, size)
    landmarks += rng.normal(0, 0.5, landmarks.shape)
    landmarks[::3, 14, 1] += 25.0  # an open mouth every third frame
    start = geometry.head_pose(landmarks, focal, size)
    shape = geometry.identity_shape(landmarks, start, focal, size)
    assert shape.shape == (478, 3)
    pose = geometry.refine_pose(landmarks, start, shape, RIGID, focal, size)
    before = geometry.reprojection_error(landmarks, start, canonical, RIGID, focal, size).mean()
    after = geometry.reprojection_error(landmarks, pose, shape, RIGID, focal, size).mean()
    assert after < 0.8 < 2.5 < before
    scale, rotation, translation = geometry.procrustes(person[None], shape[None, :468], np.ones(468))
    moved = scale[0] * person @ rotation[0].T + translation[0]
    assert np.linalg.norm(moved - shape[:468], axis=1).mean() < 0.02  # 2 mm
    face = canonical_face()
    gap = (shape[face.procrustes_index] - face.vertices[face.procrustes_index]) * face.procrustes_weight[
        :, None
    ]
    np.testing.assert_allclose(gap.sum(axis=0), 0, atol=1e-9)  # no drift from the canonical origin


def test_procrustes_recovers_a_similarity_and_refuses_a_mirror() -> None:
    rng = np.random.default_rng(3)
    source = rng.normal(size=(20, 3))
    rotation = geometry.rotation_from_vector([0.4, -0.2, 0.9])
    target = (2.5 * source @ rotation.T + [1.0, 2.0, 3.0])[None]
    scale, found, translation = geometry.procrustes(source, target, rng.uniform(0.1, 1, 20))
    assert scale[0] == pytest.approx(2.5)
    np.testing.assert_allclose(found[0], rotation, atol=1e-12)
    np.testing.assert_allclose(translation[0], [1.0, 2.0, 3.0], atol=1e-12)
    mirrored = geometry.procrustes(source, (source * [-1, 1, 1])[None], np.ones(20))[1]
    assert np.linalg.det(mirrored[0]) == pytest.approx(1.0)


@given(st.tuples(*[st.floats(-3, 3)] * 3))
def test_rotation_matches_the_matrix_exponential(vector: tuple[float, float, float]) -> None:
    x, y, z = vector
    generator = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    term, total = np.eye(3), np.eye(3)
    for k in range(1, 40):
        term = term @ generator / k
        total = total + term
    np.testing.assert_allclose(geometry.rotation_from_vector(vector), total, atol=1e-8)


def test_points_behind_the_camera_have_no_pixel() -> None:
    pixels = geometry.project([[0.0, 0.0, 2.0], [0.0, 0.0, -2.0]], 100.0, (64, 48))
    np.testing.assert_array_equal(pixels[0], [32.0, 24.0])
    assert np.isnan(pixels[1]).all()


def test_wrong_input_is_named() -> None:
    with pytest.raises(ShapeError, match=r"landmarks must have shape \[T, 478, 3\], got \[1, 468, 3\]"):
        geometry.head_pose(np.zeros((1, 468, 3)), 100.0, (64, 64))
    landmarks = np.zeros((1, 478, 3))
    landmarks[0, 7] = np.nan
    with pytest.raises(ShapeError, match="not finite"):
        geometry.head_pose(landmarks, 100.0, (64, 64))
    with pytest.raises(ShapeError, match="fov_deg must lie between 0 and 180, got 180"):
        geometry.focal_length((64, 64), 180)
    with pytest.raises(ShapeError, match="at least 4 points, got 3"):
        geometry.refine_pose(landmarks, np.eye(4)[None], np.zeros((468, 3)), [1, 2, 3], 100.0, (64, 64))
