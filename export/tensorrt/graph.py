"""What the builder must know of an ONNX graph: its inputs, its precision, and what TensorRT would refuse in it.

Read by field number (onnx.proto), because a Jetson that builds an engine need not have the onnx package.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_pose.download import sha256_of
from edge_pose.errors import CheckpointError, ExportError
from edge_pose.estimators.load import METADATA_KEY
from edge_pose.models.protobuf import Message
from edge_pose.spec import ModelSpec

# TensorProto.DataType
FLOAT, UINT8, INT8, INT32, INT64, BOOL, HALF = 1, 2, 3, 6, 7, 9, 10
INTEGERS = {"Shape", "Size", "ArgMax", "ArgMin", "NonZero"}
TRUTHS = {"Equal", "Less", "Greater", "GreaterOrEqual", "LessOrEqual", "Not", "And", "Or", "Xor", "IsNaN", "IsInf"}
NO_ARITHMETIC = {"Cast", "Constant", "Identity"}


@dataclass(frozen=True, slots=True)
class Node:
    """One operator. kind is the type of its first output, 0 where it is unknown."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    kind: int

    def __str__(self) -> str:
        return f"{self.op} {self.name or self.outputs[0]!r}"


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """One ONNX file. inputs: name and shape, -1 for an open dimension. sha256: of the file itself."""

    path: Path
    sha256: str
    opset: int
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    nodes: tuple[Node, ...]
    types: dict[str, int]
    spec: ModelSpec | None

    @property
    def is_half(self) -> bool:
        """Whether some of it is float16."""
        return HALF in self.types.values()

    @property
    def is_quantized(self) -> bool:
        """Whether it has Q/DQ nodes."""
        return any(node.op == "QuantizeLinear" for node in self.nodes)

    @property
    def precision(self) -> str:
        """fp32, fp16, int8 or int8+fp16: a property of the file, never of a builder's flag."""
        return "+".join(filter(None, ("int8" * self.is_quantized, "fp16" * self.is_half))) or "fp32"

    def float_nodes(self) -> frozenset[str]:
        """Names of the nodes that compute in float32 in a graph that is otherwise float16."""
        if not self.is_half:
            return frozenset()
        return frozenset(n.name for n in self.nodes if n.kind == FLOAT and n.name and n.op not in NO_ARITHMETIC)

    def check(self) -> None:
        """Raise ExportError for what TensorRT refuses, naming the node, before minutes of building."""
        for node in self.nodes:
            if node.op not in ("QuantizeLinear", "DequantizeLinear"):
                continue
            kind = self.types.get(node.inputs[0]) if node.op == "DequantizeLinear" else node.kind
            if kind == INT32:
                raise ExportError(
                    f"{self.path.name}: {node} turns an INT32 bias into float, which TensorRT refuses: "
                    "quantise with --target tensorrt, which leaves biases in float"
                )
            if kind == UINT8:
                raise ExportError(
                    f"{self.path.name}: {node} is quantised to uint8, which TensorRT reads as int8: this is the "
                    "graph for CPUs; quantise with --target tensorrt"
                )

    def profile(self, batch: tuple[int, int, int] | None) -> dict[str, tuple[tuple[int, ...], ...]]:
        """Return smallest, best and largest shape of each input.

        batch: rows, for an open first dimension; by default what the file's specification says, else one. Raises
        ExportError for a batch that the file cannot take and for other open dimensions that nothing fills.
        """
        rows = batch or (self.spec.batch if self.spec else (1, 1, 1))
        if not 1 <= rows[0] <= rows[1] <= rows[2]:
            raise ExportError(f"batch must be 1 <= min <= opt <= max, got {rows[0]}:{rows[1]}:{rows[2]}")
        return {name: self._shapes(name, shape, rows, batch is not None) for name, shape in self.inputs}

    def _shapes(
        self, name: str, shape: tuple[int, ...], rows: tuple[int, int, int], asked: bool
    ) -> tuple[tuple[int, ...], ...]:
        size = shape[1:]
        if -1 in size and self.spec is not None and len(size) == 3:
            height_width = self.spec.input.hw
            wanted = (3, *height_width) if self.spec.input.layout == "NCHW" else (*height_width, 3)
            size = tuple(b if a < 0 else a for a, b in zip(size, wanted, strict=True))
        if -1 in size:
            raise ExportError(
                f"{self.path.name}: dimension {1 + size.index(-1)} of input {name} {shape} is open, and no "
                "specification says its size: export with --size, or give --spec"
            )
        if shape and shape[0] >= 0:
            if asked and set(rows) != {shape[0]}:
                raise ExportError(
                    f"{self.path.name} takes exactly {shape[0]} rows, not {rows[0]}:{rows[1]}:{rows[2]}: export the "
                    "model again with --batch"
                )
            rows = (shape[0],) * 3
        return tuple((count, *size) for count in rows)


