"""Training: it learns, it goes on exactly where it was killed, and no later frame leaks into it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from t2m_bench.core.card import MethodCard, read_card
from t2m_bench.core.errors import MethodError
from t2m_bench.core.method import Request, SilentReporter
from t2m_bench.media.audio import write_wav
from t2m_bench.media.video import read_frames
from t2m_bench.methods.talk2me.checkpoint import load_tensors
from t2m_bench.methods.talk2me.config import resolve
from t2m_bench.methods.talk2me.method import Talk2Me
from t2m_bench.methods.talk2me.motion import MotionSpace
from t2m_bench.methods.talk2me.train_avatar import STATE, load_data, start_avatar, train
from t2m_bench.methods.talk2me.train_motion import MotionData, train_motion
from t2m_bench.tracking.masking import rigid_only

CARD = Path(__file__).parents[3] / "t2m_bench" / "methods" / "talk2me" / "method.toml"


class _Killed(Exception):
    pass


class _KillAt(SilentReporter):
    """Raises after so many steps of the avatar."""

    def __init__(self, step: int) -> None:
        self.left = step

    def advance(self, steps: int = 1, note: str = "") -> None:
        if note.startswith("loss"):
            self.left -= steps
            if self.left <= 0:
                raise _Killed


def test_resumed_training_ends_in_the_same_bits(training, tmp_path: Path) -> None:
    config = resolve("tiny", {"steps": "12", "save_every": "4"})
    space = MotionSpace.learn(training.track, config.lip_components)
    data = load_data(training, space, config)

    def run(folder: Path, report: SilentReporter) -> None:
        folder.mkdir(exist_ok=True)
        train(start_avatar(data, training, space, config, 0), data, config, folder, 0, report)

    run(tmp_path / "straight", SilentReporter())
    with pytest.raises(_Killed):
        run(tmp_path / "killed", _KillAt(7))
    run(tmp_path / "killed", SilentReporter())
    straight, resumed = (load_tensors(tmp_path / name / STATE) for name in ("straight", "killed"))
    assert straight.keys() == resumed.keys()
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)


def test_a_loss_that_is_not_finite_stops_with_its_step(training, tmp_path: Path) -> None:
    config = resolve("tiny", {"steps": "3"})
    space = MotionSpace.learn(training.track, config.lip_components)
    data = load_data(training, space, config)
    avatar = start_avatar(data, training, space, config, 0)
    broken = replace(data, images=data.images)
    with torch.no_grad():
        avatar.expression_net.last.bias.fill_(float("inf"))
    with pytest.raises(Exception, match=r"not finite|nan|NaN|inf"):
        train(avatar, broken, config, tmp_path, 0, SilentReporter())


def test_generators_learn_a_planted_link_and_keep_the_mean_where_there_is_none(training) -> None:
    config = resolve("tiny", {"motion_epochs": "40", "motion_rate": "0.003"})
    space = MotionSpace.learn(training.track, config.lip_components)
    rng = np.random.default_rng(0)
    # Speech has few degrees of freedom: three slow signals behind all features, one of them behind the face.
    slow = np.apply_along_axis(np.convolve, 0, rng.normal(size=(220, 3)), np.ones(5) / 5**0.5, "same")[:200]
    audio = (slow @ rng.normal(size=(3, 241))).astype(np.float32)
    expression = np.repeat(slow[:, :1], space.expression_size, axis=1).astype(np.float32)
    pose = rng.normal(size=(200, 6)).astype(np.float32)
    report = SilentReporter()

    linked, _ = train_motion(MotionData(audio, expression, pose), space, config, 0, report)
    error = np.abs(linked.generate_expression(linked.standardised(audio))[160:] - expression[160:]).mean()
    assert error < 0.7 * np.abs(expression[160:] - expression.mean(axis=0)).mean()

    noise = rng.normal(size=expression.shape).astype(np.float32)
    unlinked, _ = train_motion(MotionData(audio, noise, pose), space, config, 0, report)
    told = unlinked.generate_expression(unlinked.standardised(audio))[160:]
    assert np.abs(told - noise.mean(axis=0)).mean() < 0.3


def _request(subject, held_out, tmp_path: Path, **changes: object) -> Request:
    wav = write_wav(tmp_path / "driving.wav", held_out.audio(), 16000)
    values: dict[str, object] = {
        "subject": subject, "audio": wav, "frames": len(held_out), "size": (64, 64), "fps": 25.0, "seed": 0,
        "expression": "reference", "pose": "reference", "motion": held_out.track,
    }  # fmt: skip
    return Request(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.slow
def test_tiny_avatar_beats_the_mean_frame_and_obeys_its_drives(subject, held_out, tmp_path: Path) -> None:
    method = Talk2Me(read_card(MethodCard, CARD), "tiny", {})
    work = tmp_path / "fit"
    work.mkdir()
    checkpoint = method.fit(subject, work, 0, SilentReporter())
    assert method.fit(subject, work, 0, SilentReporter()) == checkpoint  # nothing to do

    real = np.stack(list(held_out.frames((64, 64)))).astype(np.float64)
    mean = np.stack(list(subject.train.frames((64, 64)))).mean(axis=0)

    def make(name: str, **changes: object) -> np.ndarray:
        folder = tmp_path / name
        folder.mkdir()
        request = _request(subject, held_out, folder, **changes)
        return read_frames(method.synthesize(request, checkpoint, folder, SilentReporter())).astype(
            np.float64
        )

    p1 = make("p1")
    assert p1.shape == real.shape
    assert _psnr(p1, real) > _psnr(np.broadcast_to(mean, real.shape), real) + 1.0

    p2 = make("p2", expression="generated", motion=rigid_only(held_out.track))
    assert _psnr(p2, real) > _psnr(np.broadcast_to(mean, real.shape), real)

    p3 = make("p3", expression="generated", pose="generated", motion=None)
    assert p3.shape == real.shape
    assert np.array_equal(p3, make("p3-again", expression="generated", pose="generated", motion=None))


def test_a_drive_without_its_motion_is_refused(subject, held_out, tmp_path: Path) -> None:
    method = Talk2Me(read_card(MethodCard, CARD), "tiny", {"steps": "2", "motion_epochs": "1"})
    checkpoint = method.fit(subject, tmp_path, 0, SilentReporter())
    with pytest.raises(MethodError, match="reference pose but brings no reference motion"):
        method.synthesize(
            _request(subject, held_out, tmp_path, expression="generated", motion=None), checkpoint, tmp_path,
            SilentReporter(),
        )  # fmt: skip
    (checkpoint / "avatar.json").write_text("{")
    with pytest.raises(MethodError, match=r"avatar.json cannot be read .* Delete its folder to train again"):
        method.synthesize(_request(subject, held_out, tmp_path), checkpoint, tmp_path, SilentReporter())


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean(-10 * np.log10(((a - b) ** 2).mean(axis=(1, 2, 3)) / 255**2)))
