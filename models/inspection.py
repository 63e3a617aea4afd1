"""Says what a model file is without running anything of it. Works without torch, except for naming the network."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edge_pose.backends.engine_document import read_document
from edge_pose.errors import SpecError
from edge_pose.models.contents import Contents
from edge_pose.models.engine_file import read_engine
from edge_pose.models.renames import look_alikes
from edge_pose.models.weight_files import read_contents, sniff
from edge_pose.spec import ModelSpec

# Buffers, not parameters: normalisation statistics, YOLOv5's anchors.
BUFFERS = ("running_mean", "running_var", "num_batches_tracked", ".anchors", ".anchor_grid")
SPEC_PROPERTY = "edge_pose"
SHOWN_TEXT = 200


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Name, type and shape of one weight."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """What a model file is.

    format: torch-zip, torch-legacy, pickle, safetensors, onnx, tflite or engine. parameters: numbers in the weights,
    without buffers such as normalisation statistics. loads_as: the network whose names and shapes are exactly these, ""
    if none is; looks_like: networks that share names and shapes, best first, with the share. inputs: name -> shape.
    license: of the weights, as far as the file or the network tells, else "". spec: what the file carries.
    """

    path: Path
    format: str
    size_bytes: int
    parameters: int = 0
    tensors: tuple[TensorInfo, ...] = ()
    inputs: dict[str, Any] = field(default_factory=dict)
    loads_as: str = ""
    looks_like: tuple[tuple[str, float], ...] = ()
    license: str = ""
    spec: ModelSpec | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as numbers, text, lists and dicts."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        plain |= {"path": str(self.path), "tensors": [asdict(tensor) for tensor in self.tensors]}
        return plain | {"spec": self.spec.to_dict() if self.spec else None}

    def to_text(self) -> str:
        """Return lines for people."""
        types = ", ".join(f"{count} {dtype}" for dtype, count in Counter(t.dtype for t in self.tensors).items())
        near = ", ".join(f"{name} ({share:.0%})" for name, share in self.looks_like[:3])
        rows = {
            "weights": f"{self.parameters:,} parameters in {len(self.tensors)} tensors ({types})"
            if self.tensors
            else "",
            "network": self.loads_as or (f"unknown; shares names and shapes with {near}" if near else ""),
            "spec": f"{self.spec.name}, {self.spec.task}" if self.spec else "",
            "inputs": ", ".join(f"{name} {shape}" for name, shape in self.inputs.items()),
            "licence": self.license,
        }
        taken = {*rows, "inputs", "license", "warning"}
        rows |= {key: str(value) for key, value in self.metadata.items() if value and key not in taken}
        lines = [f"{self.path.name}: {self.format}, {self.size_bytes / 2**20:.1f} MiB"]
        lines += [f"  {key:<12} {value}" for key, value in rows.items() if value]
        lines += [f"  warning      {text}" for text in self.warnings]
        return "\n".join(map(shown, lines))


def inspect_file(path: str | Path) -> Inspection:
    """Inspect a .pt, .pth, .safetensors, .onnx, .tflite or .engine file.

    Raises ModelNotFoundError where there is no file, CheckpointError for an unknown, damaged or hostile one.
    """
    path = Path(path)
    contents = read_engine(path) if path.is_file() and sniff(path) == "engine" else read_contents(path)
    tensors = tuple(TensorInfo(name, entry.dtype, entry.shape) for name, entry in contents.tensors.items())
    warnings = list(contents.warnings)
    spec = carried_spec(path, contents, warnings)
    similar = networks(contents, warnings)
    exact = [name for name, share in similar if share == 1]
    licence = contents.metadata.get("license", "")
    licence = licence if isinstance(licence, str) else ""
    inputs = said(contents, "inputs")
    if spec is not None:
        licence = licence or spec.license
    elif exact:
        published = published_spec(exact[0])
        licence = licence or f"{published.license} (that of the published {exact[0]} weights)"
        height, width = published.input.hw
        inputs = inputs or {
            "image": [1, 3, height, width] if published.input.layout == "NCHW" else [1, height, width, 3]
        }
    weights = [entry.count for name, entry in contents.tensors.items() if not name.endswith(BUFFERS)]
    return Inspection(
        path=path,
        format=contents.format,
        size_bytes=path.stat().st_size,
        parameters=sum(weights),
        tensors=tensors,
        inputs=inputs,
        loads_as=exact[0] if exact else "",
        looks_like=tuple(similar),
        license=licence,
        spec=spec,
        metadata=contents.metadata,
        warnings=tuple(warnings),
    )


def networks(contents: Contents, warnings: list[str]) -> list[tuple[str, float]]:
    """Name the networks that the weights resemble; without torch only a warning."""
    given = {name: entry.shape for name, entry in contents.tensors.items()}
    try:
        return look_alikes(given, weights_only=contents.format == "onnx")
    except ModuleNotFoundError as err:
        if err.name != "torch":
            raise
        warnings.append("torch is not installed, so nobody can say which network this is")
        return []


def published_spec(network: str) -> ModelSpec:
    """Return the specification of a network's published weights."""
    from edge_pose.models.catalog import entry

    return entry(network).spec()


def carried_spec(path: Path, contents: Contents, warnings: list[str]) -> ModelSpec | None:
    """Return the specification in an ONNX file of ours, or beside an engine of ours."""
    text = said(contents, "properties").get(SPEC_PROPERTY)
    try:
        if contents.format == "engine":
            document = read_document(path)
            contents.metadata |= document.summary() if document else {}
            return document.spec if document else None
        return ModelSpec.from_json(text) if isinstance(text, str) and text else None
    except SpecError as err:
        warnings.append(f"its specification cannot be read: {err}")
        return None


def said(contents: Contents, key: str) -> dict[str, Any]:
    """Return a dict that the file says about itself; a file may say anything."""
    found = contents.metadata.get(key)
    return dict(found) if isinstance(found, dict) else {}


def shown(line: str) -> str:
    """Shorten a line, and keep what a file says from steering the terminal."""
    text = "".join(letter if letter.isprintable() else "?" for letter in line)
    return text if len(text) <= SHOWN_TEXT else text[:SHOWN_TEXT] + " ..."
