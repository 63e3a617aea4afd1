"""`edge-pose export`: from weights to a model file that is right, small and fast, with a report that says so."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edge_pose.cli import check_interrupted
from edge_pose.cli.common import show_warnings
from edge_pose.errors import ExportError, MissingDependencyError

if TYPE_CHECKING:
    from types import ModuleType

Precision = Literal["fp32", "fp16", "int8"]
Calibrator = Literal["auto", "percentile", "minmax", "entropy"]
Target = Literal["cpu", "tensorrt", "tensorrt-rtx"]
MIXED = "must be MIN:OPT:MAX with 1 <= MIN <= OPT <= MAX, such as 1:4:8, or one number"


def export(
    model: Annotated[str, typer.Argument(help="Name of a network or model, or the path of an ONNX file.")],
    weights: Annotated[
        Path | None, typer.Option(help=".pt, .pth, .safetensors, .onnx or .tflite; by default the published ones.")
    ] = None,
    precision: Annotated[Precision, typer.Option(help="What the layers compute in.")] = "fp32",
    target: Annotated[Target, typer.Option(help="What runs it; tensorrt-rtx builds without a GPU, too.")] = "cpu",
    calib: Annotated[Path | None, typer.Option(help="Pictures and videos that show what it will see.")] = None,
    calibrator: Annotated[Calibrator, typer.Option(help="How int8 finds its ranges in them.")] = "auto",
    annotations: Annotated[Path | None, typer.Option(help="COCO keypoints of the pictures of --calib, for AP.")] = None,
    detector: Annotated[
        str | None, typer.Option(help="Finds people in --calib, for networks that look at one at a time.")
    ] = None,
    max_drop: Annotated[float, typer.Option(min=0, help="AP points, or hundredths of OKS, that it may cost.")] = 1.0,
    batch: Annotated[str | None, typer.Option(metavar="MIN:OPT:MAX", help="Rows that it will be given.")] = None,
    size: Annotated[str | None, typer.Option(metavar="HxW", help="Input in pixels; by default the model's.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for what is made.")] = Path(),
    gate: Annotated[bool, typer.Option("--gate/--no-gate", help="Refuse what has become too inaccurate.")] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse calibration pictures with a warning.")] = False,
    spec: Annotated[Path | None, typer.Option(help="Specification (TOML) of an ONNX file that carries none.")] = None,
    workspace: Annotated[int | None, typer.Option(min=0, help="TensorRT: scratch memory in MiB, 0 for all.")] = None,
    compute_capability: Annotated[
        list[str] | None, typer.Option(metavar="X.Y", help="TensorRT-RTX: of the GPUs to build for, 8.6; repeatable.")
    ] = None,
    hardware: Annotated[
        str | None, typer.Option(help="TensorRT: engines for more GPUs than this, ampere+ or same-capability.")
    ] = None,
    version_compatible: Annotated[
        bool, typer.Option("--version-compatible", help="TensorRT: engines that later minor releases read, too.")
    ] = False,
    dla: Annotated[int | None, typer.Option(min=0, help="TensorRT: the DLA core that runs it.")] = None,
    option: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Of the network: classes=3.")] = None,
) -> None:
    """Make MODEL ready to run: ONNX, smaller if asked, measured against the float model."""
    show_warnings()
    rows, hw, options = parse_batch(batch), parse_size(size), parse_options(option or [])
    engine = {
        "workspace_mib": workspace,
        "capabilities": tuple(compute_capability or ()),
        "hardware": hardware,
        "version_compatible": version_compatible,
        "dla_core": dla,
    }
    run, source = _import("run"), _import("source")
    job = run.Job(
        wanted=source.Wanted(model, weights, hw, rows, spec, options),
        output=output,
        precision=precision,
        target=target,
        calib=calib,
        calibrator=calibrator,
        annotations=annotations,
        detector=detector,
        max_drop=max_drop,
        gate=gate,
        strict=strict,
        engine={name: value for name, value in engine.items() if value not in (None, False, ())},
    )

    def tell(line: str) -> None:
        check_interrupted()  # compiled modules lose what Ctrl-C raises inside them
        sys.stderr.write(f"{line} ...\n")

    report = run.run(job, tell)
    from rich.console import Console

    Console().print(report.table())


def parse_batch(text: str | None) -> tuple[int, int, int] | None:
    """Read MIN:OPT:MAX, or one number for 1:N:N. Raises typer.BadParameter."""
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,4}(:\d{1,4}:\d{1,4})?", text):
        raise typer.BadParameter(f"--batch {MIXED}, got {text!r}")
    numbers = [int(part) for part in text.split(":")]
    low, best, high = numbers if len(numbers) == 3 else (1, numbers[0], numbers[0])
    if not 1 <= low <= best <= high:
        raise typer.BadParameter(f"--batch {MIXED}, got {text!r}")
    return low, best, high


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Read HxW, or one number for a square. Raises typer.BadParameter."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text)
    if found is None:
        raise typer.BadParameter(f"--size must be HxW in pixels, such as 256x192, or one number, got {text!r}")
    height, width = int(found[1]), int(found[2] or found[1])
    return height, width


def parse_options(words: list[str]) -> dict[str, Any]:
    """Read NAME=VALUE: numbers, true and false as such, all else as text. Raises typer.BadParameter."""
    options: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            raise typer.BadParameter(f"--option must be NAME=VALUE, such as classes=3, got {word!r}")
        try:
            options[name] = {"true": True, "false": False}.get(value.lower())
            if options[name] is None:
                options[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            options[name] = value
    return options


def _import(name: str) -> ModuleType:
    """Import a part of the exporter. Raises MissingDependencyError with the command that mends it."""
    import importlib

    try:
        return importlib.import_module(f"edge_pose.export.{name}")
    except ModuleNotFoundError as err:
        missing = (err.name or "").partition(".")[0]
        if missing == "edge_pose":
            raise
        raise MissingDependencyError(f"{missing} is not installed; run: pip install 'edge-pose[export]'") from err
    except OSError as err:  # a torch that does not fit the machine: libraries it cannot load
        raise ExportError(f"the exporter's packages are broken on this machine: {err}") from err
