"""The MoveNet re-implementation of fire717/movenet.pytorch: its own names, normalisation layers that are not folded.

Architecture and names as that repository's checkpoints have them (MIT); pinned by tests/golden/net_movenet_fire717.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_pose.models.construct import construct

JOINTS = 17


def build_movenet_fire717(*, init: bool = False) -> "MoveNetFire717":
    """Build the network in eval mode; its weights are NaN until a checkpoint is loaded, random with `init`."""
    net = construct(MoveNetFire717, init)
    assert isinstance(net, MoveNetFire717)
    return net


class MoveNetFire717(nn.Module):
    """Pictures to the four maps that hold one person's joints.

    forward: pictures (N, 3, 192, 192) RGB with values 0..255. Returns heatmaps (N, 17, 48, 48) and centres
    (N, 1, 48, 48), both in 0..1, regression (N, 34, 48, 48) and offsets (N, 34, 48, 48) in cells, (x, y) per joint.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.header = Header()

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Run the network; see the class for shapes and units."""
        features = self.backbone(pictures.to(self.backbone.conv1.weight.dtype) / 127.5 - 1)
        maps: tuple[Tensor, Tensor, Tensor, Tensor] = self.header(features)
        return maps


class Backbone(nn.Module):
    """MobileNetV2 with a way back up: (N, 3, S, S) in -1..1 to (N, 24, S/4, S/4)."""

    def __init__(self) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU())
        self.features1 = nn.Sequential(stem, separable_stem(), Stage(16, 24, 2, 2))
        self.features2 = Stage(24, 32, 2, 3)
        self.features3 = Stage(32, 64, 2, 4)
        last = nn.Sequential(nn.Conv2d(320, 1280, 1, bias=False), nn.BatchNorm2d(1280), nn.ReLU())
        self.features4 = nn.Sequential(
            Stage(64, 96, 1, 3), Stage(96, 160, 2, 3), Stage(160, 320, 1, 1), last, nn.Conv2d(1280, 64, 1, bias=False)
        )
        self.upsample2 = mix(64, 32)
        self.upsample1 = mix(32, 24)
        self.conv3 = nn.Conv2d(64, 64, 1)
        self.conv2 = nn.Conv2d(32, 32, 1)
        self.conv1 = nn.Conv2d(24, 24, 1)
        self.conv4 = separable(24, 24)

    def forward(self, x: Tensor) -> Tensor:
        """Return the finest level."""
        fine = self.features1(x)
        middle = self.features2(fine)
        coarse = self.features3(middle)
        x = double(self.features4(coarse)) + self.conv3(coarse)
        x = double(self.upsample2(x)) + self.conv2(middle)
        x = double(self.upsample1(x)) + self.conv1(fine)
        finest: Tensor = self.conv4(x)
        return finest


class Stage(nn.Module):
    """Inverted residual blocks; the first one sets stride and width, the inner width stays the first one's."""

    def __init__(self, width: int, out: int, stride: int, blocks: int) -> None:
        super().__init__()
        inner = 6 * width
        self.conv1 = bottleneck(width, inner, out, stride, bias=True)
        self.conv2 = nn.ModuleList([bottleneck(out, inner, out, 1, bias=False) for _ in range(blocks - 1)])

    def forward(self, x: Tensor) -> Tensor:
        """Add each later block to what it got."""
        x = self.conv1(x)
        for block in self.conv2:
            x = x + block(x)
        return x


class Header(nn.Module):
    """The four heads."""

    def __init__(self) -> None:
        super().__init__()
        self.header_heatmaps = head(JOINTS)
        self.header_centers = head(1)
        self.header_regs = head(2 * JOINTS)
        self.header_offsets = head(2 * JOINTS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return heatmaps, centres, regression, offsets."""
        heatmaps, centres = torch.sigmoid(self.header_heatmaps(x)), torch.sigmoid(self.header_centers(x))
        return heatmaps, centres, self.header_regs(x), self.header_offsets(x)


def bottleneck(width: int, inner: int, out: int, stride: int, bias: bool) -> nn.Sequential:
    """Return one block; `bias` is that of the 3x3 filters, beside their normalisation."""
    filters = nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=bias)
    return nn.Sequential(
        *(nn.Conv2d(width, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU()),
        *(filters, nn.BatchNorm2d(inner), nn.ReLU()),
        *(nn.Conv2d(inner, out, 1, bias=False), nn.BatchNorm2d(out)),
    )


def separable_stem() -> nn.Sequential:
    """Return the block without expansion that follows the stem."""
    filters = nn.Conv2d(32, 32, 3, 1, 1, groups=32, bias=False)
    return nn.Sequential(filters, nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 16, 1, bias=False), nn.BatchNorm2d(16))


def separable(width: int, out: int) -> nn.Sequential:
    """Return a 3x3 filter per channel and a mix of the channels, each normalised, ReLU at the end only."""
    filters = nn.Conv2d(width, width, 3, 1, 1, groups=width, bias=False)
    mixed = nn.Conv2d(width, out, 1, bias=False)
    return nn.Sequential(filters, nn.BatchNorm2d(width), mixed, nn.BatchNorm2d(out), nn.ReLU())


def mix(width: int, out: int) -> nn.Sequential:
    """Return the filter between two levels on the way up."""
    mixed = nn.Sequential(nn.Conv2d(width, out, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU())
    return nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, groups=width), nn.ReLU(), mixed)


def head(out: int) -> nn.Sequential:
    """Return one head: 24 channels to `out` maps."""
    return nn.Sequential(separable(24, 96), nn.Conv2d(96, out, 1))


def double(x: Tensor) -> Tensor:
    """Double height and width by bilinear interpolation."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
