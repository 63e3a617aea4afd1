"""Build a network without drawing weights that a checkpoint replaces anyway; draw them where there is none."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

RANDOM = frozenset({nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_, nn.init.kaiming_normal_})


class _NothingDrawn(TorchFunctionMode):
    """Inside, torch's random initialisers write NaN: forgotten weights are seen at once, not taken for bad accuracy."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in RANDOM:
            # torch hands the tensor to a mode by name, whatever the caller did.
            return nn.init.constant_(kwargs["tensor"] if "tensor" in kwargs else args[0], float("nan"))
        return func(*args, **kwargs)


def construct(make: Callable[[], nn.Module], init: bool) -> nn.Module:
    """Call make() and hand out its module in eval mode, on the CPU.

    Weights that would be random are NaN until a checkpoint is loaded; with init they start as `draw_weights` says.
    Running statistics and normalisation weights have their usual start values either way. Costs the memory of the
    weights once; load_state_dict(..., assign=True) puts a checkpoint's own tensors in their place.
    """
    with _NothingDrawn():
        net = make()
    if init:
        draw_weights(net)
    return net.eval()


def draw_weights(net: nn.Module) -> None:
    """Start values for training: convolutions N(0, 0.001), linear layers Xavier with gain 0.01, biases 0.

    Every activation is normalised by a BatchNorm behind the convolution, so small weights are no obstacle, and heads
    begin near zero. Source: Sun et al. 2019 (convolutions), Li et al. 2021 "Human Pose Regression" (linear layers).
    """
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=0.001)
        elif isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight, gain=0.01)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


class SideBySide(nn.Module):
    """A backbone and a head whose layers are registered next to each other, as the published files name them."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        for part in (backbone, head):
            for name, layer in part.named_children():
                self.add_module(name, layer)
        # A tuple is invisible to torch: the layers above are registered once, under the names without a prefix.
        self._parts = (backbone, head)

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """(N, 3, H, W) float32 -> what the head makes of it; N may be 0."""
        backbone, head = self._parts
        result: torch.Tensor | tuple[torch.Tensor, ...] = head(backbone(x))
        return result
