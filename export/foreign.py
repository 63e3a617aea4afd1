"""An ONNX file of others as the graph itself: its opset, IR and batch made ours where that can be, and compared."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx

from edge_pose.backends import open_backend
from edge_pose.backends.rebatch import open_batch
from edge_pose.errors import ExportError, SpecError
from edge_pose.export import graphs, samples
from edge_pose.export.metadata import write_spec
from edge_pose.spec import ModelSpec

log = logging.getLogger("edge_pose")
HW = tuple[int, int]
TOLERANCE = 1e-3  # of the output's spread, or absolute where that is larger


def onnx_from_foreign(path: Path, spec: ModelSpec, *, size: HW | None = None) -> tuple[onnx.ModelProto, list[str]]:
    """Return the graph of a file with a specification inside, and what could not be made ours, in words.

    Raises CheckpointError for a damaged file, SpecError for another input than the graph has, ExportError for a size
    that the graph is not made for, and where the rewritten graph would not give what the file gives.
    """
    model = onnx.load(path)
    drop_listed_weights(model)
    check_size(model, spec, size, path)
    check_input(model, spec, path)
    notes: list[str] = []
    model = at_opset(model, notes)
    model.ir_version = graphs.IR_VERSION
    with tempfile.TemporaryDirectory() as folder:
        model = with_open_batch(model, Path(folder), notes)
        model = graphs.simplified(model)
        write_spec(model, spec)
        graphs.checked(model, graphs.opset_of(model))
        check_same(path, model, spec, Path(folder))
    return model, notes


def check_size(model: onnx.ModelProto, spec: ModelSpec, size: HW | None, path: Path) -> None:
    """Raise ExportError where another size is asked for than the graph has."""
    dims = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim] if model.graph.input else []
    sides = dims[2:] if spec.input.layout == "NCHW" else dims[1:3]
    if size is None or all(have in (0, wanted) for have, wanted in zip(sides, size, strict=False)):
        return
    raise ExportError(
        f"--size {size[0]}x{size[1]} cannot be had: the graph in {path.name} is fixed to "
        f"{'x'.join(map(str, sides))}; give weights that the network can be built with (.pt, .pth, .safetensors)"
    )


def check_input(model: onnx.ModelProto, spec: ModelSpec, path: Path) -> None:
    """Raise SpecError where the graph does not take the one picture that the specification describes."""
    inputs = model.graph.input
    if len(inputs) != 1 or not model.graph.output:
        names = ", ".join(value.name for value in inputs)
        raise SpecError(
            f"{path.name} has {len(inputs)} inputs ({names}) and {len(model.graph.output)} outputs: a pose model takes "
            "one picture, and answers"
        )
    tensor = inputs[0].type.tensor_type
    dims = tuple(dim.dim_value for dim in tensor.shape.dim)
    kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
    kind = {"float": "float32"}.get(kind, kind)
    about = spec.input
    wanted = (3, *about.hw) if about.layout == "NCHW" else (*about.hw, 3)
    fits = len(dims) == 4 and all(have in (0, side) for have, side in zip(dims[1:], wanted, strict=True))
    if not fits or kind != about.dtype:
        raise SpecError(
            f"{path.name} takes {kind} {shown(dims)}, and its specification says {about.dtype} {shown((0, *wanted))} "
            f"({about.layout}): correct input.height, width, layout or dtype in it"
        )


def shown(dims: tuple[int, ...]) -> str:
    """Write a shape for people; 0 is any number."""
    return f"({', '.join(str(size or '?') for size in dims)})"


def at_opset(model: onnx.ModelProto, notes: list[str]) -> onnx.ModelProto:
    """Convert to opset 17 where onnx can; else leave the graph and say so."""
    have = graphs.opset_of(model)
    if have == graphs.OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(model, graphs.OPSET)
    except Exception as err:  # its C++ side raises RuntimeError, its own class, and what operators bring
        log.info("opset %d stays: %s", have, err)
        older = " TensorRT before 10 cannot read it." if have > graphs.OPSET else ""
        notes.append(f"The graph keeps opset {have}: onnx cannot convert it to {graphs.OPSET}.{older}")
        return model


def drop_listed_weights(model: onnx.ModelProto) -> None:
    """Old exporters list weights among the inputs, too."""
    weights = {item.name for item in model.graph.initializer}
    for value in [value for value in model.graph.input if value.name in weights]:
        model.graph.input.remove(value)


def with_open_batch(model: onnx.ModelProto, folder: Path, notes: list[str]) -> onnx.ModelProto:
    """Give a graph with a batch of one an open batch, if that does not change what it gives."""
    first = model.graph.input[0].type.tensor_type.shape.dim[0] if model.graph.input else None
    if first is None or first.dim_value == 0:
        return model
    source = folder / "one.onnx"
    source.write_bytes(model.SerializeToString())
    opened = open_batch(source, folder) if first.dim_value == 1 else None
    if opened is None:
        notes.append(f"The graph takes {first.dim_value} row(s) at a time: its batch cannot be opened.")
        return model
    return onnx.load(opened)


def check_same(path: Path, model: onnx.ModelProto, spec: ModelSpec, folder: Path) -> None:
    """Compare the rewritten graph with the file, one row at a time. Raises ExportError."""
    target = folder / "rewritten.onnx"
    target.write_bytes(model.SerializeToString())
    before, after = (open_backend(file, device="cpu", engine="onnxruntime") for file in (path, target))
    fixed = before.inputs[0].shape[0] or 1
    batch = samples.batch(spec, fixed)
    for name, got, wanted in zip(after.outputs, after.run(batch), before.run(batch), strict=True):
        off = np.abs(got.astype(np.float64) - wanted).max(initial=0.0) / max(1.0, float(np.std(wanted)))
        if not off <= TOLERANCE:
            raise ExportError(f"rewriting {path.name} to opset {graphs.OPSET} moves output {name.name!r} by {off:.2g}")
    before.close()
    after.close()
