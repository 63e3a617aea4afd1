"""torch -> ONNX: traced, simplified, checked, and compared with the network it came from."""

from __future__ import annotations

import io
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from edge_pose.errors import ExportError
from edge_pose.export import graphs, samples
from edge_pose.export.metadata import write_spec
from edge_pose.spec import HeatmapDecode, ModelSpec, MovenetDecode, RegressionDecode, SimccDecode, YoloDecode

INPUT = "image"
TRACED_ROWS = 2  # with one row, exporters take a broadcast for a fact
TOLERANCE = 1e-3  # of the output's standard deviation, or absolute where that is larger
APART = 1e-4  # scores nearer than that may change places
SELECTED = 0.1  # share of MoveNet's joints whose two best cells may be that near
ROWS = (1, 3)

Arrays = list[NDArray[Any]]


def onnx_from_torch(net: nn.Module, spec: ModelSpec) -> onnx.ModelProto:
    """Write a network in eval mode as ONNX: opset 17, IR 8, batch axis "N", simplified, checked, self-describing.

    spec: of the network; the names of the outputs are filled in. Raises ExportError where torch or onnx refuse, or
    where the graph does not give what the network gives, to 1e-3, with 1 row and with 3.
    """
    inputs = torch.from_numpy(samples.batch(spec, TRACED_ROWS).astype(np.float32))
    with torch.inference_mode():
        traced = as_list(net(inputs))
    outputs = output_names(spec)
    if len(traced) != len(outputs):
        raise ExportError(f"{spec.name} must give {', '.join(outputs)}, the network gives {len(traced)} outputs")
    model = graphs.simplified(trace(net, inputs, outputs))
    graphs.set_shapes(model.graph.input, [(graphs.BATCH, *inputs.shape[1:])])
    graphs.set_shapes(model.graph.output, [(graphs.BATCH, *value.shape[1:]) for value in traced])
    if spec.input.dtype == "uint8":
        graphs.take_bytes(model)
    write_spec(model, with_outputs(spec, outputs))
    graphs.checked(model)
    check_same(net, model, spec)
    return model


def trace(net: nn.Module, inputs: torch.Tensor, outputs: tuple[str, ...]) -> onnx.ModelProto:
    """Record the network's graph; torch's older exporter is the one that writes opset 17 whatever the network."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch announces the end of this exporter
        warnings.filterwarnings("ignore", message="Constant folding")  # ONNX Runtime folds what is left
        try:
            torch.onnx.export(
                net,
                (inputs,),
                file,  # type: ignore[arg-type]  # this exporter takes streams
                dynamo=False,
                opset_version=graphs.OPSET,
                input_names=[INPUT],
                output_names=list(outputs),
                dynamic_axes={name: {0: graphs.BATCH} for name in (INPUT, *outputs)},
            )
        except torch.onnx.errors.OnnxExporterError as err:
            raise ExportError(f"torch cannot write this network: {' '.join(str(err).split())[:300]}") from err
    return onnx.load_from_string(file.getvalue())


def output_names(spec: ModelSpec) -> tuple[str, ...]:
    """Name what a network of that decode family gives."""
    decode = spec.decode
    if isinstance(decode, MovenetDecode):
        return ("center", "regression", "heatmaps", "offsets") if decode.heads else ("joints",)
    if isinstance(decode, SimccDecode):
        return ("simcc_x", "simcc_y")
    if isinstance(decode, RegressionDecode):
        return ("joints", "sigma") if decode.sigma else ("joints",)
    return ("heatmaps",) if isinstance(decode, HeatmapDecode) else ("people",)


def with_outputs(spec: ModelSpec, outputs: tuple[str, ...]) -> ModelSpec:
    """Fill in the names of the outputs."""
    return replace(spec, outputs=outputs)


def check_same(net: nn.Module, model: onnx.ModelProto, spec: ModelSpec) -> float:
    """Compare graph and network on made-up pictures; returns the largest difference. Raises ExportError."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    worst = 0.0
    for rows in ROWS:
        inputs = samples.batch(spec, rows, seed=rows)
        with torch.inference_mode():
            wanted = [value.numpy() for value in as_list(net(torch.from_numpy(inputs)))]
        try:
            got = session.run(None, {INPUT: inputs})
        except Exception as err:  # ONNX Runtime's own exceptions share no base but Exception
            why = " ".join(str(err).split())[:300]
            raise ExportError(f"the graph of {spec.name} fails with {rows} rows: {why}") from err
        for name, a, b in zip(output_names(spec), got, wanted, strict=True):
            off = difference(a, b, spec)
            if not off <= TOLERANCE:
                raise ExportError(
                    f"the graph of {spec.name} does not give what the network gives: output {name!r} is off by "
                    f"{off:.2g} with {rows} rows, at most {TOLERANCE} is allowed"
                )
            worst = max(worst, off)
    return worst


def difference(got: NDArray[Any], wanted: NDArray[Any], spec: ModelSpec) -> float:
    """Return the largest difference in units of the output's spread, at least 1; NaN where the shapes differ.

    Where the graph chooses by score, only choices that are clear are compared; the scores themselves always.
    """
    if got.shape != wanted.shape or not np.isfinite(wanted).all():
        return float("nan")
    off = np.abs(got.astype(np.float64) - wanted) / max(1.0, float(wanted.std()))
    decode = spec.decode
    if isinstance(decode, MovenetDecode) and not decode.heads:
        return float(np.quantile(off.reshape(-1, off.shape[-1]).max(1), 1 - SELECTED, method="lower"))
    if isinstance(decode, YoloDecode) and decode.end_to_end:
        gaps = -np.diff(wanted[..., 4], axis=1, prepend=np.inf, append=-np.inf)
        clear = (gaps[:, :-1] > APART) & (gaps[:, 1:] > APART)
        return float(max(np.abs(got[..., 4] - wanted[..., 4]).max(), off[clear].max(initial=0.0)))
    return float(off.max())


def as_list(value: Any) -> list[torch.Tensor]:
    """Return a network's outputs as a list."""
    return list(value) if isinstance(value, (tuple, list)) else [value]
