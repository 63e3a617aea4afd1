"""A model file on its way: checked by running it as its user will, and turned into another precision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import onnx

from edge_pose.errors import EdgePoseError, ExportError
from edge_pose.estimators.load import open_network
from edge_pose.estimators.onestage import Limits, OneStage, YoloDetector
from edge_pose.estimators.topdown import PoseFromBoxes
from edge_pose.export import graphs, samples
from edge_pose.export.evidence import Evidence, made_up
from edge_pose.export.files import written
from edge_pose.export.fp16 import half_from_float
from edge_pose.export.gate import Agreement
from edge_pose.export.metadata import write_spec
from edge_pose.poses import Boxes
from edge_pose.spec import ModelSpec

PICTURE_HW = (240, 320)
UNGATED = "The accuracy gate was off (--no-gate): the agreement was measured, and nothing was held to it."
UNSEEN = "No pictures were given (--calib): overflow was looked for on made-up ones, and no accuracy was measured."


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """A file, its graph and specification; reverted: node -> why it stays float; notes for the report."""

    path: Path
    model: onnx.ModelProto
    spec: ModelSpec
    reverted: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def save_checked(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph that runs; an old file of that name stays where it does not. Raises ExportError, OutputError."""
    with written(path) as part:
        part.write_bytes(model.SerializeToString())
        try:
            check_runs(part)
        except EdgePoseError as err:
            raise ExportError(f"{path.name} would not run as its specification says: {err}") from err


def check_runs(path: Path) -> None:
    """Run a file once as its user will. Raises SpecError, ShapeError, BackendError where it is not what it says."""
    (picture,) = samples.pictures(1, PICTURE_HW)
    network = open_network(path, device="cpu", engine="onnxruntime")
    try:
        task = network.spec.task
        if task == "detection":
            YoloDetector(network, Limits())(picture)
        elif task == "pose":
            OneStage(network, Limits())(picture)
        else:
            PoseFromBoxes(network)(picture, Boxes.whole(picture))
    finally:
        network.close()


def halved(base: Product, target: Path, evidence: Evidence | None, *, gate: bool, max_drop: float) -> Product:
    """Write the float16 graph of a float product. evidence: pictures; None looks at made-up ones and measures nothing.

    gate: whether joints that move too far send layers back to float32, and a loss beyond max_drop refuses.
    Raises ExportError, OutputError.
    """
    if evidence is None:
        half = half_from_float(base.model, made_up(base.spec))
        spec = replace(base.spec, precision=half.precision)
        notes: tuple[str, ...] = (UNSEEN,)
    else:
        half = half_from_float(
            base.model, evidence.feeds(), evidence.moved if gate and not evidence.gate.blind else None
        )
        found = evidence.measure(half.model)
        if gate and not found.holds(max_drop):
            raise ExportError(f"{target.name} loses more than --max-drop {max_drop}: {found}; {base.path} is unchanged")
        digest = evidence.calibration.digest
        spec = replace(
            base.spec, precision=half.precision, agreement=numbers(found) | {"gated": float(gate)}, calibration=digest
        )
        notes = (*(() if gate else (UNGATED,)), *evidence.notes())
    write_spec(half.model, spec)
    graphs.checked(half.model, graphs.opset_of(base.model))
    save_checked(half.model, target)
    return Product(target, half.model, spec, half.kept, (*base.notes, *notes))


def numbers(agreement: Agreement) -> dict[str, float]:
    """Return what the gate measured, by name; what it could not measure is left out."""
    if math.isfinite(agreement.output_rms):  # then nobody was there to be counted
        return {"output_rms": round(agreement.output_rms, 5)}
    values = {name: float(value) for name, value in asdict(agreement).items()}
    return {name: round(value, 5) for name, value in values.items() if math.isfinite(value)}
