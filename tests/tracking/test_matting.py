from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tracking_samples import real_frames, use_models

from t2m_bench.core.errors import AssetError, AssetMissing, ShapeError
from t2m_bench.tracking.matting import SelfieMatting, composite, refine_alpha, upsample_matte


def disc(side: int, radius: float, softness: float = 2.0) -> NDArray[np.uint8]:
    """A soft-edged disc [side, side]."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return np.rint(255 * ((radius - np.hypot(x, y)) / softness + 0.5).clip(0, 1)).astype(np.uint8)


def test_real_person_is_cut_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    use_models(monkeypatch, tmp_path)
    frame = real_frames(1, 512)[0]
    with SelfieMatting() as matting:
        matte = matting.matte(frame)
        mirrored = matting.matte(np.ascontiguousarray(frame[:, ::-1]))
        wide = matting.matte(frame[::2])
    assert matte.shape == (256, 256) and matte.dtype == np.uint8
    assert matte[128, 128] == 255  # the face
    assert matte[:20, :20].max() == 0 and matte[:20, -20:].max() == 0  # corners behind the head
    assert ((matte > 12) & (matte < 243)).mean() < 0.05  # the edge is thin
    assert np.abs(mirrored[:, ::-1].astype(int) - matte).mean() < 5
    assert wide.shape == (256, 256)
    assert capfd.readouterr().err == ""
    with pytest.raises(ShapeError, match="closed"):
        matting.matte(frame)


def test_missing_model_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("T2M_ASSETS", raising=False)
    monkeypatch.setenv("T2M_HOME", str(tmp_path))
    monkeypatch.setenv("T2M_OFFLINE", "1")
    with pytest.raises(AssetMissing, match="t2m-bench assets fetch selfie_segmentation"):
        SelfieMatting()


def test_file_that_is_no_model(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(b"nonsense" * 100)
    with pytest.raises(AssetError, match=r"model\.tflite cannot be used as a segmentation model"):
        SelfieMatting(model)


def test_composite_keeps_the_person_and_replaces_the_rest() -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (90, 118, 3), dtype=np.uint8)
    matte = np.zeros((90, 118), dtype=np.uint8)
    matte[20:60, 30:80] = 255
    for background in (255, 0, 17):
        result = composite(frame, matte, background)
        np.testing.assert_array_equal(result[matte == 255], frame[matte == 255])
        assert (result[matte == 0] == background).all()
        assert result.flags.c_contiguous


def test_composite_leaves_no_coloured_fringe() -> None:
    skin, wall = np.array([200.0, 150.0, 120.0]), np.array([200.0, 0.0, 40.0])
    matte = disc(128, 40, softness=6)
    alpha = matte[..., None] / 255
    frame = np.rint(skin * alpha + wall * (1 - alpha)).astype(np.uint8)
    ideal = skin * alpha + 255 * (1 - alpha)
    naive = frame * alpha + 255 * (1 - alpha)
    edge = (matte > 25) & (matte < 230)
    ours = np.abs(composite(frame, matte) - ideal)[edge].mean()
    assert ours < 3.0 < 0.3 * np.abs(naive - ideal)[edge].mean()


def test_refinement_pulls_a_loose_edge_inside() -> None:
    person = disc(128, 40, softness=1) > 127
    picture = np.where(person, 0.7, 0.2).astype(np.float32)[None].repeat(3, axis=0)
    loose = disc(128, 42).astype(np.float32)[None] / 255
    found = refine_alpha(picture, loose)[0]
    assert found[person].mean() > 0.98
    ring = (disc(128, 43, softness=1) > 127) & ~person
    assert found[ring].mean() < 0.5 * loose[0][ring].mean()
    assert found.min() >= 0 and found.max() <= 1


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 255))
def test_upsampled_plain_mattes_stay_plain(width: int, height: int, level: int) -> None:
    matte = np.full((16, 24), level, dtype=np.uint8)
    result = upsample_matte(matte, width, height)
    assert result.shape == (height, width) and (result == level).all()


def test_wrong_shapes_are_named() -> None:
    frame = np.zeros((8, 8, 3), dtype=np.uint8)
    with pytest.raises(ShapeError, match=r"matte must be uint8 \[h, w\], got uint8 \[8, 8, 1\]"):
        composite(frame, np.zeros((8, 8, 1), dtype=np.uint8))
    with pytest.raises(ShapeError, match=r"frame must be uint8 \[H, W, 3\], got uint8 \[8, 8\]"):
        composite(frame[..., 0], np.zeros((8, 8), dtype=np.uint8))
