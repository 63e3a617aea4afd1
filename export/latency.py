"""What model files take on this machine, side by side on one core: engines are chosen by measurement."""

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

THREADS = 1  # what one core does can be compared between machines
TURN_MS = 40.0  # of one candidate: a few runs in a row, as on a stream, then the next one's turn
WARM_UP, LEAST, MOST = 2, 4, 100  # turns
FASTER = 1.05  # less is within what another day measures


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model file and an engine for it; precision: of most layers."""

    path: Path
    engine: str = "onnxruntime"
    precision: str = "float32"

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
    """Run the candidates in turns on one row and one thread, for about budget_s seconds in all.

    Turns, so that what else runs disturbs all of them alike. One that its engine refuses is left out.
    """
    opened: dict[Candidate, Backend] = {}
    try:
        for candidate in candidates:
            try:
                opened[candidate] = open_backend(candidate.path, device="cpu", engine=candidate.engine, threads=THREADS)
            except EdgePoseError:
                continue
        ran = {candidate: _Runs(backend, spec) for candidate, backend in opened.items()}
        end = time.perf_counter() + budget_s
        for turn in range(WARM_UP + MOST):
            if turn >= WARM_UP + LEAST and time.perf_counter() > end:
                break
            for runs in ran.values():
                runs.turn(counted=turn >= WARM_UP)
    finally:
        for backend in opened.values():
            backend.close()
    return {candidate: runs.timing for candidate, runs in ran.items()}


class _Runs:
    """One candidate's runs."""

    def __init__(self, backend: Backend, spec: ModelSpec) -> None:
        self.backend = backend
        info = backend.inputs[0]
        self.batch = samples.batch(spec, info.shape[0] or 1).astype(info.dtype)
        self.wall: list[float] = []
        self.worked: list[float] = []

    def turn(self, *, counted: bool) -> None:
        end = time.perf_counter() + TURN_MS / 1e3
        while True:
            start, start_work = time.perf_counter(), time.process_time()
            self.backend.run(self.batch)
            if counted:
                self.wall.append((time.perf_counter() - start) * 1e3)
                self.worked.append((time.process_time() - start_work) * 1e3)
            if time.perf_counter() >= end:
                return

    @property
    def timing(self) -> Timing:
        p50, p95 = np.percentile(self.wall, (50, 95))
        return Timing(float(p50), float(p95), float(np.median(self.worked)))


def fastest(times: Mapping[Candidate, Timing], base: Candidate) -> Candidate:
    """Return the candidate that works the least, the base unless another one is clearly faster."""
    best = min(times, key=lambda candidate: times[candidate].worked)
    return best if times[base].worked >= FASTER * times[best].worked else base
