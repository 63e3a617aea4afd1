"""float32 graph -> the same graph with float16 typed into it, node by node. Inputs and outputs stay float32.

onnxruntime.transformers.float16 does this too; it rounds weights that half and float nodes share, puts a cast before
every user of a value instead of one behind its maker, and leaves the nodes out of order. Hence our own.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_pose.errors import ExportError

LARGEST = 65504.0
# Layers that take the time, and what stands between them. All else (choices, indices, decoding) stays float32.
WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
BETWEEN = """
Add Sub Mul Div Neg Abs Pow Sqrt Exp Erf Relu LeakyRelu PRelu Clip Sigmoid HardSigmoid HardSwish Tanh Softplus Softmax
Concat Split Slice Reshape Transpose Squeeze Unsqueeze Flatten Expand Tile Gather Identity Pad Resize
MaxPool AveragePool GlobalAveragePool GlobalMaxPool ReduceMean BatchNormalization InstanceNormalization
LayerNormalization DepthToSpace SpaceToDepth
"""
HALF_OPS = WEIGHTED | frozenset(BETWEEN.split())
FIXED = {"Resize": {1, 2}}  # inputs by number that are float32 whatever the rest is


def half_nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Return the nodes that can be float16, in order: from the first weighted layers to the last of each path.

    What comes before scales grey levels, and what comes behind decodes: pixels up to 640 in float16 would be half a
    pixel apart. Neither costs time.
    """
    types = value_types(model)
    behind: set[str] = set()  # values that come behind a weighted layer
    for node in model.graph.node:
        if node.op_type in WEIGHTED or not behind.isdisjoint(node.input):
            behind.update(node.output)
    needed: set[str] = set()  # values that a weighted layer needs
    found = []
    for node in reversed(model.graph.node):
        if node.op_type not in WEIGHTED and needed.isdisjoint(node.output):
            continue
        needed.update(node.input)
        inside = node.op_type in HALF_OPS and not behind.isdisjoint(node.output)
        if inside and any(types.get(name) == TensorProto.FLOAT for name in node.output):
            found.append(node)
    return found[::-1]


def value_types(model: onnx.ModelProto) -> dict[str, int]:
    """Return the element type of every value and weight, by name."""
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.value_info, *graph.output)}
    return types | {item.name: item.data_type for item in graph.initializer}


def with_halves(model: onnx.ModelProto, nodes: Collection[str]) -> onnx.ModelProto:
    """Return a copy in which the nodes of these names compute in float16; nodes stay in running order.

    Raises ExportError for a graph with control flow.
    """
    for node in model.graph.node:
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            raise ExportError(f"float16 cannot go through the control flow of node {node.name!r} ({node.op_type})")
    return _Typing(model, frozenset(nodes)).result()


class _Typing:
    """One pass over the nodes. A value may exist in both types; the cast stands before the first who needs it."""

    def __init__(self, model: onnx.ModelProto, nodes: frozenset[str]) -> None:
        self.model, self.nodes = model, nodes
        self.types = value_types(model)
        self.weights = {item.name: item for item in model.graph.initializer}
        self.outputs = {value.name for value in model.graph.output}
        self.names: dict[tuple[str, bool], str] = {}  # (value, is half) -> what it is called in that type
        self.made: list[onnx.NodeProto] = []
        self.halved: list[onnx.TensorProto] = []

    def result(self) -> onnx.ModelProto:
        for name, kind in self.types.items():
            if kind == TensorProto.FLOAT and (name in self.weights or self.is_input(name)):
                self.names[name, False] = name
        for node in self.model.graph.node:
            self.add(node)
        typed = onnx.ModelProto()
        typed.CopyFrom(self.model)
        graph = typed.graph
        del graph.node[:], graph.value_info[:]
        graph.node.extend(self.made)
        graph.initializer.extend(self.halved)
        used = {name for node in graph.node for name in node.input} | self.outputs
        for item in [item for item in graph.initializer if item.name not in used]:
            graph.initializer.remove(item)
        return typed

    def is_input(self, name: str) -> bool:
        return any(value.name == name for value in self.model.graph.input)

    def add(self, node: onnx.NodeProto) -> None:
        half, mine = node.name in self.nodes, onnx.NodeProto()
        mine.CopyFrom(node)
        for slot, name in enumerate(node.input):
            if self.types.get(name) == TensorProto.FLOAT:
                mine.input[slot] = self.named(name, half and slot not in FIXED.get(node.op_type, ()))
        behind = []
        for slot, name in enumerate(node.output):
            if self.types.get(name) != TensorProto.FLOAT:
                continue
            self.names[name, half] = name
            if half and name in self.outputs:
                mine.output[slot] = self.names[name, True] = f"{name}/half"
                behind.append(name)
        self.made.append(mine)
        for name in behind:
            self.names[name, False] = name
            self.cast(f"{name}/half", name, half=False)

    def named(self, name: str, half: bool) -> str:
        """Return what a value is called in a type, making it in that type where it is not there yet."""
        if (name, half) not in self.names:
            target = self.names[name, half] = f"{name}/{'half' if half else 'float'}"
            if half and name in self.weights:
                values = numpy_helper.to_array(self.weights[name]).astype(np.float16)
                self.halved.append(numpy_helper.from_array(values, target))
            else:
                self.cast(self.names[name, not half], target, half)
        return self.names[name, half]

    def cast(self, source: str, target: str, half: bool) -> None:
        kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        self.made.append(helper.make_node("Cast", [source], [target], name=f"{target}/Cast", to=kind))


def too_large(model: onnx.ModelProto) -> set[str]:
    """Return the names of float32 weights with a value that float16 cannot hold."""
    return {
        item.name
        for item in model.graph.initializer
        if item.data_type == TensorProto.FLOAT and np.abs(numpy_helper.to_array(item)).max(initial=0.0) > LARGEST
    }
