from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from data_samples import REAL_CLIP, some_track, write_clip, write_varying
from hypothesis import given
from hypothesis import strategies as st
from shared_material import SHARED

from t2m_bench.core.errors import MissingData, ShapeError
from t2m_bench.data import face_checks, media_checks
from t2m_bench.data.findings import Finding, Report
from t2m_bench.data.lipsync import LipSync
from t2m_bench.data.preflight import check_clip, check_media, find_clips
from t2m_bench.data.stretch import runs, usable_stretch
from t2m_bench.media.audio import read_audio, write_wav
from t2m_bench.media.loudness import Loudness
from t2m_bench.media.video import VideoWriter, iter_frames_at, read_frames, resize_frames

DEMO = Path(__file__).resolve().parents[2] / "datasets" / "demo" / "clips"


def grid(frames: int) -> np.ndarray:
    return np.arange(frames) / 25


def flags(frames: int, *ranges: tuple[int, int]) -> np.ndarray:
    result = np.zeros(frames, np.bool_)
    for start, stop in ranges:
        result[start:stop] = True
    return result


# The rule.


def test_a_clip_of_one_shot_and_one_face_is_used_whole() -> None:
    found = usable_stretch(grid(100))
    assert found is not None and found.whole
    assert (found.start, found.stop, found.start_seconds, found.end_seconds) == (
        0,
        100,
        0.0,
        pytest.approx(4.0),
    )


def test_the_longest_shot_is_named_with_a_frame_of_margin() -> None:
    found = usable_stretch(grid(300), cuts=[60, 200])
    assert found is not None and not found.whole
    assert (found.start, found.stop) == (61, 199)
    assert (found.start_seconds, found.end_seconds) == (pytest.approx(2.44), pytest.approx(7.96))


def test_of_two_equally_long_shots_the_first_counts() -> None:
    found = usable_stretch(grid(200), cuts=[100])
    assert found is not None and (found.start, found.stop) == (0, 99)


def test_a_second_face_ends_the_stretch_when_it_stays() -> None:
    found = usable_stretch(grid(200), second_face=flags(200, (0, 50)))
    assert found is not None and (found.start, found.stop) == (51, 200)
    passing = usable_stretch(grid(200), second_face=flags(200, (80, 90)))
    assert passing is not None and passing.whole, "5 % of the frames are not more than 5 %"


def test_a_face_may_be_lost_for_less_than_half_a_second() -> None:
    short = usable_stretch(grid(200), lost=flags(200, (80, 90)))
    assert short is not None and short.whole
    long = usable_stretch(grid(200), lost=flags(200, (80, 91)))
    assert long is not None and (long.start, long.stop) == (92, 200)


def test_nothing_is_usable_under_two_seconds() -> None:
    assert usable_stretch(grid(49)) is None
    assert usable_stretch(grid(50)) is not None
    assert usable_stretch(grid(150), cuts=[50, 100]) is None
    assert usable_stretch(grid(0)) is None
    assert usable_stretch(grid(100), lost=flags(100, (0, 100))) is None


def test_seconds_follow_the_timestamps() -> None:
    times = np.concatenate([np.arange(100) / 50, 2 + np.arange(100) / 25]) + 3
    found = usable_stretch(times, cuts=[100])
    assert found is not None and (found.start_seconds, found.end_seconds) == (
        pytest.approx(2.04),
        pytest.approx(6),
    )


def test_refuses_flags_of_another_length() -> None:
    with pytest.raises(ShapeError, match=r"lost must be \[10\], got \[9\]"):
        usable_stretch(grid(10), lost=flags(9))


@given(st.lists(st.booleans(), min_size=1, max_size=300), st.sets(st.integers(0, 300)))
def test_a_stretch_holds_no_cut_and_no_long_loss(lost: list[bool], cuts: set[int]) -> None:
    found = usable_stretch(grid(len(lost)), cuts=sorted(cuts), lost=np.array(lost))
    if found is None:
        return
    assert 0 <= found.start < found.stop <= len(lost) and found.stop - found.start >= 50
    assert not any(found.start < cut < found.stop for cut in cuts)
    assert all(stop - start <= 10 for start, stop in runs(np.array(lost)[found.start : found.stop]))


