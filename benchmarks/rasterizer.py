"""Time and memory of the CPU rasteriser, beside plain torch.

    python benchmarks/rasterizer.py [--quick] [--json FILE]

Every cell of the grid runs in a process of its own, so that its peak memory is its own, and first measures that peak
on its first call. The cells of one scene follow each other, so that the rest of the machine is the same for both.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from pair_lists import rasterize_pairs
from rich.console import Console
from rich.table import Table
from torch import Tensor

from t2m_bench.rendering.rasterize import rasterize

FOCAL = 2.0  # in image widths
LIMIT = 10.0  # seconds: a longer call is not repeated, and one foreseen to be longer is not started
BUDGET = 3.0  # seconds of repeats of each of the two timings
GRID = ((2_000, 128), (12_000, 256), (20_000, 512), (75_000, 512))
SWEEP = (1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class Cell:
    """One process's work."""

    scene: str  # "spread" or "shell"
    count: int  # Gaussians
    size: int  # pixels, width and height
    backend: str  # "cpu" or "pairs"
    threads: int
    repeats: int = 15
    sigma: tuple[float, float] = (1.0, 4.0)  # pixels, of the spread scene
    opacity: tuple[float, float] = (0.05, 0.98)


def make_scene(cell: Cell, dtype: torch.dtype = torch.float32) -> tuple[list[Tensor], Tensor]:
    """Gaussians in front of one camera.

    Returns:
        means `[N, 3]`, quats `[N, 4]`, scales `[N, 3]`, opacities `[N]`, colors `[N, 3]`, viewmats `[1, 4, 4]` and
        Ks `[1, 3, 3]`; and backgrounds `[1, 3]`.
    """
    generator = torch.Generator().manual_seed(0)

    def uniform(*shape: int, between: tuple[float, float] = (0.0, 1.0)) -> Tensor:
        return between[0] + (between[1] - between[0]) * torch.rand(*shape, generator=generator, dtype=dtype)

    n, focal = cell.count, FOCAL * cell.size
    if cell.scene == "shell":
        means, quats, scales = _shell(torch.randn(n, 3, generator=generator, dtype=dtype))
    else:
        depth = uniform(n, between=(2.0, 4.0))
        across = uniform(n, 2, between=(-0.5, 0.5)) * cell.size / focal * depth[:, None]
        means = torch.cat([across, depth[:, None]], dim=1)
        quats = torch.randn(n, 4, generator=generator, dtype=dtype)
        scales = uniform(n, 3, between=cell.sigma) * depth[:, None] / focal
    K = torch.tensor([[focal, 0, cell.size / 2], [0, focal, cell.size / 2], [0, 0, 1]], dtype=dtype)
    camera = [torch.eye(4, dtype=dtype)[None], K[None]]
    gaussians = [means, quats, scales, uniform(n, between=cell.opacity), uniform(n, 3)]
    return gaussians + camera, torch.ones(1, 3, dtype=dtype)


