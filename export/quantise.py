"""INT8 from beginning to end: pictures examined, ranges found, graphs gated, and for CPUs the fastest one measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import onnx

from edge_pose.errors import ExportError
from edge_pose.export import graphs
from edge_pose.export.calibration import feeds
from edge_pose.export.equalise import equalised
from edge_pose.export.evidence import Evidence
from edge_pose.export.findings import find
from edge_pose.export.int8 import Kind
from edge_pose.export.latency import FASTER, Candidate, Timing, engines, fastest, timings
from edge_pose.export.lint import Finding, examine, judge, saturation
from edge_pose.export.metadata import write_spec
from edge_pose.export.product import UNGATED, Product, numbers, save_checked
from edge_pose.export.ranges import METHODS, Method, observe
from edge_pose.export.search import Quantised, Search

Calibrator = Literal["auto", "minmax", "percentile", "entropy"]
Tell = Callable[[str], None]
Times = Mapping[str, tuple[float, float]]
HELD_PROBED = 8  # held-out pictures that the ranges are held against


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user decides.

    calibrator: auto orders them by how near they come on calibration pictures, and takes the first that holds. gate:
    whether a loss beyond max_drop sends layers back and refuses. strict: whether the doctor's warnings refuse.
    """

    calibrator: Calibrator = "auto"
    max_drop: float = 1.0
    gate: bool = True
    strict: bool = False

    @property
    def methods(self) -> tuple[Method, ...]:
        """Calibrators to try."""
        return METHODS if self.calibrator == "auto" else (self.calibrator,)


@dataclass(eq=False)
class Workshop:
    """What one export works with: pictures that were examined, and a float graph that was calibrated on them.

    Raises ExportError where nothing could be judged by the pictures, and with strict for each flaw of theirs.
    """

    base: Product
    evidence: Evidence
    settings: Settings
    tell: Tell
    findings: list[Finding] = field(default_factory=list)
    search: Search = field(init=False)

    def __post_init__(self) -> None:
        evidence, gate = self.evidence, self.evidence.gate
        self.tell(f"examining {len(evidence.calibration)} calibration pictures")
        shown = [find(gate.network, shot, gate.people) for shot in evidence.calibration]
        self._judge(examine(evidence.calibration, shown))
        model = equalised(self.base.model, evidence.feeds())[0]
        graphs.name_nodes(model)
        self.tell("calibrating")
        seen = observe(model, evidence.feeds())
        held_out = list(feeds(gate.frames.first(HELD_PROBED), gate.spec, gate.people))
        if held_out:
            flaw = saturation(seen.extremes, observe(model, held_out).extremes)
            self._judge([flaw] if flaw else [])
        if self.settings.gate and gate.sees_nobody:
            raise evidence.nobody()
        self.search = Search(model, seen, evidence, self.settings.max_drop, self.tell)

    def _judge(self, findings: list[Finding]) -> None:
        judge(findings, strict=self.settings.strict)
        self.findings += findings

    def best(self, kind: Kind) -> Quantised:
        """Return the int8 graph of a kind within the gate. Raises ExportError where none holds."""
        methods = self.search.ordered(kind, self.settings.methods)
        return self.search.within(kind, methods) if self.settings.gate else self.search.first(kind, methods[0])

    def written(self, made: Quantised, target: Path, engine: str) -> Product:
        """Write a graph with what is known about it."""
        gated = self.settings.gate
        spec = replace(
            self.base.spec,
            precision=made.precision,
            agreement=numbers(made.agreement) | {"gated": float(gated)},
            calibration=f"{self.evidence.calibration.digest} {made.method}",
            engine=engine,
        )
        write_spec(made.model, spec)
        graphs.checked(made.model, graphs.opset_of(self.base.model))
        save_checked(made.model, target)
        notes = (*self.base.notes, *self.warnings(), *(() if gated else (UNGATED,)), *self.evidence.notes())
        return Product(target, made.model, spec, made.reverted, notes)

    def warnings(self) -> list[str]:
        """Return what the doctor said, for the report."""
        return [f"Calibration pictures: {finding}." for finding in self.findings]


