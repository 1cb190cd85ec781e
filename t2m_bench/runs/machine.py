"""What a run ran on: software versions and hardware, found without importing anything heavy."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from t2m_bench import __version__

_PACKAGES = (
    "torch",
    "torchvision",
    "gsplat",
    "numpy",
    "numba",
    "av",
    "mediapipe",
    "ai-edge-litert",
    "torchmetrics",
)


@cache
def package_version(name: str) -> str | None:
    """Version of an installed package, None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def software() -> dict[str, str | None]:
    """Versions of all that can move a number."""
    return {
        "t2m-bench": __version__,
        "python": platform.python_version(),
        **{name: package_version(name) for name in _PACKAGES},
    }


def hardware() -> dict[str, Any]:
    """Processor, cores, memory, operating system."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "cores_usable": _usable_cores(),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
    }


def peak_rss_mb() -> float | None:
    """Largest resident memory of this process so far, MiB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)


def _cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or "unknown"


def _usable_cores() -> int | None:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count()


def _memory_gb() -> float | None:
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
    return round(pages * size / (1 << 30), 1) if pages > 0 else None
