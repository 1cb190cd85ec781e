from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from tracking_samples import real_frames, use_models, write_clip, write_toy_rvm

from t2m_bench.core import assets
from t2m_bench.core.errors import AssetMissing, NoFaceFound, ShapeError, TrackingError, UsageError, VideoError
from t2m_bench.core.track import Track
from t2m_bench.media.video import iter_gray
from t2m_bench.tracking import tracker
from t2m_bench.tracking.geometry import project, transform
from t2m_bench.tracking.tracker import longest_gap, track_clip


class Notes:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None]] = []
        self.steps = 0
        self.lines: list[str] = []

    def stage(self, name: str, total: int | None = None) -> None:
        self.stages.append((name, total))

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.steps += steps

    def log(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_models(monkeypatch, tmp_path)


def clip_with_blanks(path: Path, frames: int, blanks: list[int]) -> Path:
    """A real clip [frames] with grey frames at `blanks`."""
    pictures = real_frames(frames, 192).copy()
    pictures[blanks] = 127
    return write_clip(path, pictures)


def assert_same(a: Track, b: Track) -> None:
    for name in ("landmarks", "blendshapes", "pose", "ear", "box", "valid"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert (a.size, a.fps, a.fov_deg, a.source) == (b.size, b.fps, b.fov_deg, b.source)


def test_track_of_a_real_clip(models: None, tmp_path: Path) -> None:
    video = write_clip(tmp_path / "real.mkv", real_frames(6, 256))
    notes = Notes()
    track = track_clip(video, cache=tmp_path / "cache", report=notes)
    assert len(track) == 6 and track.valid.all()
    assert track.size == (256, 256) and track.fps == 25.0 and track.fov_deg == 20.0
    assert "face_landmarker.task 64184e229b26" in track.source
    assert notes.stages[0][0] == "tracking" and notes.steps == 6 and not notes.lines
    nose = project(transform(track.pose, [[0.0, 0.0, 0.76]]), track.focal, track.size)[:, 0]
    assert np.linalg.norm(nose - track.landmarks[:, 4, :2], axis=1).max() < 12
    assert (track.pose[:, 2, 3] > 5).all()  # in front of the camera, decimetres
    assert ((track.ear > 0.02) & (track.ear < 0.5)).all()
    np.testing.assert_allclose(track.box[:, :2], track.landmarks[..., :2].min(axis=1))
    assert track.matte is not None and track.matte.parent.parent == tmp_path / "cache"
    mattes = list(iter_gray(track.matte))
    assert len(mattes) == 6
    x, y = track.landmarks[0, 4, :2].astype(int)
    assert mattes[0].shape == (256, 256) and mattes[0][y, x] == 255


def test_padded_width_is_tracked_as_the_plain_one(models: None, tmp_path: Path) -> None:
    plain = real_frames(2, 512)
    wide = np.zeros((2, 512, 590, 3), dtype=np.uint8)
    wide[:, :, 39:551] = plain
    tracks = [
        track_clip(write_clip(tmp_path / name, frames), cache=tmp_path / "cache", matting="none")
        for name, frames in (("plain.mkv", plain), ("wide.mkv", wide))
    ]
    assert tracks[1].size == (590, 512)
    shift = (tracks[1].landmarks - tracks[0].landmarks)[..., :2]
    np.testing.assert_allclose(shift.mean(axis=(0, 1)), [39, 0], atol=2)
    np.testing.assert_allclose(tracks[1].pose[:, :3, 3], tracks[0].pose[:, :3, 3], atol=0.2)
    assert tracks[0].matte is None


def test_second_call_reads_the_cache(models: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_clip(tmp_path / "real.mkv", real_frames(3, 192))
    first = track_clip(video, cache=tmp_path / "cache")
    moved = tmp_path / "renamed.mkv"
    video.rename(moved)
    with monkeypatch.context() as patch:
        patch.setattr(tracker, "LandmarkDetector", None)  # a second detection would fail
        again = track_clip(moved, cache=tmp_path / "cache")
    assert_same(first, again)
    assert again.matte == first.matte and again.matte is not None and again.matte.is_file()


def test_other_settings_or_content_miss_the_cache(models: None, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    frames = real_frames(2, 192)
    video = write_clip(tmp_path / "a.mkv", frames)
    near = track_clip(video, cache=cache, matting="none")
    wide = track_clip(video, cache=cache, matting="none", fov_deg=63.0)
    track_clip(video, cache=cache)
    track_clip(write_clip(tmp_path / "b.mkv", frames[:, :, ::-1]), cache=cache, matting="none")
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 4
    assert wide.pose[0, 2, 3] < 0.5 * near.pose[0, 2, 3]
    np.testing.assert_array_equal(near.landmarks, wide.landmarks)


@pytest.mark.parametrize("harm", ["truncate track", "truncate matte", "no seal", "no matte", "nonsense seal"])
def test_damaged_entry_is_made_anew(models: None, tmp_path: Path, harm: str) -> None:
    video = write_clip(tmp_path / "real.mkv", real_frames(2, 192))
    first = track_clip(video, cache=tmp_path / "cache")
    assert first.matte is not None
    folder = first.matte.parent
    matte = first.matte.read_bytes()
    if harm == "truncate track":
        (folder / "track.npz").write_bytes((folder / "track.npz").read_bytes()[:500])
    elif harm == "truncate matte":
        first.matte.write_bytes(matte[:-50])
    elif harm == "no seal":
        (folder / "seal.json").unlink()
    elif harm == "no matte":
        first.matte.unlink()
    else:
        (folder / "seal.json").write_text("[1, 2")
    again = track_clip(video, cache=tmp_path / "cache")
    assert_same(first, again)
    assert again.matte == first.matte
    assert len(list(iter_gray(again.matte))) == 2
    assert sorted(path.name for path in folder.iterdir()) == ["matte.mkv", "seal.json", "track.npz"]


def test_smoothing_touches_the_pose_only(models: None, tmp_path: Path) -> None:
    video = clip_with_blanks(tmp_path / "gap.mkv", 40, [0, 20])
    plain = track_clip(video, cache=tmp_path / "cache", matting="none")
    smooth = track_clip(video, cache=tmp_path / "cache", matting="none", smoothing="savgol")
    for name in ("landmarks", "blendshapes", "ear", "box", "valid"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(smooth, name), err_msg=name)
    assert smooth.source == f"{plain.source} savgol"

    def tremor(track: Track) -> float:
        return float(np.abs(np.diff(track.pose[1:20], 2, axis=0)).mean())

    assert tremor(smooth) < 0.75 * tremor(plain)
    assert np.abs(smooth.pose - plain.pose).max() < 0.2  # decimetres, and entries of a rotation
    np.testing.assert_array_equal(smooth.pose[0], smooth.pose[1])
    np.testing.assert_array_equal(smooth.pose[20], smooth.pose[19])


def test_rvm_matte_is_kept_with_the_hash_of_its_model(
    models: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_clip(tmp_path / "real.mkv", real_frames(3, 192))
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("T2M_ASSETS", f"{os.environ['T2M_ASSETS']}{os.pathsep}{folder}")
    model = folder / assets.get("rvm_mobilenetv3").file
    levels = []
    for version, gain in enumerate((0.25, 0.5)):
        write_toy_rvm(model, gain)
        model.with_name(f"{model.name}.sha256").write_text(assets.file_sha256(model))
        track = track_clip(video, cache=tmp_path / "cache", matting="rvm")
        assert track.matte is not None
        mattes = list(iter_gray(track.matte))
        assert len(mattes) == 3 and mattes[0].shape == (192, 192)
        levels.append([int(matte[0, 0]) for matte in mattes])
        assert len([path for path in (tmp_path / "cache").iterdir() if path.is_dir()]) == version + 1
    assert levels == [[64, 128, 191], [128, 255, 255]]  # the network remembers, and is another one each time


def test_default_cache_lies_in_the_home_folder(models: None, tmp_path: Path) -> None:
    video = write_clip(tmp_path / "real.mkv", real_frames(1, 192))
    track = track_clip(video)
    assert track.matte is not None and track.matte.is_relative_to(tmp_path / "home" / "tracks")


def test_no_face_at_all(models: None, tmp_path: Path) -> None:
    video = write_clip(tmp_path / "grey.mkv", np.full((3, 96, 96, 3), 127, dtype=np.uint8))
    with pytest.raises(
        NoFaceFound, match=r"No face was found in any of the 3 frames of .*grey\.mkv\. Use a clip"
    ):
        track_clip(video, cache=tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]  # no half entry


def test_face_lost_for_a_moment_carries_the_last_values(models: None, tmp_path: Path) -> None:
    video = clip_with_blanks(tmp_path / "gap.mkv", 40, [0, 20])
    track = track_clip(video, cache=tmp_path / "cache", matting="none")
    assert np.flatnonzero(~track.valid).tolist() == [0, 20]
    for name in ("landmarks", "blendshapes", "pose", "ear", "box"):
        values = getattr(track, name)
        np.testing.assert_array_equal(values[0], values[1], err_msg=name)
        np.testing.assert_array_equal(values[20], values[19], err_msg=name)
        assert not np.array_equal(values[20], values[21]), name


def test_face_lost_too_long_is_refused_with_numbers(models: None, tmp_path: Path) -> None:
    video = clip_with_blanks(tmp_path / "lost.mkv", 20, [3, 10, 11, 12])
    with pytest.raises(TrackingError) as caught:
        track_clip(video, cache=tmp_path / "cache", matting="none")
    assert not isinstance(caught.value, NoFaceFound)
    assert str(caught.value) == (
        f"{video}: face lost in 4 of 20 frames (20%), at most 5% may be; the longest gap is frames 10 to 12. "
        "Cut the clip to a part where the face is seen."
    )
    track = track_clip(video, cache=tmp_path / "cache", matting="none", max_invalid=0.2)
    assert track.valid.sum() == 16


def test_several_faces_are_counted_and_one_is_followed(models: None, tmp_path: Path) -> None:
    scene = np.zeros((3, 256, 448, 3), dtype=np.uint8)
    scene[:, :192, :192] = real_frames(3, 192, 1)
    scene[0, :, 192:] = real_frames(1, 256, 0)[0]
    scene[1:, 32:192, 240:400] = real_frames(2, 160, 0)  # it shrinks below the other one and stays the one
    notes = Notes()
    track = track_clip(
        write_clip(tmp_path / "two.mkv", scene), cache=tmp_path / "c", matting="none", report=notes
    )
    assert (track.box[:, 0] > 192).all()
    assert notes.lines == ["two.mkv: 3 of 3 frames show several faces; one is followed"]


def test_missing_model_and_bad_input_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("T2M_ASSETS", raising=False)
    monkeypatch.setenv("T2M_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("T2M_OFFLINE", "1")
    video = write_clip(tmp_path / "grey.mkv", np.full((1, 32, 32, 3), 127, dtype=np.uint8))
    with pytest.raises(AssetMissing, match="t2m-bench assets fetch face_landmarker"):
        track_clip(video, cache=tmp_path / "cache")
    with pytest.raises(VideoError, match="does not exist"):
        track_clip(tmp_path / "absent.mp4", cache=tmp_path / "cache")
    with pytest.raises(UsageError, match="Unknown matting 'chroma'. Known are selfie, rvm, none"):
        track_clip(video, cache=tmp_path / "cache", matting="chroma")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="Unknown smoothing 'kalman'. Known are none, savgol"):
        track_clip(video, cache=tmp_path / "cache", smoothing="kalman")  # type: ignore[arg-type]
    with pytest.raises(AssetMissing, match="t2m-bench assets fetch rvm_mobilenetv3"):
        track_clip(video, cache=tmp_path / "cache", matting="rvm")
    with pytest.raises(ShapeError, match="fov_deg must lie between 0 and 180, got -5"):
        track_clip(video, cache=tmp_path / "cache", fov_deg=-5)
    shutil.rmtree(tmp_path / "cache")


@pytest.mark.parametrize(
    ("valid", "gap"),
    [
        ("1111", (0, 0)),
        ("0111", (0, 1)),
        ("1001", (1, 3)),
        ("0100", (2, 4)),
        ("0000", (0, 4)),
        ("0101", (0, 1)),
    ],
)
def test_longest_gap(valid: str, gap: tuple[int, int]) -> None:
    assert longest_gap(np.array([letter == "1" for letter in valid])) == gap
