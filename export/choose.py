"""The fastest correct engine by measurement: what each candidate takes on this machine, side by side on one core."""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_pose.backends import Backend, open_backend
from edge_pose.errors import EdgePoseError, MissingDependencyError
from edge_pose.export import samples
from edge_pose.spec import ModelSpec

WARM_UP, LEAST, MOST = 2, 8, 100
FASTER = 1.05  # less is within what another day measures


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model file and an engine for it; precision: "float32" or "int8"."""

    path: Path
    engine: str
    precision: str

    @property
    def label(self) -> str:
        """What a report calls it."""
        return f"{self.precision} on {self.engine}"


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one row on one core: p50 and p95 by the clock, and the median of what the core worked.

    The last one is what candidates are compared by: what else the machine does is not in it.
    """

    p50: float
    p95: float
    worked: float


def engines() -> tuple[str, ...]:
    """Return the engines for CPUs that are installed."""
    try:
        importlib.import_module("edge_pose.backends.openvino").import_openvino()
    except MissingDependencyError:
        return ("onnxruntime",)
    return ("onnxruntime", "openvino")


def timings(candidates: Sequence[Candidate], spec: ModelSpec, *, budget_s: float = 6.0) -> Mapping[Candidate, Timing]:
    """Run the candidates in turns on one row and one thread. One that its engine refuses is left out."""
    opened: dict[Candidate, Backend] = {}
    try:
        for candidate in candidates:
            try:
                backend = open_backend(candidate.path, device="cpu", engine=candidate.engine, threads=1)
                backend.run(samples.batch(spec, backend.inputs[0].shape[0] or 1))
            except EdgePoseError:
                continue
            opened[candidate] = backend
        wall: dict[Candidate, list[float]] = {candidate: [] for candidate in opened}
        worked: dict[Candidate, list[float]] = {candidate: [] for candidate in opened}
        batches = {c: samples.batch(spec, backend.inputs[0].shape[0] or 1) for c, backend in opened.items()}
        end = time.perf_counter() + budget_s
        for turn in range(WARM_UP + MOST):
            if turn >= WARM_UP + LEAST and time.perf_counter() > end:
                break
            for candidate, backend in opened.items():
                start, start_work = time.perf_counter(), time.process_time()
                backend.run(batches[candidate])
                if turn >= WARM_UP:
                    wall[candidate].append((time.perf_counter() - start) * 1e3)
                    worked[candidate].append((time.process_time() - start_work) * 1e3)
    finally:
        for backend in opened.values():
            backend.close()
    return {
        c: Timing(float(np.percentile(wall[c], 50)), float(np.percentile(wall[c], 95)), float(np.median(worked[c])))
        for c in opened
    }


def fastest(times: Mapping[Candidate, Timing], base: Candidate) -> Candidate:
    """Return the candidate that works the least, the base unless another one is clearly faster."""
    best = min(times, key=lambda candidate: times[candidate].worked)
    return best if times[base].worked >= FASTER * times[best].worked else base
