"""From what the user names to a float graph in hand: a network with weights, or an ONNX file as it is.

A finished graph needs no torch, whose import alone takes seconds; only what is built from weights does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_pose import zoo
from edge_pose.errors import CheckpointError, ExportError, MissingDependencyError, ModelNotFoundError, SpecError
from edge_pose.estimators.load import METADATA_KEY
from edge_pose.export import weights
from edge_pose.export.foreign import onnx_from_foreign
from edge_pose.export.metadata import write_spec
from edge_pose.models.onnx_weights import read_onnx
from edge_pose.models.weight_files import read_contents, sniff
from edge_pose.spec import ModelSpec

if TYPE_CHECKING:
    import onnx

HW = tuple[int, int]
Batch = tuple[int, int, int]
# People of a frame go through a crop network together; whole frames come one at a time.
BATCHES: Mapping[str, Batch] = {"pose-from-box": (1, 4, 16)}
ONE: Batch = (1, 1, 1)


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

    Raises ModelNotFoundError, CheckpointError, SpecError, DownloadError, MissingDependencyError, and ExportError for
    what cannot be exported.
    """
    if wanted.model.endswith(".onnx"):
        if wanted.weights is not None:
            raise SpecError(f"{wanted.model} is a graph with its weights: leave --weights out")
        return from_graph(Path(wanted.model), Path(wanted.model).stem, wanted)
    path = finished_graph(wanted, progress)
    if path is not None:
        check_model(path, wanted.model)
        return from_graph(path, wanted.model, wanted)
    try:
        from edge_pose.export.network_source import float_from_network
    except ModuleNotFoundError as err:
        if err.name != "torch":
            raise
        mend = "torch is not installed; run: pip install 'edge-pose[export]'"
        raise MissingDependencyError(f"{wanted.model} is built from weights: {mend}") from err
    except OSError as err:  # a torch that does not fit the machine: libraries it cannot load
        raise ExportError(f"torch is broken on this machine: {err}") from err
    return float_from_network(wanted, progress)


def finished_graph(wanted: Wanted, progress: zoo.Progress | None = None) -> Path | None:
    """Return the file that is what is wanted of a model by name, None where a network must be built.

    An earlier export of that model at that size, or a model of which only graphs are published. Raises
    ModelNotFoundError and DownloadError for the latter, SpecError and CheckpointError for a damaged file.
    """
    only = only_graph(wanted.model)
    if wanted.options or (wanted.weights is None and not only):
        return None
    path = wanted.weights if wanted.weights is not None else weights.find_weights(wanted.model, progress)
    if not path.is_file() or sniff(path) != "onnx":
        return None
    read_contents(path)  # says of a damaged file what it is
    own = own_spec(path)
    if own is None:
        return path if only else None
    return path if own.name == wanted.model and wanted.size in (None, own.input.hw) else None


def only_graph(name: str) -> bool:
    """Say whether the zoo has a model for which nobody publishes weights, only graphs."""
    entry = zoo.get(name)
    return entry is not None and not any(file.kind in ("torch", "tflite") for file in entry.files)


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
    model, notes = onnx_from_foreign(path, spec, size=wanted.size)
    rows = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    if rows and spec.batch != (rows, rows, rows):
        if wanted.batch is not None:
            raise ExportError(f"--batch cannot be had: {path.name} takes exactly {rows} row(s), and cannot be opened")
        spec = replace(spec, batch=(rows, rows, rows))
        write_spec(model, spec)
    return Float(model, spec, path, tuple(notes))


def graph_spec(path: Path, name: str) -> ModelSpec:
    """Find what an ONNX file is. Raises SpecError that says how to describe it, CheckpointError for another variant."""
    own = own_spec(path)
    if own is not None:
        return own
    known = zoo.resolve(path)[1]
    if known is not None:
        return known
    entry = zoo.get(name)
    found = entry.spec if entry is not None and only_graph(name) else named_spec(path, name)
    if found is None:
        raise SpecError(
            f"{path} does not say what it is: it has no edge_pose metadata, and the zoo does not know it; "
            "describe it in a TOML file and add --spec my.toml"
        )
    return found


def check_model(path: Path, name: str) -> ModelSpec | None:
    """Return what the zoo knows a file as. Raises CheckpointError where that is another model than named."""
    known = zoo.resolve(path)[1]
    if known is not None and known.name != name:
        raise CheckpointError(f"{path.name} is {known.name}, asked for was {name}")
    return known


def own_spec(path: Path) -> ModelSpec | None:
    """Return what an ONNX file says about itself, None where it says nothing. Raises SpecError, CheckpointError."""
    own = read_onnx(path).metadata["properties"].get(METADATA_KEY)
    return ModelSpec.from_json(own) if own else None


def named_spec(path: Path, name: str) -> ModelSpec | None:
    """Return what a network of that name expects; None without such a network, or without torch, which knows them.

    Raises CheckpointError where the graph is clearly another variant.
    """
    try:
        from edge_pose.export.networks import check_variant
        from edge_pose.models.catalog import MODELS
    except ModuleNotFoundError as err:
        if err.name != "torch":
            raise
        return None
    if name not in MODELS:
        return None
    check_variant(path, name)
    entry = zoo.get(name)
    return entry.spec if entry is not None else MODELS[name].spec()


def described(spec: ModelSpec, origin: weights.Origin, wanted: Wanted) -> ModelSpec:
    """Write in where the weights come from, and the batch."""
    spec = weights.with_origin(spec, origin)
    return replace(spec, batch=wanted.batch or BATCHES.get(spec.task, ONE), precision={"default": "float32"})


def spec_from_file(path: Path | None) -> ModelSpec | None:
    """Read --spec."""
    return None if path is None else ModelSpec.from_file(path)
