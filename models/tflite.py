"""A reader of TensorFlow Lite files: operators, tensors, dequantised constants. Format: schema.fbs, version 3."""

import math
import mmap
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_pose.errors import CheckpointError
from edge_pose.models.contents import MAX_DIMENSIONS, Contents, checked_sizes, entry_from_array
from edge_pose.models.flatbuffer import Table

MAGIC = b"TFL3"  # at byte 4
# TensorType of the schema; strings, 4-bit integers, complex numbers and resources are no weights.
DTYPES = {0: "<f4", 1: "<f2", 2: "<i4", 3: "<u1", 4: "<i8", 6: "|b1", 7: "<i2", 9: "<i1", 10: "<f8"}
MAX_SCALE = 1e9
# 8 bits become 32, and a graph is read twice where it is no MoveNet.
MAX_WIDENED = 12


class Kind(IntEnum):
    """The operators that we tell apart (BuiltinOperator of the schema)."""

    ADD = 0
    CONV_2D = 3
    DEPTHWISE_CONV_2D = 4
    DEQUANTIZE = 6
    RESIZE_BILINEAR = 23
    GATHER_ND = 107


CONVOLUTIONS = (Kind.CONV_2D, Kind.DEPTHWISE_CONV_2D)


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """One tensor of the graph; `stored` is None unless it is a constant. Quantised: (stored - zero) * scale."""

    name: str
    shape: tuple[int, ...]
    stored: npt.NDArray[Any] | None
    scale: npt.NDArray[np.float32]
    zero: npt.NDArray[np.int64]
    axis: int

    def values(self) -> npt.NDArray[Any]:
        """Return the constant: float32 where it is float16 or quantised (per tensor or per channel), else as stored."""
        assert self.stored is not None
        if not self.scale.size:
            return self.stored.astype(np.float32) if self.stored.dtype == np.float16 else self.stored
        shape = [1] * len(self.shape)
        if self.scale.size > 1:
            shape[self.axis] = self.scale.size
        steps = self.stored.astype(np.int64) - self.zero.reshape(shape)
        return steps.astype(np.float32) * self.scale.reshape(shape)


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """One operator; tensors by index, -1 for one left out. Stride (y, x) and activation are those of a convolution."""

    index: int
    kind: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    plain: bool = True  # no dilation, one filter per channel
    same: bool = True  # padded such that the size is kept, or divided by the stride
    stride: tuple[int, int] = (1, 1)
    activation: int = 0


@dataclass(eq=False)
class TfliteModel:
    """The first graph of a file, operators in the order in which they run."""

    tensors: list[Tensor]
    operators: list[Operator]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    description: str
    size: int  # of the file in bytes
    producers: dict[int, Operator] = field(init=False)
    made: int = 0

    def __post_init__(self) -> None:
        self.producers = {tensor: op for op in self.operators for tensor in op.outputs}

    def constant(self, index: int) -> npt.NDArray[Any] | None:
        """Return a constant's values, also through the DEQUANTIZE in front of float16 weights; None for others."""
        if index < 0:
            return None
        if self.tensors[index].stored is not None:
            return self.values(self.tensors[index])
        producer = self.producers.get(index)
        if producer is None or producer.kind != Kind.DEQUANTIZE or len(producer.inputs) != 1:
            return None
        source = self.tensors[producer.inputs[0]]
        return None if source.stored is None else self.values(source)

    def values(self, tensor: Tensor) -> npt.NDArray[Any]:
        """Return the values of a tensor that is a constant. Raises CheckpointError where many share their bytes."""
        made = tensor.values()
        self.made += made.nbytes
        if self.made > MAX_WIDENED * self.size:
            raise CheckpointError(f"its constants take more than {MAX_WIDENED} times the {self.size} bytes of the file")
        return made


def read_tflite(path: Path) -> TfliteModel:
    """Read a .tflite file. Raises CheckpointError for another format, a version we do not know, or a damaged file."""
    with path.open("rb") as stream:
        if path.stat().st_size == 0:
            raise CheckpointError(f"{path.name} is empty")
        data = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    if data[4:8] != MAGIC:
        raise CheckpointError(f"{path.name} is no TFLite file: it says {bytes(data[4:8])!r} where {MAGIC!r} belongs")
    root = Table.root(data)
    if root.number(0, "I") != 3:
        raise CheckpointError(f"{path.name} has TFLite schema version {root.number(0, 'I')}, only 3 can be read")
    graphs, buffers = root.tables(2), root.tables(4)
    if not graphs:
        raise CheckpointError(f"{path.name} holds no graph")
    # The older field of an operator code is a byte that stops at 127; the larger of the two is the code.
    kinds = [max(code.number(0, "b"), code.number(3, "i")) for code in root.tables(1)]
    tensors = [read_tensor(table, buffers) for table in graphs[0].tables(0)]
    operators = [read_operator(i, table, kinds, len(tensors)) for i, table in enumerate(graphs[0].tables(3))]
    inputs, outputs = indices(graphs[0], 1, len(tensors)), indices(graphs[0], 2, len(tensors))
    return TfliteModel(tensors, operators, inputs, outputs, root.text(3), len(data))


