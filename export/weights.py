"""Which weights a network gets: the ones named, else those on this machine, else the published ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from edge_pose import __version__, download, zoo
from edge_pose.errors import CheckpointError, ExportError, ModelNotFoundError
from edge_pose.models.blocks import STRIDE
from edge_pose.models.catalog import MODELS
from edge_pose.models.checkpoints import Checkpoint
from edge_pose.models.fitting import load_into
from edge_pose.models.fitting import shapes as shapes_of
from edge_pose.models.movenet_plan import TABLE_NAMES
from edge_pose.models.renames import look_alikes
from edge_pose.spec import ModelSpec
from edge_pose.strict import nearest

HW = tuple[int, int]
ANOTHER = 0.6  # share of names and shapes from which weights are those of another network, not a graph of its own


@dataclass(frozen=True, slots=True)
class Origin:
    """Where weights come from: sha256 of their file, their licence and home as far as anybody says so, else ""."""

    path: Path
    sha256: str
    license: str = ""
    source: str = ""


def check_name(name: str) -> None:
    """Raise ModelNotFoundError for what is neither a network nor a model of the zoo."""
    known = {*MODELS, *zoo.entries()}
    if name not in known:
        raise ModelNotFoundError(f"there is no model {name!r} to export: {nearest(name, known)}")


def find_weights(name: str, progress: zoo.Progress | None = None) -> Path:
    """Return the weights of a model: a file of a models folder or the cache, else fetched from their publisher.

    Raises ModelNotFoundError where none are published, DownloadError, ChecksumError.
    """
    entry = zoo.get(name)
    if entry is not None:
        names = [file_name for file in entry.files if file.kind in ("torch", "tflite") for file_name in file.names]
        for folder in zoo.folders():
            for file_name in names:
                if (folder / file_name).is_file():
                    return folder / file_name
        local = zoo.find(name)
        if local is not None:
            return local
        for kind in ("torch", "tflite", "onnx"):
            if entry.downloads(kind):
                return zoo.fetch_model(name, kind=kind, progress=progress)
    raise ModelNotFoundError(f"{name} has no published weights that could be fetched: name your file with --weights")


def origin_of(path: Path, says: dict[str, Any] | None = None) -> Origin:
    """Tell by its sum whose weights a file has; else the licence is what the file itself says."""
    try:
        digest = download.sha256_of(path)
    except OSError as err:
        raise ModelNotFoundError(f"cannot read {path}: {err.strerror}") from err
    for entry in zoo.entries().values():
        if any(file.sha256 and digest.startswith(file.sha256) for file in entry.files):
            return Origin(path, digest, entry.license, entry.homepage)
    return Origin(path, digest, str((says or {}).get("license", "")))


def with_origin(spec: ModelSpec, origin: Origin) -> ModelSpec:
    """Write into a specification which file it was made from, and by whom.

    A file that nobody knows may still be the published one, saved anew: its licence then stands as a guess.
    """
    guess = f"unknown (the published weights of {spec.name}: {spec.license})" if spec.license else ""
    return replace(
        spec,
        license=origin.license or guess,
        source=origin.source or (spec.source if spec.checkpoint_sha256 else ""),
        checkpoint_sha256=spec.checkpoint_sha256 or origin.sha256,  # a graph of ours remembers its checkpoint
        exporter=f"edge-pose {__version__}",
    )


def check_size(name: str, size: HW | None) -> None:
    """Raise ExportError for a size that the network cannot take, naming the nearest that it can."""
    if size is not None and (min(size) < STRIDE or any(side % STRIDE for side in size)):
        height, width = (max(STRIDE, round(side / STRIDE) * STRIDE) for side in size)
        raise ExportError(
            f"{name} takes heights and widths that are multiples of {STRIDE}, got {size[0]}x{size[1]}: "
            f"the nearest is --size {height}x{width}"
        )


def build_with(name: str, checkpoint: Checkpoint, size: HW | None, options: dict[str, Any]) -> nn.Module:
    """Build a network of the catalog with these weights. Raises CheckpointError where they do not fit."""
    net = MODELS[name].build(input_hw=size, **options)
    try:
        load_into(net, fitted_tables(net, checkpoint))
    except CheckpointError as err:
        raise CheckpointError(f"{err}; asked for was {name}") from err
    return net


def fitted_tables(net: nn.Module, checkpoint: Checkpoint) -> Checkpoint:
    """Leave out MoveNet's rounded tables where they are for another input size: the network's own are exact."""
    buffers = dict(net.named_buffers())
    stale = {
        name
        for name in TABLE_NAMES & checkpoint.tensors.keys()
        if name in buffers and checkpoint.tensors[name].shape != buffers[name].shape
    }
    if not stale:
        return checkpoint
    return replace(checkpoint, tensors={k: v for k, v in checkpoint.tensors.items() if k not in stale})


def tells_network(checkpoint: Checkpoint) -> str:
    """Name the network of the catalog whose weights an ONNX file's names tell it has, "" where they tell nothing."""
    alike = look_alikes(shapes_of(checkpoint.tensors), weights_only=True)[:1]
    return next((network for network, share in alike if share >= ANOTHER), "")
