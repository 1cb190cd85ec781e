"""The parts the kernels are built of: lanes, sorting, threads, the cache on disk."""

from __future__ import annotations

import importlib.util
import pickle
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from t2m_bench.rendering import _compiled, _simd
from t2m_bench.rendering._tiles import (
    CHUNK,
    TILE_HEIGHT,
    TILE_WIDTH,
    count_tiles,
    list_pairs,
    reserve,
    sort_list,
)


@numba.njit
def lanes_sampler(values, table, out, marks):  # type: ignore[no-untyped-def]
    x = _simd.load(values, 0)
    _simd.store(out, 0, _simd.exp2(x))
    _simd.store(out, 8, _simd.mul_add(x, np.float32(2.0), _simd.ramp(np.float32(1.0))))
    _simd.store(out, 16, _simd.select((x > np.float32(-1.0)) & (x <= np.float32(2.0)), x, np.float32(9.0)))
    _simd.store(out, 24, _simd.square_root(x * x) - _simd.divide(x, x))
    _simd.store_whole(marks, 0, _simd.round_up(x))
    _simd.store_whole(marks, 8, _simd.round_down(x))
    count = _simd.append_lanes(marks, 16, _simd.either_bit(table, marks, 24), 100)
    anything = _simd.any_lane(x > np.float32(50.0)), _simd.any_lane(x >= np.float32(3.0))
    return count, _simd.total(x), anything


def test_lanes_compute_what_they_say() -> None:
    values = np.array([-7.9, -3.0, -1.5, -0.25, 0.5, 1.0, 2.0, 3.0], np.float32)
    shifts = np.array([0, 1, 2, 3, 4, 5, 6, 31], np.int32)
    table = np.array([0b1, 0b1, 0b100, 0b10000, 0b1000, 0b1, 0b10000000, -(2**31)], np.int32)
    out, marks = np.zeros(32, np.float32), np.zeros(32, np.int32)
    marks[24:] = shifts
    count, total, anything = lanes_sampler(values, table, out, marks)
    assert np.allclose(out[:8], 2.0 ** values.astype(np.float64), rtol=3e-7)
    assert np.allclose(out[8:16], values * 2 + np.arange(1, 9))
    assert out[16:24].tolist() == [9.0, 9.0, 9.0, -0.25, 0.5, 1.0, 2.0, 9.0]
    assert np.allclose(out[24:], np.abs(values) - 1)
    assert (
        marks[:8].tolist() == np.ceil(values).tolist() and marks[8:16].tolist() == np.floor(values).tolist()
    )
    wanted = [i for i in range(8) if (table[i] >> shifts[i]) & 3]
    assert wanted == [0, 2, 3, 6, 7]
    assert count == 5 and marks[16:21].tolist() == [100 + i for i in wanted]
    assert total == pytest.approx(float(values.sum()), abs=1e-5) and anything == (False, True)


def test_exp2_is_exact_to_float32_rounding_where_alpha_lives() -> None:
    @numba.njit
    def evaluate(values, out):  # type: ignore[no-untyped-def]
        for i in range(0, values.shape[0], 8):
            _simd.store(out, i, _simd.exp2(_simd.load(values, i)))

    values = np.linspace(-9.0, 0.0, 80_000, dtype=np.float32)
    out = np.empty_like(values)
    evaluate(values, out)
    assert np.abs(out / np.exp2(values.astype(np.float64)) - 1).max() < 2.5e-7


@numba.njit
def _count(boxes: np.ndarray, c: int, span: tuple[int, int], columns: int, counts: np.ndarray) -> None:
    count_tiles(boxes, span, c, columns, counts)


