"""Expression generator: starts at the mean, sees only its neighbourhood, never overshoots when it smooths."""

from __future__ import annotations

import torch

from t2m_bench.methods.talk2me.expression import ExpressionGenerator, local_mask, moving_average


def _generator() -> ExpressionGenerator:
    torch.manual_seed(0)
    return ExpressionGenerator(
        audio=9, expression=7, dim=16, layers=1, rank=4, mouth=torch.tensor([2, 3])
    ).eval()


def _trained() -> ExpressionGenerator:
    """Random values in place of the zeros it starts with."""
    generator = _generator()
    with torch.no_grad():
        for layer in (generator.decoder[2], generator.direct[2]):
            layer.weight.normal_(std=0.3)
    return generator


def test_untrained_output_is_the_training_mean() -> None:
    assert (_generator()(torch.randn(2, 30, 9), torch.randn(2, 7)) == 0).all()


def test_longer_audio_gives_as_many_frames() -> None:
    assert _trained()(torch.randn(1, 60, 9), torch.randn(1, 7)).shape == (1, 60, 7)


def test_far_away_sound_does_not_matter() -> None:
    generator = _trained()
    audio, style = torch.randn(1, 120, 9), torch.randn(1, 7)
    changed = audio.clone()
    changed[:, 80:] += 1.0
    a, b = generator(audio, style), generator(changed, style)
    # 12 frames of moving average, 12 of attention, 2 of convolution twice, 2 of smoothing
    torch.testing.assert_close(a[:, :50], b[:, :50], atol=1e-5, rtol=1e-4)
    assert (a[:, 85:] - b[:, 85:]).abs().max() > 1e-3


def test_sound_played_backwards_moves_the_face_otherwise() -> None:
    generator = _trained()
    audio, style = torch.randn(1, 40, 9), torch.randn(1, 7)
    assert (generator(audio, style) - generator(audio.flip(1), style)).abs().max() > 1e-2


def test_smoothing_keeps_constants_and_never_overshoots() -> None:
    generator = _generator()
    torch.testing.assert_close(generator.smooth(torch.full((1, 9, 7), 0.7)), torch.full((1, 9, 7), 0.7))
    step = torch.zeros(1, 20, 7)
    step[:, 10:] = 1
    smooth = generator.smooth(step)
    assert smooth.min() >= 0
    assert smooth.max() <= 1
    assert (smooth.diff(dim=1) >= -1e-6).all()


def test_direct_pathway_is_open_for_the_mouth_and_nearly_closed_elsewhere() -> None:
    share = torch.sigmoid(_generator().blend)
    assert share[[2, 3]].min() == 0.5
    assert share[[0, 1, 4, 5, 6]].max() < 0.02


def test_local_mask_is_a_symmetric_band() -> None:
    mask = local_mask(10, 3, torch.zeros(1))
    assert torch.equal(mask, mask.T)
    assert torch.isinf(mask[0, 4])
    assert mask[0, 3] == -0.6000000238418579


def test_moving_average_of_a_constant() -> None:
    values = torch.full((1, 30, 2), 3.0)
    torch.testing.assert_close(moving_average(values, 25), values)
