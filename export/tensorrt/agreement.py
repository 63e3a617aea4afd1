"""After a build the engine is asked, and so is ONNX Runtime: their answers, in keypoint pixels where there are people.

An engine that gives other answers is never written. Not run on a GPU by the authors; held by the stand-in.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.backends import onnxruntime
from edge_pose.backends.answers import apart, choice_of, difference
from edge_pose.backends.base import Backend, TensorInfo
from edge_pose.backends.cuda import compute_capability, open_cuda
from edge_pose.backends.standby import InOrder
from edge_pose.backends.tensorrt import TensorRT
from edge_pose.backends.tensorrt_library import Library
from edge_pose.errors import DeviceError, ExportError, MissingDependencyError
from edge_pose.estimators.base import Network
from edge_pose.estimators.load import MICRO_BATCH
from edge_pose.export import samples
from edge_pose.export.calibration import Frames
from edge_pose.export.findings import people_of
from edge_pose.export.gate import Gate
from edge_pose.spec import ModelSpec

PREFIX = "engine_"
MADE_UP = 3  # inputs of noise, where there are no pictures with people


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found. numbers: by name, empty where nothing was compared; why_not: then the reason."""

    numbers: Mapping[str, float] = field(default_factory=dict)
    why_not: str = ""

    def __str__(self) -> str:
        said = ", ".join(f"{name} {value:g}" for name, value in self.numbers.items())
        return f"compared with ONNX Runtime: {said}" if said else f"not compared with ONNX Runtime: {self.why_not}"

    def prefixed(self) -> dict[str, float]:
        """Return the numbers as a specification has them, beside those of the file itself."""
        return {f"{PREFIX}{name}": value for name, value in self.numbers.items()}


def compare(
    plan: bytes,
    onnx: Path,
    library: Library,
    spec: ModelSpec | None,
    frames: Frames | None,
    *,
    capabilities: Collection[str],
    max_drop: float,
    version_compatible: bool,
) -> Compared:
    """Run a plan and its ONNX file on the same pictures. frames: with people; without any, inputs are made up.

    capabilities: what the plan was built for. max_drop: hundredths of mean OKS that the engine may cost.
    Raises ExportError where it costs more or gives other numbers, and StaleEngineError, BackendError where it cannot be
    run although there is a GPU.
    """
    try:
        here = compute_capability()
        if library.target == "tensorrt-rtx" and here not in capabilities:
            return Compared(why_not=f"it is for compute capability {', '.join(capabilities)}, this GPU has {here}")
        cuda = open_cuda()
    except DeviceError as err:
        return Compared(why_not=str(err).partition(": ")[0])  # how to build without one is no matter here
    except MissingDependencyError as err:
        return Compared(why_not=str(err))
    engine = TensorRT(onnx.name, plan, library, cuda, version_compatible=version_compatible)
    try:
        other = onnxruntime.open_model(onnx, device="cpu", threads=None)
        try:
            low, high = engine.rows
            numbers = on_inputs(engine, other, onnx.name, spec, low)
            if spec is not None and frames is not None and (low == 1 or low == high):
                numbers |= on_pictures(engine, other, onnx.name, spec, frames, max_drop)
        finally:
            other.close()
    finally:
        engine.close()
    return Compared(numbers)


def on_inputs(engine: Backend, other: Backend, name: str, spec: ModelSpec | None, rows: int = 1) -> dict[str, float]:
    """Compare raw outputs on noise: whatever the network makes of it, both must make the same. Raises ExportError."""
    worst, choice, ordered = 0.0, choice_of(spec), InOrder(engine, other.outputs)
    for seed in range(MADE_UP):
        batch = noise(engine.inputs[0], spec, rows, seed)
        wanted = [values.copy() for values in other.run(batch)]
        got = ordered.run(batch)
        why = difference(other.outputs, got, wanted, choice)
        if why:
            raise ExportError(f"the engine of {name} gives other answers than the file: {why}; nothing was written")
        worst = max(worst, *(apart(a, b, choice) for a, b in zip(got, wanted, strict=True)))
    return {"output_rms": round(worst, 6)}


def noise(info: TensorInfo, spec: ModelSpec | None, rows: int, seed: int) -> NDArray[Any]:
    """Return a batch that the input takes: pictures of smooth noise, plain noise where nobody says what they are."""
    if spec is not None:
        return samples.batch(spec, rows, seed)
    shape = (rows, *(size or 1 for size in info.shape[1:]))
    drawn = np.random.default_rng(seed).uniform(0, 1 if "float" in info.dtype else 255, shape)
    return np.ascontiguousarray(drawn, info.dtype)


def on_pictures(
    engine: Backend, other: Backend, name: str, spec: ModelSpec, frames: Frames, max_drop: float
) -> dict[str, float]:
    """Compare people's poses on pictures; nothing where neither sees anybody. Raises ExportError."""
    network = Network(spec, other, MICRO_BATCH)
    gate = Gate(network, frames, people_of(network, None))
    found = gate.compare(Network(spec, engine, MICRO_BATCH))
    if not found.people:
        return {}
    if not found.holds(max_drop):
        raise ExportError(
            f"the engine of {name} gives other poses than the file on ONNX Runtime: {found}; nothing was written"
        )
    numbers = {key: float(value) for key, value in asdict(found).items()}
    return {key: round(value, 5) for key, value in numbers.items() if math.isfinite(value)}
