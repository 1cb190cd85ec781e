from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tracking_samples import real_clip, use_models

from t2m_bench.core.errors import ShapeError
from t2m_bench.media.video import read_frames
from t2m_bench.tracking.canonical import LEFT_EAR_POINTS, RIGHT_EAR_POINTS, canonical_face
from t2m_bench.tracking.ear import eye_aspect_ratio
from t2m_bench.tracking.geometry import rotation_from_vector
from t2m_bench.tracking.landmarks import LandmarkDetector


def test_canonical_face_has_the_published_value() -> None:
    ear = eye_aspect_ratio(canonical_face().vertices[None])
    assert ear.shape == (1, 2)
    assert ear[0] == pytest.approx([0.231, 0.231], abs=5e-4)


def test_columns_are_right_then_left_and_values_follow_the_formula() -> None:
    points = np.zeros((2, 478, 2))
    for eye, opening in ((RIGHT_EAR_POINTS, 3.0), (LEFT_EAR_POINTS, 1.0)):
        _, p2, p3, p4, p5, p6 = eye
        points[:, p4, 0] = 10.0
        points[:, [p2, p3], 1] = opening
        points[:, [p2, p6], 0] = 3.0
        points[:, [p3, p5], 0] = 7.0
    points[1] *= 5.0  # a nearer face
    np.testing.assert_allclose(eye_aspect_ratio(points), [[0.3, 0.1]] * 2)


def test_three_axes_do_not_depend_on_the_pose() -> None:
    turned = canonical_face().vertices @ rotation_from_vector([0.3, -0.8, 0.2]).T
    np.testing.assert_allclose(
        eye_aspect_ratio(turned[None]), eye_aspect_ratio(canonical_face().vertices[None]), atol=1e-12
    )


def test_degenerate_eye_gives_zero() -> None:
    np.testing.assert_array_equal(eye_aspect_ratio(np.zeros((1, 478, 3))), [[0.0, 0.0]])


def test_shape_is_checked() -> None:
    with pytest.raises(ShapeError, match=r"landmarks must have shape \[T, 478, 2 or 3\], got \[478, 3\]"):
        eye_aspect_ratio(np.zeros((478, 3)))


def test_a_blink_of_a_real_person_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_models(monkeypatch, tmp_path)
    clip = next((path for path in (real_clip(0), real_clip(1)) if "KatieHill" in path.name), None)
    if clip is None:
        pytest.skip("the clip with the known blink is not here")
    with LandmarkDetector() as detector:
        faces = [detector.detect(frame) for frame in read_frames(clip, start=164, stop=180)]
    ear = eye_aspect_ratio(np.stack([face.landmarks for face in faces if face is not None]))
    assert len(ear) == 16
    # Seen in the pictures: lids closed in 170 to 172, opening in 173, open before and after.
    assert np.flatnonzero((ear < 0.18).all(axis=1)).tolist() == [6, 7, 8, 9]
    assert ear[[0, 1, 2, 3, 12, 13, 14, 15]].min() > 0.25
