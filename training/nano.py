"""The network while it learns: each convolution of the trunk with a batch normalisation, folded away later."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_pose.models.nano import Nano, Residual, build_nano

PRIOR = -4.6  # logit of 0.01: most cells of a heatmap are nobody's (Lin et al. 2017, sec. 4.1)


class Normed(nn.Module):
    """A convolution and the normalisation of what it gives; stands where the convolution stood."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,  # type: ignore[arg-type]
            conv.stride,  # type: ignore[arg-type]
            conv.padding,  # type: ignore[arg-type]
            groups=conv.groups,
            bias=False,
        )
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out")
        self.norm = nn.BatchNorm2d(conv.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve and normalise."""
        y: Tensor = self.norm(self.conv(x))
        return y

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the one convolution that does the same."""
        scale = self.norm.weight / torch.sqrt(self.norm.running_var + self.norm.eps)  # type: ignore[operator]
        bias = self.norm.bias - self.norm.running_mean * scale  # type: ignore[operator]
        return self.conv.weight * scale.view(-1, 1, 1, 1), bias


def learner() -> Nano:
    """The network to train: raw heads out, pictures (N, 3, H, W) RGB 0..255 in, fresh weights."""
    net = build_nano(decode="outside", layout="nchw", init=True)
    for name, module in list(net.backbone.named_modules()):
        if isinstance(module, nn.Conv2d):
            _put(net.backbone, name, Normed(module))
    for block in net.modules():
        if isinstance(block, Residual):  # begins as the identity (Goyal et al. 2017, sec. 5.1)
            nn.init.zeros_(block.second.norm.weight)  # type: ignore[arg-type]
    for head in (net.hm, net.hps, net.hm_hp, net.hp_offset):
        assert isinstance(head, nn.Sequential)
        nn.init.normal_(head[-1].weight, std=0.01)  # type: ignore[arg-type]
        nn.init.zeros_(head[-1].bias)  # type: ignore[arg-type]
    for heatmap in (net.hm, net.hm_hp):
        nn.init.constant_(heatmap[-1].bias, PRIOR)  # type: ignore[arg-type, index]
    for parameter in net.parameters():
        parameter.requires_grad_(True)
    return net


def folded_state(net: nn.Module) -> dict[str, Tensor]:
    """Return the state dict of the plain network that does what the learner does in eval mode."""
    state: dict[str, Tensor] = {}
    for name, module in net.named_modules():
        if isinstance(module, Normed):
            state[f"{name}.weight"], state[f"{name}.bias"] = (t.detach().clone() for t in module.folded())
        elif isinstance(module, nn.Conv2d) and not name.endswith(".conv"):
            assert module.bias is not None
            state[f"{name}.weight"] = module.weight.detach().clone()
            state[f"{name}.bias"] = module.bias.detach().clone()
    return state


def _put(root: nn.Module, name: str, module: nn.Module) -> None:
    """Replace the module of a dotted name."""
    parent, _, last = name.rpartition(".")
    setattr(root.get_submodule(parent), last, module)