def read_tensor(table: Table, buffers: list[Table]) -> Tensor:
    """Read one tensor and, where it is a constant, a view of its bytes."""
    name, shape = table.text(3), checked_sizes(table.array(0, "<i4")[: MAX_DIMENSIONS + 1].tolist())
    slot, kind = table.number(2, "I"), table.number(1, "b")
    if slot >= len(buffers):
        raise CheckpointError(f"tensor {name!r} is in buffer {slot}, the file has {len(buffers)}")
    raw = buffers[slot].array(0, "<u1")
    stored: npt.NDArray[Any] | None = None
    if raw.size and kind in DTYPES:
        wanted = np.dtype(DTYPES[kind])
        if math.prod(shape) * wanted.itemsize != raw.size:
            raise CheckpointError(f"tensor {name!r} has shape {shape} of {wanted.name}, but {raw.size} bytes")
        stored = raw.view(wanted).reshape(shape)
    rule = table.table(4)
    scale = rule.array(2, "<f4") if rule else np.empty(0, np.float32)
    zero = rule.array(3, "<i8") if rule else np.empty(0, np.int64)
    axis = rule.number(6, "i") if rule else 0
    if not (np.isfinite(scale) & (scale >= 0) & (scale < MAX_SCALE)).all():
        raise CheckpointError(f"tensor {name!r} has a scale that is no number from 0 to {MAX_SCALE:g}")
    if scale.size and stored is not None:
        per_channel = 0 <= axis < len(shape) and shape[axis] == scale.size
        if zero.size != scale.size or (scale.size > 1 and not per_channel):
            raise CheckpointError(f"tensor {name!r} of shape {shape} has {scale.size} scales along dimension {axis}")
    return Tensor(name, shape, stored, scale, zero, axis)


def read_operator(index: int, table: Table, kinds: list[int], tensors: int) -> Operator:
    """Read one operator and, where it is a convolution, how it moves and what it ends with."""
    code = table.number(0, "I")
    if code >= len(kinds):
        raise CheckpointError(f"operator {index} has code {code}, the file has {len(kinds)}")
    inputs, outputs, options = indices(table, 1, tensors), indices(table, 2, tensors), table.table(4)
    if kinds[code] not in CONVOLUTIONS or options is None:
        return Operator(index, kinds[code], inputs, outputs)
    # Conv2DOptions: padding, stride_w, stride_h, activation, dilation; the depthwise one has its multiplier before.
    at = 3 if kinds[code] == Kind.CONV_2D else 4
    multiplier = 1 if kinds[code] == Kind.CONV_2D else options.number(3, "i")
    dilations = options.number(at + 1, "i", 1), options.number(at + 2, "i", 1)
    plain, same = dilations == (1, 1) and multiplier == 1, options.number(0, "b") == 0
    stride = options.number(2, "i"), options.number(1, "i")
    return Operator(index, kinds[code], inputs, outputs, plain, same, stride, options.number(at, "b"))


def indices(table: Table, number: int, tensors: int) -> tuple[int, ...]:
    """Read a list of tensor indices; -1 stands for a tensor that is left out."""
    found = tuple(int(i) for i in table.array(number, "<i4"))
    if any(i < -1 or i >= tensors for i in found):
        raise CheckpointError(f"the graph names tensors {found}, the file has {tensors}")
    return found


def read_constants(model: TfliteModel) -> Contents:
    """All float constants by their own names and in TensorFlow's layout; integers stay what they are."""
    contents = Contents("tflite")
    for index, tensor in enumerate(model.tensors):
        values = model.constant(index) if tensor.stored is not None else None
        if values is not None:
            name = tensor.name if tensor.name not in contents.tensors else f"{tensor.name}#{index}"
            contents.tensors[name] = entry_from_array(name, values)
    return contents
