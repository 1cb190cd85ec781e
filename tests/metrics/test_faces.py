"""The face of every frame, and the store that keeps it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from metric_samples import StillFootage, corner_face, recipe, smooth_frames

from t2m_bench.core.errors import AssetError, ConfigError
from t2m_bench.metrics import faces
from t2m_bench.metrics.faces import FaceMesh, FaceMeshExtractor
from t2m_bench.metrics.store import FeatureStore, feature_key


def test_every_frame_has_its_face_and_no_face_is_nan() -> None:
    frames = smooth_frames(5, 32)
    frames[3, 0, 0, 0] = 0
    extractor = FaceMeshExtractor(corner_face)
    extractor.add(frames[:2])
    extractor.add(frames[2:])
    found = extractor.finish()
    assert found["points"].shape == (5, 478, 3) and found["blendshapes"].shape == (5, 52)
    assert np.isnan(found["points"]).all(axis=(1, 2)).tolist() == [False, False, False, True, False]
    for index in (0, 1, 2, 4):
        face = corner_face(frames[index])
        assert face is not None and np.array_equal(found["points"][index], face.landmarks)


def test_a_video_without_frames_has_no_faces() -> None:
    assert FaceMeshExtractor(corner_face).finish()["points"].shape == (0, 478, 3)


def test_a_recipe_written_for_another_model_is_refused() -> None:
    text = r"Recipe 'native' wants face_landmarker\.task with sha256 000000000000"
    with (
        pytest.raises(AssetError, match=text),
        FaceMesh().open(recipe(assets={"face_landmarker": "0" * 64})),
    ):
        pass


def test_a_recipe_that_does_not_say_which_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="Recipe 'native' does not say which 'face_landmarker' it means"):
        FaceMesh().key(recipe(assets={}))


def test_the_key_depends_on_all_that_decides_the_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = smooth_frames(1, 16)
    first, second = StillFootage(pictures, "a"), StillFootage(pictures, "b")
    feature = FaceMesh()

    class Renamed(FaceMesh):
        name = "other"

    keys = {
        feature_key(feature, first, (512, 512), recipe()),
        feature_key(feature, second, (512, 512), recipe()),
        feature_key(feature, first, (256, 512), recipe()),
        feature_key(feature, first, (512, 512), recipe(resize="bilinear")),
        feature_key(feature, first, (512, 512), recipe(assets={"face_landmarker": "0" * 64})),
        feature_key(Renamed(), first, (512, 512), recipe()),
    }
    assert feature_key(feature, first, (512, 512), recipe(psnr_cap_db=60.0, name="else")) in keys
    assert len(keys) == 6
    for name, value in (("_mediapipe_version", lambda: "0.0.1"), ("FACES_VERSION", 99)):
        monkeypatch.setattr(faces, name, value)
        keys.add(feature_key(feature, first, (512, 512), recipe()))
    assert len(keys) == 8


def test_what_is_kept_comes_back_bit_for_bit(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "new")
    arrays = {"points": np.float32([[1 / 3, np.nan]]), "count": np.array(7), "flags": np.array([True, False])}
    store.save("ab12", arrays)
    back = store.load("ab12")
    assert back is not None and back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)
    assert [path.name for path in (tmp_path / "new").rglob("*") if path.is_file()] == ["ab12.npz"]


@pytest.mark.parametrize("content", [None, b"", b"junk", b"PK\x03\x04 a zip that ends"])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, content: bytes | None) -> None:
    store = FeatureStore(tmp_path)
    store.path("cd34").parent.mkdir()
    if content is not None:
        store.path("cd34").write_bytes(content)
    assert store.load("cd34") is None


def test_a_file_with_pickled_objects_is_not_opened(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    store.path("ef56").parent.mkdir()
    with store.path("ef56").open("wb") as file:
        np.savez(file, points=np.array([{"a": 1}], dtype=object))
    assert store.load("ef56") is None
