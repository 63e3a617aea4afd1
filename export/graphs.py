"""What every graph goes through before it is a product: simplified, opset 17, IR 8, an open batch, checked."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx

from edge_pose.errors import ExportError

# The newest that every TensorRT from 8.6 on reads, and the oldest with all that our networks use.
OPSET, IR_VERSION = 17, 8
BATCH = "N"
QUANTISED = {"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}
Shapes = Sequence[tuple[int | str, ...]]


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's own operators that a graph asks for; 0 where it names none."""
    return next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 0)


def simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    """Fold constants and normalisations, drop what does nothing; ONNX's own operators only, the same numbers.

    ONNX Runtime's basic level does it: it leaves the same nodes as onnxslim, in a fifth of the time, and is there
    anyway. A graph that it answers with operators of its own comes back as it is.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 4  # what goes wrong is raised
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "simplified.onnx"
        options.optimized_model_filepath = str(target)
        try:
            onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        except Exception as err:  # ONNX Runtime's own exceptions share no base but Exception
            target.write_bytes(model.SerializeToString())  # says so where it is the disk that is full
            raise ExportError(f"ONNX Runtime refuses the graph: {' '.join(str(err).split())[:300]}") from err
        simpler = onnx.load(target)
    if any(node.domain not in ("", "ai.onnx") for node in simpler.graph.node):
        name_nodes(model)
        return model
    for item in [item for item in simpler.opset_import if item.domain not in ("", "ai.onnx")]:
        simpler.opset_import.remove(item)
    name_nodes(simpler)
    for node in simpler.graph.node:
        node.doc_string = ""
    del simpler.graph.value_info[:]
    return simpler


def is_quantised(model: onnx.ModelProto) -> bool:
    """Say whether some layers of a graph already compute in integers, or between nodes that round to them."""
    return any(node.op_type in QUANTISED for node in model.graph.node)


def name_nodes(model: onnx.ModelProto) -> None:
    """Give every node a name of its own; those that have one keep it."""
    taken: set[str] = set()
    for number, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.name or node.op_type}#{number}"
        taken.add(node.name)


def take_bytes(model: onnx.ModelProto) -> None:
    """Let a graph with one float32 input take bytes: the cast is the first thing it does, as TensorRT wants it."""
    graph = model.graph
    (value,) = graph.input
    inside = f"{value.name}/float"
    for node in graph.node:
        node.input[:] = [inside if name == value.name else name for name in node.input]
    value.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    cast = onnx.helper.make_node("Cast", [value.name], [inside], name=f"{inside}/Cast", to=onnx.TensorProto.FLOAT)
    graph.node.insert(0, cast)


def sort_nodes(model: onnx.ModelProto) -> None:
    """Put the nodes in running order, as ONNX wants them; those that may run stay in the order that they have.

    Raises ExportError for a graph that runs in a circle.
    """
    graph = model.graph
    made_by = {name: i for i, node in enumerate(graph.node) for name in node.output}
    waits = [{made_by[name] for name in node.input if name in made_by} for node in graph.node]
    users: dict[int, list[int]] = {}
    for i, sources in enumerate(waits):
        for source in sources:
            users.setdefault(source, []).append(i)
    ready = [i for i, sources in enumerate(waits) if not sources]
    heapq.heapify(ready)
    order = []
    while ready:
        order.append(heapq.heappop(ready))
        for user in users.get(order[-1], ()):
            waits[user].discard(order[-1])
            if not waits[user]:
                heapq.heappush(ready, user)
    if len(order) < len(graph.node):
        raise ExportError(f"the graph {graph.name} runs in a circle")
    nodes = [graph.node[i] for i in order]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def set_shapes(values: Any, shapes: Shapes) -> None:
    """Write the shapes of inputs or outputs; a text is the name of a dimension that may change."""
    for value, shape in zip(values, shapes, strict=True):
        dims = value.type.tensor_type.shape.dim
        del dims[:]
        for size in shape:
            dims.add(**{"dim_param" if isinstance(size, str) else "dim_value": size})


def checked(model: onnx.ModelProto, opset: int = OPSET) -> onnx.ModelProto:
    """Return the graph after onnx's checker and its shape inference agree with it.

    Raises ExportError for another opset than asked, and with the checker's reason.
    """
    if opset_of(model) != opset:
        raise ExportError(f"the graph must have opset {opset}, got {opset_of(model)}: this torch cannot write it")
    model.ir_version = IR_VERSION
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as err:
        raise ExportError(f"the graph is not valid ONNX: {' '.join(str(err).split())[:300]}") from err
    return model


def parameter_count(model: onnx.ModelProto) -> int:
    """Return how many numbers the weights have; constants of shapes and single numbers are none."""
    return sum(_count(item) for item in model.graph.initializer if item.data_type in WEIGHT_TYPES and item.dims)


WEIGHT_TYPES = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.INT8, onnx.TensorProto.UINT8)


def _count(item: onnx.TensorProto) -> int:
    count = 1
    for size in item.dims:
        count *= size
    return count
