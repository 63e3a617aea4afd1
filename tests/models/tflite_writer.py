"""Writes MoveNet TFLite files from torch weights, in the ways in which Google's converters write them."""

from dataclasses import dataclass, field

import flatbuffers
import numpy as np

TYPES = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int8": 9}
ADD, CONV, DEPTHWISE, DEQUANTIZE, LOGISTIC, RESIZE, ARG_MAX, GATHER_ND = 0, 3, 4, 6, 14, 23, 56, 107
NONE, RELU, RELU6 = 0, 1, 3


@dataclass
class Graph:
    """A graph under construction: tensors as (name, shape, type, values, scales, axis), operators as dicts."""

    precision: str = "float32"
    tensors: list = field(default_factory=list)
    operators: list = field(default_factory=list)

    def tensor(self, shape, kind="float32", values=None, scales=None, axis=0, name=None):
        self.tensors.append((name or f"t{len(self.tensors)}", tuple(shape), kind, values, scales, axis))
        return len(self.tensors) - 1

    def operator(self, kind, inputs, shape, **options):
        output = self.tensor(shape)
        self.operators.append({"kind": kind, "inputs": inputs, "output": output, **options})
        return output

    def constant(self, values, axis=0):
        """A weight or bias in the graph's precision."""
        values = np.ascontiguousarray(values, np.float32)
        if self.precision == "float16":
            half = self.tensor(values.shape, "float16", values.astype(np.float16))
            return self.operator(DEQUANTIZE, [half], values.shape)
        if self.precision == "int8" and values.ndim == 4:
            others = tuple(d for d in range(4) if d != axis)
            scales = np.maximum(np.abs(values).max(others), 1e-6).astype(np.float32) / np.float32(127)
            steps = np.round(values / scales.reshape([-1 if d == axis else 1 for d in range(4)]))
            return self.tensor(values.shape, "int8", steps.astype(np.int8), scales, axis)
        return self.tensor(values.shape, "float32", values)

    def conv(self, source, state, name, stride=1, activation=NONE, depthwise=False):
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        weight = weight.transpose(1, 2, 3, 0) if depthwise else weight.transpose(0, 2, 3, 1)
        _, height, width, _ = self.tensors[source][1]
        shape = (1, height // stride, width // stride, len(bias))
        inputs = [source, self.constant(weight, 3 if depthwise else 0), self.constant(bias)]
        kind = DEPTHWISE if depthwise else CONV
        return self.operator(kind, inputs, shape, stride=stride, activation=activation)


def movenet_graph(
    state, size, precision="float32", head_order=("hm", "hm_hp", "hp_offset", "hps"), laterals_late=False
):
    """MoveNet's graph with the weights of a state dict of arrays, with as much decoding as tells the heads apart."""
    graph = Graph(precision)
    source = graph.tensor((1, size, size, 3), name="input")
    x, taps, laterals = graph.conv(source, state, "backbone.body.0.1", 2, RELU6), {}, {}
    strides = {2: 2, 4: 2, 7: 2, 14: 2}
    for layer in range(1, 18):
        name, stride = f"backbone.body.{layer}.conv", strides.get(layer, 1)
        if layer == 1:
            y = graph.conv(x, state, f"{name}.0.0", activation=RELU6, depthwise=True)
            x = graph.conv(y, state, f"{name}.1")
        else:
            y = graph.conv(x, state, f"{name}.0.0", activation=RELU6)
            y = graph.conv(y, state, f"{name}.1.{stride - 1}", stride, RELU6, depthwise=True)
            y = graph.conv(y, state, f"{name}.2")
            same = stride == 1 and graph.tensors[x][1] == graph.tensors[y][1]
            x = graph.operator(ADD, [x, y], graph.tensors[y][1]) if same else y
        if layer in (3, 6, 10):
            level = (3, 6, 10).index(layer)
            taps[level] = x
            if not laterals_late:
                laterals[level] = graph.conv(x, state, f"backbone.fpn.inner_blocks.{level}")
    x = graph.conv(x, state, "backbone.body.18.0", activation=RELU6)
    x = graph.conv(x, state, "backbone.fpn.inner_blocks.3")
    for level in (2, 1, 0):
        if laterals_late:
            laterals[level] = graph.conv(taps[level], state, f"backbone.fpn.inner_blocks.{level}")
        shape = graph.tensors[laterals[level]][1]
        up = graph.operator(RESIZE, [x, graph.tensor((2,), "int32", np.array(shape[1:3], np.int32))], shape)
        x = graph.operator(ADD, [laterals[level], up] if laterals_late else [up, laterals[level]], shape)
        name = f"backbone.fpn.layer_blocks.{level}.conv"
        x = graph.conv(graph.conv(x, state, f"{name}.0", depthwise=True), state, f"{name}.1", activation=RELU)
    heads = {}
    for name in head_order:
        y = graph.conv(graph.conv(x, state, f"{name}.0", depthwise=True), state, f"{name}.1", activation=RELU)
        heads[name] = graph.conv(y, state, f"{name}.3")
    person = graph.operator(ARG_MAX, [graph.operator(LOGISTIC, [heads["hm"]], (1, size // 4, size // 4, 1))], (1, 3))
    expected = graph.operator(GATHER_ND, [heads["hps"], person], (1, 34))
    near = graph.operator(ADD, [heads["hm_hp"], expected], (1, size // 4, size // 4, 17))
    peaks = graph.operator(ARG_MAX, [near], (17, 3))
    graph.output = graph.operator(GATHER_ND, [heads["hp_offset"], peaks], (17, 34))
    return graph


def write(graph):
    """The bytes of a .tflite file."""
    b = flatbuffers.Builder(1 << 20)
    buffers, tensors = [table(b, {})], []
    for name, shape, kind, values, scales, axis in graph.tensors:
        slot = 0
        if values is not None:
            slot = len(buffers)
            buffers.append(table(b, {0: ("offset", b.CreateNumpyVector(values.reshape(-1).view(np.uint8)))}))
        rule = None
        if scales is not None:
            scale, zero = b.CreateNumpyVector(scales), b.CreateNumpyVector(np.zeros(len(scales), np.int64))
            rule = table(b, {2: ("offset", scale), 3: ("offset", zero), 6: ("int32", axis)})
        fields = {0: ("offset", ints(b, shape)), 1: ("int8", TYPES[kind]), 2: ("uint32", slot)}
        fields |= {3: ("offset", b.CreateString(name))} | ({4: ("offset", rule)} if rule else {})
        tensors.append(table(b, fields))
    kinds = sorted({op["kind"] for op in graph.operators})
    codes = [table(b, {0: ("int8", kind), 3: ("int32", kind)}) for kind in kinds]
    operators = []
    for op in graph.operators:
        fields = {0: ("uint32", kinds.index(op["kind"])), 1: ("offset", ints(b, op["inputs"]))}
        fields[2] = ("offset", ints(b, [op["output"]]))
        if "stride" in op:
            choices = {1: ("int32", op["stride"]), 2: ("int32", op["stride"])}
            if op["kind"] == DEPTHWISE:
                choices |= {3: ("int32", 1), 4: ("int8", op["activation"])}
            else:
                choices |= {3: ("int8", op["activation"])}
            fields[4] = ("offset", table(b, choices))
        operators.append(table(b, fields))
    parts = {0: ("offset", offsets(b, tensors)), 1: ("offset", ints(b, [0])), 2: ("offset", ints(b, [graph.output]))}
    parts[3] = ("offset", offsets(b, operators))
    root = {0: ("uint32", 3), 1: ("offset", offsets(b, codes)), 2: ("offset", offsets(b, [table(b, parts)]))}
    root |= {3: ("offset", b.CreateString("made by a test")), 4: ("offset", offsets(b, buffers))}
    b.Finish(table(b, root), file_identifier=b"TFL3")
    return bytes(b.Output())


def table(b, fields):
    """One table; fields: number -> (kind, value)."""
    b.StartObject(max(fields, default=-1) + 1)
    slots = {"int8": b.PrependInt8Slot, "int32": b.PrependInt32Slot, "uint32": b.PrependUint32Slot}
    for number, (kind, value) in fields.items():
        if kind == "offset":
            b.PrependUOffsetTRelativeSlot(number, value, 0)
        else:
            slots[kind](number, value, 0)
    return b.EndObject()


def ints(b, values):
    return b.CreateNumpyVector(np.array(values, np.int32))


def offsets(b, values):
    b.StartVector(4, len(values), 4)
    for value in reversed(values):
        b.PrependUOffsetTRelative(value)
    return b.EndVector()
