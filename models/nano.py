"""edge-pose-nano, this project's own: a plain residual network, a feature pyramid, MoveNet's heads and decoder.

Dense 3x3 convolutions, as in ResNet (He et al. 2016): in the same time they learn more than separable ones, and gain
more from INT8. Batch normalisation is folded: every convolution has a bias.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from edge_pose.models.construct import construct
from edge_pose.models.movenet import Decode, Layout, SinglePose

STRIDE = 8  # pixels of the input per cell of the heads, which are small: the offsets say where in a cell
# Its heatmaps show one person only, so that a peak may be far from where the regression, much coarser, expects it.
FALL_OFF = 8.0


@dataclass(frozen=True, slots=True)
class NanoConfig:
    """Channels of the stem and of the stages of stride 4, 8, 16 and 32, their residual blocks, channels of the pyramid.

    input_hw: height and width of the pictures.
    """

    stem: int = 24
    widths: tuple[int, ...] = (32, 64, 112, 128)
    blocks: tuple[int, ...] = (1, 2, 3, 1)
    pyramid: int = 64
    input_hw: tuple[int, int] = (192, 192)


def build_nano(
    *,
    decode: Decode = "inside",
    layout: Layout = "nhwc",
    input_hw: tuple[int, int] | None = None,
    init: bool = False,
) -> "Nano":
    """Build the network in eval mode; the keywords are those of build_movenet, and so are the errors."""
    config = NanoConfig() if input_hw is None else replace(NanoConfig(), input_hw=input_hw)
    net = construct(lambda: Nano(config, decode=decode, layout=layout), init)
    assert isinstance(net, Nano)
    return net


class Nano(SinglePose):
    """The network; SinglePose says what goes in and what comes out."""

    def __init__(self, config: NanoConfig, *, decode: Decode = "inside", layout: Layout = "nhwc") -> None:
        width = config.pyramid
        super().__init__(
            config,
            Trunk(config),
            lambda out: head(width, out),
            decode=decode,
            layout=layout,
            stride=STRIDE,
            fall_off=FALL_OFF,
            votes=True,
        )


class Trunk(nn.Module):
    """(N, 3, H, W) in -1..1 to (N, pyramid, H/8, W/8)."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        self.stem = conv(3, config.stem, 5, 2)
        widths = (config.stem, *config.widths)
        self.stages = nn.ModuleList(
            nn.Sequential(conv(width, out, 3, 2), nn.ReLU(), *[Residual(out) for _ in range(blocks)])
            for (width, out), blocks in zip(pairwise(widths), config.blocks, strict=True)
        )
        self.inner = nn.ModuleList(conv(width, config.pyramid, 1) for width in config.widths[1:])
        self.outer = nn.ModuleList(conv(config.pyramid, config.pyramid, 3) for _ in config.widths[2:])

    def forward(self, x: Tensor) -> Tensor:
        """Return the finest level of the pyramid."""
        x = F.relu(self.stem(x))
        x = self.stages[0](x)
        levels = []
        for stage in self.stages[1:]:
            x = stage(x)
            levels.append(x)
        x = self.inner[-1](x)
        for level in range(len(levels) - 2, -1, -1):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = F.relu(self.outer[level](F.relu(x + self.inner[level](levels[level]))))
        return x


class Residual(nn.Module):
    """Two 3x3 convolutions and the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = conv(width, width, 3), conv(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return F.relu(x + self.second(F.relu(self.first(x))))


def conv(width: int, out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Return a convolution with bias that keeps the size, or halves it at stride 2."""
    return nn.Conv2d(width, out, kernel, stride, kernel // 2)


def head(width: int, out: int) -> nn.Sequential:
    """Return one of the four heads: `width` channels to `out` maps."""
    return nn.Sequential(conv(width, width, 1), nn.ReLU(), conv(width, out, 1))
