"""`python -m edge_pose.export.tensorrt FILE.onnx`: build or rebuild one engine, in a process of its own.

The runtime starts this when an engine has become stale: what the build takes in memory goes with it, a crash in it
ends nobody's camera, and closing the model ends it.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_pose.backends.engine_document import read_document
from edge_pose.errors import EdgePoseError, ExportError
from edge_pose.export.calibration import frames_from
from edge_pose.export.tensorrt.engine import engine_from_onnx
from edge_pose.export.tensorrt.flags import BuildOptions
from edge_pose.export.tensorrt.graph import read_graph
from edge_pose.export.tensorrt.progress import on_terminal
from edge_pose.spec import ModelSpec


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, write the engine's path to standard output, and return the exit code: 0, 1 or (interrupted) 130."""
    given = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    try:
        options = BuildOptions(
            workspace_mib=given.workspace,
            optimization_level=given.optimization_level,
            hardware=given.hardware,
            version_compatible=given.version_compatible,
            dla_core=given.dla,
            capabilities=tuple(filter(None, given.compute_capabilities.split(","))),
            timing_cache=not given.no_timing_cache,
        )
        with on_terminal(f"{given.onnx.name} -> {given.target}") as progress:
            engine = engine_from_onnx(
                given.onnx,
                given.output,
                target=given.target,
                batch=rows(given.batch) if given.batch else None,
                options=options,
                spec=chosen_spec(given.onnx, given.spec, given.spec_of),
                progress=progress,
                force=given.force,
                frames=frames_from(given.pictures)[1] if given.pictures else None,
            )
    except EdgePoseError as err:
        sys.stderr.write(f"edge-pose: {err}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("edge-pose: interrupted; nothing was changed\n")
        return 130
    sys.stdout.write(f"{engine}\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="python -m edge_pose.export.tensorrt", description="Build a TensorRT engine.")
    made.add_argument("onnx", type=Path)
    made.add_argument("--output", type=Path, help="the .engine file; by default a keyed one in the cache")
    made.add_argument("--target", choices=("tensorrt", "tensorrt-rtx"), default="tensorrt")
    made.add_argument("--batch", metavar="MIN:OPT:MAX", help="rows; by default what the file's specification says")
    made.add_argument("--workspace", type=int, default=0, metavar="MIB", help="scratch memory of a layer")
    made.add_argument("--optimization-level", type=int, default=-1, metavar="0..5")
    made.add_argument("--hardware", choices=("", "ampere+", "same-capability"), default="")
    made.add_argument("--version-compatible", action="store_true", help="later minor releases read it, too")
    made.add_argument("--dla", type=int, default=-1, metavar="CORE", help="on AGX Orin: use this DLA core")
    made.add_argument("--compute-capabilities", default="", metavar="8.6,8.9", help="of tensorrt-rtx")
    made.add_argument("--spec", type=Path, help="specification of an ONNX file that carries none")
    made.add_argument("--spec-of", type=Path, metavar="ENGINE", help="instead of --spec, that of an older engine")
    made.add_argument("--pictures", type=Path, metavar="DIR", help="of people, to hold the engine against ONNX Runtime")
    made.add_argument("--no-timing-cache", action="store_true")
    made.add_argument("--force", action="store_true", help="build even if the engine is there")
    return made


def chosen_spec(onnx: Path, given: Path | None, engine: Path | None) -> ModelSpec | None:
    """Return the specification that is given; for a file that carries none, that of an older engine."""
    if given is not None:
        return ModelSpec.from_file(given)
    if engine is None or read_graph(onnx).spec is not None:
        return None
    document = read_document(engine)
    return document.spec if document else None


def rows(text: str) -> tuple[int, int, int]:
    """Return "1:4:8" as (1, 4, 8), and "4" as (4, 4, 4). Raises ExportError."""
    parts = text.split(":")
    if len(parts) not in (1, 3) or not all(part.isdecimal() for part in parts):
        raise ExportError(f"--batch must be MIN:OPT:MAX, such as 1:4:8, got {text!r}")
    numbers = [int(part) for part in parts]
    return (numbers[0], numbers[-2 if len(numbers) == 3 else 0], numbers[-1])


def _stop(number: int, frame: Any) -> None:
    raise KeyboardInterrupt  # ends as Ctrl-C does


if __name__ == "__main__":
    sys.exit(main())
