"""The benchmark's pair lists compute what the readable twin computes, and its script runs."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from t2m_bench.rendering.reference import rasterize_reference

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """`rasterizer` and `pair_lists`."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("rasterizer"), importlib.import_module("pair_lists")


def drawn(draw: Any, inputs: list[Tensor], backgrounds: Tensor, size: int, **options: Any) -> list[Tensor]:
    """Image, alpha and the gradients of a random linear function of both."""
    leaves = [tensor.clone().requires_grad_() for tensor in (*inputs[:6], backgrounds)]
    image, alpha, _ = draw(*leaves[:6], inputs[6], size, size, backgrounds=leaves[6], **options)
    generator = torch.Generator().manual_seed(1)
    grads = [torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in (image, alpha)]
    return [image.detach(), alpha.detach(), *torch.autograd.grad((image, alpha), leaves, grads)]


@pytest.mark.parametrize("scene", ["spread", "shell"])
@pytest.mark.parametrize("band_pairs", [1 << 20, 500])
def test_pair_lists_equal_the_reference(
    modules: tuple[ModuleType, ModuleType], scene: str, band_pairs: int
) -> None:
    rasterizer, pair_lists = modules
    cell = rasterizer.Cell(scene, 150, 30, "pairs", 1)
    # In float64, or rounding decides which of them draws a Gaussian whose alpha is just 1/255.
    inputs, backgrounds = rasterizer.make_scene(cell, torch.float64)
    mine = drawn(pair_lists.rasterize_pairs, inputs, backgrounds, 30, band_pairs=band_pairs)
    exact = drawn(rasterize_reference, inputs, backgrounds, 30)
    names = ("image", "alpha", "means", "quats", "scales", "opacities", "colors", "viewmats", "backgrounds")
    assert exact[1].std() > 0.01, "an even picture would prove little"
    for name, one, other in zip(names, mine, exact, strict=True):
        assert one.shape == other.shape, name
        assert (one - other).abs().max() <= 1e-4 * max(1.0, float(other.abs().max())), name


def test_bands_hold_at_most_the_limit_and_cut_no_row(modules: tuple[ModuleType, ModuleType]) -> None:
    boxes = torch.tensor([[0, 4, 0, 6], [2, 4, 3, 6], [0, 9, 8, 9], [5, 5, 0, 9]])
    # Pairs per row: 4 4 4 6 6 6 0 0 9 0.
    assert modules[1]._bands(boxes, 10, 12) == [(0, 3), (3, 5), (5, 8), (8, 10)]
    single = [(row, row + 1) for row in range(6)]
    assert modules[1]._bands(boxes, 10, 5) == [*single, (6, 8), (8, 9), (9, 10)]


def test_nothing_in_view_is_the_background(modules: tuple[ModuleType, ModuleType]) -> None:
    rasterizer, pair_lists = modules
    inputs, backgrounds = rasterizer.make_scene(rasterizer.Cell("spread", 3, 8, "pairs", 1))
    inputs[0] = -inputs[0]
    image, alpha, meta = pair_lists.rasterize_pairs(*inputs, 8, 8, backgrounds=0.5 * backgrounds)
    assert meta["pairs"] == 0 and alpha.abs().max() == 0 and (image == 0.5).all()


def test_shell_lies_on_an_ellipsoid_with_flat_gaussians(modules: tuple[ModuleType, ModuleType]) -> None:
    inputs, _ = modules[0].make_scene(modules[0].Cell("shell", 400, 64, "cpu", 1), torch.float64)
    axes = torch.tensor([0.38, 0.5, 0.45], dtype=torch.float64)
    inside = (inputs[0] - torch.tensor([0.0, 0.0, 3.0])) / axes
    assert torch.allclose(inside.norm(dim=1), torch.ones(400, dtype=torch.float64), atol=1e-6)
    w, x, y, z = torch.nn.functional.normalize(inputs[1], dim=1).unbind(1)
    thin = torch.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], dim=1)
    normal = torch.nn.functional.normalize(inside / axes, dim=1)
    assert torch.allclose((thin * normal).sum(dim=1), torch.ones(400, dtype=torch.float64), atol=1e-6)


def test_a_cell_that_is_not_measured_is_named_and_its_goals_too(
    modules: tuple[ModuleType, ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    rasterizer, _ = modules
    row = rasterizer.run_cell(rasterizer.Cell("spread", 20_000, 512, "pairs", -1))
    assert row["skipped"].startswith("failed with code 1: ")
    rasterizer.print_table([row])
    assert "failed with" in capsys.readouterr().out
    assert [line.split(":")[0] for line in rasterizer.goal_lines([row], 2)] == ["not measured"] * 3


def test_quick_run_prints_a_table(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [sys.executable, str(FOLDER / "rasterizer.py"), "--quick", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        "forward ms" in done.stdout
        and "sigma 2" in done.stdout
        and "not measured: speed goals" in done.stdout
    )
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    assert {row["backend"] for row in rows} == {"cpu", "pairs"}
    assert all(row["skipped"] is None and min(row["forward"]) > 0 and min(row["both"]) > 0 for row in rows)
    assert all(0 <= row["forward_bytes"] <= row["both_bytes"] for row in rows)
