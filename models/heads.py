"""What stands on a backbone: heatmaps, a vector per axis (SimDR), or coordinates with their uncertainty (RLE)."""

import difflib
from typing import Literal, Protocol, cast, get_args

import torch
from torch import Tensor, nn

from edge_pose.errors import ShapeError, SpecError

from .blocks import STRIDE, tracing
from .construct import SideBySide
from .flow import RealNVP

Kind = Literal["heatmap", "simdr", "simdr-star", "rle"]

BINS_PER_PX = 2  # SimDR's split ratio


class Backbone(Protocol):
    """What a head must know of the network below it: the channels of its map and its stride in input pixels."""

    channels: int
    stride: int


class HeatmapHead(nn.Module):
    """One map per joint. Source: Xiao et al. 2018; Sun et al. 2019."""

    def __init__(self, channels: int, joints: int) -> None:
        super().__init__()
        self.final_layer = nn.Conv2d(channels, joints, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, joints, h, w)."""
        maps: Tensor = self.final_layer(x)
        return maps


class SimDRHead(nn.Module):
    """Every joint as two classifications, one over x and one over y, in bins of half an input pixel.

    input_hw: the size (H, W) of the pictures; the linear layers are tied to it. maps: maps per joint.
    Source: Li et al. 2021, arXiv 2107.03332. SimDR* is this very network, trained on Gaussian instead of one-hot bins.
    """

    def __init__(self, channels: int, joints: int, stride: int, input_hw: tuple[int, int], maps: int = 1) -> None:
        super().__init__()
        height, width = input_hw
        self.joints = joints
        self.grid_hw = (height // stride, width // stride)
        self.cells = maps * self.grid_hw[0] * self.grid_hw[1]
        self.final_layer = nn.Conv2d(channels, joints * maps, 1)
        self.mlp_head_x = nn.Linear(self.cells, width * BINS_PER_PX)
        self.mlp_head_y = nn.Linear(self.cells, height * BINS_PER_PX)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, h, w) -> x logits (N, joints, 2 W) and y logits (N, joints, 2 H), without softmax.

        Raises ShapeError for a map of another size than input_hw gives.
        """
        if not tracing() and tuple(x.shape[2:]) != self.grid_hw:
            raise ShapeError(
                f"feature map must be {self.grid_hw} cells (h, w), got {tuple(x.shape[2:])}; "
                "build the network with the input_hw of your pictures"
            )
        rows = self.final_layer(x).reshape(-1, self.joints, self.cells)
        return self.mlp_head_x(rows), self.mlp_head_y(rows)


class UnitLinear(nn.Module):
    """A linear layer whose weights see only the direction of their input: W (x / |x|) + b; of no input, b."""

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, features) -> (N, outputs)."""
        y: Tensor = self.linear(nn.functional.normalize(x, dim=1))
        return y


class PlainLinear(nn.Module):
    """A linear layer under the name that the published files give it."""

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, features) -> (N, outputs)."""
        y: Tensor = self.linear(x)
        return y


class RLENet(nn.Module):
    """Coordinates from pooled features, each with a sigma that training calibrates through the flow.

    The score of a joint is the mean of 1 - sigma. `flow.log_prob` is for training; forward leaves it alone.
    Source: Li et al. 2021, arXiv 2107.11291.
    """

    def __init__(self, backbone: nn.Module, channels: int, joints: int) -> None:
        super().__init__()
        self.preact = backbone
        self.joints = joints
        self.fc_coord = UnitLinear(channels, joints * 2)
        self.fc_sigma = PlainLinear(channels, joints * 2)
        self.flow = RealNVP()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) -> xy (N, joints, 2), 0 at the crop's centre and +-0.5 at its edges, and sigma (N, joints, 2).

        N may be 0; sigma is in (0, 1), in the units of xy.
        """
        pooled = self.preact(x).mean((2, 3))
        xy = self.fc_coord(pooled).reshape(-1, self.joints, 2)
        sigma = torch.sigmoid(self.fc_sigma(pooled)).reshape(-1, self.joints, 2)
        return xy, sigma


def with_head(backbone: nn.Module, kind: Kind, joints: int, input_hw: tuple[int, int], maps: int = 1) -> nn.Module:
    """Join a backbone (with `channels` and `stride`) and the head of that kind.

    maps: maps per joint, for SimDR. Raises SpecError for an unknown kind, fewer than one joint, or an input_hw that
    is not made of positive multiples of 32.
    """
    kinds = get_args(Kind)
    if kind not in kinds:
        near = difflib.get_close_matches(str(kind), kinds, 1, 0.0)[0]
        raise SpecError(f"head must be one of {', '.join(kinds)}, got {kind!r}; did you mean {near!r}?")
    if joints < 1:
        raise SpecError(f"joints must be 1 or more, got {joints}")
    if min(input_hw) < 1 or any(side % STRIDE for side in input_hw):
        raise SpecError(f"input_hw must be (height, width), positive multiples of {STRIDE}, got {input_hw}")
    about = cast(Backbone, backbone)
    if kind == "rle":
        return RLENet(backbone, about.channels, joints)
    if kind == "heatmap":
        return SideBySide(backbone, HeatmapHead(about.channels, joints))
    return SideBySide(backbone, SimDRHead(about.channels, joints, about.stride, input_hw, maps))
