"""Polarized self-attention, parallel and sequential. Source: Liu et al. 2021, arXiv 2107.00782, fig. 2."""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn

from edge_pose.errors import SpecError

Kind = Literal["psa-p", "psa-s"]


class PolarizedSelfAttention(nn.Module, ABC):
    """What both arrangements share: a weight per channel (the "right" branch) and one per cell (the "left" branch).

    channels: even. The key names are those of the authors' checkpoints.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels < 2 or channels % 2:
            raise SpecError(f"channels must be even and positive for polarized self-attention, got {channels}")
        half = channels // 2
        self.conv_q_right = nn.Conv2d(channels, 1, 1, bias=False)
        self.conv_v_right = nn.Conv2d(channels, half, 1, bias=False)
        self.conv_up = self.channel_mixer(half, channels)
        self.conv_q_left = nn.Conv2d(channels, half, 1, bias=False)
        self.conv_v_left = nn.Conv2d(channels, half, 1, bias=False)

    @abstractmethod
    def channel_mixer(self, half: int, channels: int) -> nn.Module:
        """Make the layers that turn (N, half, 1, 1) into one number per channel."""

    def channel_weights(self, x: Tensor) -> Tensor:
        """Return (N, C, 1, 1) in (0, 1), from an average over the cells with weights that they choose themselves."""
        cells = self.conv_q_right(x).flatten(2).softmax(2)
        context = self.conv_v_right(x).flatten(2) @ cells.transpose(1, 2)
        return torch.sigmoid(self.conv_up(context.unsqueeze(3)))

    def cell_parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pooled query (N, 1, C/2) and the values (N, C/2, H*W) of the spatial branch."""
        query = self.conv_q_left(x).mean((2, 3)).unsqueeze(1)
        return query, self.conv_v_left(x).flatten(2)


class ParallelPSA(PolarizedSelfAttention):
    """Both weights are made from the same map and their results are added.

    The authors' code differs from the paper, and the code is followed (it made the weights): the channel branch has
    no LayerNorm, and the softmax of the spatial branch is taken over the cells of the product, not of the query.
    """

    def channel_mixer(self, half: int, channels: int) -> nn.Module:
        """Mix linearly."""
        return nn.Conv2d(half, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh a map (N, C, H, W); N may be 0."""
        query, values = self.cell_parts(x)
        cells = torch.sigmoid((query @ values).softmax(2)).reshape(-1, 1, *x.shape[2:])
        weighed: Tensor = x * self.channel_weights(x) + x * cells
        return weighed


class SequentialPSA(PolarizedSelfAttention):
    """Channel weights first; the cell weights are made from the map that they give.

    Again as in the authors' code: the softmax of the spatial branch is taken over the cells of the values.
    """

    def channel_mixer(self, half: int, channels: int) -> nn.Module:
        """Mix through a layer of a quarter of the channels, normalised."""
        narrow = max(half // 4, 1)
        return nn.Sequential(
            nn.Conv2d(half, narrow, 1),
            nn.LayerNorm([narrow, 1, 1]),
            nn.ReLU(inplace=True),
            nn.Conv2d(narrow, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Weigh a map (N, C, H, W); N may be 0."""
        x = x * self.channel_weights(x)
        query, values = self.cell_parts(x)
        cells = torch.sigmoid(query @ values.softmax(2)).reshape(-1, 1, *x.shape[2:])
        weighed: Tensor = x * cells
        return weighed


KINDS: dict[Kind, type[ParallelPSA] | type[SequentialPSA]] = {"psa-p": ParallelPSA, "psa-s": SequentialPSA}
