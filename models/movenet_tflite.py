"""From Google's MoveNet TFLite graphs to the names of our network's weights. Needs no torch.

The files name their tensors after whatever TensorFlow fused, and differ between versions, so names say nothing: every
convolution is found by its place in the graph, walking upwards from the four outputs. Works for Lightning and Thunder,
float32, float16 and int8 (the integers become floats; that changes no weight by more than float rounding).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_pose.errors import CheckpointError
from edge_pose.models.contents import Contents, entry_from_array
from edge_pose.models.movenet_plan import JOINTS, STAGES, TABLES, TAPS, exact_tables, strides
from edge_pose.models.tflite import CONVOLUTIONS, Kind, Operator, TfliteModel, read_constants

NONE, RELU, RELU6 = 0, 1, 3
WORDS = {NONE: "no activation", RELU: "ReLU", RELU6: "ReLU6"}

MAX_STEPS = 1_000_000

Weights = dict[str, npt.NDArray[Any]]


def movenet_from_tflite(model: TfliteModel) -> Weights:
    """Weights and biases by the names of models.movenet.MoveNet, float32, in torch's layout.

    Raises CheckpointError that names the first place where the graph is not MoveNet's. Widths are taken as they are:
    loading them into a network says whether they are Lightning's or Thunder's.
    """
    walk = Walk(model)
    heads = walk.heads()
    for name in ("hm", "hps", "hm_hp", "hp_offset"):
        mixed = walk.only_above(walk.take(f"{name}.3", heads[name], NONE), f"{name}.1")
        filters = walk.only_above(walk.take(f"{name}.1", mixed, RELU), f"{name}.0")
        trunk = walk.only_above(walk.take(f"{name}.0", filters, NONE, depthwise=True), "the heads' common input")
    coarsest, taps = walk_pyramid(walk, trunk)
    walk_trunk(walk, coarsest, taps)
    walk.check_nothing_left()
    return walk.weights | decoder_tables(model, heads["hm"])


def decoder_tables(model: TfliteModel, centre: Operator) -> Weights:
    """Find the tables of the decoder among the constants: int8 files hold them rounded to 256 steps.

    A table that is not there, or computed by the graph, is left out; then the network's own, exact one stays.
    """
    _, height, width, _ = model.tensors[centre.outputs[0]].shape
    tables: Weights = {}
    for tensor in model.tensors:
        if tensor.stored is None or tensor.shape not in ((height, width), (height, width, 1)):
            continue
        values = model.values(tensor).reshape(height, width)
        for name, exact, allowed in zip(TABLES, exact_tables(height, width), (0.01, 0.5, 0.5), strict=True):
            if values.dtype == np.float32 and np.abs(values - exact).max() < allowed:
                tables[f"decoder.{name}"] = values
    return tables


def movenet_contents(model: TfliteModel) -> Contents:
    """Weights by our names where the graph is MoveNet's; else by the file's own names, with a warning that says why."""
    try:
        weights = movenet_from_tflite(model)
    except CheckpointError as err:
        contents = read_constants(model)
        contents.warnings.append(f"its weights keep TensorFlow's names and layout, it is no MoveNet: {err}")
    else:
        contents = Contents("tflite", {name: entry_from_array(name, values) for name, values in weights.items()})
    inputs = [model.tensors[i] for i in model.inputs]
    contents.metadata["inputs"] = {tensor.name: list(tensor.shape) for tensor in inputs}
    contents.metadata["outputs"] = {model.tensors[i].name: list(model.tensors[i].shape) for i in model.outputs}
    contents.metadata["description"] = model.description
    return contents


def walk_pyramid(walk: "Walk", top: Operator) -> tuple[Operator, dict[int, Operator]]:
    """Name the pyramid from its finest level on; return the last layer of the trunk, and the taps of the others."""
    taps: dict[int, Operator] = {}
    for level in range(3):
        name = f"backbone.fpn.layer_blocks.{level}.conv"
        filters = walk.only_above(walk.take(f"{name}.1", top, RELU), f"{name}.0")
        above = walk.above(walk.take(f"{name}.0", filters, NONE, depthwise=True))
        side, coarser = [op for op, doubled in above if not doubled], [op for op, doubled in above if doubled]
        if len(side) != 1 or len(coarser) != 1:
            raise CheckpointError(
                f"{name}.0 must add one projection and one doubled coarser level, "
                f"operator {filters.index} adds {len(side)} and {len(coarser)}"
            )
        taps[TAPS[level]] = walk.last_above(walk.take(f"backbone.fpn.inner_blocks.{level}", side[0], NONE))
        top = coarser[0]
    return walk.last_above(walk.take("backbone.fpn.inner_blocks.3", top, NONE)), taps


def walk_trunk(walk: "Walk", last: Operator, taps: dict[int, Operator]) -> None:
    """Name the trunk from its last layer back to the picture; the pyramid must hang where MoveNet hangs it."""
    expansions = [expansion for expansion, count, _ in STAGES for _ in range(count)]
    op = walk.last_above(walk.take("backbone.body.18.0", last, RELU6))
    for layer in range(len(expansions), 0, -1):
        name, stride, wide = f"backbone.body.{layer}.conv", strides()[layer], expansions[layer - 1] > 1
        if layer in taps and taps[layer] is not op:
            raise CheckpointError(
                f"the pyramid must branch off {name}, in the file it hangs on operator {taps[layer].index}"
            )
        # With stride 2 the padding is a layer of its own, so the filters are the second one.
        filters = f"{name}.1.{1 if stride == 2 else 0}" if wide else f"{name}.0.0"
        op = walk.only_above(walk.take(f"{name}.{2 if wide else 1}", op, NONE), filters)
        op = walk.only_above(walk.take(filters, op, RELU6, stride, depthwise=True), name)
        if wide:
            op = walk.last_above(walk.take(f"{name}.0.0", op, RELU6))
    if walk.above(walk.take("backbone.body.0.1", op, RELU6, 2)):
        raise CheckpointError("backbone.body.0.1 must be the first convolution, the file has more before it")


class Walk:
    """The convolutions of a graph, and which of them have been given a name."""

    def __init__(self, model: TfliteModel) -> None:
        self.model = model
        self.weights: Weights = {}
        self.steps = 0
        self.convolutions = [op for op in model.operators if op.kind in CONVOLUTIONS]
        for op in self.convolutions:
            if not op.inputs or len(op.outputs) != 1 or len(model.tensors[op.outputs[0]].shape) != 4:
                raise CheckpointError(f"operator {op.index} of the file must turn one picture into another")
        self.named: dict[int, str] = {}

    def heads(self) -> dict[str, Operator]:
        """Find the four last convolutions. Two have 34 channels: offsets are looked up where the heatmaps peak."""
        inner = {op.index for conv in self.convolutions for op, _ in self.above(conv)}
        ends = [op for op in self.convolutions if op.index not in inner]
        by_width: dict[int, list[Operator]] = {}
        for op in ends:
            by_width.setdefault(self.model.tensors[op.outputs[0]].shape[-1], []).append(op)
        wanted = {1: 1, JOINTS: 1, 2 * JOINTS: 2}
        if {width: len(found) for width, found in by_width.items()} != wanted:
            widths = sorted(self.model.tensors[op.outputs[0]].shape[-1] for op in ends)
            raise CheckpointError(
                f"MoveNet ends in convolutions with 1, 17, 34 and 34 channels, this graph in {widths}"
            )
        heatmaps = by_width[JOINTS][0]
        offsets = [op for op in by_width[2 * JOINTS] if heatmaps.index in self.steering(op)]
        if len(offsets) != 1:
            raise CheckpointError(
                "one head with 34 channels must be looked up where the 17 heatmaps peak, as MoveNet does"
            )
        regression = next(op for op in by_width[2 * JOINTS] if op is not offsets[0])
        return {"hm": by_width[1][0], "hps": regression, "hm_hp": heatmaps, "hp_offset": offsets[0]}

    def steering(self, head: Operator) -> set[int]:
        """Convolutions on which the places depend where a head's map is looked up (GATHER_ND)."""
        reached, found = set(head.outputs), set()
        for op in self.model.operators[head.index + 1 :]:
            if not op.inputs or op.inputs[0] not in reached:
                continue
            if op.kind == Kind.GATHER_ND and len(op.inputs) == 2:
                found |= {above.index for above, _ in self.climb(op.inputs[1])}
            else:
                reached |= set(op.outputs)
        return found

    def climb(self, tensor: int) -> list[tuple[Operator, bool]]:
        """Return the nearest convolutions that a tensor comes from, and whether it was doubled in size on the way."""
        found: dict[tuple[int, bool], Operator] = {}
        todo, seen = [(tensor, False)], set()
        while todo:
            at, doubled = todo.pop()
            op = self.model.producers.get(at)
            if op is None or (at, doubled) in seen:
                continue
            seen.add((at, doubled))
            self.steps += 1
            if self.steps > MAX_STEPS:
                raise CheckpointError(f"its operators are connected in more than {MAX_STEPS} steps")
            if op.kind in CONVOLUTIONS:
                found[op.index, doubled] = op
            else:
                todo.extend((source, doubled or op.kind == Kind.RESIZE_BILINEAR) for source in op.inputs)
        return [(op, doubled) for (_, doubled), op in sorted(found.items())]

    def above(self, op: Operator) -> list[tuple[Operator, bool]]:
        """Return the nearest convolutions that feed a convolution."""
        return self.climb(op.inputs[0]) if op.inputs else []

    def only_above(self, op: Operator, name: str) -> Operator:
        """Return the one convolution that feeds another."""
        found = self.above(op)
        if len(found) != 1 or found[0][1]:
            raise CheckpointError(
                f"{name} must be the one layer before operator {op.index}, the file has {len(found)} there"
            )
        return found[0][0]

    def last_above(self, op: Operator) -> Operator:
        """Return the last of the convolutions that feed another: those before it come by the residual connections."""
        found = self.above(op)
        if not found or any(doubled for _, doubled in found):
            raise CheckpointError(f"a block of the trunk must come before operator {op.index}, the file has none")
        return found[-1][0]

    def take(self, name: str, op: Operator, activation: int, stride: int = 1, depthwise: bool = False) -> Operator:
        """Check that an operator is the layer of that name, and keep its weights."""
        kind = Kind.DEPTHWISE_CONV_2D if depthwise else Kind.CONV_2D
        place = f"operator {op.index} of the file, which should be {name},"
        if op.index in self.named and self.named[op.index] != name:
            raise CheckpointError(f"{place} is {self.named[op.index]} already")
        if op.kind != kind:
            raise CheckpointError(f"{place} must be {kind.name}, got {Kind(op.kind).name}")
        if op.activation != activation:
            got = WORDS.get(op.activation, f"activation {op.activation}")
            raise CheckpointError(f"{place} must end with {WORDS[activation]}, got {got}")
        if len(op.inputs) != 3:
            raise CheckpointError(f"{place} must have weights and bias, got {len(op.inputs) - 1} constants")
        weight, bias = self.model.constant(op.inputs[1]), self.model.constant(op.inputs[2])
        if weight is None or bias is None or weight.ndim != 4 or bias.ndim != 1:
            raise CheckpointError(f"{place} must have 4-D weights and a bias as constants")
        same = op.same or weight.shape[1:3] == (1, 1)
        if not (op.plain and same) or op.stride != (stride, stride):
            raise CheckpointError(
                f"{place} must move by {stride} with padding same, undilated, "
                f"got stride {op.stride}, same padding {same}, undilated {op.plain}"
            )
        self.named[op.index] = name
        # OHWI, or 1HWC of filters per channel, to OIHW.
        order = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)
        self.weights[f"{name}.weight"] = np.ascontiguousarray(weight.transpose(order), dtype=np.float32)
        self.weights[f"{name}.bias"] = bias.astype(np.float32)
        return op

    def check_nothing_left(self) -> None:
        """Raise CheckpointError if the graph has convolutions that MoveNet has not."""
        left = [op.index for op in self.convolutions if op.index not in self.named]
        if left:
            raise CheckpointError(
                f"the file has convolutions that MoveNet has not: operators {left[:5]}, {len(left)} in all"
            )
