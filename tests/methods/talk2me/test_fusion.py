"""Kronecker fusion (Eq. 8, 9) against explicit Kronecker products."""

from __future__ import annotations

import pytest
import torch

from t2m_bench.core.errors import ShapeError
from t2m_bench.methods.talk2me.fusion import FeatureGate, KroneckerFusion


def test_products_are_kronecker_products_of_the_reduced_streams() -> None:
    torch.manual_seed(0)
    fusion = KroneckerFusion(3, 6, 2)
    a, e, s = torch.randn(3, 6)
    small = [layer(x) for layer, x in zip(fusion.reduce, (a, e, s), strict=True)]
    products = [
        torch.kron(small[0], small[1]),
        torch.kron(small[0], small[2]),
        torch.kron(small[1], small[2]),
    ]
    torch.testing.assert_close(fusion(a, e, s), fusion.project(torch.cat(products)))


def test_wrong_number_of_streams() -> None:
    with pytest.raises(ShapeError, match="KroneckerFusion of 3 streams was given 2"):
        KroneckerFusion(3, 4, 2)(torch.zeros(4), torch.zeros(4))


def test_gate_returns_something_between_its_streams() -> None:
    torch.manual_seed(0)
    a, s = torch.randn(2, 5, 8)
    out = FeatureGate(8)(a, s)
    low, high = torch.minimum(a, s), torch.maximum(a, s)
    assert ((out >= low - 1e-6) & (out <= high + 1e-6)).all()