@numba.njit
def _sort_all(depth_bits: np.ndarray, tiles: int, starts: np.ndarray, pairs: np.ndarray) -> None:
    for t in range(starts.shape[0] - 1):
        sort_list(depth_bits, t // tiles, pairs, starts[t], starts[t + 1])


@settings(deadline=None, max_examples=50, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 299), st.integers(0, 39), st.floats(0.0, 4.0)), max_size=40),
    st.integers(1, 3),
    st.integers(0, CHUNK),
)
def test_pairs_are_listed_front_to_back(
    splats: list[tuple[int, int, float]], copies: int, unseen: int
) -> None:
    """Every tile's list is what sorting by (depth, index) gives, and every pair has a row of its own.

    Gaussians that are not drawn stand in the middle, so that those that are fall into two chunks.
    """
    middle = len(splats) // 2
    splats = splats[:middle] + [(0, 0, 0.0)] * unseen + splats[middle:]
    depths = np.array([[np.float32(round(s[2], 1)) for s in splats]] * copies, np.float32).reshape(copies, -1)
    boxes = np.array([[(x, x + 30, y, y + 5) for x, y, _ in splats]] * copies, np.int32).reshape(
        copies, -1, 4
    )
    boxes[depths == 0] = 0
    columns, rows = grid = (-(-330 // TILE_WIDTH), -(-45 // TILE_HEIGHT))
    chunks = -(-len(splats) // CHUNK)
    counts = np.empty((copies, chunks, columns * rows + 1), np.int32)
    for c in range(copies):
        for k in range(chunks):
            _count(boxes, c, (k * CHUNK, min(len(splats), (k + 1) * CHUNK)), columns, counts[c, k])
    first = np.empty((*depths.shape, 2), np.int32)
    starts = np.empty(copies * columns * rows + 1, np.int32)
    pairs = np.full((reserve(counts, starts), 2), -1, np.int32)
    _compiled.run(list_pairs, copies * chunks, boxes, grid, counts, first, pairs)
    _sort_all(depths.view(np.int32), columns * rows, starts, pairs)
    assert sorted(pairs[:, 1].tolist()) == list(range(len(pairs)))
    drawn = [[i for i in range(len(splats)) if boxes[c, i, 1] > 0] for c in range(copies)]
    for t in range(len(starts) - 1):
        c, tile = divmod(t, columns * rows)
        y, x = tile // columns * TILE_HEIGHT, tile % columns * TILE_WIDTH
        inside = []
        for i in drawn[c]:
            x0, x1, y0, y1 = boxes[c, i].tolist()
            if x0 < x + TILE_WIDTH and x1 > x and y0 < y + TILE_HEIGHT and y1 > y:
                inside.append(i)
        expected = sorted(inside, key=lambda i: (depths[c, i], i))
        listed = pairs[starts[t] : starts[t + 1]]
        assert listed[:, 0].tolist() == expected
        assert all(first[c, i, 0] <= row < first[c, i, 1] for i, row in listed.tolist())


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(st.floats(2.0**-100, 2.0**100, width=32), max_size=600), st.integers(1, 700))
def test_a_list_is_sorted_by_any_depths(depths: list[float], repeats: int) -> None:
    """Depths far apart differ in every digit; a repeated depth keeps the order of the Gaussians."""
    values = np.array((depths * 2)[:repeats], np.float32)[None]
    n = values.shape[1]
    pairs = np.stack([np.arange(n), n - np.arange(n)], axis=1).astype(np.int32)
    _sort_all(values.view(np.int32), 1, np.array([0, n], np.int32), pairs)
    order = np.argsort(values[0], kind="stable")
    np.testing.assert_array_equal(pairs, np.stack([order, n - order], axis=1))


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_run_shares_the_tasks_and_waits_for_all_of_them() -> None:
    lock, done, names = threading.Lock(), [], set()
    barrier = threading.Barrier(3, timeout=20)

    def work(counter: np.ndarray, results: list[int]) -> None:
        barrier.wait()  # all three are here before the first task is taken
        while True:
            with lock:
                task = int(counter[0])
                counter[0] += 1
            if task >= 100:
                return
            results.append(task)
            names.add(threading.get_ident())

    torch.set_num_threads(3)
    _compiled.run(work, 100, done)
    assert sorted(done) == list(range(100))
    assert 1 <= len(names) <= 3


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("raised_by_helper", [True, False])
def test_run_hands_over_what_a_thread_raises(raised_by_helper: bool) -> None:
    caller, helper_ran = threading.get_ident(), threading.Event()

    def work(counter: np.ndarray) -> None:
        if threading.get_ident() == caller:
            assert helper_ran.wait(20)
            if not raised_by_helper:
                raise KeyError("from the caller")
        else:
            helper_ran.set()
            if raised_by_helper:
                raise KeyError("from a helper")

    torch.set_num_threads(2)
    with pytest.raises(KeyError, match="from"):
        _compiled.run(work, 2)


@pytest.mark.usefixtures("threads")
def test_run_does_not_wait_for_a_thread_that_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a new thread may come to run only after all the work is done."""
    late = []
    monkeypatch.setattr(_compiled._thread, "start_new_thread", lambda work, args: late.append(work))
    torch.set_num_threads(2)
    calls = []
    _compiled.run(lambda counter: calls.append(counter), 8)
    assert len(calls) == 1 and len(late) == 1
    late[0]()  # comes too late, and does nothing
    assert len(calls) == 1


KERNEL = """
from t2m_bench.rendering import _compiled

@_compiled.kernel
def double(x):
    return x + x
"""


def cache_hits(file: Path) -> int:
    """Import the kernel's file as a new process would, call it, and say whether it came from the cache."""
    spec = importlib.util.spec_from_file_location("some_kernel", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.double(21) == 42
    return sum(module.double.stats.cache_hits.values())


@pytest.fixture
def kernel_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    file = tmp_path / "package" / "some_kernel.py"
    file.parent.mkdir()
    file.write_text(KERNEL)
    return file


def test_kernels_are_compiled_once_per_version(kernel_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [cache_hits(kernel_file), cache_hits(kernel_file)] == [0, 1]
    monkeypatch.setattr(_compiled, "sources_digest", lambda: "another version")
    assert [cache_hits(kernel_file), cache_hits(kernel_file)] == [0, 1]


def test_version_depends_on_every_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba itself looks only at the file a kernel is in, not at what that imports."""
    for file in Path(_compiled.__file__).parent.glob("*.py"):
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(_compiled, "__file__", str(tmp_path / "_compiled.py"))
    before = _compiled.sources_digest.__wrapped__()
    assert before == _compiled.sources_digest()
    (tmp_path / "_simd.py").write_text((tmp_path / "_simd.py").read_text() + "# changed")
    assert _compiled.sources_digest.__wrapped__() != before


def test_read_only_package_folder_is_no_obstacle(kernel_file: Path, tmp_path: Path) -> None:
    """A plain file stands where the cache's folder would be made; that stops even a user who may write anywhere."""
    (kernel_file.parent / "__pycache__").write_text("")
    assert [cache_hits(kernel_file), cache_hits(kernel_file)] == [0, 1]
    assert list((tmp_path / "home").rglob("*.nbi"))


def test_no_folder_to_write_to_at_all(kernel_file: Path, tmp_path: Path) -> None:
    (kernel_file.parent / "__pycache__").write_text("")
    (tmp_path / "home").write_text("")
    assert [cache_hits(kernel_file), cache_hits(kernel_file)] == [0, 0]


@pytest.mark.parametrize("damage", ["cut short", "unknown type"])
def test_damaged_cache_is_replaced(kernel_file: Path, tmp_path: Path, damage: str) -> None:
    assert cache_hits(kernel_file) == 0
    (index,) = tmp_path.rglob("*.nbi")
    # An index of an older version may name a class that is gone.
    unknown = pickle.dumps(numba.__version__) + b"ct2m_bench.rendering._simd\nNoSuchType\n."
    index.write_bytes(index.read_bytes()[:-20] if damage == "cut short" else unknown)
    assert [cache_hits(kernel_file), cache_hits(kernel_file)] == [0, 1]
