"""Rendering outside a run: pieces change nothing, the video has its sound, other programs read the point cloud."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from plyfile import PlyData

from t2m_bench.core.card import MethodCard, read_card
from t2m_bench.core.errors import MethodError, OutputError, UsageError
from t2m_bench.core.method import SilentReporter
from t2m_bench.core.subject import Subject
from t2m_bench.media.audio import read_audio, write_wav
from t2m_bench.media.probe import probe
from t2m_bench.methods.talk2me.fitted import FittedAvatar
from t2m_bench.methods.talk2me.method import Talk2Me
from t2m_bench.methods.talk2me.render import drive_from, export_ply, render_video

CARD = Path(__file__).parents[3] / "t2m_bench" / "methods" / "talk2me" / "method.toml"


@pytest.fixture(scope="module")
def fitted(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> FittedAvatar:
    method = Talk2Me(read_card(MethodCard, CARD), "tiny", {"steps": "5", "motion_epochs": "6"})
    avatar = FittedAvatar.load(method.fit(subject, tmp_path_factory.mktemp("fit"), 0, SilentReporter()))
    with torch.no_grad():  # five steps leave the generators at the mean, where every piece is equal
        for layer in (avatar.motion.expression.decoder[2], avatar.motion.refiner.output):
            layer.weight.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    return avatar


def test_pieces_give_what_the_whole_gives(fitted: FittedAvatar) -> None:
    heard = np.random.default_rng(0).normal(size=(400, 241)).astype(np.float32)
    whole = fitted.motion.generate_expression(heard)
    assert whole.std(axis=0).max() > 0.1
    np.testing.assert_allclose(fitted.motion.generate_expression(heard, piece=70), whole, atol=2e-4)
    pose = fitted.motion.generate_pose(heard, whole, fitted.database)
    assert len(pose) == 400
    np.testing.assert_allclose(
        fitted.motion.generate_pose(heard, whole, fitted.database, piece=70), pose, atol=2e-4
    )


def test_twice_the_sound_gives_twice_the_frames(fitted: FittedAvatar, tmp_path: Path) -> None:
    sound = np.random.default_rng(1).normal(scale=0.1, size=32000).astype(np.float32)
    frames = [
        len(drive_from(fitted, write_wav(tmp_path / f"{n}.wav", np.tile(sound, n), 16000), None).expression)
        for n in (1, 2)
    ]
    assert frames == [50, 100]


def test_video_driven_by_sound(fitted: FittedAvatar, demo_clips: Path, tmp_path: Path) -> None:
    speech = write_wav(tmp_path / "a b.wav", read_audio(demo_clips / "demo_cmn.mp4")[:24000], 16000)
    out = tmp_path / "out.mp4"
    frames = render_video(fitted, drive_from(fitted, speech, None), out, 64, SilentReporter())
    info = probe(out)
    assert (frames, info.frames, info.width, info.height, info.has_audio) == (38, 38, 64, 64, True)
    assert info.metadata["synthetic"] == "true"
    before = out.read_bytes()
    with pytest.raises(OutputError, match="out.mp4 exists already. Name another file"):
        render_video(fitted, drive_from(fitted, speech, None), out, 64, SilentReporter())
    assert out.read_bytes() == before


def test_track_drives_and_the_sound_is_only_heard(fitted: FittedAvatar, demo_clips: Path) -> None:
    track = demo_clips / "demo_en.track.npz"
    silent = drive_from(fitted, None, track)
    heard = drive_from(fitted, demo_clips / "demo_cmn.mp4", track)
    assert silent.sound is None
    assert np.array_equal(silent.expression, heard.expression)
    assert heard.sound is not None
    assert len(heard.sound) == len(heard.expression) * 640


def test_nothing_to_drive(fitted: FittedAvatar) -> None:
    with pytest.raises(UsageError, match="Nothing drives the avatar. Give --audio, --track, or both."):
        drive_from(fitted, None, None)


def test_point_cloud_is_read_by_another_program(fitted: FittedAvatar, tmp_path: Path) -> None:
    out = tmp_path / "avatar.ply"
    count = export_ply(fitted, out)
    vertex = PlyData.read(out)["vertex"]
    assert count == len(vertex) == fitted.config.points
    assert [p.name for p in vertex.properties][:9] == [
        "x",
        "y",
        "z",
        "nx",
        "ny",
        "nz",
        "f_dc_0",
        "f_dc_1",
        "f_dc_2",
    ]
    assert len(vertex.properties) == 62
    position = np.stack([vertex[axis] for axis in "xyz"], axis=1)
    near = fitted.avatar.position.detach().numpy()
    assert np.linalg.norm(position - near, axis=1).mean() < 0.1
    rotation = np.stack([vertex[f"rot_{i}"] for i in range(4)], axis=1)
    np.testing.assert_allclose(np.linalg.norm(rotation, axis=1), 1, atol=1e-5)
    colour = 0.5 + 0.28209479 * np.stack([vertex[f"f_dc_{i}"] for i in range(3)], axis=1)
    assert colour.min() >= -1e-4
    assert colour.max() <= 1 + 1e-4
    with pytest.raises(OutputError, match="avatar.ply exists already"):
        export_ply(fitted, out)


def test_loaded_avatar_is_the_saved_one(fitted: FittedAvatar, tmp_path: Path) -> None:
    again = FittedAvatar.load(fitted.save(tmp_path / "copy"))
    expression = np.zeros((1, fitted.space.expression_size), np.float32)
    a, b = (next(one.frames(expression, one.space.mean_pose[None], (64, 64))) for one in (fitted, again))
    assert np.array_equal(a, b)
    assert a.std() > 10


def test_damaged_checkpoint(fitted: FittedAvatar, tmp_path: Path) -> None:
    folder = fitted.save(tmp_path / "copy")
    told = json.loads((folder / "avatar.json").read_text())
    del told["size"]
    (folder / "avatar.json").write_text(json.dumps(told))
    with pytest.raises(
        MethodError, match="copy is damaged or of another version .KeyError.. Train the subject again"
    ):
        FittedAvatar.load(folder)
    with pytest.raises(MethodError, match="absent.*avatar.json cannot be read"):
        FittedAvatar.load(tmp_path / "absent")
