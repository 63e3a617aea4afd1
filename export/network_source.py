"""A float graph from a network of the catalog and its weights, in whatever file they are. Needs torch."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from edge_pose import zoo
from edge_pose.errors import ExportError, SpecError
from edge_pose.export import networks, weights
from edge_pose.export.metadata import read_spec
from edge_pose.export.onnx_from_torch import onnx_from_torch
from edge_pose.export.onnx_weights import named_weights
from edge_pose.export.source import Float, Wanted, check_model, described, from_graph, spec_from_file
from edge_pose.models.catalog import MODELS
from edge_pose.models.checkpoints import Checkpoint, load_checkpoint
from edge_pose.models.weight_files import sniff

log = logging.getLogger("edge_pose")


def float_from_network(wanted: Wanted, progress: zoo.Progress | None = None) -> Float:
    """Make the float graph of a network by name. progress: told while weights are fetched.

    Raises ModelNotFoundError, CheckpointError, SpecError, DownloadError, ExportError.
    """
    name, options = wanted.model, dict(wanted.options)
    networks.check_name(name)
    if name in MODELS:
        networks.check_size(name, wanted.size)
        networks.check_options(name, options)
    elif options:
        raise SpecError(f"{name} has no definition in the catalog, so it takes no --option")
    path = wanted.weights if wanted.weights is not None else weights.find_weights(name, progress)
    if path.is_file() and sniff(path) == "onnx":
        return from_onnx(path, name, wanted) if name in MODELS else from_graph(path, name, wanted)
    if name not in MODELS:
        raise ExportError(f"{name} has no definition in the catalog: give its ONNX file with --weights")
    return from_network(name, load_checkpoint(path), path, wanted)


def from_onnx(path: Path, name: str, wanted: Wanted) -> Float:
    """Weights by their names into the network, where the file has such; else the graph as it is."""
    if wanted.spec is None:
        checkpoint = named_weights(path, name, wanted.options)
        if checkpoint is not None:
            return from_network(name, checkpoint, path, wanted)
        if check_model(path, name) is None:
            networks.check_variant(path, name)
        log.info("%s is used as the graph that it is: its weights are not those of %s by name or place", path, name)
    return from_graph(path, name, wanted)


def from_network(name: str, checkpoint: Checkpoint, path: Path, wanted: Wanted) -> Float:
    """Build, load, trace."""
    options = dict(wanted.options)
    net = networks.build_with(name, checkpoint, wanted.size, options)
    spec = spec_from_file(wanted.spec) or MODELS[name].spec(input_hw=wanted.size, **options)
    spec = described(spec, weights.origin_of(path, checkpoint.metadata), wanted)
    if spec.task == "single-pose":
        # MoveNet takes pictures as they are: bytes, as its authors' own files do, and a quarter of the copying.
        spec = replace(spec, input=replace(spec.input, dtype="uint8"))
    model = onnx_from_torch(net, spec)
    return Float(model, read_spec(model) or spec, path, tuple(checkpoint.warnings))
