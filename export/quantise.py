"""INT8 from beginning to end: pictures examined, ranges found, graphs gated, and for CPUs the fastest one measured."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import onnx

from edge_pose.errors import ExportError
from edge_pose.export import graphs
from edge_pose.export.calibration import feeds
from edge_pose.export.choose import FASTER, Candidate, Timing, engines, fastest, timings
from edge_pose.export.equalise import equalised
from edge_pose.export.evidence import Evidence
from edge_pose.export.findings import find
from edge_pose.export.int8 import Kind
from edge_pose.export.lint import Finding, examine, judge, saturation
from edge_pose.export.metadata import write_spec
from edge_pose.export.product import UNGATED, Product, numbers, save_checked
from edge_pose.export.ranges import Method, Ranges, calibrate
from edge_pose.export.search import Quantised, Trial

log = logging.getLogger("edge_pose")
Calibrator = Literal["auto", "minmax", "percentile", "entropy"]
Tell = Callable[[str], None]
Times = Mapping[str, tuple[float, float]]
METHODS: tuple[Method, ...] = ("percentile", "minmax", "entropy")  # in the order in which auto tries them
HELD_PROBED = 8  # held-out pictures that the ranges are held against


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user decides.

    calibrator: auto takes the first that holds as it is, else the one that loses the least. gate: whether a loss beyond
    max_drop sends layers back and refuses. strict: whether the doctor's warnings refuse.
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
    """What one export works with; ranges are found once a calibrator, for all graphs."""

    base: Product
    evidence: Evidence
    settings: Settings
    tell: Tell
    model: onnx.ModelProto = field(init=False)
    findings: list[Finding] = field(default_factory=list)
    _ranges: dict[Method, Ranges] = field(default_factory=dict)

    def __post_init__(self) -> None:
        gate, frames = self.evidence.gate, self.evidence.calibration
        self.tell(f"examining {len(frames)} calibration pictures")
        self.findings = examine(frames, [find(gate.network, shot, gate.people) for shot in frames])
        judge(self.findings, strict=self.settings.strict)
        self.model, pairs = equalised(self.base.model, self.evidence.feeds())
        graphs.name_nodes(self.model)
        log.info("%d pairs of layers equalised", pairs)

    def ranges(self, method: Method) -> Ranges:
        """Calibrate, once a method; the first time, hold the ranges against held-out pictures."""
        if method not in self._ranges:
            self.tell(f"calibrating: {method}")
            found = calibrate(self.model, self.evidence.feeds(), method)
            if not self._ranges:
                gate = self.evidence.gate
                others = feeds(gate.frames.first(HELD_PROBED), gate.spec, gate.people)
                flaw = saturation(found, calibrate(self.model, others, method).limits)
                if flaw is not None:
                    judge([flaw], strict=self.settings.strict)
                    self.findings.append(flaw)
            self._ranges[method] = found
        return self._ranges[method]

    def best(self, kind: Kind) -> tuple[Quantised, Method]:
        """Return the int8 graph of a kind within the gate, and its calibrator. Raises ExportError where none holds."""
        settings, evidence = self.settings, self.evidence
        trials = {}
        for method in settings.methods:
            trial = Trial(
                self.model, self.ranges(method), evidence.gate, evidence.calibration, evidence.folder,
                settings.max_drop, self.tell,
            )  # fmt: skip
            first = trial.first(kind)
            trials[method] = trial, first
            if not settings.gate or first.agreement.holds(settings.max_drop):
                return first, method
        method = min(trials, key=lambda name: trials[name][1].agreement.drop)
        trial, first = trials[method]
        return trial.within(kind, first), method


def tensorrt_int8(base: Product, target: Path, evidence: Evidence, settings: Settings, tell: Tell) -> Product:
    """Write the int8 graph that TensorRT takes. Raises ExportError where it cannot hold, OutputError."""
    shop = Workshop(base, evidence, settings, tell)
    made, method = shop.best("tensorrt")
    return _written(shop, made, method, target, "")


def cpu_int8(base: Product, target: Path, evidence: Evidence, settings: Settings, tell: Tell) -> tuple[Product, Times]:
    """Write the fastest model for this machine's CPU that holds: engine x precision, by measurement.

    Returns it, and (p50, p95) milliseconds by what was measured. An int8 graph that is not faster is noted and not
    chosen; then the float file stays, with the engine that is the fastest for it. Raises ExportError where int8 would
    be faster but cannot hold on any engine, OutputError.
    """
    shop = Workshop(base, evidence, settings, tell)
    plain = [Candidate(base.path, engine, "float32") for engine in engines()]
    times: dict[Candidate, Timing] = dict(timings(plain, base.spec))
    made: dict[Candidate, tuple[Quantised, Method]] = {}
    failed: list[str] = []
    notes: list[str] = []
    for engine in engines():
        kind: Kind = "openvino" if engine == "openvino" else "onnxruntime"
        candidate = Candidate(evidence.folder / f"int8-{engine}.onnx", engine, "int8")
        try:
            slow = _slower(shop, kind, candidate, plain[0])
            if slow:
                notes.append(slow)
                continue
            made[candidate] = shop.best(kind)
        except ExportError as err:
            failed.append(str(err))
            continue
        candidate.path.write_bytes(made[candidate][0].model.SerializeToString())
    if failed and not made and not notes:
        raise ExportError("; ".join(failed))
    times |= timings([*plain, *made], base.spec)
    winner = fastest(times, plain[0])
    shown = {c.label: (times[c].p50, times[c].p95) for c in times}
    ratio = {c: times[plain[0]].worked / times[c].worked for c in times}
    notes += [f"{c.label}: {ratio[c]:.2f} times as fast as float32 on onnxruntime, one core" for c in times]
    notes += [f"Not chosen: {why}" for why in failed]
    if winner in made:
        product = _written(shop, *made[winner], target, winner.engine)
        return replace(product, notes=(*product.notes, *notes)), shown
    spec = replace(base.spec, engine=winner.engine)
    write_spec(base.model, spec)
    save_checked(base.model, base.path)
    notes.insert(0, f"int8 is not faster on this machine: the float model stays, for {winner.engine}.")
    return replace(base, spec=spec, notes=(*base.notes, *_warnings(shop), *notes)), shown


def _slower(shop: Workshop, kind: Kind, candidate: Candidate, base: Candidate) -> str:
    """Say so if the graph is not faster even with all layers in int8: then nothing needs to be searched."""
    method = shop.settings.methods[0]
    trial = Trial(shop.model, shop.ranges(method), shop.evidence.gate, shop.evidence.calibration, shop.evidence.folder)
    candidate.path.write_bytes(trial.build(kind, ()).SerializeToString())
    times = timings([base, candidate], shop.base.spec, budget_s=2.0)
    ratio = times[base].worked / times[candidate].worked if candidate in times else 0.0
    shop.tell(f"int8 on {candidate.engine}, all layers: {ratio:.2f} times as fast as float32")
    return "" if ratio >= FASTER else f"int8 on {candidate.engine}: {ratio:.2f} times as fast as float32, so not chosen"


def _written(shop: Workshop, made: Quantised, method: Method, target: Path, engine: str) -> Product:
    base, gated = shop.base, shop.settings.gate
    agreement = numbers(made.agreement) | {"gated": float(gated)}
    digest = f"{shop.evidence.calibration.digest} {method}"
    spec = replace(base.spec, precision=made.precision, agreement=agreement, calibration=digest, engine=engine)
    write_spec(made.model, spec)
    graphs.sort_nodes(made.model)  # the quantiser puts its nodes at the end
    graphs.checked(made.model, graphs.opset_of(base.model))
    save_checked(made.model, target)
    notes = (*base.notes, *_warnings(shop), *(() if gated else (UNGATED,)))
    return Product(target, made.model, spec, made.reverted, notes)


def _warnings(shop: Workshop) -> list[str]:
    return [f"Calibration pictures: {finding}." for finding in shop.findings]
