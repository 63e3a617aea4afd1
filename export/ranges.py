"""Calibration: which values the tensors of a float graph take on pictures. Once, for every INT8 graph made from it."""

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
PERCENTILE = 99.99
SAMPLES = 2048  # values of a tensor that the histogram calibrators look at, a picture
Batches = Iterable[NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """Lowest and highest value by tensor, as a calibrator sees it. data: ONNX Runtime's own form. rows: seen."""

    method: Method
    data: Any
    rows: int

    @property
    def limits(self) -> Mapping[str, tuple[float, float]]:
        """(lowest, highest) by tensor."""
        found = {}
        for name in self.data.keys():  # noqa: SIM118 - it is no mapping
            low, high = self.data[name].range_value
            found[name] = (float(np.ravel(low)[0]), float(np.ravel(high)[0]))
        return found


def calibrate(model: onnx.ModelProto, batches: Batches, method: Method = "minmax") -> Ranges:
    """Run a float graph on network inputs and note what its tensors take.

    minmax: all of it. percentile: 99.99 % of it. entropy: the part that loses the least information in 8 bits.
    Raises ExportError without any input, and where the values are no numbers.
    """
    if method not in get_args(Method):
        raise ExportError(f"the calibrator {method!r} is unknown: {nearest(method, get_args(Method))}")
    with only_errors():
        data, rows = _extremes(model, batches) if method == "minmax" else _histograms(model, batches, method)
    ranges = Ranges(method, data, rows)
    odd = [name for name, limits in ranges.limits.items() if not np.isfinite(limits).all()]
    if odd:
        raise ExportError(f"{odd[0]} takes values that are no numbers on these pictures: the float model is broken")
    return ranges


def _extremes(model: onnx.ModelProto, batches: Batches) -> tuple[Any, int]:
    from onnxruntime.quantization import CalibrationDataReader, create_calibrator

    name, rows = model.graph.input[0].name, 0

    class Once(CalibrationDataReader):  # type: ignore[misc]
        """One input: ONNX Runtime's calibrators hold the results of all that they are given at once."""

        def __init__(self, batch: NDArray[Any]) -> None:
            self.left = [{name: batch}]

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            return self.left.pop() if self.left else None

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "float.onnx"
        onnx.save(with_shapes(model), source)
        calibrator = create_calibrator(source, None, augmented_model_path=str(Path(folder) / "augmented.onnx"))
        for batch in batches:
            calibrator.collect_data(Once(batch))
            rows += len(batch)
        _check_rows(rows)
        return calibrator.compute_data(), rows


def _histograms(model: onnx.ModelProto, batches: Batches, method: Method) -> tuple[Any, int]:
    """Give ONNX Runtime's collector a share of every tensor: histograms of all values take minutes and say the same."""
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import HistogramCollector, TensorsData

    run, rng, rows = dumper(model, float_tensors(model)), np.random.default_rng(0), 0
    pools: dict[str, list[NDArray[Any]]] = {}
    for batch in batches:
        for name, value in run(batch).items():
            if value.size:
                pools.setdefault(name, []).append(_share(value, rng))
        rows += len(batch)
    _check_rows(rows)
    bins = 2048 if method == "percentile" else 128
    collector = HistogramCollector(method, False, bins, 128, PERCENTILE, "same")
    for name in list(pools):
        collector.collect({name: np.concatenate(pools.pop(name))})
    kind = CalibrationMethod.Percentile if method == "percentile" else CalibrationMethod.Entropy
    return TensorsData(kind, collector.compute_collection_result()), rows


def _check_rows(rows: int) -> None:
    if not rows:
        raise ExportError("there is nothing to calibrate with: the pictures show nobody, or there are none")


def _share(value: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Return up to SAMPLES values, evenly spaced from a drawn start."""
    step = -(-value.size // SAMPLES)
    drawn: NDArray[Any] = value.reshape(-1)[int(rng.integers(step)) :: step].copy()
    return drawn


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
        return dict(zip(shown, session.run(shown, {name: batch}), strict=True)) | dict.fromkeys(echoed, batch)

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
