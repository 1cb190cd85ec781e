"""How the kernels are compiled, and run on several threads.

The threads are plain threads around kernels that release the GIL, started for one call. They share the work by an
atomic counter, so a thread that has to share its core with another process just takes fewer tasks. An OpenMP pool
(numba's `prange`) was measured against this: torch brings a second such pool, each spins while the other works, and
kernels of 5 ms took 50 ms.
"""

from __future__ import annotations

import _thread
import contextlib
import functools
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numba
import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.core.caching import FunctionCache as _FunctionCache
from numba.extending import intrinsic as _intrinsic
from numpy.typing import NDArray

from t2m_bench.core.digest import digest_of, file_sha256

Floats: TypeAlias = NDArray[np.float32]
Ints: TypeAlias = NDArray[np.int32]
Counter: TypeAlias = NDArray[np.int64]

# No zero-division checks, and a * b + c may be fused; NaN and infinity keep their meaning.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
FunctionCache: Any = _FunctionCache
intrinsic: Any = _intrinsic
to_f32: Any = np.float32  # inside kernels
to_int: Any = np.int64

compiled = numba.njit(**_OPTIONS)  # a part of kernels
pasted = numba.njit(
    **_OPTIONS, inline="always"
)  # likewise; a call would count references to its arrays, atomically


@functools.cache
def sources_digest() -> str:
    """Digest of all modules of this package."""
    return digest_of([[path.name, file_sha256(path)] for path in sorted(Path(__file__).parent.glob("*.py"))])


class KernelCache(FunctionCache):
    """The cache on disk of numba, which by itself does not notice a change in the modules a kernel is made of."""

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), sources_digest())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except (AttributeError, ImportError, EOFError, pickle.UnpicklingError):
            self.flush()  # written by another version of this package, or cut short
            return None


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, at its first call on this machine; its parts are `compiled`."""
    dispatcher: Any = numba.njit(**_OPTIONS)(function)
    with contextlib.suppress(RuntimeError):  # no folder to write to: compile in every process
        dispatcher._cache = KernelCache(function)
    return dispatcher


def f32(value: float) -> float:
    """A constant for kernels: a Python float there would turn the arithmetic around it into float64."""
    return np.float32(value)  # type: ignore[return-value]


@intrinsic
def next_task(typingctx: Any, counter: Any) -> Any:
    """Take a number from a `Counter` and add one to it, as one atomic step."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.atomic_rmw("add", data, ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(counter), codegen


def run(kernel: Callable[..., None], tasks: int, *args: Any) -> None:
    """Call `kernel(counter, *args)` on up to `torch.get_num_threads()` threads at once.

    Args:
        kernel: takes task numbers from the counter until there are none left.
        tasks: how many there are; no more threads than that are started.
    """
    counter = np.zeros(1, np.int64)
    failures: list[BaseException] = []
    state = threading.Condition()
    working, closed = 0, False

    def help_out() -> None:
        nonlocal working
        with state:
            if closed:
                return
            working += 1
        try:
            kernel(counter, *args)
        except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
            failures.append(error)
        finally:
            with state:
                working -= 1
                state.notify()

    for _ in range(min(torch.get_num_threads(), tasks) - 1):
        # Not threading.Thread: its start and join wait for a thread that a busy machine may not let run for a while,
        # when by then this thread may have done all there was to do.
        _thread.start_new_thread(help_out, ())
    try:
        kernel(counter, *args)
    finally:
        with state:
            closed = True
            while working:
                state.wait()
    if failures:
        raise failures[0]
