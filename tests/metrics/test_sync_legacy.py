"""The public SyncNet pipeline: the same numbers as `syncnet_python.SyncNetPipeline` on the same video."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from precision_page import versioned
from sync_samples import Mimic, levels_of, no_face, only_track, speaker, still_face, voice
from sync_weights import syncnet_file

from t2m_bench.media.audio import write_wav
from t2m_bench.media.video import VideoWriter
from t2m_bench.metrics.sync_curves import offset_of, unpack
from t2m_bench.metrics.sync_legacy import LegacyExtractor
from t2m_bench.metrics.syncnet import load_syncnet

pytest.importorskip("scenedetect", reason="scenedetect is not installed")


@pytest.fixture
def one_core() -> Iterator[None]:
    """`ffmpeg` cuts pictures into as many slices as there are cores."""
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("programs cannot be bound to a core here")
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield
    os.sched_setaffinity(0, cores)


def _moving(number: int) -> np.ndarray:
    """A face that moves, with a gap of three frames, of a picture of 320 pixels."""
    if 40 <= number < 43:
        return np.zeros((0, 5))
    x, y = 3 * np.sin(number / 7), 2 * np.cos(number / 5)
    return np.array([[96 + x, 64 + y, 224 + 1.2 * x, 208 + y, 0.99]])


class Counting:
    """Detections by the number of the picture, whatever it shows."""

    def __init__(self) -> None:
        self.number = -1

    def __call__(self, picture: np.ndarray, **options: Any) -> np.ndarray:
        self.number += 1
        return _moving(self.number)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the reference needs the program ffmpeg")
def test_distances_are_those_of_syncnet_python(
    tmp_path: Path, one_core: None, monkeypatch: pytest.MonkeyPatch, agree: Callable[..., None]
) -> None:
    weights = syncnet_file(tmp_path)
    from syncnet_python.detectors.s3fd.nets import S3FDNet

    levels = levels_of(112)
    frames, sound = speaker(levels, side=320), voice(levels)
    with VideoWriter(tmp_path / "clip.mkv", 25, (320, 320), lossless=True) as video:
        for frame in frames:
            video.write(frame)
    write_wav(tmp_path / "clip.wav", sound, 16000)
    torch.save(S3FDNet(device="cpu").state_dict(), tmp_path / "sfd_face.pth")
    module = sys.modules["syncnet_python.SyncNetInstance"]
    kept: list[Any] = []
    original = module.calc_pdist  # type: ignore[attr-defined]
    monkeypatch.setattr(module, "calc_pdist", lambda *a, **k: kept.append(original(*a, **k)) or kept[-1])
    pipeline = sys.modules["syncnet_python"].SyncNetPipeline(  # type: ignore[attr-defined]
        device="cpu",
        s3fd_weights=str(tmp_path / "sfd_face.pth"),
        syncnet_weights=str(weights),
        min_track=100,
    )
    pipeline.s3fd.detect_faces = Counting()
    offsets, confidences, least, *_ = pipeline.inference(
        str(tmp_path / "clip.mkv"), str(tmp_path / "clip.wav")
    )
    (tmp_path / "work").mkdir()
    extractor = LegacyExtractor(sound, Counting(), load_syncnet(weights), tmp_path / "work")
    extractor.add(frames)
    found = only_track(extractor.finish())
    expected = torch.stack(kept[0]).numpy()
    assert found.distances.shape == expected.shape == (107, 31)
    # Rate control of the last JPEGs counts bytes, and a later encoder orders codes of equal length in another way:
    # now and then a picture gets the next quantiser.
    near = np.abs(found.distances - expected)
    assert near.max() < 0.02 and (near < 1e-4).mean() > 0.9
    curve, package = found.curve, versioned("syncnet-python")
    agree("lse_d@legacy distance of each window", package, found.distances, expected, within=0.02)
    agree("lse_d@legacy curve over shifts", package, curve, expected.mean(axis=0), within=1e-3)
    agree("av_offset@legacy (frames)", package, [offset_of(curve)], offsets, within=0)
    agree("lse_d@legacy", package, curve.min(), least[0], within=1e-3)
    agree("lse_c@legacy", package, np.median(curve) - curve.min(), confidences[0], within=1e-3)


def _run(folder: Path, frames: np.ndarray, sound: np.ndarray, **options: Any) -> dict[str, np.ndarray]:
    folder.mkdir()
    extractor = LegacyExtractor(sound, options.pop("detect", still_face), Mimic(), folder, **options)
    for begin in range(0, len(frames), options.get("batch", 7)):
        extractor.add(frames[begin : begin + 7])
    return dict(extractor.finish())


@pytest.mark.parametrize("shift", [-4, 6])
def test_a_speaker_is_in_sync_and_a_shift_is_found(tmp_path: Path, shift: int) -> None:
    levels = levels_of(130)
    frames = speaker(levels[10:120], side=320)
    sound = voice(levels)[(10 - shift) * 640 : (120 - shift) * 640]
    track = only_track(_run(tmp_path / "a", frames, sound))
    assert (track.first, track.frames, len(track.distances)) == (0, 110, 105)
    assert offset_of(track.curve) == -shift
    # Zeros beyond the ends of the sound count, as published.
    assert np.isfinite(track.distances).all()


def test_how_frames_come_changes_nothing(tmp_path: Path) -> None:
    levels = levels_of(102)
    frames, sound = speaker(levels, side=320), voice(levels)
    one = _run(tmp_path / "a", frames, sound)
    extractor = LegacyExtractor(sound, still_face, Mimic(), tmp_path)
    extractor.add(frames)
    two = extractor.finish()
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_what_the_pipeline_drops(tmp_path: Path) -> None:
    levels = levels_of(101)
    sound, frames = voice(levels), speaker(levels, side=160)
    cut = frames.copy()
    cut[60:] = 255 - cut[60:]
    for name, shown, detect, expected in (
        ("none", frames, no_face, (101, 0, 101, 0)),
        ("short", frames[:100], still_face, (100, 100, 100, 100)),
        ("small", frames, still_face, (101, 101, 101, 101)),
        ("cut", cut, still_face, (101, 101, 60, 0)),
    ):
        tracks, seen = unpack(_run(tmp_path / name, shown, sound, detect=detect))
        assert not tracks
        assert (seen.frames, seen.with_face, seen.longest_shot, seen.detections) == expected, name
    assert unpack(_run(tmp_path / "mute", speaker(levels, side=320), sound[: 640 * 5]))[1].soundless == 1
    assert unpack(_run(tmp_path / "empty", frames[:0], sound)) == ([], type(seen)())
