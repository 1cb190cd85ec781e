"""Fine detail."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from face_samples import seen
from metric_samples import StillFootage, recipe, smooth_frames, spoilt

from t2m_bench.core.errors import MetricError
from t2m_bench.core.metric import Observed
from t2m_bench.metrics.sharpness import Detail, SharpnessRatio, laplacian_variance


def _video(frames: np.ndarray) -> Observed:
    with Detail().open(recipe()) as maker:
        extractor = maker(StillFootage(frames))
        extractor.add(frames[:2])
        extractor.add(frames[2:])
        return seen(detail=dict(extractor.finish()))


def _blurred(frames: np.ndarray, radius: int) -> np.ndarray:
    planes = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    side = 2 * radius + 1
    soft = torch.nn.functional.avg_pool2d(planes, side, 1, radius, count_include_pad=False)
    return soft.round().byte().permute(0, 2, 3, 1).numpy()


def _slow(frame: np.ndarray) -> float:
    luma = [[0.299 * r + 0.587 * g + 0.114 * b for r, g, b in row] for row in frame.tolist()]
    found = []
    for y in range(1, len(luma) - 1):
        for x in range(1, len(luma[0]) - 1):
            near = luma[y - 1][x] + luma[y + 1][x] + luma[y][x - 1] + luma[y][x + 1]
            found.append(near - 4 * luma[y][x])
    mean = sum(found) / len(found)
    return sum((value - mean) ** 2 for value in found) / len(found)


@pytest.mark.parametrize("shape", [(3, 3), (7, 12), (24, 16)])
def test_it_is_that_of_a_plain_loop(shape: tuple[int, int]) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert laplacian_variance(frame) == pytest.approx(_slow(frame), rel=1e-5, abs=1e-3)


def test_blur_lowers_it_noise_raises_it_and_brightness_does_nothing() -> None:
    frames = (smooth_frames(4, 64) * 0.7).astype(np.uint8)
    real = _video(frames)

    def ratio(changed: np.ndarray) -> float:
        return SharpnessRatio().summarise(_video(changed), real, recipe()).value

    assert ratio(frames) == 1
    assert ratio(_blurred(frames, 2)) < ratio(_blurred(frames, 1)) < 0.5
    assert 1.01 < ratio(spoilt(frames, 5)) < ratio(spoilt(frames, 20))
    assert ratio(frames + np.uint8(40)) == pytest.approx(1, rel=1e-5)


def test_it_is_the_ratio_of_means_and_facts_hold_both() -> None:
    frames = smooth_frames(3, 32)
    made, real = _video(_blurred(frames, 1)), _video(frames)
    found = SharpnessRatio().summarise(made, real, recipe())
    means = [np.mean([laplacian_variance(frame) for frame in part]) for part in (_blurred(frames, 1), frames)]
    assert found.facts == {"variance": pytest.approx(means[0]), "variance_reference": pytest.approx(means[1])}
    assert found.value == pytest.approx(means[0] / means[1]) and found.frames == 3


def test_an_empty_reference_and_tiny_frames_are_refused() -> None:
    flat = _video(np.zeros((3, 8, 8, 3), np.uint8))
    with pytest.raises(MetricError, match="The real frames show no detail"):
        SharpnessRatio().summarise(flat, flat, recipe())
    with pytest.raises(MetricError, match="sides of at least 3 pixels, these are 2x9"):
        laplacian_variance(np.zeros((9, 2, 3), np.uint8))
