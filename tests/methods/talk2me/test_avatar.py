"""The avatar: starts as a likeness, follows what drives it, and is the same whatever the order of its points."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from t2m_bench.methods.talk2me.avatar import Frame, GaussianAvatar, _multiply, _quaternion
from t2m_bench.methods.talk2me.config import resolve
from t2m_bench.methods.talk2me.motion import MotionSpace
from t2m_bench.methods.talk2me.train_avatar import AvatarData, load_data, start_avatar
from t2m_bench.tracking.geometry import rotation_from_vector

CONFIG = resolve("tiny", {})


@pytest.fixture(scope="module")
def space(training) -> MotionSpace:
    return MotionSpace.learn(training.track, CONFIG.lip_components)


@pytest.fixture(scope="module")
def data(training, space: MotionSpace) -> AvatarData:
    return load_data(training, space, CONFIG)


@pytest.fixture(scope="module")
def avatar(training, space: MotionSpace, data: AvatarData) -> GaussianAvatar:
    return start_avatar(data, training, space, CONFIG, seed=0)


def _frame(data: AvatarData, index: int) -> Frame:
    return Frame(data.expression[index], data.pose_input[index], data.head[index])


def _render(avatar: GaussianAvatar, data: AvatarData, frame: Frame) -> torch.Tensor:
    with torch.no_grad():
        return avatar(frame, data.size, data.focal)[0]


def test_untrained_avatar_is_already_nearer_than_a_white_picture(
    avatar: GaussianAvatar, data: AvatarData
) -> None:
    target = torch.from_numpy(data.images[0]).float() / 255
    image = _render(avatar, data, _frame(data, 0))
    assert image.shape == target.shape
    assert (image - target).abs().mean() < 0.5 * (1 - target).abs().mean()


def test_runs_hold_what_their_names_say(avatar: GaussianAvatar) -> None:
    face, head = avatar.runs
    assert (avatar.region_weight[:face] >= 1).all()
    assert ((avatar.region_weight[face:head] > 0) & (avatar.region_weight[face:head] < 1)).all()
    assert (avatar.region_weight[head:] <= 0).all()
    assert face >= CONFIG.face_points + CONFIG.mouth_points
    assert len(avatar.position) == CONFIG.points


def test_runs_change_nothing(avatar: GaussianAvatar, data: AvatarData) -> None:
    """Both networks on all points, blended by Eq. 2 written out, give the same offsets as the runs."""
    from t2m_bench.methods.talk2me.deform import scaled_offsets
    from t2m_bench.methods.talk2me.encoding import sinusoidal

    frame, static = _frame(data, 5), avatar.static_features()
    with torch.no_grad():
        moved, _ = avatar.offsets(frame, static)
        weight = avatar.region_weight[:, None]
        expected = weight * scaled_offsets(avatar.expression_net(static[0], frame.expression)) + (
            1 - weight
        ) * scaled_offsets(avatar.pose_net(static[1], sinusoidal(frame.pose_input, 1)))
    torch.testing.assert_close(moved, expected, atol=1e-6, rtol=1e-4)


def test_rig_moves_the_mouth_and_not_the_shoulders(avatar: GaussianAvatar, data: AvatarData) -> None:
    calm, wide = data.expression[0], data.expression[0].clone()
    wide[51] += 3
    with torch.no_grad():
        moved = (avatar.rigged(wide) - avatar.rigged(calm)).norm(dim=1)
    face, head = avatar.runs
    assert moved[:face].max() > 0.005
    assert moved[head:].max() == 0


def test_head_turn_moves_the_head_more_than_the_shoulders(avatar: GaussianAvatar, data: AvatarData) -> None:
    turned = data.head[0].clone()
    turned[:3, :3] = torch.from_numpy(rotation_from_vector([0, 0.2, 0])).float() @ turned[:3, :3]
    share = torch.sigmoid(avatar.torso)
    with torch.no_grad():
        a, _ = avatar._bend(avatar.position, share, data.head[0])
        b, _ = avatar._bend(avatar.position, share, turned)
    moved = (a - b).norm(dim=1)
    low = avatar.position[:, 1] < -1.9
    if low.any():
        assert moved[low].mean() < 0.2 * moved[avatar.position[:, 1] > 0].mean()
    assert moved.max() > 0.05


def test_order_of_the_points_does_not_matter_inside_a_run(
    avatar: GaussianAvatar, space: MotionSpace, data: AvatarData
) -> None:
    face, _ = avatar.runs
    order = torch.arange(len(avatar.position))
    order[:face] = torch.randperm(face, generator=torch.Generator().manual_seed(0))
    state = {
        name: value[order] if value.ndim and len(value) == len(order) else value
        for name, value in avatar.state_dict().items()
    }
    shuffled = GaussianAvatar.restore(state, space, avatar.runs, CONFIG)
    a, b = _render(avatar, data, _frame(data, 3)), _render(shuffled, data, _frame(data, 3))
    torch.testing.assert_close(a, b, atol=2e-3, rtol=0)
    assert (a - b).abs().mean() < 1e-5


def test_restored_avatar_renders_the_same_bits(
    avatar: GaussianAvatar, space: MotionSpace, data: AvatarData
) -> None:
    again = GaussianAvatar.restore(avatar.state_dict(), space, avatar.runs, CONFIG)
    assert torch.equal(_render(avatar, data, _frame(data, 7)), _render(again, data, _frame(data, 7)))


def test_quaternion_algebra() -> None:
    rng = np.random.default_rng(0)
    a, b = (torch.from_numpy(rotation_from_vector(rng.normal(size=3))).float() for _ in range(2))
    product = _multiply(_quaternion(a), _quaternion(b))
    both = _quaternion(a @ b)
    assert min((product - both).abs().max(), (product + both).abs().max()) < 1e-5
