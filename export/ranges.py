"""Calibration: which values the tensors of a float graph take on pictures. Looked at once, for every INT8 graph."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_pose.errors import ExportError
from edge_pose.strict import nearest

Method = Literal["minmax", "percentile", "entropy"]
METHODS: tuple[Method, ...] = get_args(Method)
PERCENTILE = 99.99
SAMPLES = 2048  # values of a tensor that are remembered, a picture
BINS = 128  # of entropy's histograms
Batches = Iterable[NDArray[Any]]
Limits = Mapping[str, tuple[float, float]]
F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the float tensors of a graph were on pictures. extremes: (lowest, highest); samples: some of the values."""

    extremes: Limits
    samples: Mapping[str, F32]
    rows: int


def observe(model: onnx.ModelProto, batches: Batches) -> Seen:
    """Run a float graph on network inputs, once, and note what its tensors are.

    Raises ExportError without any input, and where the values are no numbers.
    """
    run, rng, rows = dumper(model, float_tensors(model)), np.random.default_rng(0), 0
    lows: dict[str, float] = {}
    highs: dict[str, float] = {}
    pools: dict[str, list[F32]] = {}
    for batch in batches:
        for name, value in run(batch).items():
            if not value.size:
                continue
            low, high = float(value.min()), float(value.max())
            if not np.isfinite([low, high]).all():
                raise ExportError(f"{name} takes values that are no numbers on these pictures: the model is broken")
            lows[name], highs[name] = min(low, lows.get(name, low)), max(high, highs.get(name, high))
            step = -(-value.size // SAMPLES)
            pools.setdefault(name, []).append(value.reshape(-1)[int(rng.integers(step)) :: step].copy())
        rows += len(batch)
    if not rows:
        raise ExportError("there is nothing to calibrate with: the pictures show nobody, or there are none")
    samples = {name: np.concatenate(pools.pop(name)) for name in list(pools)}
    return Seen({name: (lows[name], highs[name]) for name in lows}, samples, rows)


def limits(seen: Seen, method: Method) -> Limits:
    """Return the range of every tensor as a calibrator sees it; it always holds 0.

    minmax: all values. percentile: all but the outermost 0.01 % at either end. entropy: the part that loses the least
    information in 8 bits.
    Raises ExportError for another method.
    """
    if method not in METHODS:
        raise ExportError(f"the calibrator {method!r} is unknown: {nearest(method, METHODS)}")
    if method == "minmax":
        found = dict(seen.extremes)
    elif method == "percentile":
        ends = (100 - PERCENTILE, PERCENTILE)
        cut = {name: np.percentile(values, ends) for name, values in seen.samples.items()}
        found = {name: (float(low), float(high)) for name, (low, high) in cut.items()}
    else:
        found = _by_entropy(seen)
    return {name: (min(low, 0.0), max(high, 0.0)) for name, (low, high) in found.items()}


def _by_entropy(seen: Seen) -> dict[str, tuple[float, float]]:
    """Ask ONNX Runtime's histograms."""
    from onnxruntime.quantization.calibrate import HistogramCollector

    found = {}
    with only_errors():
        collector = HistogramCollector("entropy", False, BINS, BINS, PERCENTILE, "same")
        collector.collect({name: [values] for name, values in seen.samples.items()})
        for name, result in collector.compute_collection_result().items():
            found[name] = float(np.ravel(result[0])[0]), float(np.ravel(result[1])[0])
    return found


def float_tensors(model: onnx.ModelProto) -> list[str]:
    """Return the names of the input, inner and output tensors that are float32, weights left out."""
    graph = with_shapes(model).graph
    weights = {item.name for item in graph.initializer}
    values = (*graph.input, *graph.value_info, *graph.output)
    floats = dict.fromkeys(v.name for v in values if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT)
    return [name for name in floats if name not in weights]


def with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy with inferred shapes, as ONNX Runtime's quantiser asks for."""
    from onnxruntime.quantization.quant_utils import load_model_with_shape_infer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.onnx"
        onnx.save(model, path)
        shaped: onnx.ModelProto = load_model_with_shape_infer(path)
    return shaped


def dumper(model: onnx.ModelProto, names: Collection[str]) -> Callable[[NDArray[Any]], dict[str, NDArray[Any]]]:
    """Return what runs a graph on an input and gives the values of its tensors by name, without any fusing."""
    import onnxruntime

    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    inputs = {value.name for value in probe.graph.input}
    made = {name for node in probe.graph.node for name in node.output}
    shown = [name for name in names if name in made]
    echoed = [name for name in names if name in inputs]
    have = {value.name for value in probe.graph.output}
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in shown if name not in have)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        values = session.run(shown, {name: batch}) if shown else []  # none asked for would mean all
        return dict(zip(shown, values, strict=True)) | dict.fromkeys(echoed, batch)

    return run


@contextlib.contextmanager
def only_errors() -> Iterator[None]:
    """Keep what ONNX Runtime's quantisation prints and writes to the root logger from users: it is not for them."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        root.setLevel(before)
