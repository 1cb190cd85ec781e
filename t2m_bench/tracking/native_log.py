"""Keep the start-up chatter of C++ libraries off the terminal."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

_CHATTER = re.compile(
    rb"^(WARNING: Logging before InitGoogle|WARNING: All log messages before absl"
    rb"|[IW]\d{4} \d\d:\d\d:|[IW]0000 |INFO: Created TensorFlow Lite)"
)

# The descriptor belongs to the whole process: two threads that swap it at once would lose it.
_SWAPPING = threading.RLock()


@contextlib.contextmanager
def chatter_dropped() -> Iterator[None]:
    """Hold file descriptor 2 back during the block, then pass on every line but known information and warnings.

    Errors of the libraries, and whatever else was written meanwhile, still appear; after an exception everything
    does.
    """
    with _SWAPPING, contextlib.ExitStack() as stack:
        try:
            sys.stderr.flush()
            real = os.dup(2)
        except (OSError, ValueError, AttributeError):  # no standard error at all, as in a windowed program
            yield
            return
        stack.callback(os.close, real)
        held = stack.enter_context(tempfile.TemporaryFile())
        os.dup2(held.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            held.seek(0)
            for line in held:
                if failed or not _CHATTER.match(line):
                    os.write(2, line)
