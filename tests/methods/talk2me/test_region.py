"""Region weights (Eq. 2) against the formula written out."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from t2m_bench.methods.talk2me.region import nearest_weights, region_weights


def test_equation_2_written_out() -> None:
    landmarks = torch.tensor([[0.0, 0, 0], [1.0, 0, 0]])
    points = torch.tensor([[0.1, 0, 0], [0.0, 0.4, 0], [0, 0, 0.9], [1.0, 0.3, 0]])
    weight = region_weights(points, landmarks, 0.2, 0.6)
    torch.testing.assert_close(weight, torch.tensor([1.0, 0.5, 0.0, 0.75]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31 - 1), st.floats(0.05, 0.5), st.floats(0.01, 0.5))
def test_weight_falls_with_distance_and_stays_in_bounds(seed: int, near: float, width: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    points, landmarks = torch.rand(50, 3, generator=generator), torch.rand(5, 3, generator=generator)
    weight = region_weights(points, landmarks, near, near + width)
    assert ((weight >= 0) & (weight <= 1)).all()
    order = torch.cdist(points, landmarks).amin(1).argsort()
    assert (weight[order].diff() <= 1e-6).all()


def test_nearest_weights_find_the_landmark_itself() -> None:
    landmarks = torch.rand(20, 3, generator=torch.Generator().manual_seed(0))
    index, weight = nearest_weights(landmarks[3:4], landmarks)
    assert index[0, 0] == 3
    assert weight[0, 0] > 0.99
    torch.testing.assert_close(weight.sum(1), torch.ones(1))
