"""How the kernels are compiled, and run on several threads.

The threads are plain Python threads around kernels that release the GIL; they start with a call and end with it. They
share the work by an atomic counter, so a thread that has to share its core with another process just takes fewer
tasks. An OpenMP pool (numba's `prange`) was measured against this: torch brings a second OpenMP pool, each spins while
the other works, and kernels of 5 ms took 50 ms.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import numba
import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.extending import intrinsic as _intrinsic
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Ints: TypeAlias = NDArray[np.int32]
Counter: TypeAlias = NDArray[np.int64]

# No zero-division checks, and a * b + c may be fused; NaN and infinity keep their meaning.
compiled = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
# The same, pasted into the caller: a call would count references to every array it passes, atomically.
pasted = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"}, inline="always")
intrinsic: Any = _intrinsic
to_f32: Any = np.float32  # inside kernels
to_int: Any = np.int64


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
        kernel: compiled; takes task numbers from the counter until there are none left.
        tasks: how many there are; no more threads than that are started.
    """
    counter = np.zeros(1, np.int64)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            kernel(counter, *args)
        except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
            failures.append(error)

    helpers = [threading.Thread(target=work) for _ in range(min(torch.get_num_threads(), tasks) - 1)]
    for helper in helpers:
        helper.start()
    work()
    for helper in helpers:
        helper.join()
    if failures:
        raise failures[0]