def read_graph(path: Path, spec: ModelSpec | None = None) -> Graph:
    """Read an ONNX file. spec: instead of its own. Raises CheckpointError for another or a damaged file, SpecError."""
    try:
        data = memoryview(path.read_bytes())
    except OSError as err:
        raise CheckpointError(f"cannot read {path}: {err.strerror or err}") from err
    model = Message(data, 0, len(data))
    graph = model.message(7)
    if not graph.spans(1):
        raise CheckpointError(f"{path} is no ONNX file, or holds no graph")
    types = {tensor.text(8): tensor.number(2) for tensor in graph.messages(5)}
    weights = set(types)
    inputs = []
    for value in graph.messages(11):
        tensor = value.message(2).message(1)
        dims = tensor.message(2).messages(1)
        shape = tuple(-1 if dim.spans(2) or dim.number(1) < 1 else dim.number(1) for dim in dims)
        if value.text(1) not in weights:  # old exporters list weights among the inputs, too
            inputs.append((value.text(1), shape))
            types[value.text(1)] = tensor.number(1)
    items, known = list(graph.messages(1)), -1
    nodes: tuple[Node, ...] = ()
    while len(types) > known:  # converters leave nodes in any order, so that a type may be known only later
        known = len(types)
        nodes = tuple(_node(item, types) for item in items)
    opsets = {item.text(1): item.number(2) for item in model.messages(8)}
    own = {item.text(1): item.text(2) for item in model.messages(14)}.get(METADATA_KEY)
    chosen = spec or (ModelSpec.from_json(own) if own else None)
    opset = opsets.get("", opsets.get("ai.onnx", 0))
    return Graph(path, sha256_of(path), opset, tuple(inputs), nodes, types, chosen)


def _node(item: Message, types: dict[str, int]) -> Node:
    """Read an operator, and note the types of its outputs."""
    op, inputs, outputs = item.text(4), tuple(item.texts(1)), tuple(item.texts(2))
    kinds = _kinds(op, item, [types.get(name, 0) for name in inputs])
    for index, name in enumerate(outputs):
        if kind := kinds[min(index, len(kinds) - 1)]:
            types[name] = kind
    return Node(op, item.text(3), inputs, outputs, kinds[0])


def _kinds(op: str, item: Message, given: Sequence[int]) -> list[int]:
    attributes = {part.text(1): part for part in item.messages(5)}
    if op == "Cast":
        return [attributes["to"].number(3)] if "to" in attributes else [0]
    if op in ("Constant", "ConstantOfShape"):
        if "value" in attributes:
            return [attributes["value"].message(5).number(2)]
        return [INT64 if {"value_int", "value_ints"} & set(attributes) else FLOAT]
    if op == "QuantizeLinear":
        return [given[2] if len(given) > 2 else UINT8]
    if op == "DequantizeLinear":
        return [given[1] if len(given) > 1 else FLOAT]
    if op in INTEGERS:
        return [INT64]
    if op in TRUTHS:
        return [BOOL]
    first = given[0] if given else 0
    if op == "TopK":
        return [first, INT64]
    return [given[1] if op == "Where" and len(given) > 1 else first]
