"""All networks by name: how to build one, what its published weights expect, and which one a set of weights fits."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, cast

import torch
from torch import nn

from edge_pose.errors import ModelNotFoundError, SpecError
from edge_pose.models import hrnet, nano, resnet
from edge_pose.models.blocks import STRIDE
from edge_pose.models.keymaps import native_key
from edge_pose.models.movenet import build_movenet
from edge_pose.models.specs import HW, OWN, Options, crop_spec, movenet_spec, yolo_spec
from edge_pose.models.yolo import build_yolo11, build_yolo26, build_yolov5, build_yolov8
from edge_pose.spec import ModelSpec, MovenetDecode
from edge_pose.strict import nearest


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One network of the catalog.

    builder: gives the network in eval mode; what this entry fixes is bound to it, options are its other keywords.
    describe: the specification of the published weights, from the name, all options and an input size.
    """

    name: str
    builder: "partial[Any]"
    describe: Callable[[str, Options, HW | None], ModelSpec]

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the keywords that build takes for this network."""
        return tuple(dict.fromkeys([*inspect.signature(self.builder).parameters, "input_hw"]))

    def build(self, *, input_hw: HW | None = None, **options: Any) -> nn.Module:
        """Build the network in eval mode; its weights are NaN until a checkpoint is loaded, random with init=True.

        input_hw: height and width in pixels, multiples of 32. Only SimDR heads are tied to it; the other networks take
        any such size afterwards. Raises SpecError for an unknown option or a wrong value.
        """
        self._check(options, input_hw)
        if input_hw is not None and "input_hw" in inspect.signature(self.builder).parameters:
            options["input_hw"] = input_hw
        net: nn.Module = self.builder(**options)
        return net

    def spec(self, *, input_hw: HW | None = None, **options: Any) -> ModelSpec:
        """Say what the network built with these options expects and gives. Raises SpecError as build does."""
        self._check(options, input_hw)
        if options:  # whether they fit together, the builder knows; nothing of a network's size is allocated
            with torch.device("meta"):
                self.build(input_hw=input_hw, **options)
        return self.describe(self.name, {**self.builder.keywords, **options}, input_hw)

    def _check(self, options: Options, input_hw: HW | None) -> None:
        for option in options:
            if option not in self.options:
                raise SpecError(f"{self.name} has no option {option!r}: {nearest(option, self.options)}")
            usual = inspect.signature(self.builder).parameters[option].default
            if type(usual) in (int, bool, str) and type(options[option]) is not type(usual):
                raise SpecError(f"{self.name}: {option} must be {type(usual).__name__}, got {options[option]!r}")
        if input_hw is not None and (min(input_hw) < 1 or any(side % STRIDE for side in input_hw)):
            raise SpecError(f"input_hw must be (height, width), positive multiples of {STRIDE}, got {input_hw}")


def _entries() -> Iterator[ModelEntry]:
    for variant in ("lightning", "thunder"):
        yield ModelEntry(f"movenet-{variant}", partial(build_movenet, variant), movenet_spec)
    ours = MovenetDecode(stride=float(nano.STRIDE), fall_off=nano.FALL_OFF, votes=True)
    yield ModelEntry("edge-pose-nano", partial(nano.build_nano), partial(movenet_spec, source=OWN, decode=ours))
    for size in "nsmlx":
        yield ModelEntry(f"yolov5{size}", partial(build_yolov5, size), yolo_spec)
    for version, builder in (("v8", build_yolov8), ("11", build_yolo11), ("26", build_yolo26)):
        for size in "nsmlx":
            yield ModelEntry(f"yolo{version}{size}", partial(builder, size), yolo_spec)
            pose = partial(builder, size, classes=1, keypoints=17)
            yield ModelEntry(f"yolo{version}{size}-pose", pose, yolo_spec)
    for name, builder_of in {**hrnet.VARIANTS, **resnet.VARIANTS}.items():
        yield ModelEntry(name, cast("partial[Any]", builder_of), crop_spec)


MODELS: Mapping[str, ModelEntry] = {entry.name: entry for entry in _entries()}


def entry(name: str) -> ModelEntry:
    """Return the entry of that name. Raises ModelNotFoundError naming the nearest ones."""
    if name not in MODELS:
        raise ModelNotFoundError(f"there is no network {name!r}: {nearest(name, MODELS)}")
    return MODELS[name]


def build(name: str, **options: Any) -> nn.Module:
    """Build a network by name, as ModelEntry.build does. Raises ModelNotFoundError and SpecError."""
    return entry(name).build(**options)


@cache
def signature(name: str) -> Mapping[str, tuple[int, ...]]:
    """Return the native names and shapes of a network's weights and buffers; nothing of their size is allocated."""
    with torch.device("meta"):
        return {native_key(key): tuple(value.shape) for key, value in build(name).state_dict().items()}


def identify(keys_and_shapes: Iterable[tuple[str, Iterable[int]]]) -> list[tuple[str, float]]:
    """Say which networks of the catalog a set of weights fits, and how well.

    keys_and_shapes: names and shapes of the weights, as the original authors or MMPose name them; may be empty.
    Returns (name, fit), best first, in the order of the catalog where equal: fit is the share of names that both have
    with the same shape among all names that either has, 1 for a network that loads strictly. Networks without any
    such name are left out.
    """
    weights = {(native_key(key), tuple(int(side) for side in shape)) for key, shape in keys_and_shapes}
    # Only the YOLO family numbers its layers: half of the catalog need not be built.
    numbered = any(key.startswith("model.0.") for key, _ in weights)
    fits = []
    for name in (name for name in MODELS if name.startswith("yolo") == numbered):
        network = set(signature(name).items())
        shared = len(weights & network)
        either = len({key for key, _ in weights} | {key for key, _ in network})
        if shared:
            fits.append((name, shared / either))
    return sorted(fits, key=lambda fit: -fit[1])
