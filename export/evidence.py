"""The pictures that an export is judged by: some to look for ranges in, others to hold the result against the float."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray

from edge_pose.errors import ExportError
from edge_pose.estimators.load import MICRO_BATCH, load_detector, open_network
from edge_pose.export import samples
from edge_pose.export.calibration import COUNT, HELD_OUT, Frames, feeds, frames_from
from edge_pose.export.findings import people_of
from edge_pose.export.gate import BLIND, Agreement, Gate, narrowed, truth_of
from edge_pose.spec import ModelSpec

MADE_UP = 4  # pictures of noise, where there are no others
REHEARSED = 40  # calibration frames that choices are made by


@dataclass(eq=False)
class Evidence:
    """calibration: frames to look for ranges in. gate: the float model on held-out frames of other files."""

    spec: ModelSpec
    calibration: Frames
    gate: Gate
    folder: Path
    _last: tuple[onnx.ModelProto, Agreement] | None = None

    @cached_property
    def rehearsal(self) -> Gate:
        """Return a gate on calibration frames, for choices: what is held out only judges what was chosen."""
        return Gate(self.gate.network, self.calibration.first(REHEARSED), self.gate.people)

    def feeds(self) -> Iterator[NDArray[Any]]:
        """Yield network inputs of the calibration frames."""
        return feeds(self.calibration, self.spec, self.gate.people)

    def ask(self, gate: Gate, model: onnx.ModelProto, engine: str = "onnxruntime") -> Agreement:
        """Compare a graph in hand with the float model. Raises BackendError where the engine refuses it."""
        path = self.folder / "candidate.onnx"
        path.write_bytes(model.SerializeToString())
        return gate.measure(path, engine)

    def measure(self, model: onnx.ModelProto) -> Agreement:
        """Compare a candidate with the float model on what is held out; the same one twice is measured once."""
        if self._last is None or self._last[0] is not model:
            self._last = model, self.ask(self.gate, model)
        return self._last[1]

    def moved(self, model: onnx.ModelProto) -> float:
        """Return the 95th percentile of how far a candidate's joints are from the float model's, in pixels.

        Raises ExportError where nobody is there to compare.
        """
        found = self.measure(model)
        if found.people == 0:
            raise self.nobody()
        return found.p95_px

    def notes(self) -> tuple[str, ...]:
        """Return what the report must say about how was judged."""
        return (f"{BLIND[0].upper()}{BLIND[1:]}.",) if self.gate.blind else ()

    def nobody(self) -> ExportError:
        """Return what is to be said where nothing can be compared."""
        return ExportError(
            f"the float model sees nobody in the {len(self.gate.frames)} held-out frames of --calib, so nothing "
            "can be compared: add pictures with people, or turn the accuracy gate off with --no-gate"
        )


@contextmanager
def evidence_from(
    calib: Path,
    base: Path,
    spec: ModelSpec,
    annotations: Path | None = None,
    detector: str | None = None,
    frames: tuple[int, int] = (COUNT, HELD_OUT),
) -> Iterator[Evidence]:
    """Open calibration pictures and the float model at `base`.

    annotations: COCO keypoints (boxes for a detector) of pictures beside them or in calib; nothing is calibrated with
    those while there are others, else what is calibrated with is not judged by. detector: name or path of the model
    that finds people for networks that look at one at a time; without it the whole picture is one person. frames: how
    many to calibrate with, and to hold out.
    Raises ExportError, SourceError, ModelNotFoundError.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        finder = load_detector(detector, device="cpu") if detector is not None else None
        if finder is not None:
            stack.callback(finder.close)
        truth = truth_of(annotations, calib) if annotations is not None else None
        judges = [photo.path for photo in truth.photos] if truth else ()
        calibration, held_out = frames_from(calib, count=frames[0], held_out=frames[1], judges=judges)
        if truth is not None:
            truth = narrowed(truth, {take.footage.path for take in calibration.takes})
        network = open_network(base, device="cpu", engine="onnxruntime", rows=MICRO_BATCH)
        stack.callback(network.close)
        yield Evidence(spec, calibration, Gate(network, held_out, people_of(network, finder), truth), folder)


def made_up(spec: ModelSpec) -> Iterator[NDArray[Any]]:
    """Yield network inputs of noise."""
    for seed in range(MADE_UP):
        yield samples.batch(spec, 1, seed)
