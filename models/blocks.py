"""Residual blocks that HRNet and ResNet share. Layers without a state are created last: they have no key."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from edge_pose.errors import ShapeError

STRIDE = 32  # of the deepest map: sides of the input are multiples of it

Attention = Callable[[int], nn.Module]


def conv_bn(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """Pair a convolution that keeps the size (at stride 1) with its normalisation."""
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
    return conv, nn.BatchNorm2d(channels_out)


def tracing() -> bool:
    """Say whether a graph is being recorded: a check of shapes would end up in it, or warn."""
    recording: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return recording


def check_input(x: Tensor) -> None:
    """Raise ShapeError unless x is (N, 3, H, W) with H and W multiples of 32. Says nothing while a graph is traced."""
    if tracing():
        return
    if x.ndim != 4 or x.shape[1] != 3 or x.shape[2] % STRIDE or x.shape[3] % STRIDE:
        raise ShapeError(
            f"x must be (N, 3, H, W) with H and W multiples of {STRIDE}, got {tuple(x.shape)}; "
            "choose another input size or pad the picture"
        )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and the identity (He et al. 2016), with self-attention after the first one if asked."""

    def __init__(self, channels: int, attention: Attention | None = None) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(channels, channels, 3)
        self.deattn = attention(channels) if attention else nn.Identity()
        self.conv2, self.bn2 = conv_bn(channels, channels, 3)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> the same shape."""
        y = self.deattn(self.relu(self.bn1(self.conv1(x))))
        out: Tensor = self.relu(self.bn2(self.conv2(y)) + x)
        return out


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride), 1x1 to four times the channels, and a shortcut (He et al. 2016)."""

    expansion = 4

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        channels_out = channels * self.expansion
        self.conv1, self.bn1 = conv_bn(channels_in, channels, 1)
        self.conv2, self.bn2 = conv_bn(channels, channels, 3, stride)
        self.conv3, self.bn3 = conv_bn(channels, channels_out, 1)
        same = stride == 1 and channels_in == channels_out
        self.downsample = nn.Identity() if same else nn.Sequential(*conv_bn(channels_in, channels_out, 1, stride))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels_in, H, W) -> (N, 4 channels, H / stride, W / stride), rounded up."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        out: Tensor = self.relu(self.bn3(self.conv3(y)) + self.downsample(x))
        return out


def bottlenecks(channels_in: int, channels: int, count: int, stride: int = 1) -> nn.Sequential:
    """Put bottlenecks in a row; the first one has the stride and changes the number of channels."""
    wide = channels * Bottleneck.expansion
    rest = [Bottleneck(wide, channels) for _ in range(count - 1)]
    return nn.Sequential(Bottleneck(channels_in, channels, stride), *rest)