def _shell(directions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Flat Gaussians lying on an ellipsoid of the shape of a head, 0.7 of their spacing in size."""
    axes = torch.tensor([0.38, 0.5, 0.45]).to(directions)
    unit = torch.nn.functional.normalize(directions, dim=1)
    normal = torch.nn.functional.normalize(unit / axes, dim=1)
    # The rotation that takes z to the normal: the half-way quaternion (1 + cos, z x normal).
    quats = torch.stack(
        [1 + normal[:, 2], -normal[:, 1], normal[:, 0], torch.zeros_like(normal[:, 0])], dim=1
    )
    products = axes[[0, 0, 1]] * axes[[1, 2, 2]]
    area = 4 * math.pi * (products**1.6).mean() ** (1 / 1.6)  # Thomsen's formula
    tangential = 0.7 * torch.sqrt(area / len(unit))
    scales = tangential * torch.tensor([1.0, 1.0, 0.1]).to(unit).expand(len(unit), 3)
    return unit * axes + torch.tensor([0.0, 0.0, 3.0]).to(unit), quats, scales


def _memory() -> tuple[int, int]:
    """Resident bytes now, and the highest there were (since `_reset_peak`, where the system can reset it)."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        now, peak = (int(fields[key].split()[0]) * 1024 for key in ("VmRSS", "VmHWM"))
        return now, peak
    except (OSError, KeyError):
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        return peak, peak


def _reset_peak() -> None:
    """Give back what imports and the warm-up freed, or growth into it would not be seen; then forget the peak."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc
    if trim is not None:
        trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return  # then growth is counted from the peak of the imports, which is too kind by what they freed


def _timed(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _repeat(call: Callable[[], object], first: float, repeats: int) -> list[float]:
    """Milliseconds of several calls, or of the first alone if that took too long to do it again."""
    if first > LIMIT:
        return [first * 1e3]
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < min(3, repeats) or (len(times) < repeats and time.perf_counter() - begin < BUDGET):
        times.append(_timed(call) * 1e3)
    return times


def _calls(cell: Cell) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Forward alone, and forward with backward to everything that can have a gradient."""
    (inputs, backgrounds), size = make_scene(cell), (cell.size, cell.size)
    leaves = [tensor.clone().requires_grad_() for tensor in (*inputs[:6], backgrounds)]
    generator = torch.Generator().manual_seed(1)
    grads = [torch.randn(1, *size, d, generator=generator) for d in (3, 1)]
    draw: Callable[..., Any] = rasterize_pairs if cell.backend == "pairs" else rasterize
    options = {} if cell.backend == "pairs" else {"backend": "cpu"}

    def forward() -> Any:
        with torch.no_grad():
            return draw(*inputs, *size, backgrounds=backgrounds, **options)

    def both() -> Any:
        image, alpha, meta = draw(*leaves[:6], inputs[6], *size, backgrounds=leaves[6], **options)
        # The list of (tile, Gaussian) pairs is the backend's own, kept for the way back.
        plan = getattr(image.grad_fn, "plan", None)
        return (image, alpha, meta), torch.autograd.grad((image, alpha), leaves, grads), plan

    return forward, both


def _size_of(tensors: Any) -> int:
    """Bytes of the tensors among the given ones."""
    return sum(t.numel() * t.element_size() for t in tensors if isinstance(t, Tensor))


def _covered(meta: dict[str, Tensor], opacities: Tensor) -> float:
    """(Gaussian, pixel) pairs in view: the area of all contours alpha = 1/255."""
    drawn = meta["radii"][0, :, 0] > 0
    a, b, c = meta["conics"][0, drawn].double().unbind(-1)
    return float((2 * math.pi * torch.log(255 * opacities[drawn]) / torch.sqrt(a * c - b * b)).sum())


def measure(cell: Cell) -> dict[str, Any]:
    """Run a cell in this process; milliseconds and bytes."""
    torch.set_num_threads(cell.threads)
    for call in _calls(replace(cell, count=64, size=32)):
        call()  # kernels are compiled or loaded, and pools of threads are started
    forward, both = _calls(cell)
    _reset_peak()
    before = _memory()[0]
    first = _timed(forward)
    result: dict[str, Any] = {"forward_bytes": _memory()[1] - before, "skipped": None}
    result["forward"] = _repeat(forward, first, cell.repeats)
    if 2 * first > LIMIT and cell.backend == "pairs":
        return result | {"skipped": f"forward+backward: over {LIMIT:.0f} s foreseen"}
    begin = time.perf_counter()
    (image, alpha, meta), gradients, plan = both()
    first = time.perf_counter() - begin
    result["both_bytes"] = _memory()[1] - before
    result["both"] = _repeat(both, first, cell.repeats)
    if plan is None:
        return result | {"visible_pairs": meta["pairs"]}
    result["forward_outputs"] = _size_of((image, alpha, *meta.values()))
    result["both_outputs"] = result["forward_outputs"] + _size_of(gradients)
    result["covered"] = _covered(meta, make_scene(cell)[0][3])
    result["forward_list"] = plan.pairs.nbytes
    result["both_list"] = plan.pairs.nbytes + len(plan.pairs) * 4 * (6 + image.shape[-1])
    return result


def run_cell(cell: Cell) -> dict[str, Any]:
    """Run a cell in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--cell", json.dumps(asdict(cell))]
    # Or torch's idle threads spin, and on cores shared with other work its plain operations take five times as long.
    environment = os.environ | {"OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return asdict(cell) | {"skipped": f"failed with code {done.returncode}: {reason}"}
    return asdict(cell) | dict(json.loads(done.stdout.splitlines()[-1]))


def cells(threads: int, *, quick: bool) -> list[Cell]:
    """Everything that is measured, in order; the sweep over sigma last, of Gaussians too faint to end a pixel."""
    grid, scenes = ([(500, 64)], ["spread"]) if quick else (GRID, ["spread", "shell"])
    repeats, counts = (2, [threads]) if quick else (15, sorted({1, threads}))
    todo = [
        Cell(scene, n, size, backend, used, repeats)
        for n, size in grid
        for scene in scenes
        for used in counts
        for backend in ("cpu", "pairs")
    ]
    n, size, sigmas = (500, 64, SWEEP[:2]) if quick else (20_000, 512, SWEEP)
    return todo + [Cell("sweep", n, size, "cpu", 1, repeats, (s, s), (0.02, 0.03)) for s in sigmas]


def machine(threads: int) -> str:
    """One sentence on where the numbers come from."""
    model, cpuinfo = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text(encoding="utf-8").splitlines() if "model name" in line]
        model = names[0].split(":")[1].strip() if names else model
    parts = [model, f"{threads} cores", platform.system(), f"Python {platform.python_version()}"]
    parts += [f"{name} {version(name)}" for name in ("torch", "numba")]
    return ", ".join([*parts, f"load average before the run {os.getloadavg()[0]:.1f}"])


def _time_text(times: list[float] | None) -> str:
    return "-" if not times else f"{statistics.median(times):.1f} / {min(times):.1f}"


def _ratio(row: dict[str, Any], rows: list[dict[str, Any]], mode: str) -> str:
    """Times faster than the pair lists, on one thread or all of them, whichever is faster."""
    keys = ("scene", "count", "size")
    twins = [r for r in rows if r["backend"] == "pairs" and all(r[key] == row[key] for key in keys)]
    times = [statistics.median(twin[mode]) for twin in twins if mode in twin]
    if row["backend"] == "pairs" or mode not in row or not times:
        return "-"
    return f"{min(times) / statistics.median(row[mode]):.0f}x"


def _row_text(row: dict[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    """Cells of the table's line."""
    ratios = [_ratio(row, rows, mode) for mode in ("forward", "both")]
    name = f"sigma {row['sigma'][0]:g}" if row["scene"] == "sweep" else row["scene"]
    where = [name, f"{row['count']:,}", str(row["size"]), row["backend"], str(row["threads"])]
    memory = [f"{row[key] / 1e6:.1f}" if key in row else "-" for key in ("forward_bytes", "both_bytes")]
    times = [_time_text(row.get("forward")), _time_text(row.get("both"))]
    return [*where, *times, *ratios, *memory, row.get("skipped") or ""]


def print_table(rows: list[dict[str, Any]]) -> None:
    """The grid and the sweep."""
    table = Table(title="ms: median / minimum; x: times faster than the faster run of pairs; MB: peak growth")
    headers = ["scene", "N", "size", "backend", "threads", "forward ms", "both ms", "x forward", "x both"]
    for header in (*headers, "MB forward", "MB both", "skipped"):
        table.add_column(header, justify="left" if header in ("scene", "backend", "skipped") else "right")
    for row in rows:
        table.add_row(*_row_text(row, rows))
    Console(width=None if sys.stdout.isatty() else 150).print(table)


@dataclass(frozen=True)
class Results:
    """The rows of a run, asked by what they measure."""

    rows: list[dict[str, Any]]
    threads: int

    def find(self, count: int, backend: str, threads: int | None = None) -> dict[str, Any]:
        """The row of the spread scene at 512 x 512; empty if it was not measured."""
        wanted = ("spread", count, 512, backend, threads or self.threads)
        keys = ("scene", "count", "size", "backend", "threads")
        found = [row for row in self.rows if tuple(row[key] for key in keys) == wanted]
        return found[0] if found else {}

    def ours(self, count: int, mode: str, threads: int | None = None) -> float:
        """Median milliseconds of the cpu backend, on all threads unless said."""
        return float(statistics.median(self.find(count, "cpu", threads)[mode]))

    def twin(self, count: int, mode: str) -> float:
        """Median milliseconds of the pair lists, on one thread or all of them, whichever is faster."""
        return float(min(statistics.median(self.find(count, "pairs", t)[mode]) for t in {1, self.threads}))

    def sweep(self) -> list[tuple[float, float, float]]:
        """Covered pixels, and median milliseconds forward and both, of each sigma."""
        found = [row for row in self.rows if row["scene"] == "sweep"]
        return [(r["covered"], statistics.median(r["forward"]), statistics.median(r["both"])) for r in found]


def _speed_goals(results: Results) -> list[tuple[bool, str]]:
    forward, both = results.ours(20_000, "forward"), results.ours(20_000, "both")
    twin_forward, twin = results.twin(20_000, "forward"), results.twin(20_000, "both")
    scale, large = twin / 1600, results.ours(75_000, "both")
    return [
        (twin_forward >= 60 * forward, f"20k at 512, forward at least 60x: {twin_forward / forward:.0f}x"),
        (twin >= 40 * both, f"20k at 512, forward+backward at least 40x: {twin / both:.0f}x"),
        (
            forward <= 12 * scale,
            f"20k at 512, forward at most {12 * scale:.1f} ms (12 where the twin takes 1600): {forward:.1f} ms",
        ),
        (
            large <= 75 * scale,
            f"75k at 512, forward+backward at most {75 * scale:.1f} ms (75 on that scale): {large:.1f} ms",
        ),
    ]


def _memory_goals(results: Results) -> list[tuple[bool, str]]:
    lines = []
    for count in (20_000, 75_000):
        for mode, name in (("forward", "forward"), ("both", "forward+backward")):
            row = results.find(count, "cpu")
            grown, outputs, pairs = row[f"{mode}_bytes"], row[f"{mode}_outputs"], row[f"{mode}_list"]
            limit = 3 * outputs + pairs
            top, out, listed, used = (f"{n / 1e6:.1f}" for n in (limit, outputs, pairs, grown))
            text = (
                f"{count // 1000}k at 512, {name}, memory at most {top} MB "
                f"(3 x {out} of outputs + {listed} of pair list): {used} MB"
            )
            lines.append((grown <= limit, text))
    return lines


def _growth_goals(results: Results) -> list[tuple[bool, str]]:
    points = results.sweep()
    slopes = [math.log(b[2] / a[2]) / math.log(b[0] / a[0]) for a, b in pairwise(points)]
    each = ", ".join(f"{both * 1e6 / covered:.2f}" for covered, _, both in points)
    gain, wanted = results.ours(20_000, "both", 1) / results.ours(20_000, "both"), 0.85 * results.threads
    cost = f"{max(slopes):.2f}; ns per covered pixel at sigma {', '.join(f'{s:g}' for s in SWEEP)}: {each}"
    threads = f"{results.threads} threads at least {wanted:.1f}x as fast as one"
    return [
        (max(slopes) <= 1.1, f"cost grows with covered pixels to the power of at most 1.1: {cost}"),
        (gain >= wanted, f"{threads} (20k at 512, forward+backward): {gain:.2f}x"),
    ]


def goal_lines(rows: list[dict[str, Any]], threads: int) -> list[str]:
    """One line per goal: reached or not, with the figure."""
    results, lines = Results(rows, threads), []
    for part in (_speed_goals, _memory_goals, _growth_goals):
        try:
            lines += [f"{'reached' if good else 'NOT reached'}: {text}" for good, text in part(results)]
        except KeyError:
            lines.append(
                f"not measured: {part.__name__.strip('_').replace('_', ' ')}, cells are missing here"
            )
    return lines


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one tiny scene, to see that everything works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there as well")
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cell:
        print(json.dumps(measure(Cell(**json.loads(options.cell)))))
        return
    threads = os.cpu_count() or 1
    where = machine(threads)
    rows = []
    for cell in cells(threads, quick=options.quick):
        print(
            f"{cell.scene} {cell.count} {cell.size} {cell.backend} {cell.threads}",
            file=sys.stderr,
            flush=True,
        )
        rows.append(run_cell(cell))
    print(where)
    print_table(rows)
    goals = goal_lines(rows, threads)
    print("\n".join(goals))
    if options.json:
        report = json.dumps({"machine": where, "rows": rows, "goals": goals}, indent=1)
        options.json.write_text(report + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
