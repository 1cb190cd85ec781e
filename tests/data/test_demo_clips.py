"""The committed demo clips are what their README says, and the scripts beside them still make them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from t2m_bench.core.errors import AssetError, DependencyError
from t2m_bench.core.track import BLENDSHAPES, Track
from t2m_bench.tracking.canonical import canonical_face
from t2m_bench.tracking.ear import eye_aspect_ratio

FOLDER = Path(__file__).resolve().parents[2] / "datasets" / "demo"
NAMES = ("demo_en", "demo_cmn")
BONE = (168, 6, 197, 195, 5, 4, 1, 45, 275, 198, 420, 127, 356, 162, 389, 10, 234, 454)
"""Points that no expression of the clips moves: nose, temples, top of the forehead."""


@dataclass(frozen=True)
class Demo:
    """One clip, decoded."""

    name: str
    frames: NDArray[np.uint8]
    """[T, 256, 256, 3]"""
    pts: list[float]
    stream: dict[str, Any]
    metadata: dict[str, str]
    sound: NDArray[np.float64]
    rate: int
    track: Track
    timing: dict[str, Any]

    def frames_in(self, start: float, end: float) -> list[int]:
        """Frames whose middle lies in a span, or the one nearest to its middle."""
        inside = [i for i in range(len(self.frames)) if start <= (i + 0.5) / 25 < end]
        return inside or [min(int((start + end) / 2 * 25), len(self.frames) - 1)]

    @property
    def gap(self) -> NDArray[np.float64]:
        """[T] opening between the inner lips, pixels."""
        lips = self.track.landmarks[:, [13, 14], :2].astype(np.float64)
        return np.asarray(np.linalg.norm(lips[:, 0] - lips[:, 1], axis=1))


@lru_cache(maxsize=2)
def load(name: str) -> Demo:
    clips = FOLDER / "clips"
    with av.open(str(clips / f"{name}.mp4")) as container:
        video = container.streams.video[0]
        stream = {
            "codec": video.codec_context.name,
            "format": video.codec_context.pix_fmt,
            "rate": video.average_rate,
        }
        decoded = list(container.decode(video))
        frames = np.stack([np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in decoded])
        pts = [float(frame.time or 0) for frame in decoded]
        metadata = dict(container.metadata)
    with av.open(str(clips / f"{name}.mp4")) as container:
        resampler = av.AudioResampler(format="flt", layout="mono")
        parts = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    sound = np.concatenate([part.to_ndarray()[0] for part in parts]).astype(np.float64)
    timing = json.loads((clips / f"{name}.phonemes.json").read_text(encoding="utf-8"))
    track = Track.load(clips / f"{name}.track.npz")
    return Demo(name, frames, pts, stream, metadata, sound, parts[0].sample_rate, track, timing)


@pytest.fixture(params=NAMES)
def demo(request: pytest.FixtureRequest) -> Demo:
    return load(request.param)


def test_video_is_25_fps_256_h264(demo: Demo) -> None:
    assert demo.stream == {"codec": "h264", "format": "yuv420p", "rate": 25}
    assert demo.frames.shape[1:] == (256, 256, 3)
    assert len(demo.frames) >= 250
    np.testing.assert_allclose(np.diff(demo.pts), 0.04, atol=1e-6)
    assert demo.pts[0] == 0


def test_the_file_says_that_it_is_synthetic(demo: Demo) -> None:
    said = " ".join(demo.metadata.values()).lower()
    assert "synthetic" in said and "t2m-bench" in said and "no real person" in said


def test_the_folder_stays_small() -> None:
    assert sum(path.stat().st_size for path in (FOLDER / "clips").iterdir()) < 1_000_000


def test_sound_is_there_and_in_step_with_the_timing_file(demo: Demo) -> None:
    assert abs(len(demo.sound) / demo.rate - len(demo.frames) / 25) < 0.1
    assert 0.02 < np.sqrt((demo.sound**2).mean()) < 0.5
    step = demo.rate // 25
    count = min(len(demo.frames), len(demo.sound) // step)
    loud = np.sqrt((demo.sound[: count * step].reshape(count, step) ** 2).mean(1))
    told = np.array(demo.timing["energy"])[:count]
    match = [np.corrcoef(loud[3:-3], np.roll(told, lag)[3:-3])[0, 1] for lag in (-2, -1, 0, 1, 2)]
    assert int(np.argmax(match)) == 2 and match[2] > 0.97


def test_timing_covers_the_clip_without_gaps(demo: Demo) -> None:
    phonemes = demo.timing["phonemes"]
    assert phonemes[0]["start"] == 0
    assert all(abs(a["end"] - b["start"]) < 1e-6 and a["start"] < a["end"] for a, b in pairwise(phonemes))
    assert abs(phonemes[-1]["end"] - len(demo.frames) / 25) < 0.05
    assert len({p["ipa"] for p in phonemes}) > 25


def test_track_describes_every_frame(demo: Demo) -> None:
    track = demo.track
    assert len(track) == len(demo.frames) == len(demo.timing["energy"])
    assert (track.size, track.fps, track.fov_deg, track.source) == ((256, 256), 25.0, 20.0, "ground-truth")
    assert track.valid.all()
    for array in (track.landmarks, track.blendshapes, track.pose, track.ear, track.box):
        assert np.isfinite(array).all()
    assert track.blendshapes.min() >= 0 and track.blendshapes.max() <= 1
    np.testing.assert_allclose(track.ear, eye_aspect_ratio(track.landmarks[..., :2]), atol=0.02)
    xy = track.landmarks[..., :2]
    np.testing.assert_allclose(track.box, np.concatenate([xy.min(1), xy.max(1)], 1), atol=0.1)


def test_the_face_fills_a_good_part_of_the_frame(demo: Demo) -> None:
    width = demo.track.landmarks[:, 454, 0] - demo.track.landmarks[:, 234, 0]
    assert 0.38 * 256 < np.median(width) < 0.47 * 256
    centre = demo.track.landmarks[:, :468, 0].mean(1)
    assert np.abs(centre - 128).max() < 25
    assert demo.frames[:, :12, :12].min() > 245, "the background is white"


def test_lips_meet_on_m_b_p(demo: Demo) -> None:
    spans = [p for p in demo.timing["phonemes"] if p["ipa"][:1] in ("m", "b", "p")]
    assert len(spans) > 12
    for p in spans:
        assert demo.gap[demo.frames_in(p["start"], p["end"])].min() < 0.5, p


def test_mouth_opens_on_a_and_shuts_in_silence(demo: Demo) -> None:
    spans = [
        p for p in demo.timing["phonemes"] if p["ipa"][:1] in ("a", "ɑ", "ɐ") and p["end"] - p["start"] > 0.08
    ]
    assert len(spans) > 5
    for p in spans:
        assert demo.gap[demo.frames_in(p["start"], p["end"])].max() > 5, p
    assert demo.gap[:5].max() < 0.5 and demo.gap[-5:].max() < 0.5


def test_lips_round_on_u_and_spread_on_i(demo: Demo) -> None:
    width = np.linalg.norm(demo.track.landmarks[:, 61, :2] - demo.track.landmarks[:, 291, :2], axis=1)

    def mean(*starts: str) -> float:
        spans = [p for p in demo.timing["phonemes"] if p["ipa"].startswith(starts)]
        return float(np.mean([width[demo.frames_in(p["start"], p["end"])].mean() for p in spans]))

    assert mean("u", "w", "y") + 5 < mean("i")


def test_the_picture_shows_the_mouth_opening(demo: Demo) -> None:
    """The mouth region is darker in the frames with the most open mouth than in those with a shut one."""
    middle = demo.track.landmarks[:, [13, 14], :2].mean(1).round().astype(int)
    dark = np.array(
        [
            frame[y - 2 : y + 3, x - 4 : x + 5].mean()
            for frame, (x, y) in zip(demo.frames, middle, strict=True)
        ]
    )
    wide, shut = demo.gap > 10, demo.gap < 0.5
    assert wide.sum() > 10 and dark[wide].mean() + 40 < dark[shut].mean()


def test_blinks_come_every_few_seconds(demo: Demo) -> None:
    closed = demo.track.ear.max(1) < 0.1
    starts = [i for i in range(1, len(closed)) if closed[i] and not closed[i - 1]]
    assert len(starts) >= 3
    assert all(2 * 25 <= b - a <= 6 * 25 for a, b in pairwise(starts))
    blink = demo.track.blendshapes[:, [BLENDSHAPES.index("eyeBlinkLeft"), BLENDSHAPES.index("eyeBlinkRight")]]
    lengths = [int((blink[i - 4 : i + 6].max(1) > 0).sum()) for i in starts]
    assert all(4 <= n <= 6 for n in lengths), lengths
    assert np.median(demo.track.ear) > 0.22


def test_the_head_moves_smoothly_and_the_shoulders_do_not(demo: Demo) -> None:
    turns = demo.track.pose[:, :3, :3].astype(np.float64)
    yaw = np.degrees(np.arctan2(turns[:, 0, 2], -turns[:, 2, 2]))
    assert 2 < yaw.std() < 8
    step = np.einsum("tij,tkj->tik", turns[1:], turns[:-1])
    angle = np.degrees(np.arccos(np.clip((np.trace(step, axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert angle.mean() > 0.3
    assert angle.max() < 5
    cloth = demo.frames[:, 250:, 40:60].astype(np.float64)
    assert np.abs(cloth - cloth.mean(0)).mean() < 3


def test_pose_is_rigid_and_reproduces_the_still_points(demo: Demo) -> None:
    """Points of the first frame, taken back to the head through its pose, land on those of every other frame."""
    track = demo.track
    turns = track.pose[:, :3, :3].astype(np.float64)
    np.testing.assert_allclose(
        np.einsum("tij,tkj->tik", turns, turns), np.broadcast_to(np.eye(3), turns.shape), atol=1e-5
    )
    np.testing.assert_allclose(np.linalg.det(turns), 1, atol=1e-5)
    points = track.landmarks[:, list(BONE)].astype(np.float64)
    origin = track.pose[:, None, 2:3, 3].astype(np.float64)
    depth = origin * (1 + points[..., 2:] / track.focal)
    camera = np.concatenate([(points[..., :2] - 128) * depth / track.focal, depth], -1)
    head = np.einsum("tji,tnj->tni", turns, camera - track.pose[:, None, :3, 3])
    shape = np.median(head, axis=0)
    again = np.einsum("tij,nj->tni", turns, shape) + track.pose[:, None, :3, 3]
    pixels = again[..., :2] / again[..., 2:] * track.focal + 128
    assert np.linalg.norm(pixels - points[..., :2], axis=-1).max() < 0.5
    assert np.linalg.norm(shape - canonical_face().vertices[list(BONE)], axis=1).mean() < 0.05, "decimetres"


def test_irises_sit_between_the_lids(demo: Demo) -> None:
    open_ = demo.track.ear.min(1) > 0.2
    points = demo.track.landmarks[open_]
    for centre, outer, inner in ((468, 33, 133), (473, 263, 362)):
        low, high = (
            np.minimum(points[:, outer, 0], points[:, inner, 0]),
            np.maximum(points[:, outer, 0], points[:, inner, 0]),
        )
        assert ((low < points[:, centre, 0]) & (points[:, centre, 0] < high)).all()
    assert (points[:, 469, 0] > points[:, 471, 0]).all() and (points[:, 470, 1] < points[:, 472, 1]).all()


def test_the_two_people_differ() -> None:
    first, second = (load(name).frames[0].astype(float) for name in NAMES)
    assert np.abs(first - second).mean() > 15


def test_detector_finds_the_face_and_agrees_with_the_truth(demo: Demo) -> None:
    from t2m_bench.tracking.landmarks import LandmarkDetector

    try:
        detector = LandmarkDetector()
    except (AssetError, DependencyError) as error:
        pytest.skip(f"no face detector here: {error}")
    picked = range(0, len(demo.frames), 5)
    blinks = [i for i in range(len(demo.frames)) if demo.track.ear[i].max() < 0.05][:4]
    with detector:
        found = {i: detector.detect(demo.frames[i]) for i in (*picked, *blinks)}
    seen = [i for i in picked if found[i] is not None]
    assert len(seen) >= 0.95 * len(picked)
    points = np.stack([found[i].landmarks for i in seen])  # type: ignore[union-attr]
    assert np.linalg.norm(points[..., :2] - demo.track.landmarks[seen, :, :2], axis=-1).mean() < 3
    gap = np.linalg.norm(points[:, 13, :2] - points[:, 14, :2], axis=1)
    assert np.corrcoef(gap, demo.gap[seen])[0, 1] > 0.9
    ratio = eye_aspect_ratio(np.stack([found[i].landmarks for i in blinks]))  # type: ignore[union-attr]
    assert ratio.max() < 0.15
    assert np.median(eye_aspect_ratio(points)) > 0.22


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Import a module of the folder by name, as `python datasets/demo/make_demo.py` would."""
    for library in ("scipy", "PIL"):
        pytest.importorskip(library)
    monkeypatch.syspath_prepend(str(FOLDER))
    import importlib

    return importlib.import_module


