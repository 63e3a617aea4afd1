"""ResNet, and SimpleBaseline: a ResNet with three transposed convolutions. Source: Xiao et al. 2018, arXiv 1804.06208.

Keys are those of leoxiaobin/deep-high-resolution-net.pytorch (pose_resnet); pinned by
tests/golden/net_simplebaseline_*.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from edge_pose.errors import SpecError

from .blocks import bottlenecks, check_input
from .construct import construct
from .heads import Kind as HeadKind
from .heads import with_head

DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
DECONVOLVED = 256
MAPS_WITHOUT_DECONV = 28  # SimDR maps per joint at stride 32


def _deconvolutions(channels: int) -> nn.Sequential:
    """Three times twice the resolution."""
    layers: list[nn.Module] = []
    for channels_in in (channels, DECONVOLVED, DECONVOLVED):
        layers.append(nn.ConvTranspose2d(channels_in, DECONVOLVED, 4, stride=2, padding=1, bias=False))
        layers += [nn.BatchNorm2d(DECONVOLVED), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class ResNet(nn.Module):
    """The backbone, with or without the transposed convolutions."""

    def __init__(self, depth: int, deconv: bool) -> None:
        super().__init__()
        counts = DEPTHS[depth]
        self.channels, self.stride = (DECONVOLVED, 4) if deconv else (2048, 32)
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = bottlenecks(64, 64, counts[0])
        self.layer2 = bottlenecks(256, 128, counts[1], stride=2)
        self.layer3 = bottlenecks(512, 256, counts[2], stride=2)
        self.layer4 = bottlenecks(1024, 512, counts[3], stride=2)
        self.deconv_layers = _deconvolutions(2048) if deconv else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W), H and W multiples of 32 -> (N, 256, H/4, W/4), without deconv (N, 2048, H/32, W/32)."""
        check_input(x)
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        features: Tensor = self.deconv_layers(x)
        return features


def build_simplebaseline(
    depth: int = 50,
    joints: int = 17,
    head: HeadKind = "heatmap",
    deconv: bool = True,
    input_hw: tuple[int, int] = (256, 192),
    init: bool = False,
) -> nn.Module:
    """SimpleBaseline on ResNet-50, -101 or -152, with a head, in eval mode.

    forward: (N, 3, H, W) -> heatmaps (N, joints, H/4, W/4), or a tuple: see `heads`. input_hw binds SimDR only.
    deconv=False is SimDR's upsample-free form, with 28 maps per joint at stride 32; RLE never upsamples.
    Without init the weights are NaN until a checkpoint is loaded.
    Raises SpecError for a depth or head that does not exist, for heatmaps without deconv and an input_hw that does
    not fit.
    """
    if depth not in DEPTHS:
        raise SpecError(f"depth must be one of {', '.join(map(str, DEPTHS))}, got {depth}")
    if head == "heatmap" and not deconv:
        raise SpecError("deconv must be True for heatmaps: at stride 32 they are too coarse; use head='simdr' or 'rle'")
    upsample = deconv and head != "rle"
    maps = 1 if upsample else MAPS_WITHOUT_DECONV
    return construct(lambda: with_head(ResNet(depth, upsample), head, joints, input_hw, maps), init)


VARIANTS: dict[str, Callable[[], nn.Module]] = {
    "simplebaseline-50": partial(build_simplebaseline, 50),
    "simplebaseline-101": partial(build_simplebaseline, 101),
    "simplebaseline-152": partial(build_simplebaseline, 152),
    "simplebaseline-50-384x288": partial(build_simplebaseline, 50, input_hw=(384, 288)),
    "simplebaseline-101-384x288": partial(build_simplebaseline, 101, input_hw=(384, 288)),
    "simplebaseline-152-384x288": partial(build_simplebaseline, 152, input_hw=(384, 288)),
    "simplebaseline-50-simdr": partial(build_simplebaseline, 50, head="simdr"),
    "simplebaseline-50-simdr-upfree": partial(build_simplebaseline, 50, head="simdr", deconv=False),
    "resnet-50-rle": partial(build_simplebaseline, 50, head="rle"),
}
