"""What the benchmarks share: calls that take turns, so that all meet the same machine, and a table of their ratios."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from edge_pose import kernels

Call = Callable[[], object]
CACHED = 4 << 20  # bytes that stay in the second-level cache and beyond from one round to the next


class Case(NamedTuple):
    """One piece of work: ours, what one would use instead, and the bytes that must move at least."""

    name: str
    ours: Call
    others: Mapping[str, Call]
    floor_bytes: int | None = None


class Row(NamedTuple):
    """Medians in milliseconds of one case; ratio: the best alternative over ours."""

    name: str
    ours_ms: float
    others_ms: dict[str, float]
    floor_ms: float | None

    @property
    def ratio(self) -> float | None:
        """How many times faster ours is than the best alternative."""
        return min(self.others_ms.values()) / self.ours_ms if self.others_ms else None


def medians_ms(calls: Mapping[str, Call], *, repeats: int = 200, seconds: float = 10.0) -> dict[str, float]:
    """Medians of calls that take turns: `repeats` rounds, or as many (at least 5) as fit into `seconds`."""
    times: dict[str, list[float]] = {label: [] for label in calls}
    for call in calls.values():
        call()
    end = time.perf_counter() + seconds
    for done in range(repeats):
        if done >= 5 and time.perf_counter() > end:
            break
        for label, call in calls.items():
            start = time.perf_counter()
            call()
            times[label].append(time.perf_counter() - start)
    return {label: statistics.median(values) * 1e3 for label, values in times.items()}


def copy_gb_per_s(megabytes: int) -> float:
    """Bytes per second that a plain copy moves (read and written bytes both count), for the floor."""
    source = np.ones(megabytes << 20, np.uint8)
    target = np.empty_like(source)
    return 2 * source.nbytes / medians_ms({"copy": lambda: np.copyto(target, source)}, repeats=50)["copy"] / 1e6


def measured(cases: Iterable[Case], *, repeats: int = 200, seconds: float = 10.0) -> list[Row]:
    """Measure all cases."""
    memory, cache = copy_gb_per_s(64), copy_gb_per_s(1)
    rows = []
    for case in map(Case._make, cases):
        found = medians_ms({"ours": case.ours, **case.others}, repeats=repeats, seconds=seconds)
        speed = cache if (case.floor_bytes or 0) <= CACHED else memory
        floor = case.floor_bytes / speed / 1e6 if case.floor_bytes else None
        rows.append(Row(case.name, found.pop("ours"), found, floor))
    return rows


def show(rows: Iterable[Row]) -> None:
    """Print a table: ours, the floor and the distance from it, and each alternative with its ratio to ours."""
    print(f"{'':40} {'ours ms':>9} {'floor ms':>9} {'x floor':>7} {'ratio':>6}   alternatives: ms")
    for row in rows:
        floor = f"{row.floor_ms:9.4f} {row.ours_ms / row.floor_ms:7.1f}" if row.floor_ms else " " * 17
        ratio = f"{row.ratio:5.1f}x" if row.ratio else ""
        others = ", ".join(f"{label} {ms:.3f}" for label, ms in sorted(row.others_ms.items(), key=lambda v: v[1]))
        print(f"{row.name:40} {row.ours_ms:9.4f} {floor} {ratio:>6}   {others}")


def main(cases: Iterable[Case]) -> None:
    """What a file of cases does when it is run by itself."""
    cv2.setNumThreads(1)
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    show(measured(cases))


def machine() -> dict[str, Any]:
    """What a figure must be read with: processor, cores, load, versions."""
    model = platform.processor() or platform.machine()
    for line in (
        Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else ()
    ):
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "simd": kernels.simd_level(),
    }


def write_json(path: Path, rows: Iterable[Row]) -> None:
    """Keep the figures with the machine they are of."""
    document = {"machine": machine(), "rows": [{**row._asdict(), "ratio": row.ratio} for row in rows]}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
