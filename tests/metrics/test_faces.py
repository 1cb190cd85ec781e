"""Landmarks of the frames that are scored, and where those of the real frames are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from metric_samples import Detector, StillFootage, corner_face, recipe, smooth_frames

from t2m_bench.core.errors import AssetError
from t2m_bench.metrics import faces
from t2m_bench.metrics.faces import (
    FaceFinder,
    frame_key,
    load_known,
    open_face_finder,
    reference_file,
    save_known,
)


def test_equal_pictures_are_looked_at_once() -> None:
    detector = Detector()
    find = FaceFinder(detector.find)
    frames = smooth_frames(3, 32)
    found = find(np.concatenate([frames, frames]))
    assert found.shape == (6, 478, 2) and found.dtype == np.float32
    assert np.array_equal(found[:3], found[3:]) and detector.looked == 3
    for frame, points in zip(frames, found, strict=False):
        expected = corner_face(frame)
        assert expected is not None and np.array_equal(points, expected[:, :2])


def test_no_face_is_nan_and_is_remembered_too() -> None:
    detector = Detector()
    find = FaceFinder(detector.find)
    black = np.zeros((2, 8, 8, 3), np.uint8)
    assert np.isnan(find(black)).all() and detector.looked == 1


def test_a_key_tells_pictures_and_sizes_apart() -> None:
    frame = smooth_frames(1, 16)[0]
    changed = frame.copy()
    changed[-1, -1, -1] ^= 1
    turned = np.zeros((4, 8, 3), np.uint8), np.zeros((8, 4, 3), np.uint8)
    keys = [frame_key(picture) for picture in (frame, changed, *turned)]
    assert len(set(keys)) == 4
    assert frame_key(frame[:, ::-1][:, ::-1]) == keys[0]


def test_what_is_kept_comes_back_bit_for_bit(tmp_path: Path) -> None:
    known = {frame_key(f): np.float32(np.full((478, 2), i / 3)) for i, f in enumerate(smooth_frames(3, 16))}
    known[frame_key(np.zeros((4, 4, 3), np.uint8))] = np.full((478, 2), np.nan, np.float32)
    path = tmp_path / "new" / "known.npz"
    save_known(path, known)
    back = load_known(path)
    assert back.keys() == known.keys()
    assert all(np.array_equal(back[key], known[key], equal_nan=True) for key in known)


@pytest.mark.parametrize("content", [None, b"", b"junk", b"PK\x03\x04 a zip that ends"])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "known.npz").write_bytes(content)
    assert load_known(tmp_path / "known.npz") == {}


def test_arrays_of_other_shapes_are_as_good_as_none(tmp_path: Path) -> None:
    with (tmp_path / "known.npz").open("wb") as file:
        np.savez(file, keys=np.zeros((2, 16), np.uint8), points=np.zeros((3, 478, 2), np.float32))
    assert load_known(tmp_path / "known.npz") == {}


def test_the_file_depends_on_the_frames_the_recipe_the_model_and_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = StillFootage(smooth_frames(1, 16), "a"), StillFootage(smooth_frames(1, 16), "b")
    files = {
        reference_file(tmp_path, first, recipe()),
        reference_file(tmp_path, second, recipe()),
        reference_file(tmp_path, first, recipe(size=256)),
        reference_file(tmp_path, first, recipe(landmarks_sha256="0" * 64)),
    }
    monkeypatch.setattr(faces, "_mediapipe_version", lambda: "0.0.1")
    files.add(reference_file(tmp_path, first, recipe()))
    assert len(files) == 5
    assert {path.parent for path in files} == {tmp_path / "landmarks"}


def test_a_recipe_written_for_another_model_is_refused() -> None:
    with (
        pytest.raises(
            AssetError, match=r"Recipe 'native' wants face_landmarker\.task with sha256 000000000000"
        ),
        open_face_finder(recipe(landmarks_sha256="0" * 64), {}),
    ):
        pass
