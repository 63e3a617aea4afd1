"""INT8 that holds: the most sensitive parts of a network go back to float until the gate lets the rest through."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import onnx

from edge_pose.errors import ExportError
from edge_pose.export.evidence import Evidence
from edge_pose.export.gate import Agreement
from edge_pose.export.int8 import Kind, int8_from_float, tail
from edge_pose.export.ranges import Limits, Method, Seen, limits
from edge_pose.export.sensitivity import Part, parts_of, ranked

LEFT = 1 / 4  # of the parts must stay int8, or it is not worth the name
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Quantised:
    """An INT8 graph and what the gate measured. reverted: weighted layer -> why it stays float."""

    model: onnx.ModelProto
    kind: Kind
    method: Method
    agreement: Agreement
    reverted: Mapping[str, str] = field(default_factory=dict)

    @property
    def precision(self) -> dict[str, str]:
        """Return the map of the specification."""
        return {"default": "int8", "decoding": "float32", **dict.fromkeys(self.reverted, "float32")}


@dataclass(eq=False)
class Search:
    """What candidates are made from and held against.

    model: the float graph, its nodes named. seen: its tensors on calibration pictures; ranges of every calibrator
    follow from it. The rehearsal of the evidence (calibration frames) decides between calibrators and says which parts
    are sensitive; its gate (held-out frames) only says whether the result holds.
    """

    model: onnx.ModelProto
    seen: Seen
    evidence: Evidence
    max_drop: float = 1.0
    tell: Tell = lambda line: None
    _limits: dict[Method, Limits] = field(default_factory=dict)

    def build(self, kind: Kind, method: Method, keep: Collection[str] = ()) -> onnx.ModelProto:
        """Make the graph in which the named nodes and decoding stay float."""
        if method not in self._limits:
            self._limits[method] = limits(self.seen, method)
        return int8_from_float(self.model, self._limits[method], kind, {*keep, *tail(self.model)})

    def ordered(self, kind: Kind, methods: Sequence[Method]) -> list[Method]:
        """Order calibrators: the one whose graph is the nearest to the float model on calibration pictures first."""
        if len(methods) == 1:
            return list(methods)
        costs = {}
        for method in methods:
            found = self.evidence.ask(self.evidence.rehearsal, self.build(kind, method), engine_of(kind))
            self.tell(f"int8 for {kind}, calibrated by {method}: {found.drop:.2f} lost on calibration frames")
            costs[method] = math.inf if math.isnan(found.drop) else found.drop
        return sorted(costs, key=lambda method: costs[method])

    def first(self, kind: Kind, method: Method) -> Quantised:
        """Return the graph in which only decoding stays float, measured on the engine it is for.

        Raises ExportError where nobody is there to compare.
        """
        model = self.build(kind, method)
        found = self.evidence.ask(self.evidence.gate, model, engine_of(kind))
        self.tell(f"int8 for {kind}, {method}: {found}")
        return Quantised(model, kind, method, found)

    def within(self, kind: Kind, methods: Sequence[Method]) -> Quantised:
        """Return the int8 graph of a kind that loses at most max_drop; the fewest parts go back that do.

        methods: calibrators; the first whose graph holds as it is, else parts of the first one's go back.
        Raises ExportError saying by how much it cannot hold, and where nobody is there to compare.
        """
        tried = []
        for method in methods:
            tried.append(self.first(kind, method))
            if math.isnan(tried[-1].agreement.drop):
                raise self.evidence.nobody()
            if tried[-1].agreement.holds(self.max_drop):
                return tried[-1]
        return self.reverted(tried[0], self.rank(kind, methods[0]))

    def rank(self, kind: Kind, method: Method) -> list[Part]:
        """Order the network's parts by what they cost alone, on calibration pictures."""
        evidence, engine = self.evidence, engine_of(kind)
        parts = parts_of(self.model, tail(self.model))
        self.tell(f"sensitivity of {len(parts)} parts")
        return ranked(
            self.model,
            parts,
            lambda keep: self.build(kind, method, keep),
            lambda model: evidence.ask(evidence.rehearsal, model, engine).drop,
        )

    def reverted(self, first: Quantised, parts: Sequence[Part]) -> Quantised:
        """Give parts back, the most sensitive first, in growing steps until the gate holds; then as few as do."""
        best: Quantised | None = None
        nearest = first.agreement
        low, high, count, step = 0, int(len(parts) * (1 - LEFT)), 1, 1
        while low < count <= high and (best is None or count < high):
            made = self._with_float(first, parts[:count])
            self.tell(f"int8 for {first.kind}, {count} of {len(parts)} parts float: {made.agreement}")
            nearest = min(nearest, made.agreement, key=lambda found: found.drop)
            if made.agreement.holds(self.max_drop):
                best, high = made, count
            else:
                low = count
            step *= 2
            count = (low + high) // 2 if best else min(low + step, high)
        if best is not None:
            return self.refined(best, parts[:high])
        raise ExportError(
            f"int8 for {first.kind} loses {nearest.drop:.2f} at best where --max-drop allows {self.max_drop:g} "
            f"({nearest}), with up to {low} of {len(parts)} parts in float; the float model is unchanged"
        )

    def refined(self, held: Quantised, gone: Sequence[Part]) -> Quantised:
        """Try each part that went back once more, the least sensitive first: what holds in int8 after all stays int8.

        Parts were ranked alone, and went back in that order; not all of them needed to.
        """
        for part in reversed(gone[:-1]):  # without the last one it did not hold
            fewer = [other for other in gone if other is not part]
            made = self._with_float(held, fewer)
            if made.agreement.holds(self.max_drop):
                held, gone = made, fewer
                self.tell(f"int8 for {held.kind}, {part.name} stays int8 after all: {made.agreement}")
        return held

    def _with_float(self, first: Quantised, gone: Sequence[Part]) -> Quantised:
        model = self.build(first.kind, first.method, {name for part in gone for name in part.nodes})
        found = self.evidence.ask(self.evidence.gate, model, engine_of(first.kind))
        why = {name: part.reason for part in gone for name in part.weighted}
        return replace(first, model=model, agreement=found, reverted=why)


def engine_of(kind: Kind) -> str:
    """Return what a kind of graph is measured on: its own engine; TensorRT's stands in ONNX Runtime."""
    return "openvino" if kind == "openvino" else "onnxruntime"