# The checks of faces.


def box(x: float, side: float) -> np.ndarray:
    return np.float32([x, 0, x + side, side])


def test_a_second_face_counts_from_a_quarter_of_the_area() -> None:
    faces = {0: [box(0, 100), box(200, 50)], 5: [box(0, 100), box(200, 49)], 10: [box(0, 100)], 15: []}
    found = face_checks.second_faces(faces, 18, 5)
    assert found.tolist() == [True] * 5 + [False] * 13
    finding, facts = face_checks.check_face_count(faces, found)
    assert (finding.level, facts) == ("refused", {"most_faces": 2, "second_face_share": 0.25})
    assert finding.fact == "a second large face in 25% of the frames"


def test_a_small_second_face_does_not_matter_and_a_passing_one_is_a_note() -> None:
    faces = {0: [box(0, 100), box(200, 40)], 5: [box(0, 100)]}
    finding, _ = face_checks.check_face_count(faces, face_checks.second_faces(faces, 10, 5))
    assert (finding.level, finding.fact) == ("ok", "one; others are small or seen once")
    faces = {at: [box(0, 100)] for at in range(0, 500, 5)}
    faces |= {at: [box(0, 100), box(200, 90)] for at in (100, 105)}
    finding, _ = face_checks.check_face_count(faces, face_checks.second_faces(faces, 500, 5))
    assert (finding.level, finding.fact) == ("note", "one; another large one passes in 2% of the frames")


def test_face_share_and_loss() -> None:
    lost = flags(200, (50, 75))
    found, facts = face_checks.check_face_share(~lost, grid(200))
    assert [one.level for one in found] == ["refused", "refused"]
    assert found[0].fact == "seen in 87.5% of the frames"
    assert found[1].fact == "lost for 1.00 s at 2.00 s, 0.4 s are allowed"
    assert (facts["face_share"], facts["longest_loss_seconds"], facts["longest_loss_at"]) == (0.875, 1.0, 2.0)
    found, _ = face_checks.check_face_share(~flags(200, (50, 55)), grid(200))
    assert [one.level for one in found] == ["note", "note"]


@pytest.mark.parametrize(("side", "level"), [(60, "warning"), (150, "note"), (250, "ok")])
def test_face_size(side: int, level: str) -> None:
    found, facts = face_checks.check_face_size(np.stack([box(10, side)] * 5), (512, 512))
    assert found[0].level == level and facts["face_pixels"] == side
    assert len(found) == 1
    found, _ = face_checks.check_face_size(np.stack([box(-10, 250)] * 5), (512, 512))
    assert found[-1].fact == "the picture's border cuts the face in 100% of the frames"


def sync(verdict: str, lag: int) -> LipSync:
    return LipSync(verdict, lag, 40.0 * lag, 0.4, 0.1, 0.005, 8.0)  # type: ignore[arg-type]


def test_lip_sync_is_told_with_what_was_measured() -> None:
    told = face_checks.check_lip_sync(sync("in sync", 3))
    assert told.level == "ok"
    assert told.fact == (
        "in sync: sound 120 ms after the lips (+3 frames; correlation 0.40, by chance 0.10, p = 0.005)"
    )
    told = face_checks.check_lip_sync(sync("offset", -7))
    assert told.level == "warning" and "sound 280 ms before the lips" in told.fact
    assert "-itsoffset 0.360" in told.fix
    assert face_checks.check_lip_sync(sync("no reliable link", 11)).level == "warning"
    assert face_checks.check_lip_sync(LipSync("too short to say", *[None] * 5, 1.0)).level == "note"


# The checks of container and sound.


