"""INT8 that holds: the most sensitive parts of a network go back to float until the gate lets the rest through."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import onnx

from edge_pose.errors import ExportError
from edge_pose.export.calibration import Frames, feeds
from edge_pose.export.gate import Agreement, Gate
from edge_pose.export.int8 import Kind, int8_from_float, quantisable, tail
from edge_pose.export.ranges import Ranges
from edge_pose.export.sensitivity import Section, ranked

log = logging.getLogger("edge_pose")
FEW, PROBED = 12, 4  # pictures for a quick look, and for the proxy
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Quantised:
    """An INT8 graph and what the gate measured. reverted: first node of a section -> why it stays float."""

    model: onnx.ModelProto
    kind: Kind
    agreement: Agreement
    reverted: Mapping[str, str] = field(default_factory=dict)

    @property
    def precision(self) -> dict[str, str]:
        """Return the map of the specification."""
        return {"default": "int8", "decoding": "float32", **dict.fromkeys(self.reverted, "float32")}


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What candidates are made from and held against. folder: for files in between."""

    model: onnx.ModelProto
    ranges: Ranges
    gate: Gate
    calibration: Frames
    folder: Path
    max_drop: float = 1.0
    tell: Tell = lambda line: None

    def build(self, kind: Kind, keep: Sequence[str] | set[str]) -> onnx.ModelProto:
        """Make the graph in which the named nodes and decoding stay float."""
        return int8_from_float(self.model, self.ranges, kind, {*keep, *tail(self.model)})

    def measure(self, model: onnx.ModelProto, gate: Gate, engine: str) -> Agreement:
        """Ask a gate about a graph in hand."""
        path = self.folder / "candidate.onnx"
        path.write_bytes(model.SerializeToString())
        return gate.measure(path, engine)

    def first(self, kind: Kind) -> Quantised:
        """Return the graph in which only decoding stays float, measured on the engine it is for.

        Raises ExportError where nobody is there to compare.
        """
        model = self.build(kind, ())
        found = self.measure(model, self.gate, engine_of(kind))
        self.tell(f"int8 for {kind}, {self.ranges.method}: {found}")
        if math.isnan(found.drop):
            raise ExportError(
                f"the float model sees nobody in the {len(self.gate.frames)} held-out frames, so nothing can be "
                "compared: calibrate with pictures that show people"
            )
        return Quantised(model, kind, found)

    def within(self, kind: Kind, first: Quantised | None = None) -> Quantised:
        """Return the int8 graph of a kind that loses at most max_drop; the fewest sections go back that do.

        first: what `first` gave, if that was asked already. Raises ExportError saying by how much it cannot hold.
        """
        first = first or self.first(kind)
        if first.agreement.holds(self.max_drop):
            return first
        return self.revert(kind, self.rank(kind), first.agreement)

    def rank(self, kind: Kind) -> list[Section]:
        """Order the network's sections by what they cost alone, on calibration pictures: the held-out ones decide."""
        few = self.gate.few(self.calibration, FEW)
        spec, people = self.gate.spec, self.gate.people
        batches = list(itertools.islice(feeds(self.calibration.first(PROBED), spec, people), PROBED))
        started = time.monotonic()
        sections = ranked(
            self.model,
            lambda keep: self.build(kind, set(keep)),
            tail(self.model),
            batches,
            lambda model: 1 - self.measure(model, few, engine_of(kind)).mean_oks,
        )
        self.tell(f"sensitivity of {len(sections)} parts: {time.monotonic() - started:.0f} s")
        return sections

    def revert(self, kind: Kind, sections: Sequence[Section], first: Agreement) -> Quantised:
        """Give sections back, the most sensitive first, until the gate holds; then look for fewer that do."""
        best: Quantised | None = None
        nearest = first
        tried: set[int] = set()
        low, high, step = 0, self.usable(kind, sections), 1
        count = min(max(1, expected(sections, self.max_drop / 100)), high)
        while count not in tried and low < count <= high:
            tried.add(count)
            gone = sections[:count]
            model = self.build(kind, {name for section in gone for name in section.nodes})
            found = self.measure(model, self.gate, engine_of(kind))
            self.tell(f"int8 for {kind}, {count} of {len(sections)} parts float: {found}")
            nearest = min(nearest, found, key=lambda a: a.drop)
            if found.holds(self.max_drop):
                best = Quantised(model, kind, found, {section.head: section.reason for section in gone})
                high = count
                if high - low <= max(1, high // 8):
                    break
                count = (low + high) // 2
            else:
                low = count
                step *= 2
                count = min(low + step, high) if best is None else (low + high) // 2
        if best is not None:
            return best
        raise ExportError(
            f"int8 for {kind} loses {nearest.drop:.2f} at best where --max-drop allows {self.max_drop} "
            f"({nearest}), with up to {low} of {len(sections)} parts in float; the float model is unchanged"
        )

    def usable(self, kind: Kind, sections: Sequence[Section]) -> int:
        """Return how many sections may go back: at least a quarter stays quantised, or it is not worth the name."""
        able = {node.name for node in quantisable(self.model, kind)}
        return (sum(1 for section in sections if able.intersection(section.nodes)) * 3) // 4


def engine_of(kind: Kind) -> str:
    """Return what a kind of graph is measured on: its own engine; TensorRT's stands in ONNX Runtime."""
    return "openvino" if kind == "openvino" else "onnxruntime"


def expected(sections: Sequence[Section], limit: float) -> int:
    """Return how many sections should go back so that the losses measured for the rest add up to the limit."""
    losses = [0.0 if math.isnan(section.loss) else min(section.loss, 1.0) for section in sections]
    return next((count for count in range(len(losses) + 1) if sum(losses[count:]) <= limit), len(losses))
