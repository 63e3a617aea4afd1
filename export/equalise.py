"""Cross-layer equalisation: channels of one tensor brought to like ranges before they share one INT8 scale.

Between two convolutions with nothing or a ReLU in between, a channel may be made larger by the first and smaller by
the second without changing what comes out (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and
Bias Correction", sec. 4.1); here with ranges seen on pictures in the place of the first layer's weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edge_pose.export.ranges import dumper

LEAST, MOST = 1 / 64, 64.0  # no channel is scaled by more: dead ones would get weights without end
F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two convolutions in a row; tensor: what the second reads."""

    first: onnx.NodeProto
    second: onnx.NodeProto
    tensor: str


def equalised(model: onnx.ModelProto, batches: Iterable[NDArray[Any]]) -> tuple[onnx.ModelProto, int]:
    """Return a graph with the same answers whose pairs of convolutions are equalised, and how many there were.

    batches: a few network inputs. The graph in hand is not changed.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    weights = {item.name: item for item in made.graph.initializer}
    found = pairs(made)
    peaks = channel_peaks(made, [pair.tensor for pair in found], batches)
    for pair in found:
        if pair.tensor in peaks:
            _scale(pair, peaks[pair.tensor], weights)
    return made, len(found)


def pairs(model: onnx.ModelProto) -> list[Pair]:
    """Find convolutions whose output, perhaps through a ReLU, goes into one other convolution and nowhere else."""
    graph = model.graph
    weights = {item.name for item in graph.initializer}
    outputs = {value.name for value in graph.output}
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)

    def only_user(name: str) -> onnx.NodeProto | None:
        return users[name][0] if len(users.get(name, [])) == 1 and name not in outputs else None

    def own(node: onnx.NodeProto) -> bool:
        return all(name in weights and len(users[name]) == 1 for name in node.input[1:])

    found = []
    for node in graph.node:
        if node.op_type != "Conv" or not own(node):
            continue
        tensor = node.output[0]
        after = only_user(tensor)
        if after is not None and after.op_type == "Relu":
            tensor = after.output[0]
            after = only_user(tensor)
        if after is not None and after.op_type == "Conv" and after.input[0] == tensor and own(after):
            found.append(Pair(node, after, tensor))
    return found


def channel_peaks(model: onnx.ModelProto, names: list[str], batches: Iterable[NDArray[Any]]) -> dict[str, F32]:
    """Return the largest absolute value of every channel (axis 1) of the named tensors."""
    run = dumper(model, names)
    peaks: dict[str, F32] = {}
    for batch in batches:
        for name, value in run(batch).items():
            seen = np.abs(value).max(axis=tuple(axis for axis in range(value.ndim) if axis != 1))
            peaks[name] = np.maximum(peaks[name], seen) if name in peaks else seen
    return peaks


def _scale(pair: Pair, peaks: F32, weights: dict[str, onnx.TensorProto]) -> None:
    """Multiply the first layer's output channels by s and divide the second's input channels by it."""
    first, second = (numpy_helper.to_array(weights[node.input[1]]) for node in (pair.first, pair.second))
    groups = next((a.i for a in pair.second.attribute if a.name == "group"), 1)
    if groups not in (1, len(peaks)):
        return
    # (channels, everything else): a depthwise layer has its channels in front.
    by_channel = (second if groups > 1 else second.swapaxes(0, 1)).reshape(len(peaks), -1)
    reach = np.abs(by_channel).max(axis=1)
    live = (peaks > 0) & (reach > 0)
    scale = np.ones(len(peaks), np.float32)
    scale[live] = np.sqrt(reach[live] / peaks[live])
    scale[live] /= np.median(scale[live]) if live.any() else 1
    # A power of two changes no weight's digits.
    scale = np.exp2(np.round(np.log2(np.clip(scale, LEAST, MOST)))).astype(np.float32)
    _replace(weights, pair.first.input[1], first * scale.reshape(-1, *[1] * (first.ndim - 1)))
    if len(pair.first.input) > 2:
        _replace(weights, pair.first.input[2], numpy_helper.to_array(weights[pair.first.input[2]]) * scale)
    shape = (-1, *[1] * (second.ndim - 1)) if groups > 1 else (1, -1, *[1] * (second.ndim - 2))
    _replace(weights, pair.second.input[1], second / scale.reshape(shape))


def _replace(weights: dict[str, onnx.TensorProto], name: str, values: NDArray[Any]) -> None:
    weights[name].CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))