def test_missing_frames_are_counted_by_their_timestamps(tmp_path: Path) -> None:
    info = check_media(write_clip(tmp_path / "a.mp4", frames=60)).info
    assert info is not None
    whole = grid(60)
    assert [one.level for one in media_checks.check_frames(info, whole)] == ["ok", "ok"]
    holes = np.delete(grid(64), [10, 30, 31, 50])
    assert media_checks.check_frames(info, holes)[0].fact == "of 64 frames 4 missing by their timestamps"
    twins = whole.copy()
    twins[20] = twins[19]
    assert "1 with the timestamp of the one before" in media_checks.check_frames(info, twins)[0].fact
    frozen = whole + (np.arange(60) > 30) * 3
    assert "the picture stands still for 3.04 s at 1.20 s" in media_checks.check_frames(info, frozen)[1].fact
    jumped = whole + (np.arange(60) > 30) * 30
    assert media_checks.check_frames(info, jumped)[1].level == "refused"


@pytest.mark.parametrize(
    ("video", "audio", "offset", "levels"),
    [
        (8, 8, 0.0, ["ok", "ok"]),
        (8, 7.9, 0.12, ["note", "refused"]),
        (8, 8, 0.05, ["note", "ok"]),
        (8, 7, 0.0, ["ok", "refused"]),
        (8, 9, 0.0, ["ok", "note"]),
        (8, 8.5, -0.5, ["note", "ok"]),
        (8, 7.4, 0.6, ["warning", "refused"]),
    ],
)
def test_streams(video: float, audio: float, offset: float, levels: list[str]) -> None:
    assert [one.level for one in media_checks.check_streams(video, audio, offset)] == levels


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        ((-20, -3, 0.1, 0.0), ["ok", "ok"]),
        ((-90, -80, 1.0, 0.0), ["refused", "ok"]),
        ((-40, -20, 0.8, 0.0), ["warning", "ok"]),
        ((-47, -20, 0.4, 0.0), ["note", "ok"]),
        ((-5, 0, 0.0, 0.02), ["ok", "warning"]),
    ],
)
def test_loudness(levels: tuple[float, ...], told: list[str]) -> None:
    assert [one.level for one in media_checks.check_loudness(Loudness(8.0, *levels))] == told


def test_verdict_follows_the_gravest_finding() -> None:
    ok, note, refused = (Finding(level, "x", level) for level in ("ok", "note", "refused"))  # type: ignore[arg-type]
    assert Report(Path("a"), (ok,)).verdict == "ready"
    assert Report(Path("a"), (ok, note)).verdict == "usable with notes"
    assert Report(Path("a"), (note, refused, ok)).verdict == "refused"
    assert Report(Path("a"), (note, refused, ok)).worst == refused


# Whole clips.


def codes(report: Report) -> dict[str, str]:
    return {one.code: one.level for one in report.findings}


