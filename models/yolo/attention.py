"""Position-sensitive self-attention of YOLO11 and YOLO26 (the PSA of Wang et al. 2024, "YOLOv10", sec. 3.3)."""

import torch
from torch import Tensor, nn

from edge_pose.models.yolo.blocks import ConvBn
from edge_pose.models.yolo.grid import sizes

HEAD_CHANNELS = 64


class Attention(nn.Module):
    """Multi-head self-attention over the cells of a map; a depthwise convolution of the values gives position.

    channels: a multiple of 64, one head for each 64. Queries and keys have half the values' width.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(channels // HEAD_CHANNELS, 1)
        self.value = channels // self.heads
        self.key = self.value // 2
        self.scale = self.key**-0.5
        self.qkv = ConvBn(channels, channels + 2 * self.heads * self.key, act=False)
        self.proj = ConvBn(channels, channels, act=False)
        self.pe = ConvBn(channels, channels, 3, groups=channels, act=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        channels, height, width = sizes(x)
        shape = (-1, channels, height, width)
        qkv = self.qkv(x).reshape(-1, self.heads, 2 * self.key + self.value, height * width)
        query, key, value = qkv.split((self.key, self.key, self.value), 2)
        # Scaled before the product: fewer values than after it, and the rounding of the reference.
        weights = ((query * self.scale).transpose(-2, -1) @ key).softmax(-1)
        mixed = (value @ weights.transpose(-2, -1)).reshape(shape)
        y: Tensor = self.proj(mixed + self.pe(value.reshape(shape)))
        return y


class PsaBlock(nn.Module):
    """Attention, then a feed-forward of two 1x1 convolutions, each added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attn = Attention(channels)
        self.ffn = nn.Sequential(ConvBn(channels, 2 * channels), ConvBn(2 * channels, channels, act=False))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        x = x + self.attn(x)
        y: Tensor = x + self.ffn(x)
        return y


class C2Psa(nn.Module):
    """CSP block: half of the channels goes through a chain of PsaBlock, the other half passes by."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.through = channels // 2
        self.cv1 = ConvBn(channels, channels)
        self.cv2 = ConvBn(channels, channels)
        self.m = nn.Sequential(*(PsaBlock(self.through) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        aside, through = self.cv1(x).split(self.through, 1)
        y: Tensor = self.cv2(torch.cat((aside, self.m(through)), 1))
        return y
