"""The pictures that an export is judged by: some to look for ranges in, others to hold the result against the float."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray

from edge_pose.errors import ExportError
from edge_pose.estimators.load import load_detector
from edge_pose.export import samples
from edge_pose.export.calibration import Frames, feeds, frames_from
from edge_pose.export.gate import Agreement, Gate, open_gate
from edge_pose.spec import ModelSpec

MADE_UP = 4  # pictures of noise, where there are no others


@dataclass(eq=False)
class Evidence:
    """calibration: frames to look for ranges in. gate: the float model on held-out frames of other files."""

    spec: ModelSpec
    calibration: Frames
    gate: Gate
    folder: Path
    _last: tuple[onnx.ModelProto, Agreement] | None = None

    def feeds(self) -> Iterator[NDArray[Any]]:
        """Yield network inputs of the calibration frames."""
        return feeds(self.calibration, self.spec, self.gate.people)

    def measure(self, model: onnx.ModelProto) -> Agreement:
        """Compare a candidate with the float model; the same one twice is measured once."""
        if self._last is None or self._last[0] is not model:
            path = self.folder / "candidate.onnx"
            path.write_bytes(model.SerializeToString())
            self._last = model, self.gate.measure(path)
        return self._last[1]

    def moved(self, model: onnx.ModelProto) -> float:
        """Return the 95th percentile of how far a candidate's joints are from the float model's, in pixels.

        Raises ExportError where nobody is there to compare.
        """
        found = self.measure(model)
        if found.people == 0:
            raise ExportError(
                f"the float model sees nobody in the {len(self.gate.frames)} held-out frames of --calib, so nothing "
                "can be compared: add pictures with people, or turn the accuracy gate off with --no-gate"
            )
        return found.p95_px


@contextmanager
def evidence_from(
    calib: Path, base: Path, spec: ModelSpec, annotations: Path | None = None, detector: str | None = None
) -> Iterator[Evidence]:
    """Open calibration pictures and the float model at `base`.

    detector: name or path of the model that finds people for networks that look at one at a time; without it the whole
    picture is one person. Raises ExportError, SourceError, ModelNotFoundError.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        finder = load_detector(detector, device="cpu") if detector is not None else None
        if finder is not None:
            stack.callback(finder.close)
        calibration, held_out = frames_from(calib)
        gate = open_gate(base, held_out, annotations, pictures=calib, detector=finder)
        stack.callback(gate.close)
        yield Evidence(spec, calibration, gate, folder)


def made_up(spec: ModelSpec) -> Iterator[NDArray[Any]]:
    """Yield network inputs of noise."""
    for seed in range(MADE_UP):
        yield samples.batch(spec, 1, seed)
