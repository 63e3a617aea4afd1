"""Weights out of an ONNX file of others into a network of ours, if the network then gives what the file gives."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edge_pose.backends import open_backend
from edge_pose.errors import CheckpointError, SpecError
from edge_pose.export import samples
from edge_pose.export.networks import HW, tells_network
from edge_pose.export.onnx_from_torch import TOLERANCE, as_list, difference
from edge_pose.models.catalog import MODELS
from edge_pose.models.checkpoints import Checkpoint, load_checkpoint, load_into, load_nameless_onnx
from edge_pose.models.onnx_weights import read_onnx
from edge_pose.spec import ModelSpec

log = logging.getLogger("edge_pose")
CONSTANTS = (".anchors",)  # a graph has them computed into others; the comparison tells whether ours are the same


def named_weights(path: Path, name: str, options: Mapping[str, Any]) -> Checkpoint | None:
    """Return the weights of an ONNX file by the names of a network, None where the file is only a graph.

    By their own names, else by their place in the graph; proven by running both, at the file's own size.
    Raises CheckpointError for a damaged file, and for weights that are clearly those of another network.
    """
    read: tuple[Callable[[nn.Module, ModelSpec], Checkpoint], ...] = (
        lambda net, spec: load_checkpoint(path),
        lambda net, spec: load_nameless_onnx(path, net, torch.from_numpy(samples.batch(spec, 1))),
    )
    another = tells_network(load_checkpoint(path))
    size = input_hw(path, MODELS[name].spec(**options))
    try:
        spec = MODELS[name].spec(input_hw=size, **options)
    except SpecError:  # a size that no network of ours takes
        return None
    for how in read:
        net = MODELS[name].build(input_hw=size, **options)
        try:
            checkpoint = how(net, spec)
            missing = load_into(net, checkpoint, strict=False).missing
        except CheckpointError as err:
            if another not in ("", name):
                raise CheckpointError(f"{err}; these are the weights of {another}, asked for was {name}") from err
            log.info("%s: %s", path.name, err)
            continue
        if all(key.endswith(CONSTANTS) for key in missing) and gives_the_same(path, net, spec):
            return complete(checkpoint, net, missing)
    return None


def input_hw(path: Path, spec: ModelSpec) -> HW:
    """Return height and width that the graph is fixed to, else those of the specification."""
    shape = next((dims for _, dims in read_onnx(path).inputs), [])
    sides = shape[2:] if spec.input.layout == "NCHW" else shape[1:3]
    if len(shape) == 4 and all(isinstance(side, int) and side > 0 for side in sides):
        return int(sides[0]), int(sides[1])
    return spec.input.hw


def gives_the_same(path: Path, net: nn.Module, spec: ModelSpec) -> bool:
    """Whether network and file agree on one made-up picture, to 1e-3."""
    backend = open_backend(path, device="cpu", engine="onnxruntime")
    batch = samples.batch(spec, 1)
    try:
        got = backend.run(batch.astype(backend.inputs[0].dtype))
    finally:
        backend.close()
    with torch.inference_mode():
        wanted = [value.numpy() for value in as_list(net(torch.from_numpy(batch)))]
    if len(got) < len(wanted):
        return False
    return all(difference(a, b, spec) <= TOLERANCE for a, b in zip(got, wanted, strict=False))


def complete(checkpoint: Checkpoint, net: nn.Module, missing: tuple[str, ...]) -> Checkpoint:
    """Add the constants that the network brings itself, so that the weights load strictly."""
    own = net.state_dict()
    checkpoint.tensors.update({name: own[name] for name in missing})
    return checkpoint
