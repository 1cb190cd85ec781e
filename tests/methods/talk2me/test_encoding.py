"""Learnable positional encoding: Eq. 5-7 against the formula written out, and the order of the points."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from t2m_bench.core.errors import ShapeError
from t2m_bench.methods.talk2me.encoding import LearnablePositionalEncoding, morton_rank, sinusoidal


def _encoding(points: int = 12, dim: int = 8, learnable: bool = True) -> LearnablePositionalEncoding:
    torch.manual_seed(0)
    encoding = LearnablePositionalEncoding(
        torch.randperm(points), dim, cycles=16.0, gate=0.7, learnable=learnable
    )
    if learnable:
        with torch.no_grad():
            encoding.phase.uniform_(-1, 1)
            encoding.log_scale.fill_(0.3)
    return encoding


def test_equations_5_to_7_written_out() -> None:
    encoding = _encoding()
    points = torch.randn(12, 3)
    z = encoding(points)
    gate = 1 / (1 + math.exp(-0.7))
    for i in (0, 5, 11):
        u = float(encoding.position[i])
        angles = [
            u * math.exp(0.3) * f + p
            for f, p in zip(encoding.frequency.tolist(), encoding.phase.tolist(), strict=True)
        ]
        s = torch.tensor([math.sin(a) for a in angles] + [math.cos(a) for a in angles])
        pc = encoding.coordinate.weight @ points[i] + encoding.coordinate.bias
        expected = pc + gate * encoding.table[i] + (1 - gate) * s
        torch.testing.assert_close(z[i], expected, atol=1e-5, rtol=1e-4)


def test_frequencies_are_cycles_over_the_table() -> None:
    frequency = _encoding().frequency / (2 * math.pi)
    assert frequency[0] == pytest.approx(1.0)
    assert frequency[-1] == pytest.approx(16.0, rel=1e-5)


def test_scale_cannot_run_away() -> None:
    encoding = _encoding()
    with torch.no_grad():
        encoding.log_scale.fill_(50.0)
    wild = encoding.sinusoid()
    with torch.no_grad():
        encoding.log_scale.fill_(math.log(4.0))
    torch.testing.assert_close(wild, encoding.sinusoid())


def test_without_learning_the_feature_is_a_map_of_the_coordinate_alone() -> None:
    encoding = _encoding(learnable=False)
    points = torch.randn(12, 3)
    order = torch.randperm(12)
    torch.testing.assert_close(encoding(points)[order], encoding(points[order]))
    assert not hasattr(encoding, "table")


def test_sinusoidal_blocks() -> None:
    x = torch.tensor([[0.5, -1.0]])
    expected = torch.cat([x, x.sin(), x.cos(), (2 * x).sin(), (2 * x).cos()], dim=1)
    torch.testing.assert_close(sinusoidal(x, 2), expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(0, 2**31 - 1))
def test_morton_rank_is_a_permutation(count: int, seed: int) -> None:
    points = torch.rand(count, 3, generator=torch.Generator().manual_seed(seed))
    assert sorted(morton_rank(points).tolist()) == list(range(count))


def test_morton_neighbours_in_rank_are_neighbours_in_space() -> None:
    points = torch.rand(2000, 3, generator=torch.Generator().manual_seed(1))
    ordered = points[torch.argsort(morton_rank(points))]
    along = (ordered[1:] - ordered[:-1]).norm(dim=1).mean()
    shuffled = (points[1:] - points[:-1]).norm(dim=1).mean()
    assert along < 0.25 * shuffled


def test_morton_rank_of_moved_and_scaled_points_is_the_same() -> None:
    points = torch.rand(100, 3, generator=torch.Generator().manual_seed(2))
    assert torch.equal(morton_rank(points), morton_rank(points * 4.0))


def test_morton_rank_refuses_other_shapes() -> None:
    with pytest.raises(ShapeError, match=r"points must have shape \[N, 3\], got \[4, 2\]"):
        morton_rank(torch.zeros(4, 2))
