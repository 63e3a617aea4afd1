"""Networks of the catalog and weights that go into them: everything of an export that needs torch to be decided."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from edge_pose import zoo
from edge_pose.errors import CheckpointError, ExportError, ModelNotFoundError, SpecError
from edge_pose.models.blocks import STRIDE
from edge_pose.models.catalog import MODELS, signature
from edge_pose.models.checkpoints import Checkpoint
from edge_pose.models.fitting import load_into
from edge_pose.models.fitting import shapes as shapes_of
from edge_pose.models.movenet_plan import TABLE_NAMES
from edge_pose.models.onnx_weights import read_onnx
from edge_pose.models.renames import look_alikes
from edge_pose.strict import nearest

HW = tuple[int, int]
ANOTHER = 0.6  # share of names and shapes from which weights are those of another network, not a graph of its own
SIMILAR = 1.5  # sizes of a family are further apart than that


def check_name(name: str) -> None:
    """Raise ModelNotFoundError for what is neither a network nor a model of the zoo."""
    known = {*MODELS, *zoo.entries()}
    if name not in known:
        raise ModelNotFoundError(f"there is no model {name!r} to export: {nearest(name, known)}")


def check_options(name: str, options: dict[str, Any]) -> None:
    """Refuse what a network cannot be built with, before anything is fetched. Raises SpecError."""
    try:
        MODELS[name].spec(**options)
    except KeyError as err:
        raise SpecError(f"{name} has no {err.args[0]!r}: one of the values of --option is unknown") from err


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


def check_variant(path: Path, name: str) -> None:
    """Raise CheckpointError for a graph that is far from the network in size."""
    have = sum(entry.count for entry in read_onnx(path).initializers.values() if len(entry.shape) > 1)
    wanted = sum(math.prod(shape) for shape in signature(name).values() if len(shape) > 1)
    if not 1 / SIMILAR < have / wanted < SIMILAR:
        raise CheckpointError(
            f"{path.name} has {have / 1e6:.2f} million weights, {name} has {wanted / 1e6:.2f}: it is another variant "
            "(describe it with --spec if it is another model altogether)"
        )
