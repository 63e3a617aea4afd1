"""Gives the nameless weights of an ONNX file the names of a network, by comparing the two graphs.

Optimisers and converters drop names. But a convolution is known by its weight's shape and by what comes before and
behind it: where our network, exported, has just one convolution of that kind in the same place, that is its name.
"""

import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from edge_pose.errors import CheckpointError
from edge_pose.models.contents import Entry
from edge_pose.models.loading import Checkpoint, load_entry
from edge_pose.models.onnx_weights import Node, OnnxFile, module_of, read_onnx

CONVOLUTIONS = ("Conv", "ConvTranspose")
SHOWN = 5

Label = tuple[int, int]


def load_nameless_onnx(path: str | Path, network: nn.Module, example: Tensor) -> Checkpoint:
    """Read the convolutions of an ONNX file by the names that they have in a network; fit for load_into.

    example: an input for the network, as its forward wants it; batch 1 is enough. Raises CheckpointError where the file
    has other convolutions than the network, or two that cannot be told apart.
    """
    path = Path(path)
    found = Graph(read_onnx(path))
    ours = Graph(exported(network, example))
    if len(found.convolutions) != len(ours.convolutions):
        raise CheckpointError(
            f"{path.name} is another network: it has {len(found.convolutions)} convolutions, "
            f"{type(network).__name__} has {len(ours.convolutions)}"
        )
    ids: dict[object, int] = {}
    places, names = found.labels(ids), ours.labels(ids)
    tensors: dict[str, Tensor] = {}
    unknown = [module_of(ours.convolutions[i].name) for i, label in names.items() if label not in places.values()]
    if unknown:
        raise CheckpointError(
            f"{path.name} is another network: it has {len(places)} convolutions, {type(network).__name__} has "
            f"{len(names)}, {len(unknown)} of them without a counterpart ({', '.join(unknown[:SHOWN])})"
        )
    name_of = {label: module_of(ours.convolutions[i].name) for i, label in names.items()}
    if len(name_of) != len(names):
        raise CheckpointError(f"{type(network).__name__} has convolutions that its graph alone cannot tell apart")
    loaded: dict[int, Tensor] = {}
    for i, label in places.items():
        node, name = found.convolutions[i], name_of[label]
        tensors[f"{name}.weight"] = load_entry(name, found.file.initializers[node.inputs[1]], loaded)
        bias = found.bias(node)
        if bias is not None:
            tensors[f"{name}.bias"] = load_entry(name, bias, loaded).reshape(-1)
    return Checkpoint(tensors, "onnx", dict(found.file.metadata))


def exported(network: nn.Module, example: Tensor) -> OnnxFile:
    """Export a network to learn its graph and the names of its convolutions."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # What the tracer remarks about values that become constants does not touch the convolutions.
        warnings.simplefilter("ignore")
        path = Path(folder) / "network.onnx"
        torch.onnx.export(network, (example,), path, dynamo=False, opset_version=17)
        return read_onnx(path)


@dataclass(eq=False)
class Graph:
    """The convolutions of a graph by their number, and which others come right before each of them."""

    file: OnnxFile

    def __post_init__(self) -> None:
        self.convolutions = {i: node for i, node in enumerate(self.file.nodes) if self.is_convolution(node)}
        self.users: Mapping[str, list[Node]] = defaultdict(list)
        for node in self.file.nodes:
            for name in node.inputs:
                self.users[name].append(node)

    def is_convolution(self, node: Node) -> bool:
        """Whether a node is a convolution whose weights the file has."""
        return node.kind in CONVOLUTIONS and len(node.inputs) > 1 and node.inputs[1] in self.file.initializers

    def before(self) -> dict[int, set[int]]:
        """Return for each convolution those that feed it through other operators only. Nodes are in running order."""
        sources: dict[str, frozenset[int]] = {}
        found: dict[int, set[int]] = {}
        for i, node in enumerate(self.file.nodes):
            reached = frozenset().union(*(sources.get(name, frozenset()) for name in node.inputs))
            if i in self.convolutions:
                found[i] = set(reached)
                reached = frozenset({i})
            sources |= dict.fromkeys(node.outputs, reached)
        return found

    def labels(self, ids: dict[object, int]) -> dict[int, Label]:
        """Number each convolution by all that comes before it, and by all that comes behind it; equal means equal.

        ids: numbers given so far, shared by the graphs that are compared.
        """
        before = self.before()
        behind: dict[int, set[int]] = {i: set() for i in before}
        for i, sources in before.items():
            for source in sources:
                behind[source].add(i)
        above = self.numbered(before, before, ids)
        below = self.numbered(reversed(before), behind, ids)
        return {i: (above[i], below[i]) for i in before}

    def numbered(
        self, order: Iterable[int], neighbours: Mapping[int, set[int]], ids: dict[object, int]
    ) -> dict[int, int]:
        """Number convolutions by their own kind and shape and the numbers of their neighbours, which come earlier."""
        numbers: dict[int, int] = {}
        for i in order:
            node = self.convolutions[i]
            shape = self.file.initializers[node.inputs[1]].shape
            key = (node.kind, shape, tuple(sorted({numbers[neighbour] for neighbour in neighbours[i]})))
            numbers[i] = ids.setdefault(key, len(ids))
        return numbers

    def bias(self, node: Node) -> Entry | None:
        """Return a convolution's bias: its third input, or what an Add right behind it adds to every channel."""
        if len(node.inputs) > 2 and node.inputs[2]:
            return self.file.initializers.get(node.inputs[2])
        users = self.users.get(node.outputs[0], []) if node.outputs else []
        if len(users) != 1 or users[0].kind != "Add":
            return None
        weight = self.file.initializers[node.inputs[1]].shape
        channels = weight[0] if node.kind == "Conv" else weight[1]
        for name in users[0].inputs:
            added = self.file.initializers.get(name)
            if added is not None and added.shape[-3:] == (channels, 1, 1) and added.count == channels:
                return added
        return None
