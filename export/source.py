"""From what the user names to a float graph in hand: a network with weights, or an ONNX file as it is."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx

from edge_pose import zoo
from edge_pose.errors import CheckpointError, ExportError, ModelNotFoundError, SpecError
from edge_pose.estimators.load import METADATA_KEY
from edge_pose.export import weights
from edge_pose.export.foreign import onnx_from_foreign
from edge_pose.export.metadata import read_spec, write_spec
from edge_pose.export.onnx_from_torch import onnx_from_torch
from edge_pose.export.onnx_weights import named_weights
from edge_pose.models.catalog import MODELS, signature
from edge_pose.models.checkpoints import Checkpoint, load_checkpoint
from edge_pose.models.onnx_weights import read_onnx
from edge_pose.models.weight_files import read_contents, sniff
from edge_pose.spec import ModelSpec

log = logging.getLogger("edge_pose")
HW = tuple[int, int]
Batch = tuple[int, int, int]
# People of a frame go through a crop network together; whole frames come one at a time.
BATCHES: Mapping[str, Batch] = {"pose-from-box": (1, 4, 16)}
ONE: Batch = (1, 1, 1)
SIMILAR = 1.5  # sizes of a family are further apart than that


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user named. model: a name, or the path of an ONNX file. weights, spec: files. options: of the network.

    size: (height, width) in pixels, batch: (min, opt, max) rows; None for the model's own.
    """

    model: str
    weights: Path | None = None
    size: HW | None = None
    batch: Batch | None = None
    spec: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Float:
    """A float graph in hand: opset 17, IR 8, specification inside. notes: what a reader of the report should know."""

    model: onnx.ModelProto
    spec: ModelSpec
    weights: Path
    notes: tuple[str, ...] = ()


def float_graph(wanted: Wanted, progress: zoo.Progress | None = None) -> Float:
    """Make the float graph. progress: told while weights are fetched.

    Raises ModelNotFoundError, CheckpointError, SpecError, DownloadError, and ExportError for what cannot be exported.
    """
    if wanted.model.endswith(".onnx"):
        if wanted.weights is not None:
            raise SpecError(f"{wanted.model} is a graph with its weights: leave --weights out")
        return from_graph(Path(wanted.model), Path(wanted.model).stem, wanted)
    name, options = wanted.model, dict(wanted.options)
    weights.check_name(name)
    if name in MODELS:
        weights.check_size(name, wanted.size)
        check_options(name, options)
    elif options:
        raise SpecError(f"{name} has no definition in the catalog, so it takes no --option")
    path = wanted.weights if wanted.weights is not None else weights.find_weights(name, progress)
    if path.is_file() and sniff(path) == "onnx":
        return from_onnx(path, name, wanted)
    if name not in MODELS:
        raise ExportError(f"{name} has no definition in the catalog: give its ONNX file with --weights")
    return from_network(name, load_checkpoint(path), path, wanted)


def check_options(name: str, options: dict[str, Any]) -> None:
    """Refuse what a network cannot be built with, before anything is fetched. Raises SpecError."""
    try:
        MODELS[name].spec(**options)
    except KeyError as err:
        raise SpecError(f"{name} has no {err.args[0]!r}: one of the values of --option is unknown") from err


def from_onnx(path: Path, name: str, wanted: Wanted) -> Float:
    """Weights by their names into the network, where the file has such; else the graph as it is."""
    if name in MODELS and wanted.spec is None:
        checkpoint = named_weights(path, name, wanted.options)
        if checkpoint is not None:
            return from_network(name, checkpoint, path, wanted)
        log.info("%s is used as the graph that it is: its weights are not those of %s by name or place", path, name)
    return from_graph(path, name, wanted)


def from_network(name: str, checkpoint: Checkpoint, path: Path, wanted: Wanted) -> Float:
    """Build, load, trace."""
    options = dict(wanted.options)
    net = weights.build_with(name, checkpoint, wanted.size, options)
    spec = spec_from_file(wanted.spec) or MODELS[name].spec(input_hw=wanted.size, **options)
    spec = described(spec, weights.origin_of(path, checkpoint.metadata), wanted)
    if spec.task == "single-pose":
        # MoveNet takes pictures as they are: bytes, as its authors' own files do, and a quarter of the copying.
        spec = replace(spec, input=replace(spec.input, dtype="uint8"))
    model = onnx_from_torch(net, spec)
    return Float(model, read_spec(model) or spec, path, tuple(checkpoint.warnings))


def from_graph(path: Path, name: str, wanted: Wanted) -> Float:
    """Use the graph as it is, with the specification given, its own, the zoo's or the network's."""
    if not path.is_file():
        raise ModelNotFoundError(f"there is no file {path}")
    read_contents(path)  # says of a damaged file what it is
    spec = spec_from_file(wanted.spec) or graph_spec(path, name)
    if spec.precision.get("default", "float32") != "float32":
        raise ExportError(f"{path.name} is {spec.precision['default']} already: export the float model it came from")
    if wanted.options:
        raise SpecError(f"{path.name} is a finished graph, which takes no --option")
    if wanted.size is not None:
        spec = replace(spec, input=replace(spec.input, height=wanted.size[0], width=wanted.size[1]))
    spec = described(spec, weights.origin_of(path, {"license": spec.license}), wanted)
    if name in MODELS and wanted.spec is None:
        check_variant(path, name)
    model, notes = onnx_from_foreign(path, spec, size=wanted.size)
    rows = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    if rows and spec.batch != (rows, rows, rows):
        if wanted.batch is not None:
            raise ExportError(f"--batch cannot be had: {path.name} takes exactly {rows} row(s), and cannot be opened")
        spec = replace(spec, batch=(rows, rows, rows))
        write_spec(model, spec)
    return Float(model, spec, path, tuple(notes))


def check_variant(path: Path, name: str) -> None:
    """Raise CheckpointError for a graph that is another model of the zoo, or far from the network in size."""
    known = zoo.resolve(path)[1]
    if known is not None and known.name != name:
        raise CheckpointError(f"{path.name} is {known.name}, asked for was {name}")
    have = sum(entry.count for entry in read_onnx(path).initializers.values() if len(entry.shape) > 1)
    wanted = sum(math.prod(shape) for shape in signature(name).values() if len(shape) > 1)
    if not 1 / SIMILAR < have / wanted < SIMILAR:
        raise CheckpointError(
            f"{path.name} has {have / 1e6:.2f} million weights, {name} has {wanted / 1e6:.2f}: it is another variant "
            "(describe it with --spec if it is another model altogether)"
        )


def graph_spec(path: Path, name: str) -> ModelSpec:
    """Find what an ONNX file is. Raises SpecError that says how to describe it."""
    own = read_onnx(path).metadata["properties"].get(METADATA_KEY)
    if own:
        return ModelSpec.from_json(own)
    known = zoo.resolve(path)[1]
    if known is not None:
        return known
    entry = zoo.get(name)
    if entry is not None:
        return entry.spec
    if name in MODELS:
        return MODELS[name].spec()
    raise SpecError(
        f"{path} does not say what it is: it has no edge_pose metadata, and the zoo does not know it; "
        "describe it in a TOML file and add --spec my.toml"
    )


def described(spec: ModelSpec, origin: weights.Origin, wanted: Wanted) -> ModelSpec:
    """Write in where the weights come from, and the batch."""
    spec = weights.with_origin(spec, origin)
    return replace(spec, batch=wanted.batch or BATCHES.get(spec.task, ONE), precision={"default": "float32"})


def spec_from_file(path: Path | None) -> ModelSpec | None:
    """Read --spec."""
    return None if path is None else ModelSpec.from_file(path)
