"""Build a network without drawing weights that a checkpoint replaces anyway; draw them where there is none."""

from collections.abc import Callable
from contextlib import nullcontext
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
    """Call make() and hand out its module in eval mode.

    Weights that torch would draw are NaN until a checkpoint is loaded; with init they are drawn, as torch does it for
    each layer. Running statistics, normalisation weights and constants are right either way. Costs the memory of the
    weights once; load_state_dict(..., assign=True) puts a checkpoint's own tensors in their place.
    """
    with nullcontext() if init else _NothingDrawn():
        return make().eval()


class SideBySide(nn.Module):
    """A backbone and a head whose layers are registered next to each other, as the published files name them."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        for part in (backbone, head):
            for name, layer in part.named_children():
                self.add_module(name, layer)
        # A tuple is invisible to torch: the layers above are registered once, under the names without a prefix.
        self._parts = (backbone, head)

    def __setattr__(self, name: str, value: Any) -> None:
        """Replace a layer where it is used, too: fusing and quantising put others in place of layers."""
        super().__setattr__(name, value)
        for part in self.__dict__.get("_parts", ()):
            if name in part._modules:
                setattr(part, name, value)

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """(N, 3, H, W) float32 -> what the head makes of it; N may be 0."""
        backbone, head = self._parts
        result: torch.Tensor | tuple[torch.Tensor, ...] = head(backbone(x))
        return result
