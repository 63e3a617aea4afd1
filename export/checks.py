"""What an export refuses before the work that could only fail after it."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from edge_pose.errors import ExportError, OutputError
from edge_pose.export import graphs
from edge_pose.export.footage import listed
from edge_pose.export.source import Float, own_spec
from edge_pose.spec import ModelSpec

if TYPE_CHECKING:
    from edge_pose.export.run import Job


def check_job(job: Job) -> None:
    """Hold what is asked for against itself and this machine.

    Raises ExportError, MissingDependencyError, DeviceError for TensorRT without a GPU.
    """
    if job.precision == "int8" and job.calib is None:
        raise ExportError(
            "--precision int8 needs --calib: a folder of pictures or videos that show what the model will see"
        )
    if not 0 <= job.max_drop < math.inf:
        raise ExportError(
            f"--max-drop must be a number of at least 0, got {job.max_drop}; --no-gate accepts whatever comes out"
        )
    if job.calib is not None:
        try:
            listed(job.calib)
        except ExportError as err:
            raise ExportError(f"--calib {err}") from err
    if job.target == "cpu":
        if job.engine:
            raise ExportError(f"{', '.join(job.engine)}: these are choices of a TensorRT engine; add --target tensorrt")
        return
    from edge_pose.backends.tensorrt_library import import_library
    from edge_pose.export.tensorrt import BuildOptions
    from edge_pose.export.tensorrt.engine import check_machine

    check_machine(import_library(job.target), BuildOptions(**job.engine))


def check_folder(folder: Path) -> None:
    """Make the folder for what is made. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise OutputError(f"cannot write into {folder}: {err.strerror or err}") from err
    if not os.access(folder, os.W_OK):
        raise OutputError(f"cannot write into {folder}: no permission")


def file_name(spec: ModelSpec) -> str:
    """Return a model's name, which becomes that of files. Raises ExportError for one that leads out of the folder."""
    name = spec.name
    if Path(name).name != name or name.startswith(".") or not name.isprintable():
        raise ExportError(
            f"the specification calls the model {name!r}, which cannot be the name of a file: give another with --spec"
        )
    return name


def check_product(source: Float, base: Path, job: Job) -> None:
    """Refuse to replace the file that the export is made from, unless it is the same again, and to quantise twice.

    Raises OutputError, ExportError.
    """
    path = source.weights
    for made in (base, base.with_stem(f"{base.stem}-{job.precision}")):
        same = made.exists() and path.exists() and made.samefile(path)
        if same and (made != base or own_spec(path) is None):
            raise OutputError(f"{made} is what the export is made from, and would be replaced: name another --output")
    if job.precision != "fp32" and graphs.is_quantised(source.model):
        raise ExportError(f"{path.name} is int8 already: export the float model it came from")
