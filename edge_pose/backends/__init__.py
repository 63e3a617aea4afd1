"""Inference engines behind one small protocol. `open_backend` picks one; every file here is one engine."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path

from edge_pose.backends.base import Backend, Device
from edge_pose.errors import BackendError
from edge_pose.strict import nearest

__all__ = ["ENGINES", "Backend", "Device", "open_backend"]

log = logging.getLogger("edge_pose")
MAX_THREADS = 256  # beyond any board; a hundred thousand would only take the memory of the machine
ENGINES = {
    "onnxruntime": "edge_pose.backends.onnxruntime",
    "openvino": "edge_pose.backends.openvino",
    "tensorrt": "edge_pose.backends.tensorrt_files",
}
MADE_FOR = {".engine": "tensorrt"}  # every other file is ONNX Runtime's


def open_backend(path: Path, *, device: Device = "auto", engine: str = "auto", threads: int | None = None) -> Backend:
    """Open a model file with the engine of that name; "auto" takes the one that the file is made for.

    threads: of the engine, None for one a core. Raises BackendError, and DeviceError where the device cannot be had.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise BackendError(f"device {device!r} is unknown: {nearest(device, ('auto', 'cpu', 'cuda'))}")
    name = MADE_FOR.get(path.suffix, "onnxruntime") if engine == "auto" else engine
    if name not in ENGINES:
        raise BackendError(f"engine {engine!r} is unknown: {nearest(engine, ('auto', *ENGINES))}")
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise BackendError(f"threads must be from 1 to {MAX_THREADS}, got {threads}")
    opened: Backend = importlib.import_module(ENGINES[name]).open_model(path, device=device, threads=threads)
    if "auto" in (device, engine):
        log.info("%s: engine %s on %s", path.name, opened.engine, opened.device)
    return opened
