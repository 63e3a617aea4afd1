"""How long graphs take on this machine, side by side: in turns, so that what else runs disturbs all of them alike."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edge_pose.backends import open_backend
from edge_pose.export import samples
from edge_pose.spec import ModelSpec

WARM_UP, LEAST, MOST = 2, 10, 200
THREADS = 1  # what one core does can be compared between machines


def latencies(files: Mapping[str, Path], spec: ModelSpec, *, budget_s: float = 4.0) -> dict[str, tuple[float, float]]:
    """Run ONNX files on one row, in turns, for about budget_s seconds in all; returns (p50, p95) in milliseconds."""
    opened = {
        label: open_backend(path, device="cpu", engine="onnxruntime", threads=THREADS) for label, path in files.items()
    }
    try:
        inputs = {}
        for label, backend in opened.items():
            rows = backend.inputs[0].shape[0] or 1
            inputs[label] = samples.batch(spec, rows).astype(backend.inputs[0].dtype)
        times: dict[str, list[float]] = {label: [] for label in files}
        end = time.perf_counter() + budget_s
        for turn in range(WARM_UP + MOST):
            if turn >= WARM_UP + LEAST and time.perf_counter() > end:
                break
            for label, backend in opened.items():
                start = time.perf_counter()
                backend.run(inputs[label])
                if turn >= WARM_UP:
                    times[label].append((time.perf_counter() - start) * 1e3)
    finally:
        for backend in opened.values():
            backend.close()
    return {label: (float(np.percentile(t, 50)), float(np.percentile(t, 95))) for label, t in times.items()}
