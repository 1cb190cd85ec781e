"""A stretch of a file: the same pictures and sound as when all of it is decoded."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from media_samples import make_sound, make_video, number_of, tone

from t2m_bench.core.errors import AudioError, UsageError, VideoError
from t2m_bench.media import container
from t2m_bench.media.audio import read_audio, read_audio_span
from t2m_bench.media.container import decode_video
from t2m_bench.media.video import iter_frames_at, iter_timed_at


def shown_at(times: list[Fraction], start: float) -> list[Fraction]:
    first = times[0]
    index = max(n for n, time in enumerate(times) if time <= first + Fraction(start).limit_denominator(10**6))
    return times[index:]


@pytest.mark.parametrize("start", [0.5, 2.96, 3.04, 4.0, 6.013, 7.99])
@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.avi", "a.ts"])
def test_a_start_gives_the_pictures_from_there_on(tmp_path: Path, name: str, start: float) -> None:
    path = make_video(tmp_path / name, frames=200, codec="mpeg4" if name == "a.avi" else "libx264")
    whole = [(timed.time, timed.frame.to_ndarray().tobytes()) for timed in decode_video(path)]
    part = [(timed.time, timed.frame.to_ndarray().tobytes()) for timed in decode_video(path, start=start)]
    wanted = shown_at([time for time, _ in whole], start)
    if name.endswith("mkv"):  # milliseconds: a frame that is shown half a tick later counts as shown
        assert abs(len(part) - len(wanted)) <= 1
    else:
        assert len(part) == len(wanted)
    assert part == whole[-len(part) :]


def test_open_groups_of_pictures(tmp_path: Path) -> None:
    import av

    path = tmp_path / "open.mp4"
    with av.open(str(path), "w") as out:
        options = {"x264-params": "open-gop=1:keyint=25:min-keyint=25:bframes=3:scenecut=0"}
        stream = out.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        rng = np.random.default_rng(0)
        base = rng.integers(0, 255, (48, 64, 3), np.uint8)
        for number in range(200):
            picture = np.roll(base, number, axis=1)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    whole = [timed.frame.to_ndarray().tobytes() for timed in decode_video(path)]
    for start in (4.0, 4.48, 5.04):
        part = [timed.frame.to_ndarray().tobytes() for timed in decode_video(path, start=start)]
        assert part == whole[-len(part) :] and len(part) == 200 - round(start * 25)


def test_few_pictures_are_decoded_to_get_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "a.mp4", frames=700)
    made: list[Fraction] = []
    real = container._timed

    def counted(*told: object) -> container.TimedFrame:
        timed = real(*told)  # type: ignore[arg-type]
        made.append(timed.time)
        return timed

    monkeypatch.setattr(container, "_timed", counted)
    assert float(next(decode_video(path, start=26)).time) == 26
    assert len(made) < 300  # x264 puts a key picture at least every 250


def test_an_index_that_leads_astray_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "a.mp4", frames=600)
    real = container._moved_to
    monkeypatch.setattr(container, "_moved_to", lambda source, stream, time: real(source, stream, time + 30))
    assert float(next(decode_video(path, start=12)).time) == 12
    monkeypatch.setattr(container, "_moved_to", lambda *told: False)
    assert float(next(decode_video(path, start=12)).time) == 12


def test_a_varying_rate_and_a_first_picture_that_is_late(tmp_path: Path) -> None:
    times = [1.0 + 0.05 * index + (0.02 if index % 3 else 0) for index in range(150)]
    path = make_video(tmp_path / "a.mkv", times=times)
    whole = [timed.time for timed in decode_video(path)]
    part = [timed.time for timed in decode_video(path, start=4.01)]
    assert part == shown_at(whole, 4.01)


def test_a_stretch_at_25_fps(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=200, fps=50)
    pictures = [number_of(frame) for frame in iter_frames_at(path, 25, start=1.0, end=1.4)]
    assert pictures == [(50 + 2 * index) % 28 for index in range(10)]
    assert len(list(iter_frames_at(path, 25, start=3.8, end=9))) == 5
    slow = make_video(tmp_path / "b.mp4", frames=30, fps=10)
    repeats = [count for _, count in iter_timed_at(slow, 25, start=1.0, end=2.0)]
    assert sum(repeats) == 25 and set(repeats) <= {1, 2, 3}


@pytest.mark.parametrize(("start", "end"), [(-1.0, 2.0), (2.0, 2.0), (3.0, 1.0)])
def test_no_stretch(tmp_path: Path, start: float, end: float) -> None:
    with pytest.raises(UsageError, match="are no stretch"):
        next(iter_frames_at(tmp_path / "a.mp4", 25, start=start, end=end))


def test_a_file_cut_short_is_told_after_a_seek(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=400, options={"movflags": "faststart"}, size=(320, 240))
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(VideoError, match=r"a.mp4 (is truncated or damaged|ends before)"):
        list(decode_video(path, start=12))


@pytest.mark.parametrize("rate", [16000, 44100, 48000, 11025])
def test_a_span_of_sound_is_that_part_of_it(tmp_path: Path, rate: int) -> None:
    path = make_sound(tmp_path / "a.wav", tone(6, rate, 300), rate, "pcm_s16le")
    whole = read_audio(path, 16000)
    part = read_audio_span(path, 16000, Fraction(3), Fraction(3, 2))
    assert len(part) == 24000 and np.abs(part - whole[48000:72000]).max() < 2e-3
    assert len(read_audio_span(path, 16000, Fraction(5), Fraction(4))) == 16000
    early = read_audio_span(path, 16000, Fraction(-1), Fraction(2))
    assert not early[:15900].any() and np.abs(early[16050:] - whole[50:16000]).max() < 2e-3
    with pytest.raises(AudioError, match=r"has no sound from 7.00 to 8.00 s"):
        read_audio_span(path, 16000, Fraction(7), Fraction(1))
