"""A model file on its way: checked by running it as its user will, and turned into another precision."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
from numpy.typing import NDArray

from edge_pose.errors import EdgePoseError, ExportError
from edge_pose.estimators.load import open_network
from edge_pose.estimators.onestage import Limits, OneStage, YoloDetector
from edge_pose.estimators.topdown import PoseFromBoxes
from edge_pose.export import graphs, samples
from edge_pose.export.files import written
from edge_pose.export.fp16 import half_from_float
from edge_pose.export.metadata import write_spec
from edge_pose.poses import Boxes
from edge_pose.spec import ModelSpec

if TYPE_CHECKING:
    from edge_pose.export.calibration import Frames

PICTURE_HW = (240, 320)
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


def halved(base: Product, target: Path, frames: Frames | None, annotations: Path | None, gate: bool) -> Product:
    """Write the float16 graph of a float product. frames: calibration pictures; None looks at made-up ones.

    gate: whether joints that move too far send layers back to float32. Raises ExportError, OutputError.
    """
    with tempfile.TemporaryDirectory() as folder:
        measure = _Measure(base, frames, annotations, Path(folder)) if frames is not None else None
        batches = _feeds(frames, base.spec)
        half = half_from_float(base.model, batches, measure.moved if measure and gate else None)
        agreement = measure.agreement(half.model) if measure else {}
    spec = replace(base.spec, precision=half.precision, agreement=agreement)
    write_spec(half.model, spec)
    graphs.checked(half.model, graphs.opset_of(base.model))
    save_checked(half.model, target)
    notes = (
        *base.notes,
        *(() if frames is not None else (UNSEEN,)),
        *(() if gate else ("The accuracy gate was off.",)),
    )
    return Product(target, half.model, spec, half.kept, notes)


def _feeds(frames: Frames | None, spec: ModelSpec) -> Iterator[NDArray[Any]]:
    if frames is None:
        for seed in range(4):
            yield samples.batch(spec, 1, seed)
        return
    from edge_pose.export.calibration import feeds

    yield from feeds(frames, spec)


class _Measure:
    """Compares candidates with the float file on the same frames."""

    def __init__(self, base: Product, frames: Frames, annotations: Path | None, folder: Path) -> None:
        self.base, self.frames, self.annotations = base, frames, annotations
        self.target = folder / base.path.name

    def moved(self, model: onnx.ModelProto) -> float:
        """Return the 95th percentile of how far joints moved, in pixels."""
        return self._agree(model, None)["p95_px"]

    def agreement(self, model: onnx.ModelProto) -> dict[str, float]:
        """Return all that can be measured, as the specification has it."""
        return {name: value for name, value in self._agree(model, self.annotations).items() if not math.isnan(value)}

    def _agree(self, model: onnx.ModelProto, annotations: Path | None) -> dict[str, float]:
        from edge_pose.export.gate import agree

        self.target.write_bytes(model.SerializeToString())
        return numbers(agree(self.base.path, self.target, self.frames, annotations))


def numbers(agreement: Any) -> dict[str, float]:
    """Return what the gate measured, by name; what it could not measure is left out."""
    values = asdict(agreement)
    return {name: float(value) for name, value in values.items() if isinstance(value, (int, float))}
