"""The methods without a model."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from t2m_bench.core.errors import MethodError, OutputError
from t2m_bench.core.method import Request, SilentReporter
from t2m_bench.core.subject import Footage, Subject
from t2m_bench.core.track import Track
from t2m_bench.media.audio import read_audio, write_wav
from t2m_bench.media.video import read_frames, resize_frames
from t2m_bench.methods.catalog import make_method, methods
from t2m_bench.methods.controls.mean import mean_frame
from t2m_bench.methods.controls.nearest import frames_in_order, nearest_frames

SIZE = (48, 32)
RATE = 16000


class Stretch:
    """Footage of random frames; the landmarks of frame n all lie at (n, 0), and it counts how often it is read."""

    clip_id, fps, digest = "clip", 25.0, "none"

    def __init__(self, start: int, count: int, *, places: list[float] | None = None) -> None:
        self.start, self.size, self.reads = start, SIZE, 0
        rng = np.random.default_rng(start)
        self.pictures = rng.integers(0, 256, (count, SIZE[1], SIZE[0], 3), dtype=np.uint8)
        at = np.array(places if places is not None else range(start, start + count), np.float32)
        landmarks = np.zeros((count, 478, 3), np.float32)
        landmarks[..., 0] = at[:, None]
        self.track = Track(
            landmarks=landmarks,
            blendshapes=np.zeros((count, 52), np.float32),
            pose=np.zeros((count, 4, 4), np.float32),
            ear=np.zeros((count, 2), np.float32),
            box=np.zeros((count, 4), np.float32),
            valid=np.ones(count, np.bool_),
            size=SIZE,
            fps=25.0,
            fov_deg=20.0,
            source="test",
        )

    def __len__(self) -> int:
        return len(self.pictures)

    def frames(self, size: tuple[int, int] | None = None) -> Iterator[NDArray[np.uint8]]:
        self.reads += 1
        for picture in self.pictures:
            yield picture if size is None else resize_frames(picture[None], size)[0]

    def audio(self, rate: int = RATE) -> NDArray[np.float32]:
        return np.zeros(len(self) * 640, np.float32)


def _request(
    folder: Path,
    *,
    train: Stretch | None = None,
    test: Stretch | None = None,
    frames: int = 4,
    **options: object,
) -> Request:
    wav = write_wav(folder / "driving.wav", np.linspace(-0.5, 0.5, frames * 640), RATE)
    subject = Subject("clip", "someone", "en", train or Stretch(0, 10))
    held_out: Footage = test or Stretch(10, 4)
    given = {"held_out": held_out, "size": SIZE, **options}
    return Request(subject, wav, frames, fps=25.0, seed=0, **given)  # type: ignore[arg-type]


def _make(name: str, request: Request, folder: Path) -> NDArray[np.uint8]:
    method = make_method(methods().get(name))
    video = method.synthesize(request, None, folder, SilentReporter())
    assert video.parent == folder
    return read_frames(video)


def test_real_shows_the_held_out_frames_bit_for_bit(tmp_path: Path) -> None:
    test = Stretch(10, 4)
    assert np.array_equal(_make("real", _request(tmp_path, test=test), tmp_path), test.pictures)


def test_frozen_holds_the_first_training_frame(tmp_path: Path) -> None:
    train = Stretch(0, 10)
    out = _make("frozen", _request(tmp_path, train=train), tmp_path)
    assert len(out) == 4 and (out == train.pictures[0]).all()


def test_mean_is_the_mean_of_the_training_frames(tmp_path: Path) -> None:
    train = Stretch(0, 10)
    out = _make("mean", _request(tmp_path, train=train), tmp_path)
    expected = np.floor(train.pictures.astype(np.float64).mean(axis=0) + 0.5)
    assert len(out) == 4 and (out == expected).all()


def test_mean_holds_one_frame_at_a_time() -> None:
    train = Stretch(0, 200)
    tracemalloc.start()
    mean_frame(train, SIZE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < train.pictures.nbytes / 4


def test_nearest_shows_the_training_frames_with_the_nearest_landmarks(tmp_path: Path) -> None:
    train, test = Stretch(0, 10), Stretch(10, 4, places=[7.2, 2.4, 7.0, 99.0])
    out = _make("nearest", _request(tmp_path, train=train, test=test), tmp_path)
    assert np.array_equal(out, train.pictures[[7, 2, 7, 9]])
    assert train.reads == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["driving.wav", "prediction.mkv"]


def test_nearest_counts_where_the_head_is_and_not_only_its_shape(tmp_path: Path) -> None:
    wanted = np.zeros((1, 478, 2), np.float32)
    moved, bent = wanted + 5, wanted.copy()
    bent[0, :10] += 5
    assert nearest_frames(wanted, np.concatenate([moved, bent]), np.array([True, True])).tolist() == [1]


def test_nearest_never_shows_a_frame_whose_face_was_lost(tmp_path: Path) -> None:
    train = Stretch(0, 10)
    train.track.valid[7] = False
    out = _make("nearest", _request(tmp_path, train=train, test=Stretch(10, 4, places=[7.1] * 4)), tmp_path)
    assert (out == train.pictures[8]).all()


_POINTS = st.integers(1, 6).flatmap(
    lambda count: arrays.arrays(np.float32, (count, 3, 2), elements=st.floats(-100, 100, width=16))
)


@given(_POINTS, _POINTS, st.data())
def test_nearest_frames_agrees_with_a_plain_loop(
    wanted: NDArray[np.float32], offered: NDArray[np.float32], data: st.DataObject
) -> None:
    valid = np.array(data.draw(st.lists(st.booleans(), min_size=len(offered), max_size=len(offered))))
    expected = []
    for points in wanted:
        best, least = -1, np.inf
        for index, other in enumerate(offered):
            distance = sum(float((points[i, j] - other[i, j]) ** 2) for i in range(3) for j in range(2))
            if distance < least - 1e-6 and (valid[index] or not valid.any()):
                best, least = index, distance
        expected.append(best)
    found = nearest_frames(wanted, offered, valid)
    for points, index, best in zip(wanted.astype(float), found, expected, strict=True):
        assert valid[index] or not valid.any()
        gap = np.square(points - offered[index]).sum() - np.square(points - offered[best]).sum()
        assert abs(gap) <= 1e-3 * (1 + np.square(points - offered[best]).sum())


def test_frames_in_any_order_wait_in_a_file_and_not_in_memory(tmp_path: Path) -> None:
    footage = Stretch(0, 300)
    order = np.array([299, 0, 150, *range(290, 0, -1)])
    tracemalloc.start()
    for number, frame in zip(order, frames_in_order(footage, order, SIZE, tmp_path), strict=True):
        assert np.array_equal(frame, footage.pictures[number])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < footage.pictures.nbytes / 4
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_take_the_frames_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"frames\.raw could not be written"):
        list(frames_in_order(Stretch(0, 3), np.array([0]), SIZE, tmp_path / "absent"))


def test_shuffled_shows_the_real_frames_and_leaves_the_rolled_sound(tmp_path: Path) -> None:
    test = Stretch(10, 4)
    request = _request(tmp_path, test=test)
    assert np.array_equal(_make("shuffled", request, tmp_path), test.pictures)
    driving, left = read_audio(request.audio), read_audio(tmp_path / "audio.wav")
    assert np.array_equal(left, np.roll(driving, len(driving) // 2))
    assert not np.allclose(left, driving, atol=0.1)


@pytest.mark.parametrize("name", ["frozen", "mean", "nearest", "real"])
def test_only_shuffled_leaves_another_sound(tmp_path: Path, name: str) -> None:
    _make(name, _request(tmp_path), tmp_path)
    assert not (tmp_path / "audio.wav").exists()


@pytest.mark.parametrize("name", ["frozen", "mean", "nearest", "real", "shuffled"])
def test_frames_come_in_the_size_asked_for_and_twice_the_same(tmp_path: Path, name: str) -> None:
    request = _request(tmp_path, size=(24, 30))
    first = _make(name, request, tmp_path)
    assert first.shape == (4, 30, 24, 3)
    assert np.array_equal(_make(name, request, tmp_path), first)


@pytest.mark.parametrize("name", ["real", "shuffled", "nearest"])
def test_without_the_held_out_frames_an_oracle_says_what_it_lacks(tmp_path: Path, name: str) -> None:
    with pytest.raises(MethodError, match=f"clip: Method '{name}' needs the held-out frames"):
        _make(name, _request(tmp_path, held_out=None), tmp_path)


def test_another_number_of_frames_than_asked_leaves_no_video(tmp_path: Path) -> None:
    with pytest.raises(MethodError, match="clip: Method 'real' made 4 frames of 5"):
        _make("real", _request(tmp_path, frames=5), tmp_path)
    assert not (tmp_path / "prediction.mkv").exists()


def test_a_control_is_not_trained(tmp_path: Path) -> None:
    request = _request(tmp_path)
    with pytest.raises(MethodError, match="clip: Method 'mean' is not trained"):
        make_method(methods().get("mean")).fit(request.subject, tmp_path, 0, SilentReporter())
