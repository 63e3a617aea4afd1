"""Reads an ONNX file's weights and what it says about itself. Needs neither torch nor the onnx package.

Format: onnx.proto, fields by number. Weights that an exporter renamed get their module's name back where the name of
their node tells it: "/model.2/m/m.0/cv1/conv/Conv" is model.2.m.0.cv1.conv.
"""

import math
import mmap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_pose.errors import CheckpointError
from edge_pose.models.contents import ITEM_SIZES, Contents, Entry, Storage, brief, checked_sizes, entry_from_array
from edge_pose.models.protobuf import Message
from edge_pose.models.torch_file import read_bytes_into

# TensorProto.DataType by torch's name; strings, complex numbers and floats of 4 or 8 bits are no weights.
DTYPES = {1: "float32", 2: "uint8", 3: "int8", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16"}
DTYPES |= {11: "float64", 16: "bfloat16"}
# The parts of an operator's inputs from the second on, as torch names them.
ROLES = {
    "Conv": ("weight", "bias"),
    "ConvTranspose": ("weight", "bias"),
    "Gemm": ("weight", "bias"),
    "BatchNormalization": ("weight", "bias", "running_mean", "running_var"),
    "PRelu": ("weight",),
}
EXTERNAL = 1


@dataclass(frozen=True, slots=True)
class Node:
    """One operator of the graph."""

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]


