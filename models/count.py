"""How large and how costly a network is, computed without weights: everything runs on torch's meta device."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from edge_pose.models.catalog import entry

FOLDS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one network weighs and does.

    parameters: all that the module holds, as its checkpoint has them (buffers are not counted).
    deployed: those that inference uses, with every BatchNorm folded into the layer before it; the published tables of
    the YOLO family count so. flops: of one forward pass, 2 for each multiply-add of convolutions, linear layers and
    matrix products; activations, normalisation, pooling and decoding are not counted.
    """

    parameters: int
    deployed: int
    flops: int

    @property
    def gflops(self) -> float:
        """Flops in units of 10^9."""
        return self.flops / 1e9


def cost_of(name: str, **options: Any) -> Cost:
    """Return the cost of a network of the catalog for one picture of its input size; options as for build.

    Raises ModelNotFoundError and SpecError as build does.
    """
    model = entry(name)
    about = model.spec(**options).input
    shape = (3, *about.hw) if about.layout == "NCHW" else (*about.hw, 3)
    with torch.device("meta"):
        # Tables that a network makes of numpy arrays are on the CPU even here.
        return cost(model.build(**options).to("meta"), torch.empty(1, *shape))


def cost(net: nn.Module, picture: Tensor) -> Cost:
    """Return the cost of a network for an input tensor; both may be on the meta device."""
    ran: set[nn.Module] = set()
    made_by: dict[int, tuple[Tensor, nn.Module]] = {}
    folded: dict[nn.Module, int] = {}

    def see(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        ran.add(module)
        if isinstance(module, FOLDS):
            made_by[id(output)] = output, module  # held, so that no other tensor gets the same id
        elif isinstance(module, nn.BatchNorm2d) and id(inputs[0]) in made_by:
            before = made_by[id(inputs[0])][1]
            # Scale and shift vanish, but a layer without a bias gets one.
            folded[module] = module.num_features * (1 if before.bias is None else 2)

    hooks = [module.register_forward_hook(see) for module in net.modules()]
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            net(picture)
    finally:
        for hook in hooks:
            hook.remove()
    used = sum(p.numel() for module in ran for p in module.parameters(recurse=False))
    return Cost(
        parameters=sum(p.numel() for p in net.parameters()),
        deployed=used - sum(folded.values()),
        flops=counter.get_total_flops(),
    )
