"""One export from beginning to end: float graph, precision, target, measurement, report."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edge_pose.errors import EdgePoseError, OutputError
from edge_pose.export import graphs
from edge_pose.export.calibration import COUNT, HELD_OUT, frames_from
from edge_pose.export.checks import check_folder, check_job, check_product, file_name
from edge_pose.export.evidence import Evidence, evidence_from
from edge_pose.export.latency import Candidate, timings
from edge_pose.export.product import Product, halved, save_checked
from edge_pose.export.quantise import Calibrator, Settings, Times, cpu_int8, tensorrt_int8
from edge_pose.export.report import Report
from edge_pose.export.source import Wanted, float_graph

Precision = Literal["fp32", "fp16", "int8"]
Target = Literal["cpu", "tensorrt", "tensorrt-rtx"]
Tell = Callable[[str], None]
ON_CPU = "Latencies are those of the graphs in ONNX Runtime on this machine's CPU, not those of the engine on its GPU."


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be made.

    output: a folder; it is created where it is missing. calib: folder of pictures and videos that show what the model
    will see; calibrator: how int8 finds its ranges in them. annotations: COCO keypoints of the pictures in calib, for
    AP. detector: finds people there, for networks that look at one at a time. gate: whether the accuracy gate decides;
    without it, that is recorded. strict: warnings about the calibration pictures are refusals. max_drop: AP points that
    the precision may cost. frames: how many to calibrate with, and to hold the result against; fewer are quicker, and
    tell less. engine: choices of export.tensorrt.BuildOptions, by name. measure: whether latencies go into
    the report.
    """

    wanted: Wanted
    output: Path
    precision: Precision = "fp32"
    target: Target = "cpu"
    calib: Path | None = None
    annotations: Path | None = None
    detector: str | None = None
    max_drop: float = 1.0
    gate: bool = True
    strict: bool = False
    measure: bool = True
    calibrator: Calibrator = "auto"
    frames: tuple[int, int] = (COUNT, HELD_OUT)
    engine: Mapping[str, Any] = field(default_factory=dict)


def run(job: Job, tell: Tell = lambda line: None) -> Report:
    """Export; what was there before stays unless all of it worked. tell: called with a line before each long step.

    Raises ExportError, SpecError, CheckpointError, ModelNotFoundError, OutputError, MissingDependencyError,
    DeviceError.
    """
    check_job(job)
    check_folder(job.output)
    try:
        return exported(job, tell)
    except (EdgePoseError, BrokenPipeError):
        raise
    except OSError as err:  # of a temporary file: what stays is written by export.files
        where = err.filename or tempfile.gettempdir()
        raise OutputError(f"{where}: {err.strerror or err}; TMPDIR names another folder for temporary files") from err


def exported(job: Job, tell: Tell) -> Report:
    """Do what `run` says."""
    start = time.monotonic()
    tell(f"{job.wanted.model}: float graph")
    source = float_graph(job.wanted)
    base = job.output / f"{file_name(source.spec)}.onnx"
    check_product(source, base, job)
    save_checked(source.model, base)
    product = Product(base, source.model, source.spec, notes=source.notes)
    times: Times = {}
    if job.precision != "fp32":
        tell(f"{source.spec.name}: {job.precision}")
        product, times = reduced(product, job, tell)
    files = {"float model": str(base)} | ({} if product.path == base else {"model": str(product.path)})
    held: dict[str, float] = {}
    unheld: tuple[str, ...] = ()
    if job.target != "cpu":
        tell(f"{product.path.name}: {job.target} engine")
        engine = engine_of(product.path, job)
        files["engine"] = str(engine)
        held, unheld = holding(engine)
    if job.measure and not times:
        tell(f"{product.path.name}: latency")
        models = [Candidate(base)]
        if product.path != base:
            models.append(Candidate(product.path, precision=product.spec.precision["default"]))
        times = {c.label: (found.p50, found.p95) for c, found in timings(models, source.spec).items()}
    report = Report(
        model=product.path.stem,
        target=job.target,
        precision_asked=job.precision,
        files=files,
        size_bytes=product.path.stat().st_size,
        float_size_bytes=base.stat().st_size,
        parameters=graphs.parameter_count(source.model),
        precision=product.spec.precision,
        latency_ms=times,
        seconds=round(time.monotonic() - start, 3),
        license=product.spec.license,
        engine=product.spec.engine,
        agreement={**product.spec.agreement, **held},
        reverted=product.reverted,
        notes=(*product.notes, *unheld, *((ON_CPU,) if job.target != "cpu" and times else ())),
    )
    report.write(job.output / f"{report.model}.report.json")
    return report


def reduced(base: Product, job: Job, tell: Tell) -> tuple[Product, Times]:
    """Make the product of the precision that is asked for, beside the float one; latencies where they were measured."""
    path = job.output / f"{base.spec.name}-{job.precision}.onnx"
    with evidence_of(job, base) as evidence:
        if job.precision == "fp16":
            return halved(base, path, evidence, gate=job.gate, max_drop=job.max_drop), {}
        assert evidence is not None  # check_job
        settings = Settings(job.calibrator, job.max_drop, job.gate, job.strict)
        if job.target == "cpu":
            return cpu_int8(base, path, evidence, settings, tell)
        return tensorrt_int8(base, path, evidence, settings, tell), {}


@contextmanager
def evidence_of(job: Job, base: Product) -> Iterator[Evidence | None]:
    """Open the calibration pictures, None where there are none."""
    if job.calib is None:
        yield None
        return
    with evidence_from(job.calib, base.path, base.spec, job.annotations, job.detector, job.frames) as evidence:
        yield evidence


def engine_of(onnx: Path, job: Job) -> Path:
    """Build the engine beside the ONNX file; where there is a GPU, it is held against it on the held-out frames."""
    from edge_pose.export.tensorrt import BuildOptions, engine_from_onnx
    from edge_pose.export.tensorrt.progress import on_terminal

    assert job.target != "cpu"
    frames = frames_from(job.calib, held_out=job.frames[1])[1] if job.calib is not None else None
    with on_terminal(f"{onnx.name} -> {job.target}") as progress:
        return engine_from_onnx(
            onnx,
            onnx.with_suffix(".engine"),
            target=job.target,
            options=BuildOptions(**job.engine),
            progress=progress,
            frames=frames,
            max_drop=job.max_drop,
        )


def holding(engine: Path) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return what was measured of an engine, as the report names it, and a note where nothing was."""
    from edge_pose.backends.engine_document import read_document

    document = read_document(engine)
    if document is None or not document.agreement:
        why = document.not_compared if document else "it says nothing of itself"
        return {}, (f"The engine was not compared with ONNX Runtime: {why}.",)
    return {f"engine_{name}": value for name, value in document.agreement.items()}, ()