def tensorrt_int8(base: Product, target: Path, evidence: Evidence, settings: Settings, tell: Tell) -> Product:
    """Write the int8 graph that TensorRT takes. Raises ExportError where it cannot hold, OutputError."""
    shop = Workshop(base, evidence, settings, tell)
    return shop.written(shop.best("tensorrt"), target, "")


def cpu_int8(base: Product, target: Path, evidence: Evidence, settings: Settings, tell: Tell) -> tuple[Product, Times]:
    """Write the fastest model for this machine's CPU that holds: engine x precision, by measurement.

    Returns it, and (p50, p95) milliseconds by what was measured. An int8 graph that is not faster is noted and not
    chosen; then the float file stays, with the engine that is the fastest for it. Raises ExportError where int8 would
    be faster but cannot hold on any engine, OutputError.
    """
    shop = Workshop(base, evidence, settings, tell)
    plain = [Candidate(base.path, engine) for engine in engines()]
    made: dict[Candidate, Quantised] = {}
    failed: list[str] = []
    notes: list[str] = []
    for engine in engines():
        kind: Kind = "openvino" if engine == "openvino" else "onnxruntime"
        candidate = Candidate(evidence.folder / f"int8-{engine}.onnx", engine, "int8")
        try:
            slow = not_faster(shop, kind, candidate, plain[0])
            if slow:
                notes.append(slow)
                continue
            made[candidate] = shop.best(kind)
        except ExportError as err:
            failed.append(str(err))
            continue
        save(made[candidate].model, candidate.path)
    if failed and not made and not notes:
        raise ExportError("; ".join(failed))
    times = timings([*plain, *made], base.spec)
    winner = fastest(times, plain[0])
    shown = {c.label: (times[c].p50, times[c].p95) for c in times}
    notes += [told(c, times, plain[0], made.get(c)) for c in times if c != plain[0]]
    notes += [f"Not chosen: {why}" for why in failed]
    if winner in made:
        product = shop.written(made[winner], target, winner.engine)
        return replace(product, notes=(*product.notes, *notes)), shown
    spec = replace(base.spec, engine=winner.engine)
    write_spec(base.model, spec)
    save_checked(base.model, base.path)
    notes.insert(0, f"int8 is not faster on this machine: the float model stays, for {winner.engine}.")
    return replace(base, spec=spec, notes=(*base.notes, *shop.warnings(), *notes)), shown


def not_faster(shop: Workshop, kind: Kind, candidate: Candidate, base: Candidate) -> str:
    """Say so if the graph is not faster even with all layers in int8: then nothing needs to be searched."""
    save(shop.search.build(kind, shop.settings.methods[0]), candidate.path)
    times = timings([base, candidate], shop.base.spec, budget_s=3.0)
    ratio = times[base].worked / times[candidate].worked if candidate in times else 0.0
    shop.tell(f"int8 on {candidate.engine}, all layers: {ratio:.2f} times as fast as float32")
    if ratio >= FASTER:
        return ""
    return f"tried: int8 on {candidate.engine}, all layers: {ratio:.2f} times as fast as float32, so not chosen"


def told(candidate: Candidate, times: Mapping[Candidate, Timing], base: Candidate, made: Quantised | None) -> str:
    """Say how fast a candidate is beside the float model, and what it costs."""
    ratio = times[base].worked / times[candidate].worked
    line = f"tried: {candidate.label}: {ratio:.2f} times as fast as {base.label}, one core"
    if made is None:
        return line
    return f"{line}; {made.method}, {len(made.reverted)} layers float, {made.agreement}"


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write a file that only this export reads."""
    path.write_bytes(model.SerializeToString())
