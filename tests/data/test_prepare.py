"""Every check that a clip must pass before anybody trains on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data_samples import (
    ASSETS,
    RATE,
    REAL_CLIP,
    card,
    clip_of,
    native,
    picture,
    some_track,
    tone,
    tracked_clip,
    write_varying,
)

from t2m_bench.core.clip import Clip
from t2m_bench.core.digest import file_sha256
from t2m_bench.core.errors import (
    AudioMissing,
    DataError,
    FpsMismatch,
    NoFaceFound,
    ShapeError,
    T2MError,
    TrackingError,
    VideoError,
)
from t2m_bench.core.method import SilentReporter
from t2m_bench.core.recipe import recipes
from t2m_bench.data import subject
from t2m_bench.data.subject import PreparedClip, prepare, split_frames
from t2m_bench.media.audio import write_wav
from t2m_bench.media.video import VideoWriter, iter_frames

needs_assets = pytest.mark.skipif(not ASSETS.is_dir(), reason=f"the face landmarker is not in {ASSETS}")


def _prepare(clip: Clip, cache: Path, **options: object) -> PreparedClip:
    return prepare(clip, card(**options), native(), cache=cache / "cache", report=SilentReporter())  # type: ignore[arg-type]


def test_a_clip_becomes_a_subject_and_what_is_held_out(tmp_path: Path) -> None:
    found = _prepare(tracked_clip(tmp_path, frames=50), tmp_path)
    assert (len(found.subject.train), len(found.held_out)) == (37, 13)
    assert (found.subject.train.start, found.held_out.start) == (0, 37)
    assert (found.subject.id, found.subject.speaker, found.subject.language) == ("clip", "someone", "en")
    assert found.notes == ()
    assert not (tmp_path / "cache" / "tracks").exists()  # the track was there: nothing was tracked


def test_held_out_frames_that_were_trained_on_are_told(tmp_path: Path) -> None:
    clip = tracked_clip(tmp_path, frames=50)
    looped = tmp_path / "looped.mkv"
    with VideoWriter(looped, 25, (64, 64), audio=(tone(2.0), RATE), lossless=True) as video:
        for number in range(50):
            video.write(picture(number if number < 40 else number - 30))
    clip = replace(clip, video=looped, sha256=file_sha256(looped))
    for _ in range(2):  # found, then remembered
        notes = _prepare(clip, tmp_path).notes
        assert len(notes) == 1 and "40-49" in notes[0] and "10-19" in notes[0], notes
    assert len(list((tmp_path / "cache" / "leaks").iterdir())) == 1


def test_what_decoding_finds_replaces_what_the_header_said(tmp_path: Path) -> None:
    clip = replace(tracked_clip(tmp_path), frames=7, width=1, height=1, fps=3.0, sha256="")
    found = _prepare(clip, tmp_path).clip
    assert (found.frames, found.width, found.height, found.fps) == (50, 64, 64, 25.0)
    assert found.sha256 == tracked_clip(tmp_path).sha256


@pytest.mark.parametrize(
    ("frames", "fraction", "train"), [(200, 0.75, 150), (50, 0.75, 37), (40, 0.7, 28), (250, 0.9, 225)]
)
def test_the_split_rounds_down(frames: int, fraction: float, train: int) -> None:
    assert split_frames(frames, fraction) == train


@pytest.mark.parametrize(("frames", "fraction"), [(30, 0.75), (24, 0.9), (26, 0.97), (2, 0.5)])
def test_too_few_frames_to_split(frames: int, fraction: float) -> None:
    with pytest.raises(
        DataError, match=rf"{frames} frames split into \d+ to train and \d+ to test, at least 25 and 5"
    ):
        split_frames(frames, fraction)


def test_a_short_clip_says_which_it_is(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"clip: 12 frames split into 9 to train and 3 to test.*Use a longer clip"
    ):
        _prepare(tracked_clip(tmp_path, frames=12), tmp_path)


def test_no_sound(tmp_path: Path) -> None:
    with pytest.raises(AudioMissing, match=r"clip\.mp4 has no sound\. Use a video with a sound track"):
        _prepare(tracked_clip(tmp_path, silent=True), tmp_path)


def test_sound_that_ends_too_early_names_both_durations(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"The sound of .*clip\.mkv covers 1\.50 s of 2\.00 s of video"):
        _prepare(tracked_clip(tmp_path, name="clip.mkv", sound_seconds=1.5), tmp_path)


def test_sound_that_ends_a_little_early_is_padded_and_noted(tmp_path: Path) -> None:
    found = _prepare(tracked_clip(tmp_path, name="clip.mkv", sound_seconds=1.95), tmp_path)
    assert found.notes == ("the sound is 0.050 s shorter than the video: padded with silence",)
    sound = found.held_out.audio()
    assert len(sound) == 13 * 640
    assert sound[: -RATE // 20].any() and not sound[-RATE // 20 :].any()


def test_separate_sound_is_used_and_measured(tmp_path: Path) -> None:
    clip = tracked_clip(tmp_path, silent=True)
    wav = write_wav(tmp_path / "sound.wav", tone(3.0), RATE)
    found = _prepare(replace(clip, audio=wav), tmp_path)
    assert found.notes == ("1.00 s of sound after the last frame are not used",)
    assert np.allclose(found.held_out.audio(), tone(3.0)[37 * 640 : 50 * 640], atol=1e-4)
    short = write_wav(tmp_path / "short.wav", tone(1.0), RATE)
    with pytest.raises(DataError, match=r"The sound of .*short\.wav covers 1\.00 s of 2\.00 s"):
        _prepare(replace(clip, audio=short), tmp_path)


def test_another_constant_rate(tmp_path: Path) -> None:
    with pytest.raises(FpsMismatch, match=r"clip\.mp4 has 30\.000 fps, not 25"):
        _prepare(tracked_clip(tmp_path, fps=30), tmp_path)


def test_a_varying_rate(tmp_path: Path) -> None:
    clip = clip_of(write_varying(tmp_path / "clip.mp4"))
    with pytest.raises(FpsMismatch, match=r"clip\.mp4 has a varying frame rate"):
        _prepare(clip, tmp_path)


def test_a_truncated_file(tmp_path: Path) -> None:
    clip = tracked_clip(tmp_path, name="clip.mkv")
    data = clip.video.read_bytes()
    clip.video.write_bytes(data[: len(data) // 2])
    with pytest.raises(VideoError, match=r"clip\.mkv is truncated or damaged: only the first \d+ "):
        _prepare(clip, tmp_path)


def test_a_file_cut_within_its_index(tmp_path: Path) -> None:
    clip = tracked_clip(tmp_path)
    clip.video.write_bytes(clip.video.read_bytes()[:600])
    with pytest.raises(VideoError, match=r"clip\.mp4 is truncated or damaged"):
        _prepare(clip, tmp_path)


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"", r"is empty \(0 bytes\)"), (b"no video", "is not a video file"), (None, "does not exist")],
)
def test_no_video_at_all(tmp_path: Path, content: bytes | None, text: str) -> None:
    clip = tracked_clip(tmp_path)
    clip.video.unlink()
    if content is not None:
        clip.video.write_bytes(content)
    with pytest.raises(VideoError, match=text) as caught:
        _prepare(clip, tmp_path)
    assert caught.value.clip == "clip"


def test_a_picture_that_is_not_square_where_the_recipe_has_one_side(tmp_path: Path) -> None:
    clip = replace(tracked_clip(tmp_path, size=(96, 64)), track=None)
    with pytest.raises(
        DataError, match=r"clip\.mp4 is 96x64, recipe 'paper' needs a square picture.*dataset folder"
    ):
        prepare(clip, card(), recipes().get("paper"), cache=tmp_path, report=SilentReporter())


def test_a_track_that_belongs_to_another_video(tmp_path: Path) -> None:
    clip = tracked_clip(tmp_path)
    other = some_track(49).save(tmp_path / "other.npz")
    with pytest.raises(
        DataError, match=r"other\.npz is a track of 49 frames of 64x64, clip\.mp4 has 50 of 64x64"
    ):
        _prepare(replace(clip, track=other), tmp_path)


@pytest.mark.parametrize("keep", [0, 3, 100, -5])
def test_a_track_cut_short(tmp_path: Path, keep: int) -> None:
    clip = tracked_clip(tmp_path)
    assert clip.track is not None
    clip.track.write_bytes(clip.track.read_bytes()[:keep])
    with pytest.raises(ShapeError, match=r"clip\.track\.npz is not a track file"):
        _prepare(clip, tmp_path)


def test_frames_without_a_face_are_noted(tmp_path: Path) -> None:
    clip = tracked_clip(tmp_path)
    track = some_track(50)
    track.valid[3:5] = False
    track.save(tmp_path / "clip.track.npz")
    note = "no face was found in 2 of 50 frames: the last good track is held there"
    assert _prepare(clip, tmp_path).notes == (note,)


@pytest.mark.parametrize(
    "name", ["my film (1).mp4", "日本語 ü.mp4", "-dash.mp4", "semi;colon & 'quote'.mp4", "100%d.mp4"]
)
def test_any_file_name_in_any_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "a folder, ünïcode"
    folder.mkdir()
    found = _prepare(tracked_clip(folder, name=name), folder)
    assert len(list(found.held_out.frames())) == 13
    assert len(found.held_out.audio()) == 13 * 640


def test_the_tracker_is_told_what_the_card_and_the_recipe_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []

    def fake(video: Path, **options: object) -> object:
        asked.append({"video": video, **options})
        return some_track(50)

    monkeypatch.setattr(subject, "track_clip", fake)
    clip = replace(tracked_clip(tmp_path), track=None, fov_deg=33.0)
    _prepare(clip, tmp_path)
    _prepare(replace(clip, matted=False), tmp_path)
    assert [call["matting"] for call in asked] == ["none", "selfie"]
    assert asked[0]["fov_deg"] == 33.0 and asked[0]["cache"] == tmp_path / "cache" / "tracks"
    assert asked[0]["sha256"] == clip.sha256


def test_an_error_from_tracking_says_which_clip_it_is_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake(video: Path, **options: object) -> object:
        raise TrackingError("the face was lost in 20 of 50 frames")

    monkeypatch.setattr(subject, "track_clip", fake)
    with pytest.raises(T2MError, match=r"^clip: the face was lost in 20 of 50 frames\.$"):
        _prepare(replace(tracked_clip(tmp_path), track=None), tmp_path)


@needs_assets
def test_no_face_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T2M_ASSETS", str(ASSETS))
    with pytest.raises(NoFaceFound, match=r"No face was found in any of the 50 frames of .*clip\.mp4"):
        _prepare(replace(tracked_clip(tmp_path), track=None), tmp_path)


@pytest.mark.skipif(not REAL_CLIP.is_file(), reason=f"the real clip {REAL_CLIP} is not there")
def test_a_face_lost_for_long_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T2M_ASSETS", str(ASSETS))
    video = tmp_path / "lost.mp4"
    with VideoWriter(video, 25, (512, 512), audio=(tone(2), RATE)) as writer:
        for number, frame in enumerate(iter_frames(REAL_CLIP, stop=50)):
            writer.write(np.full_like(frame, 200) if 20 <= number < 30 else frame)
    clip = replace(clip_of(video), width=512, height=512)
    with pytest.raises(TrackingError, match=r"10 of 50 frames .*the longest gap is frames 20 to 29"):
        _prepare(clip, tmp_path)


@pytest.mark.skipif(not REAL_CLIP.is_file(), reason=f"the real clip {REAL_CLIP} is not there")
def test_a_real_clip_is_cut_out_on_white(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T2M_ASSETS", str(ASSETS))
    video = tmp_path / "real.mp4"
    with VideoWriter(video, 25, (512, 512), audio=(tone(1.6), RATE)) as writer:
        for frame in iter_frames(REAL_CLIP, stop=40):
            writer.write(frame)
    found = _prepare(replace(clip_of(video), matted=False), tmp_path)
    frame = next(found.held_out.frames())
    assert (frame[:20, :20] > 250).all()  # a corner, which the matte takes away
    x, y = found.held_out.track.landmarks[0, 4, :2].round().astype(int)
    original = next(iter_frames(video, start=30))
    assert np.abs(frame[y, x].astype(int) - original[y, x]).max() <= 3  # the nose, which stays
    assert (tmp_path / "cache" / "tracks").is_dir()


def test_nothing_beside_the_video_is_written(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    clip = tracked_clip(source)
    before = sorted(path.name for path in source.iterdir())
    _prepare(clip, tmp_path)
    assert sorted(path.name for path in source.iterdir()) == before
