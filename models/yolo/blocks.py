"""Convolution blocks of the YOLO family. Attribute names are those of the published state dicts.

Sources: Wang et al. 2020 (CSPNet), He et al. 2015 (SPP), and the descriptions in the YOLOv5, YOLOv8 and YOLO11
documentation; key names, shapes and arithmetic are pinned by the net_yolo* reference vectors.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

# The vendor's models were trained with this, not with torch's 1e-5: it moves every activation.
BN_EPS = 1e-3


class ConvBn(nn.Module):
    """Convolution without bias, batch norm, SiLU (or nothing). Padding keeps the size at stride 1."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        padding: int | None = None,
        groups: int = 1,
        act: bool = True,
    ) -> None:
        super().__init__()
        pad = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, pad, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(c_out, eps=BN_EPS)
        self.act: nn.Module = nn.SiLU() if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, c_in, H, W) to (N, c_out, H / stride, W / stride)."""
        y: Tensor = self.act(self.bn(self.conv(x)))
        return y


class Bottleneck(nn.Module):
    """Two convolutions over `expansion` times the channels, and the input added where the sizes allow it."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        *,
        shortcut: bool = True,
        kernels: tuple[int, int] = (3, 3),
        expansion: float = 0.5,
    ) -> None:
        super().__init__()
        hidden = int(c_out * expansion)
        self.cv1 = ConvBn(c_in, hidden, kernels[0])
        self.cv2 = ConvBn(hidden, c_out, kernels[1])
        self.add = shortcut and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, c_in, H, W) to (N, c_out, H, W)."""
        y: Tensor = self.cv2(self.cv1(x))
        return x + y if self.add else y


class C3(nn.Module):
    """CSP block with three 1x1 convolutions (YOLOv5): a chain of bottlenecks beside a bypass."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        depth: int = 1,
        *,
        shortcut: bool = True,
        kernels: tuple[int, int] = (1, 3),
    ) -> None:
        super().__init__()
        hidden = c_out // 2
        self.cv1 = ConvBn(c_in, hidden)
        self.cv2 = ConvBn(c_in, hidden)
        self.cv3 = ConvBn(2 * hidden, c_out)
        self.m = nn.Sequential(
            *(Bottleneck(hidden, hidden, shortcut=shortcut, kernels=kernels, expansion=1.0) for _ in range(depth))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, c_in, H, W) to (N, c_out, H, W)."""
        y: Tensor = self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))
        return y


class SplitChain(nn.Module):
    """CSP block whose every step is kept: split in two, feed the second half through a chain, join all.

    With plain bottlenecks it is YOLOv8's C2f; YOLO11 (C3k2) and YOLO26 put other blocks into the chain.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        depth: int,
        block: Callable[[int], nn.Module],
        *,
        expansion: float = 0.5,
    ) -> None:
        super().__init__()
        self.hidden = int(c_out * expansion)
        self.cv1 = ConvBn(c_in, 2 * self.hidden)
        self.cv2 = ConvBn((2 + depth) * self.hidden, c_out)
        self.m = nn.ModuleList(block(self.hidden) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, c_in, H, W) to (N, c_out, H, W)."""
        parts = list(self.cv1(x).split(self.hidden, 1))
        for block in self.m:
            parts.append(block(parts[-1]))
        y: Tensor = self.cv2(torch.cat(parts, 1))
        return y


def c3k(channels: int) -> C3:
    """Return YOLO11's C3k: a CSP block of two bottlenecks of 3x3 convolutions."""
    return C3(channels, channels, 2, kernels=(3, 3))


class Sppf(nn.Module):
    """Spatial pyramid pooling as three 5x5 max pools in a row (equal to pools of 5, 9 and 13)."""

    def __init__(self, c_in: int, c_out: int, *, act: bool = True, shortcut: bool = False) -> None:
        super().__init__()
        hidden = c_in // 2
        self.cv1 = ConvBn(c_in, hidden, act=act)
        self.cv2 = ConvBn(4 * hidden, c_out)
        self.m = nn.MaxPool2d(5, 1, 2)
        self.add = shortcut and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, c_in, H, W) to (N, c_out, H, W)."""
        parts = [self.cv1(x)]
        for _ in range(3):
            parts.append(self.m(parts[-1]))
        y: Tensor = self.cv2(torch.cat(parts, 1))
        return x + y if self.add else y