def test_phonemes_become_mouth_shapes(script: Callable[[str], Any]) -> None:
    viseme = script("viseme")
    assert viseme.units("aɪ") == ["a", "ɪ"]
    assert viseme.units("tɕh") == ["tɕ"]
    assert viseme.units("onɡ") == ["o", "n", "ɡ"]
    assert viseme.units("") == []
    with pytest.raises(ValueError, match="no mouth shape is known for 'Q' in phoneme 'aQ'"):
        viseme.units("aQ")


def test_scripts_still_make_the_committed_truth(script: Callable[[str], Any], demo: Demo) -> None:
    """Timing in, the committed track out: no espeak-ng needed."""
    make, face, shapes = script("make_demo"), script("face"), script("shapes")
    plan = next(plan for plan in make.SCRIPTS if plan.clip == demo.name)
    timing = make.read_timing(FOLDER / "clips" / f"{demo.name}.phonemes.json")
    states = make.frame_states(timing, plan.temper, plan.seed)
    np.testing.assert_allclose([s.blendshapes for s in states], demo.track.blendshapes, atol=2e-3)
    np.testing.assert_allclose([make.pose_matrix(s) for s in states], demo.track.pose, atol=1e-4)
    rig = shapes.build_rig(face.load_topology(), plan.person)
    for index in (0, 100, 200):
        drawn = make.project(rig.neutral, demo.track.pose[index].astype(np.float64))[list(BONE), :2]
        assert np.linalg.norm(drawn - demo.track.landmarks[index, list(BONE), :2], axis=1).max() < 0.5


@pytest.mark.slow
def test_scripts_still_draw_the_committed_frames(script: Callable[[str], Any], demo: Demo) -> None:
    make, scene = script("make_demo"), script("scene")
    plan = next(plan for plan in make.SCRIPTS if plan.clip == demo.name)
    timing = make.read_timing(FOLDER / "clips" / f"{demo.name}.phonemes.json")
    state = make.frame_states(timing, plan.temper, plan.seed)[60]
    drawn = scene.Scene(plan.person, plan.seed).render(state).astype(np.float64)
    error = ((drawn - demo.frames[60]) ** 2).mean()
    assert 10 * np.log10(255**2 / error) > 33
