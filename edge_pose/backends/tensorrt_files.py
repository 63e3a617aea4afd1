"""Opening `x.engine`, and `x.onnx` with engine="tensorrt": the engine where it fits, else it is built (again).

With device="auto" ONNX Runtime serves while that goes on; device="cuda" waits for it, because it never means the CPU.
"""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import sys
from pathlib import Path

from edge_pose import zoo
from edge_pose.backends import onnxruntime
from edge_pose.backends.base import Backend, Device
from edge_pose.backends.cuda import compute_capability, open_cuda
from edge_pose.backends.engine_document import EngineDocument, document_path, maker, read_document
from edge_pose.backends.standby import METADATA_KEY, Standby
from edge_pose.backends.tensorrt import TensorRT, load_plan
from edge_pose.backends.tensorrt_library import TITLES, Library, import_library
from edge_pose.download import sha256_of
from edge_pose.errors import BackendError, DeviceError, SpecError, StaleEngineError

BUILDER = "edge_pose.export.tensorrt"

log = logging.getLogger("edge_pose")


def open_model(path: Path, *, device: Device, threads: int | None) -> Backend:
    """Open an engine, or the engine of an ONNX file.

    Raises StaleEngineError for an engine that does not fit and has no ONNX file beside it to build it from;
    MissingDependencyError and DeviceError with what is missing; BackendError for a file that is no engine.
    """
    if device == "cpu":
        raise DeviceError(f"{path.name}: TensorRT runs on the GPU; with device='cpu' load the ONNX file")
    if path.suffix == ".onnx":
        return _open_onnx(path, device, threads)
    plan = load_plan(path)
    written_by = maker(plan)
    if written_by is None:
        raise BackendError(f"{path} is no TensorRT engine, or one with text in front of the plan: {_mend(path, None)}")
    target, version = written_by
    library = import_library(target)
    document = _document(path)
    source = path.with_name(document.onnx) if document else path.with_suffix(".onnx")
    if document is None:
        misfit = ""  # nobody says what it is for: TensorRT itself decides
    elif len(plan) != document.plan_bytes:
        misfit = f"has {len(plan)} bytes, of {document.plan_bytes} that were written"
    else:
        beside = sha256_of(source) if source.is_file() else None
        misfit = document.misfit(library, compute_capability(), beside)
    if not misfit:
        try:
            return _open_plan(path, plan, library, document)
        except StaleEngineError as err:
            misfit = f"{err} (it was built by {TITLES[target]} {version}, this machine has {library})"
    if not source.is_file():
        raise StaleEngineError(f"{path.name} {misfit}: {_mend(path, document)}")
    return _build(path, source, document, f"{path.name} {misfit}", device, threads)


def command(onnx: Path, engine: Path | None, document: EngineDocument | None) -> list[str]:
    """Return the command that builds an engine, with the options that its document says it was built with."""
    words = [sys.executable, "-m", BUILDER, str(onnx)]
    if engine is not None:
        words += ["--output", str(engine)]
    return words + (document.arguments() if document else [])


def _mend(engine: Path, document: EngineDocument | None) -> str:
    onnx = engine.with_name(document.onnx) if document else engine.with_suffix(".onnx")
    words = ["python", *command(onnx, engine, document)[1:]]
    return f"build it again from its ONNX file: {shlex.join(words)}"


def _document(path: Path) -> EngineDocument | None:
    try:
        return read_document(path)
    except SpecError as err:
        raise SpecError(f"{err}; remove {document_path(path).name} and pass spec= to use the engine without") from err


def _open_plan(path: Path, plan: bytes, library: Library, document: EngineDocument | None) -> Backend:
    said = {METADATA_KEY: document.spec.to_json()} if document and document.spec else {}
    compatible = document is not None and document.version_compatible
    return TensorRT(path.name, plan, library, open_cuda(), metadata=said, version_compatible=compatible)


def _open_onnx(path: Path, device: Device, threads: int | None) -> Backend:
    """Open the engine of an ONNX file from the cache, or have it built there."""
    library, capability, sha256 = import_library("tensorrt"), compute_capability(), sha256_of(path)
    for engine in sorted((zoo.cache_folder() / "engines").glob(f"{path.stem}-*.engine")):
        try:
            document = read_document(engine)
        except SpecError as err:
            log.info("%s", err)
            continue
        if document is None or document.onnx_sha256 != sha256 or document.misfit(library, capability, sha256):
            continue
        try:
            return _open_plan(engine, load_plan(engine), library, document)
        except StaleEngineError as err:
            log.info("%s", err)
    return _build(None, path, None, f"there is no engine of {path.name} for this machine yet", device, threads)


def _build(
    engine: Path | None, onnx: Path, document: EngineDocument | None, why: str, device: Device, threads: int | None
) -> Backend:
    """Build an engine from its ONNX file, in a process of its own; serve from ONNX Runtime meanwhile."""
    target = engine
    if engine is not None and not os.access(engine.parent, os.W_OK):
        log.info("%s cannot be written: the engine goes into the cache", engine.parent)
        target = None
    words = command(onnx, target, document)
    if engine is not None and document is not None and document.spec is not None:
        words += ["--spec-of", str(engine)]  # for a file that carries none

    def opened(printed: str) -> Backend:
        built = Path(printed.strip().splitlines()[-1])
        now = read_document(built)
        if now is None:
            raise BackendError(f"{built} was built, but says nothing of itself")
        return _open_plan(built, load_plan(built), import_library(now.target), now)

    if device == "cuda":
        log.warning("%s: building it, which takes minutes: %s", why, shlex.join(words))
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or ["it says nothing"]
            raise BackendError(f"{why}, and building it failed: {said[-1].removeprefix('edge-pose: ')}")
        return opened(done.stdout)
    meanwhile = onnxruntime.open_model(onnx, device="auto", threads=threads)
    log.warning("%s: building it in the background; ONNX Runtime on %s serves meanwhile", why, meanwhile.device)
    known = {METADATA_KEY: document.spec.to_json()} if document and document.spec else {}
    meanwhile.metadata = {**known, **meanwhile.metadata}
    return Standby(onnx.name, meanwhile, words, opened, document.batch if document else None)
