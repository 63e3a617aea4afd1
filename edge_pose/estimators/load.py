"""`load`: from a model's name or path to something that is called with an image."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from edge_pose import zoo
from edge_pose.backends import Backend, Device, open_backend
from edge_pose.backends.lanes import in_lanes
from edge_pose.backends.onnxruntime import usable_cores
from edge_pose.backends.rebatch import open_batch
from edge_pose.errors import MissingDependencyError, SpecError
from edge_pose.estimators.base import Detector, Estimator, Network
from edge_pose.estimators.movenet import MoveNet
from edge_pose.estimators.onestage import Limits, OneStage, YoloDetector
from edge_pose.estimators.topdown import PoseFromBoxes, TopDown
from edge_pose.spec import ModelSpec

log = logging.getLogger("edge_pose")
METADATA_KEY = "edge_pose"
# From 4 people on, rows of 4 beat one by one and larger batches on a CPU (benchmarks/people.py); with many threads
# every lane has its rows.
MICRO_BATCH = 4
Name = str | Path


def load(
    model: Name,
    *,
    detector: Name | None = None,
    device: Device = "auto",
    engine: str = "auto",
    threads: int | None = None,
    spec: Name | ModelSpec | None = None,
    confidence: float | None = None,
    iou: float | None = None,
    max_people: int | None = None,
) -> Estimator:
    """Open a pose model by name or path; what comes back is called with images.

    detector: name or path of the model that finds people, for one that looks at a person at a time. confidence, iou:
    instead of the specification's. max_people: the best so many (top-down cost grows with each). threads: of the
    engine, by default one a core. spec: for an ONNX file that carries none.
    Raises ModelNotFoundError, SpecError, BackendError, DeviceError.
    """
    limits = Limits(confidence, iou, max_people)
    rows = 1 if detector is None else MICRO_BATCH
    network = open_network(model, device=device, engine=engine, threads=threads, spec=spec, rows=rows)
    task = network.spec.task
    if task == "detection":
        raise SpecError(f"{network.spec.name} finds boxes, not poses: use it as detector=, with a pose model before it")
    if detector is not None:
        if task == "pose":
            raise SpecError(f"{network.spec.name} finds people by itself: leave detector={str(detector)!r} out")
        people = load_detector(detector, device=device, engine=engine, threads=threads, confidence=confidence, iou=iou)
        return TopDown(people, PoseFromBoxes(network), max_people)
    if task == "pose":
        return OneStage(network, limits)
    if task == "single-pose":
        return MoveNet(network, confidence)
    raise SpecError(
        f"{network.spec.name} looks at one person at a time and needs a detector: "
        f"load({str(model)!r}, detector='yolov5n') (command line: --detector yolov5n)"
    )


def load_detector(
    model: Name, *, confidence: float | None = None, iou: float | None = None, **options: Any
) -> Detector:
    """Open a model that finds people: a detector, or a one-stage pose model whose joints are left aside.

    options: device, engine, threads, spec, as in `load`.
    """
    network = open_network(model, **options)
    if network.spec.task not in ("detection", "pose"):
        raise SpecError(f"{network.spec.name} cannot be the detector: it finds no boxes (task {network.spec.task!r})")
    return YoloDetector(network, Limits(confidence, iou))


def load_for_boxes(model: Name, **options: Any) -> PoseFromBoxes:
    """Open a pose model that is called with an image and boxes: `pose(image, Boxes.whole(image))`.

    options: device, engine, threads, spec, as in `load`.
    """
    network = open_network(model, rows=MICRO_BATCH, **options)
    if network.spec.task not in ("pose-from-box", "single-pose"):
        raise SpecError(f"{network.spec.name} takes no boxes (task {network.spec.task!r}); use load({str(model)!r})")
    return PoseFromBoxes(network)


def open_network(
    model: Name,
    *,
    device: Device = "auto",
    engine: str = "auto",
    threads: int | None = None,
    spec: Name | ModelSpec | None = None,
    rows: int = 1,
) -> Network:
    """Find the file and its specification: the one given, else the file's own, else the zoo's.

    rows: how many crops the network should take at once, if it can.
    """
    path, known = zoo.resolve(model)
    given = spec if isinstance(spec, ModelSpec) or spec is None else ModelSpec.from_file(Path(spec))
    backend = open_backend(path, device=device, engine=engine, threads=threads)
    chosen = given or _own_spec(path, backend) or known
    if chosen is None:
        raise SpecError(
            f"{path} does not say what it is: it has no edge_pose metadata, and the zoo does not know it; "
            "describe it in a TOML file and pass spec= (command line: --spec my.toml)"
        )
    single = bool(backend.inputs) and backend.inputs[0].shape[:1] == (1,)
    if rows > 1 and single and path.suffix == ".onnx" and engine != "tensorrt":
        opened = open_batch(path, zoo.cache_folder() / "batch")
        if opened is not None:
            backend.close()
            backend = open_backend(opened, device=device, engine=engine, threads=threads)
            path = opened
    on_cpu = (backend.engine, backend.device) == ("onnxruntime", "cpu") and path.suffix == ".onnx"
    if engine == "auto" and chosen.engine == "openvino" and on_cpu:
        backend = _winner(backend, path, threads)
    if rows > 1:
        count = threads or usable_cores()
        lanes = in_lanes(
            backend, path, count, lambda: open_backend(path, device="cpu", engine="onnxruntime", threads=1)
        )
        backend, rows = (lanes, max(rows, lanes.rows)) if lanes else (backend, rows)
    return Network(chosen, backend, rows)


def _winner(backend: Backend, path: Path, threads: int | None) -> Backend:
    """Take the engine that was measured as the fastest at export, where it is installed; else keep the one there is."""
    try:
        faster = open_backend(path, device="cpu", engine="openvino", threads=threads)
    except MissingDependencyError as err:
        log.warning("%s was the fastest on openvino when it was exported; served by onnxruntime: %s", path.name, err)
        return backend
    backend.close()
    return faster


def _own_spec(path: Path, backend: Backend) -> ModelSpec | None:
    """Return the specification that the file carries; of one that is wrong, say which file has it."""
    text = backend.metadata.get(METADATA_KEY)
    try:
        return ModelSpec.from_json(text) if text else None
    except SpecError as err:
        raise SpecError(f"the specification in {path} is wrong: {err} (another one: spec=, --spec my.toml)") from err