def test_broken_files_are_refused_with_their_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mov").write_text("no video")
    whole = write_clip(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    for name, said in (("empty", "is empty"), ("text", "is not a video"), ("half", "truncated or damaged")):
        report = check_clip(next(tmp_path.glob(f"{name}.*")))
        assert report.verdict == "refused" and len(report.findings) == 1
        assert said in report.findings[0].fact and report.findings[0].fix
        json.dumps(report.to_dict(), allow_nan=False)


@pytest.fixture
def _no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("T2M_ASSETS", raising=False)
    monkeypatch.setenv("T2M_HOME", str(tmp_path / "home"))


@pytest.mark.usefixtures("_no_model")
def test_without_the_face_model_the_rest_is_done(tmp_path: Path) -> None:
    report = check_clip(write_clip(tmp_path / "a.mp4", frames=250))
    assert report.verdict == "usable with notes"
    told = report.finding("faces")
    assert told is not None and told.fact.startswith("not checked: asset 'face_landmarker'")
    assert "t2m-bench assets fetch face_landmarker" in told.fix
    assert {"frames", "fps", "start", "duration", "loudness", "clipping", "cuts", "usable"} <= set(
        codes(report)
    )
    assert "lip sync" not in codes(report)


@pytest.mark.usefixtures("_no_model")
@pytest.mark.parametrize(
    ("options", "code", "level"),
    [
        ({"silent": True}, "sound", "refused"),
        ({"sound_seconds": 1.0}, "duration", "refused"),
        ({"frames": 30}, "length", "refused"),
        ({"fps": 30}, "fps", "note"),
    ],
)
def test_odd_files(tmp_path: Path, options: dict[str, float], code: str, level: str) -> None:
    report = check_clip(write_clip(tmp_path / "a.mp4", **{"frames": 250, **options}))  # type: ignore[arg-type]
    assert codes(report)[code] == level, report.findings


@pytest.mark.usefixtures("_no_model")
def test_varying_rate_and_holes(tmp_path: Path) -> None:
    report = check_clip(write_varying(tmp_path / "a.mkv", frames=100))
    assert codes(report)["fps"] == "note"
    told = report.finding("frames")
    assert told is not None and told.fact == "of 120 frames 20 missing by their timestamps"


@pytest.mark.usefixtures("_no_model")
def test_the_sound_beside_the_video_is_the_sound(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=250, silent=True)
    write_wav(path.with_suffix(".wav"), np.zeros(160_000, np.float32), 16_000)
    report = check_clip(path)
    assert codes(report)["loudness"] == "refused" and report.facts["audio_file"] == str(tmp_path / "a.wav")


@pytest.mark.usefixtures("_no_model")
def test_a_track_that_is_given_needs_no_model(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=250)
    report = check_clip(path, track=some_track(250))
    assert {"face share", "face size", "lip sync"} <= set(codes(report))
    assert codes(check_clip(path, track=some_track(249)))["track"] == "refused"


def test_finds_clips_and_leaves_out_mattes(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.MOV", ".c.mp4", "a.matte.mkv", "matte.mkv", "notes.txt", "a.wav"):
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in find_clips(tmp_path)] == ["a.MOV", "b.mp4"]
    assert find_clips(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]
    (tmp_path / "root" / "set").mkdir(parents=True)
    (tmp_path / "root" / "set" / "d.webm").write_bytes(b"x")
    assert [path.name for path in find_clips(tmp_path / "root")] == ["d.webm"]
    with pytest.raises(MissingData, match="does not exist. Name a video file"):
        find_clips(tmp_path / "no")
    (tmp_path / "none").mkdir()
    with pytest.raises(MissingData, match="holds no video file"):
        find_clips(tmp_path / "none")


def real() -> np.ndarray:
    if not (REAL_CLIP.is_file() and (SHARED / "assets" / "face_landmarker.task").is_file()):
        pytest.skip("no real clips and model here: set T2M_SHARED")
    pytest.importorskip("mediapipe")
    return resize_frames(read_frames(REAL_CLIP, 0, 75), (256, 256))


def write(path: Path, frames: np.ndarray) -> Path:
    sound = read_audio(REAL_CLIP)[: len(frames) * 640]
    with VideoWriter(path, 25, (frames.shape[2], frames.shape[1]), audio=(sound, 16_000)) as video:
        for frame in frames:
            video.write(frame)
    return path


@pytest.mark.slow
def test_two_shots_two_faces_and_a_lost_face(tmp_path: Path) -> None:
    face = real()
    demo = np.stack(list(iter_frames_at(DEMO / "demo_en.mp4", 25))[:40])
    shots = check_clip(write(tmp_path / "shots.mp4", np.concatenate([demo, face])))
    assert codes(shots)["cuts"] == codes(shots)["usable"] == "refused"
    assert shots.facts["usable"] == {"start": 1.64, "end": 4.6}
    told = shots.finding("usable")
    assert told is not None and told.fix == "Cut to start=1.640 end=4.600 (manifest columns)"

    two = check_clip(write(tmp_path / "two.mp4", np.concatenate([face[:55], face[:55]], axis=2)))
    assert codes(two)["faces"] == codes(two)["usable"] == "refused"
    assert two.facts["usable"] is None

    blank = np.concatenate([face, np.full((15, 256, 256, 3), 128, np.uint8)])
    lost = check_clip(write(tmp_path / "lost.mp4", blank))
    assert codes(lost)["face loss"] == codes(lost)["usable"] == "refused"
    assert lost.facts["usable"] is not None and lost.facts["usable"]["end"] <= 3.0

    empty = check_clip(write(tmp_path / "nobody.mp4", np.full((60, 128, 128, 3), 128, np.uint8)))
    assert codes(empty)["face share"] == "refused"
    assert "No face was found" in str(empty.finding("face share"))
