"""The body that all YOLO versions share: five strides down, features up and down again, and a head."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from edge_pose.models.blocks import check_input
from edge_pose.models.construct import construct

Pair = tuple[nn.Module, nn.Module]


class Join(nn.Module):
    """Concatenation of two maps by channels; a module, so that the layers keep the published numbers."""

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        """Return (N, Cx + Cbeside, H, W)."""
        return torch.cat((x, beside), 1)


@dataclass(frozen=True)
class Parts:
    """What one version puts into the shared body.

    stages: (halving convolution, block) for strides 4, 8, 16, 32. top: layers after the last stage. rising: the
    blocks at strides 16 and 8 on the way up; lateral: YOLOv5's 1x1 convolution between them. sinking: (halving
    convolution, block) for strides 16 and 32 on the way down.
    """

    stem: nn.Module
    stages: tuple[Pair, Pair, Pair, Pair]
    top: Sequence[nn.Module]
    rising: tuple[nn.Module, nn.Module]
    sinking: tuple[Pair, Pair]
    head: nn.Module
    lateral: nn.Module | None = None


class YoloNet(nn.Module):
    """Path-aggregation network (Liu et al. 2018) over a CSP backbone; `model` holds the numbered layers."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        layers = [parts.stem, *(layer for stage in parts.stages for layer in stage), *parts.top]
        self.neck = len(layers)
        layers += [nn.Upsample(scale_factor=2.0), Join(), parts.rising[0]]
        self.lateral = parts.lateral is not None
        layers += [parts.lateral] if parts.lateral is not None else []
        layers += [nn.Upsample(scale_factor=2.0), Join(), parts.rising[1]]
        for halve, block in parts.sinking:
            layers += [halve, Join(), block]
        self.model = nn.ModuleList([*layers, parts.head])

    @property
    def head(self) -> Any:
        """The last layer."""
        return self.model[-1]

    def maps(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the maps at strides 8, 16 and 32 that the head sees.

        image: (N, 3, H, W), RGB in 0..1. Raises ShapeError if H or W is not a multiple of 32.
        """
        check_input(image)
        m, k = self.model, self.neck
        c3 = chain(m[:5], image)
        c4 = chain(m[5:7], c3)
        c5 = chain(m[7:k], c4)
        p4 = m[k + 2](m[k + 1](m[k](c5), c4))
        if self.lateral:
            k += 1
            p4 = m[k + 2](p4)
        p3 = m[k + 5](m[k + 4](m[k + 3](p4), c3))
        p4 = m[k + 8](m[k + 7](m[k + 6](p3), p4))
        p5 = m[k + 11](m[k + 10](m[k + 9](p4), c5))
        return p3, p4, p5

    def raw(self, image: Tensor) -> Any:
        """Return the head's undecoded tensors for an image as `maps` takes it."""
        return self.head.raw(self.maps(image))

    def forward(self, image: Tensor) -> Tensor:
        """Return the head's decoded output for an image as `maps` takes it; N may be 0."""
        y: Tensor = self.head(self.maps(image))
        return y


def chain(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    """Run layers one after the other."""
    for layer in layers:
        x = layer(x)
    return x


def build(parts: Callable[[], Parts], init: bool) -> YoloNet:
    """Build a network in eval mode; its weights are NaN until a checkpoint is loaded, random with init."""
    net = construct(lambda: YoloNet(parts()), init)
    assert isinstance(net, YoloNet)
    return net
