"""Puts a checkpoint's weights into a network, or says exactly why they do not fit."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edge_pose.errors import CheckpointError
from edge_pose.models.loading import Checkpoint
from edge_pose.models.renames import HARMLESS, best_renaming, looks_like

# A graph's constants are initialisers, too: what is left over of such a file means nothing.
WITH_CONSTANTS = ("onnx",)
SHOWN = 5


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What load_into did.

    loaded: how many weights were set; renamed: what was done to the file's names, "" for nothing, else such as
    "-module." or "mmpose's names"; folded: convolutions that came with their normalisation folded in; missing: names
    of the network that keep their values; left_over: names of the file that were not used.
    """

    loaded: int
    renamed: str
    folded: int
    missing: tuple[str, ...]
    left_over: tuple[str, ...]


def load_into(module: nn.Module, checkpoint: Checkpoint, *, strict: bool = True) -> LoadReport:
    """Copy a checkpoint's weights into a network, in the network's own types; all of them, or none.

    Wrappers' prefixes (module., model., ...) and MMPose's names are understood and reported. Where the file was
    exported with normalisation folded into the convolutions, the network's normalisation becomes the identity.
    strict=False lets names be missing or left over. Raises CheckpointError, naming the weights, for those (if strict),
    for other shapes or types, for NaN and infinity, and when nothing fits; it also says which network would fit.
    """
    own = module.state_dict(keep_vars=True)
    # Buffers that are no part of a state dict may be brought by a file, and need not be.
    target = own | {name: buffer for name, buffer in module.named_buffers() if name not in own}
    way = best_renaming(shapes(checkpoint.tensors), shapes(target))
    given = {ours: checkpoint.tensors[theirs] for ours, theirs in way.names.items()}
    folded = list(folded_pairs(module, given))
    for pair in folded:
        give_identity(pair, given)
    missing = tuple(name for name in own if name not in given and not name.endswith(HARMLESS))
    left_over = tuple(way.names.get(name, name) for name in given if name not in target and not name.endswith(HARMLESS))
    problems = misfits(given, target)
    if strict:
        problems[:0] = counted("missing", missing)
        if checkpoint.format not in WITH_CONSTANTS:
            problems[len(problems) :] = counted("left over", left_over)
    fitting = [name for name in given if name in target]
    if problems or not fitting:
        what = "; ".join(problems) or f"none of its {len(given)} names is one of the network's {len(own)}"
        hint = looks_like(shapes(checkpoint.tensors))
        if checkpoint.format == "onnx" and not fitting:
            hint = hint or "; a graph that lost its names is read with load_nameless_onnx"
        raise CheckpointError(f"these weights do not fit {type(module).__name__}: {what}{hint}")
    with torch.no_grad():
        for name in fitting:
            target[name].copy_(given[name])
    return LoadReport(len(fitting), way.words, len(folded), missing, left_over)


def shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Return the shapes by name."""
    return {name: tuple(value.shape) for name, value in tensors.items()}


def misfits(given: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> list[str]:
    """Describe the weights that have a place in the network, but cannot go there."""
    both = [(name, given[name], target[name]) for name in given if name in target]
    other_shape = [
        f"{name} {tuple(value.shape)} instead of {tuple(place.shape)}"
        for name, value, place in both
        if value.shape != place.shape
    ]
    other_type = [
        f"{name} {value.dtype} instead of {place.dtype}"
        for name, value, place in both
        if value.is_floating_point() != place.is_floating_point()
    ]
    broken = [name for name, value, _ in both if value.is_floating_point() and not value.isfinite().all()]
    return [
        *counted("of another shape", other_shape),
        *counted("of another type", other_type),
        *counted("not finite", broken),
    ]


def counted(word: str, names: Sequence[str]) -> list[str]:
    """Say how many there are and name the first few; nothing where there are none."""
    if not names:
        return []
    return [f"{len(names)} {word} ({', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''})"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A convolution and the normalisation right behind it, by name."""

    conv: str
    norm: str
    layer: nn.BatchNorm2d
    has_bias: bool


def folded_pairs(module: nn.Module, given: Mapping[str, Tensor]) -> Iterator[Pair]:
    """Yield the pairs of the network of which the file has the convolution with a bias, and no normalisation."""
    for prefix, parent in module.named_modules():
        children = [(f"{prefix}.{name}".lstrip("."), child) for name, child in parent.named_children()]
        for (conv, layer), (norm, behind) in itertools.pairwise(children):
            if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) or not isinstance(behind, nn.BatchNorm2d):
                continue
            absent = not any(f"{norm}.{part}" in given for part in ("weight", "bias", "running_mean", "running_var"))
            if behind.num_features == layer.out_channels and absent and f"{conv}.bias" in given:
                yield Pair(conv, norm, behind, layer.bias is not None)


def give_identity(pair: Pair, given: dict[str, Tensor]) -> None:
    """Add to the weights a normalisation that changes nothing but adds the bias, if the convolution has none."""
    channels, norm = pair.layer.num_features, pair.norm
    bias = given[f"{pair.conv}.bias"] if pair.has_bias else given.pop(f"{pair.conv}.bias")
    given[f"{norm}.weight"] = torch.full((channels,), (1 + pair.layer.eps) ** 0.5)
    given[f"{norm}.bias"] = torch.zeros(channels) if pair.has_bias else bias
    given[f"{norm}.running_mean"] = torch.zeros(channels)
    given[f"{norm}.running_var"] = torch.ones(channels)
