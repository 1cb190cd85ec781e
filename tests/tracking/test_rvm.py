from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tracking_samples import write_toy_rvm

from t2m_bench.core.errors import AssetError, AssetMissing, ShapeError
from t2m_bench.tracking.rvm import RvmMatting


def frame(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 80, dtype=np.uint8)


def test_states_go_from_frame_to_frame_until_reset(tmp_path: Path) -> None:
    with RvmMatting(write_toy_rvm(tmp_path / "rvm.torchscript", 0.2)) as matting:
        first, second = matting.matte(frame(48, 32)), matting.matte(frame(48, 32))
        matting.reset()
        again = matting.matte(frame(31, 17))
    assert first.shape == (32, 48) and first.dtype == np.uint8
    assert (first == 51).all() and (second == 102).all()
    assert again.shape == (17, 31) and (again == 51).all()
    with pytest.raises(ShapeError, match="closed"):
        matting.matte(frame(48, 32))


@pytest.mark.parametrize(("size", "ratio"), [((64, 48), 1.0), ((1280, 720), 0.4), ((600, 1024), 0.5)])
def test_coarse_ratio_follows_the_longest_side(tmp_path: Path, size: tuple[int, int], ratio: float) -> None:
    with RvmMatting(write_toy_rvm(tmp_path / "rvm.torchscript", 1.0)) as matting:
        matting.matte(frame(*size))
        kept = matting._memory[3]
    assert kept is not None and kept.item() == pytest.approx(ratio)


def test_another_size_needs_a_reset(tmp_path: Path) -> None:
    with RvmMatting(write_toy_rvm(tmp_path / "rvm.torchscript", 0.2)) as matting:
        matting.matte(frame(48, 32))
        with pytest.raises(
            ShapeError, match=r"frame must be 48x32 as the ones before, got 32x48\. Call reset"
        ):
            matting.matte(frame(32, 48))
        with pytest.raises(ShapeError, match=r"frame must be uint8 \[H, W, 3\], got uint8 \[32, 48\]"):
            matting.matte(frame(48, 32)[..., 0])


def test_missing_broken_and_foreign_models_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("T2M_ASSETS", raising=False)
    monkeypatch.setenv("T2M_HOME", str(tmp_path))
    monkeypatch.setenv("T2M_OFFLINE", "1")
    with pytest.raises(AssetMissing, match="t2m-bench assets fetch rvm_mobilenetv3"):
        RvmMatting()
    broken = tmp_path / "broken.torchscript"
    broken.write_bytes(b"nonsense" * 100)
    with pytest.raises(AssetError, match=r"broken\.torchscript cannot be used as a matting network"):
        RvmMatting(broken)
    foreign = tmp_path / "foreign.torchscript"
    torch.jit.script(torch.nn.ReLU()).save(str(foreign))
    with (
        RvmMatting(foreign) as matting,
        pytest.raises(AssetError, match="does not run as Robust Video Matting"),
    ):
        matting.matte(frame(48, 32))
