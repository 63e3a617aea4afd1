"""Which parts of a network INT8 hurts: the gate's own measure of each part, with only that part quantised.

A part is a run of weighted layers in the order of the graph, with what follows each of them up to the next one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import onnx

from edge_pose.export.int8 import WEIGHTED

COUNT = 16  # parts that a network is cut into: as many measurements are made

Loss = Callable[[onnx.ModelProto], float]
Build = Callable[[Collection[str]], onnx.ModelProto]


@dataclass(frozen=True, slots=True)
class Part:
    """Nodes that go back to float together, by name. loss: what only they cost in int8; inf for no answer."""

    nodes: tuple[str, ...]
    weighted: tuple[str, ...]
    loss: float = 0.0

    @property
    def name(self) -> str:
        """First weighted layer, and how many follow."""
        more = len(self.weighted) - 1
        return f"{self.weighted[0]} (+{more})" if more else self.weighted[0]

    @property
    def reason(self) -> str:
        """Why it goes back to float."""
        return f"costs {self.loss:.2f} hundredths of OKS alone"


def parts_of(model: onnx.ModelProto, skip: Collection[str] = (), count: int = COUNT) -> list[Part]:
    """Cut the graph before weighted layers into at most `count` parts of like numbers of them.

    Nodes in `skip` belong to none, nor does what stands before the first weighted layer.
    """
    cut: list[list[onnx.NodeProto]] = []
    for node in model.graph.node:
        if node.name in skip:
            continue
        if node.op_type in WEIGHTED:
            cut.append([])
        if cut:
            cut[-1].append(node)
    size = max(1, math.ceil(len(cut) / count))
    parts = []
    for start in range(0, len(cut), size):
        nodes = [node for section in cut[start : start + size] for node in section]
        weighted = tuple(node.name for node in nodes if node.op_type in WEIGHTED)
        parts.append(Part(tuple(node.name for node in nodes), weighted))
    return parts


def ranked(model: onnx.ModelProto, parts: Sequence[Part], build: Build, loss: Loss) -> list[Part]:
    """Return the parts, the most sensitive first.

    build: makes the quantised graph in which the named nodes stay float. loss: what a graph costs, by the gate's
    measure on calibration pictures.
    """
    everything = {node.name for node in model.graph.node}
    measured = []
    for part in parts:
        alone = loss(build(everything - set(part.nodes)))
        measured.append(Part(part.nodes, part.weighted, math.inf if math.isnan(alone) else alone))
    return sorted(measured, key=lambda part: -part.loss)
