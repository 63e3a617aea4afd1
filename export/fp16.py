"""FP16: typed into the graph, except where calibration pictures show that float16 overflows or moves the joints."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edge_pose.errors import ExportError
from edge_pose.export import graphs, halves

log = logging.getLogger("edge_pose")
HEADROOM = 2.0  # pictures to come may be that much brighter than those of the calibration
LIMIT_PX = 0.5  # 95th percentile of how far joints may move
GROUPS = 12  # parts of the network that are tried one by one where the joints move too far
Batches = Iterable[NDArray[Any]]
Moved = Callable[[onnx.ModelProto], float]


@dataclass(frozen=True, slots=True, eq=False)
class Half:
    """A float16 graph. kept: node -> why it stays float32; moved_px: 95th percentile against float, NaN unmeasured."""

    model: onnx.ModelProto
    kept: Mapping[str, str]
    halved: int
    moved_px: float = math.nan

    @property
    def precision(self) -> dict[str, str]:
        """Return the map of the specification."""
        return {"default": "float16", "decoding": "float32", **dict.fromkeys(self.kept, "float32")}


def half_from_float(
    model: onnx.ModelProto, batches: Batches, moved: Moved | None = None, limit_px: float = LIMIT_PX
) -> Half:
    """Turn a float32 graph into float16, keeping float32 what must be.

    batches: network inputs, read once; they should show what the network will see. moved: tells how far the joints of
    a candidate are from the float graph's (95th percentile, pixels); layers go back, the worst first, until they are
    within limit_px. Raises ExportError where no float16 is left by then, or nothing in the graph can be float16.
    """
    graphs.name_nodes(model)
    nodes = halves.half_nodes(model)
    if not any(node.op_type in halves.WEIGHTED for node in nodes):
        raise ExportError(f"{model.graph.name} has no float32 layers that could become float16")
    kept = overflowing(model, nodes, batches)
    able = [node.name for node in nodes if node.name not in kept]
    candidate = halves.with_halves(model, able)
    distance = moved(candidate) if moved else math.nan
    if moved and not distance <= limit_px:
        parts = grouped([node for node in nodes if node.name not in kept])
        alone = [moved(halves.with_halves(model, part)) for part in parts]
        # NaN, an answer that cannot be compared, is worse than any distance.
        for part in sorted(parts, key=lambda part: -nan_last(alone[parts.index(part)])):
            why = f"joints moved {distance:.2f} px, {alone[parts.index(part)]:.2f} px by this part alone"
            kept |= dict.fromkeys(part, why)
            able = [name for name in able if name not in kept]
            candidate = halves.with_halves(model, able)
            distance = moved(candidate)
            if distance <= limit_px:
                break
        if not able or not distance <= limit_px:
            raise ExportError(
                f"{model.graph.name} cannot be float16: its joints stay {distance:.2f} px (95th percentile) from the "
                f"float model's, {limit_px} px is allowed; the float model is unchanged"
            )
    return Half(candidate, kept, len(able), distance)


def nan_last(value: float) -> float:
    """Order NaN as infinity."""
    return math.inf if math.isnan(value) else value


def overflowing(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], batches: Batches) -> dict[str, str]:
    """Return the nodes that touch a value or a weight beyond float16, and why."""
    large = halves.too_large(model)
    peaks = largest(model, sorted({name for node in nodes for name in (*node.input, *node.output)}), batches)
    kept: dict[str, str] = {}
    for node in nodes:
        for name in (*node.output, *node.input):
            if name in large:
                kept[node.name] = f"weight {name} is beyond float16"
            elif not peaks.get(name, 0.0) <= halves.LARGEST / HEADROOM:
                kept[node.name] = f"{name} reaches {peaks[name]:.3g} on calibration pictures"
    return kept


def largest(model: onnx.ModelProto, names: Sequence[str], batches: Batches) -> dict[str, float]:
    """Return the largest absolute value of each float value of the graph over all batches; NaN where one appeared."""
    import onnxruntime

    types = halves.value_types(model)
    weights = {item.name for item in model.graph.initializer}
    watched = [name for name in names if types.get(name) == TensorProto.FLOAT and name not in weights]
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    for number, name in enumerate(watched):
        # NaN does not survive every maximum; a sum it does.
        probe.graph.node.extend(
            [
                helper.make_node("Abs", [name], [f"watch/{number}/abs"]),
                helper.make_node("ReduceMax", [f"watch/{number}/abs"], [f"watch/{number}/max"], keepdims=0),
                helper.make_node("ReduceMean", [f"watch/{number}/abs"], [f"watch/{number}/mean"], keepdims=0),
            ]
        )
        for what in ("max", "mean"):
            probe.graph.output.append(helper.make_tensor_value_info(f"watch/{number}/{what}", TensorProto.FLOAT, []))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    peaks = np.zeros(len(watched))
    for batch in batches:
        values = np.array(session.run(None, {session.get_inputs()[0].name: batch}), np.float64).reshape(-1, 2)
        seen = np.where(np.isnan(values[:, 1]), np.nan, values[:, 0])
        peaks = np.maximum(peaks, seen)
    return dict(zip(watched, peaks.tolist(), strict=True))


def grouped(nodes: Sequence[onnx.NodeProto]) -> list[list[str]]:
    """Cut the nodes into at most GROUPS parts of about equally many weighted layers, in order."""
    weighted = [i for i, node in enumerate(nodes) if node.op_type in halves.WEIGHTED]
    per_part = max(1, math.ceil(len(weighted) / GROUPS))
    cuts = [0, *weighted[per_part::per_part], len(nodes)]
    return [[node.name for node in nodes[a:b]] for a, b in itertools.pairwise(cuts) if b > a]