@dataclass(eq=False)
class OnnxFile:
    """Weights by their names in the graph, the operators in order, inputs and outputs as (name, shape)."""

    initializers: dict[str, Entry] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    inputs: list[tuple[str, list[int | str]]] = field(default_factory=list)
    outputs: list[tuple[str, list[int | str]]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    beside: dict[str, int] = field(default_factory=dict)  # other files with weights -> bytes


def read_onnx(path: Path) -> OnnxFile:
    """Read a .onnx file; weights stay on disk. Raises CheckpointError for a damaged file, or weights outside it."""
    with path.open("rb") as stream:
        if path.stat().st_size == 0:
            raise CheckpointError(f"{path.name} is empty")
        data = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    model = Message(data, 0, len(data))
    graph = model.message(7)
    if not graph.spans(1):
        raise CheckpointError(f"{path.name} is no ONNX file, or holds no graph")
    found = OnnxFile()
    found.metadata["producer"] = f"{model.text(2)} {model.text(3)}".strip()
    found.metadata["opset"] = {item.text(1) or "ai.onnx": item.number(2) for item in model.messages(8)}
    found.metadata["properties"] = {item.text(1): item.text(2) for item in model.messages(14)}
    for tensor in graph.messages(5):
        name, entry = read_tensor(path, tensor, found.beside)
        if entry is None:
            found.warnings.append(f"weight {name!r} has type {tensor.number(2)}, which is left out")
        else:
            found.initializers[name] = entry
    found.nodes = [Node(item.text(4), item.text(3), item.texts(1), item.texts(2)) for item in graph.messages(1)]
    # Old exporters list weights among the inputs, too.
    found.inputs = [value for value in map(read_value, graph.messages(11)) if value[0] not in found.initializers]
    found.outputs = [read_value(item) for item in graph.messages(12)]
    return found


def read_tensor(path: Path, tensor: Message, others: dict[str, int]) -> tuple[str, Entry | None]:
    """Read where a weight is; None if its type is none of DTYPES. others: gets the file that it is in, if another."""
    name, dims, kind = tensor.text(8), tuple(tensor.numbers(1)), tensor.number(2)
    if kind not in DTYPES:
        return name, None
    size = math.prod(checked_sizes(dims)) * ITEM_SIZES[DTYPES[kind]]
    if tensor.number(14) == EXTERNAL:
        return name, Entry(DTYPES[kind], dims, external(path, name, tensor, size, others))
    spans = tensor.spans(9)
    if not spans:
        return name, typed(name, tensor, kind, dims)
    start, end = spans[-1]
    if end - start != size:
        raise CheckpointError(f"weight {name!r} of shape {dims} needs {size} bytes, the file has {end - start}")
    return name, Entry(DTYPES[kind], dims, Storage(name, size, lambda to: read_bytes_into(path, start, to)))


def typed(name: str, tensor: Message, kind: int, dims: tuple[int, ...]) -> Entry:
    """Read a weight that is stored number by number."""
    values: npt.NDArray[Any]
    if kind in (1, 11):
        values = tensor.floats(4 if kind == 1 else 10, "<f4" if kind == 1 else "<f8")
    elif kind == 7:
        values = np.array(tensor.numbers(7), np.int64)
    elif kind in (10, 16):
        values = np.array(tensor.numbers(5), np.uint16)  # the bits of the halves
    else:
        values = np.array(tensor.numbers(5), DTYPES[kind])
    if values.size != math.prod(dims):
        raise CheckpointError(f"weight {name!r} of shape {dims} has {values.size} numbers")
    return Entry(DTYPES[kind], dims, entry_from_array(name, values).storage)


def external(path: Path, name: str, tensor: Message, size: int, others: dict[str, int]) -> Storage:
    """Find a weight in the file beside the model; only a plain file name in the same folder is followed."""
    says = {item.text(1): item.text(2) for item in tensor.messages(13)}
    place, offset, length = says.get("location", ""), says.get("offset", "0"), says.get("length", str(size))
    beside = path.parent / place
    if not place or Path(place).name != place or beside.is_symlink():
        raise CheckpointError(f"weight {name!r} is in {place!r}; only a plain file beside {path.name} is read")
    if not beside.is_file():
        raise CheckpointError(f"weight {name!r} is in {place}, which is not beside {path.name}")
    others[place] = beside.stat().st_size
    known = offset.isdecimal() and len(offset) < 20 and length == str(size)
    if not known or int(offset) + size > others[place]:
        raise CheckpointError(
            f"weight {name!r} wants {brief(length)} bytes at {brief(offset)} of {place}, needs {size}, or it is cut off"
        )
    return Storage(name, size, lambda to: read_bytes_into(beside, int(offset), to))


def read_value(value: Message) -> tuple[str, list[int | str]]:
    """Read the name and shape of an input or output; a free dimension is its name."""
    dims = value.message(2).message(1).message(2).messages(1)
    return value.text(1), [dim.number(1) if dim.text(2) == "" else dim.text(2) for dim in dims]


def onnx_contents(found: OnnxFile) -> Contents:
    """Name the weights as the module that was exported did, as far as the file tells."""
    contents = Contents("onnx", dict(found.initializers), dict(found.metadata), list(found.warnings))
    contents.beside = sum(found.beside.values())
    contents.metadata["inputs"], contents.metadata["outputs"] = dict(found.inputs), dict(found.outputs)
    for node in found.nodes:
        if node.kind == "Identity" and node.outputs and node.inputs[:1] and node.inputs[0] in contents.tensors:
            # Exporters store equal weights once.
            contents.tensors[node.outputs[0]] = contents.tensors[node.inputs[0]]
    for node in found.nodes:
        module = module_of(node.name)
        for name, role in zip(node.inputs[1:], ROLES.get(node.kind, ()), strict=False):
            renamed = name.startswith("onnx::") or name.isdecimal()
            if module and renamed and name in found.initializers:
                contents.tensors.setdefault(f"{module}.{role}", found.initializers[name])
                contents.tensors.pop(name, None)
    return contents


def module_of(node: str) -> str:
    """Return the module that a node's scope names: "/layer1/layer1.0/conv1/Conv" is layer1.0.conv1, else ""."""
    path: list[str] = []
    for part in node.split("/")[1:-1]:
        if path and part.startswith(path[-1] + "."):
            path[-1] = part
        else:
            path.append(part)
    return ".".join(path)
