"""HRNet: a network that keeps a high-resolution map from end to end. Source: Sun et al. 2019, arXiv 1902.09212.

Keys are those of leoxiaobin/deep-high-resolution-net.pytorch; pinned by tests/golden/net_hrnet_*.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from edge_pose.errors import SpecError

from .attention import KINDS
from .attention import Kind as AttentionKind
from .blocks import Attention, BasicBlock, bottlenecks, check_input, conv_bn
from .construct import construct
from .heads import Kind as HeadKind
from .heads import with_head

BLOCKS = 4  # residual blocks per branch and module
MODULES = (1, 4, 3)  # of stages 2, 3, 4, which have 2, 3, 4 branches


def _down(channels_in: int, channels_out: int, relu: bool) -> nn.Sequential:
    """Half the resolution."""
    layers: list[nn.Module] = list(conv_bn(channels_in, channels_out, 3, stride=2))
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if relu else []))


def _fuse(source: int, target: int, channels: list[int]) -> nn.Module:
    """Bring the map of branch `source` to the size and channels of branch `target`."""
    if source == target:
        return nn.Identity()
    if source > target:
        up = nn.Upsample(scale_factor=float(2 ** (source - target)), mode="nearest")
        return nn.Sequential(*conv_bn(channels[source], channels[target], 1), up)
    steps = [_down(channels[source], channels[source], relu=True) for _ in range(target - source - 1)]
    return nn.Sequential(*steps, _down(channels[source], channels[target], relu=False))


class ExchangeModule(nn.Module):
    """Branches of residual blocks at resolutions 1, 1/2, 1/4 ..., then each output is the sum of all branches."""

    def __init__(self, channels: list[int], outputs: int, attention: Attention | None) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [nn.Sequential(*(BasicBlock(c, attention) for _ in range(BLOCKS))) for c in channels]
        )
        self.fuse_layers = nn.ModuleList(
            [nn.ModuleList([_fuse(j, i, channels) for j in range(len(channels))]) for i in range(outputs)]
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """One map per branch, the finest first -> the first `outputs` of them, fused."""
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        fused = []
        for row in self.fuse_layers:
            first, *others = [layer(x) for layer, x in zip(row, maps, strict=True)]  # type: ignore[call-overload]
            for other in others:
                first = first + other
            fused.append(self.relu(first))
        return fused


class HRNet(nn.Module):
    """The backbone. attention: makes the layer after the first convolution of each residual block of the branches."""

    stride = 4

    def __init__(self, width: int, attention: Attention | None = None) -> None:
        super().__init__()
        self.channels = width
        widths = [width * 2**i for i in range(4)]
        self.conv1, self.bn1 = conv_bn(3, 64, 3, stride=2)
        self.conv2, self.bn2 = conv_bn(64, 64, 3, stride=2)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = bottlenecks(64, 64, 4)
        wide = 256
        entry = nn.Sequential(*conv_bn(wide, widths[0], 3), nn.ReLU(inplace=True))
        self.transition1 = nn.ModuleList([entry, nn.Sequential(_down(wide, widths[1], relu=True))])
        self.stage2 = self._stage(widths[:2], MODULES[0], attention)
        self.transition2 = self._new_branch(widths[:3])
        self.stage3 = self._stage(widths[:3], MODULES[1], attention)
        self.transition3 = self._new_branch(widths)
        self.stage4 = self._stage(widths, MODULES[2], attention, last=1)

    @staticmethod
    def _stage(widths: list[int], modules: int, attention: Attention | None, last: int | None = None) -> nn.Sequential:
        outputs = [len(widths)] * (modules - 1) + [last or len(widths)]
        return nn.Sequential(*(ExchangeModule(widths, n, attention) for n in outputs))

    @staticmethod
    def _new_branch(widths: list[int]) -> nn.ModuleList:
        """Keep the branches and make one more, from the coarsest of them."""
        below = nn.Sequential(_down(widths[-2], widths[-1], relu=True))
        return nn.ModuleList([*(nn.Identity() for _ in widths[:-1]), below])

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) float32, H and W multiples of 32 -> (N, width, H/4, W/4); N may be 0."""
        check_input(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer1(self.relu(self.bn2(self.conv2(x))))
        maps = self.stage2([layer(x) for layer in self.transition1])
        maps = self.stage3([layer(m) for layer, m in zip(self.transition2, [*maps, maps[-1]], strict=True)])
        maps = self.stage4([layer(m) for layer, m in zip(self.transition3, [*maps, maps[-1]], strict=True)])
        finest: Tensor = maps[0]
        return finest


def build_hrnet(
    width: int = 32,
    joints: int = 17,
    head: HeadKind = "heatmap",
    attention: AttentionKind | None = None,
    input_hw: tuple[int, int] = (256, 192),
    init: bool = False,
) -> nn.Module:
    """HRNet-W32, -W48 or any other width, with a head, in eval mode.

    forward: (N, 3, H, W) -> heatmaps (N, joints, H/4, W/4), or a tuple: see `heads`. input_hw binds SimDR only.
    Without init the weights are NaN until a checkpoint is loaded. attention: the positions of Liu et al. 2021.
    Raises SpecError for a width, head or attention that does not exist, and for an input_hw that does not fit.
    """
    if width < 1:
        raise SpecError(f"width must be 1 or more (32 and 48 are published), got {width}")
    if attention is not None and attention not in KINDS:
        raise SpecError(f"attention must be None or one of {', '.join(KINDS)}, got {attention!r}")
    block = KINDS[attention] if attention else None
    return construct(lambda: with_head(HRNet(width, block), head, joints, input_hw), init)


VARIANTS: dict[str, Callable[[], nn.Module]] = {
    "hrnet-w32": partial(build_hrnet, 32),
    "hrnet-w48": partial(build_hrnet, 48),
    "hrnet-w32-384x288": partial(build_hrnet, 32, input_hw=(384, 288)),
    "hrnet-w48-384x288": partial(build_hrnet, 48, input_hw=(384, 288)),
    "hrnet-w32-simdr": partial(build_hrnet, 32, head="simdr"),
    "hrnet-w48-simdr": partial(build_hrnet, 48, head="simdr"),
    "hrnet-w48-simdr-384x288": partial(build_hrnet, 48, head="simdr", input_hw=(384, 288)),
    "hrnet-w32-simdr-star": partial(build_hrnet, 32, head="simdr-star"),
    "hrnet-w48-simdr-star": partial(build_hrnet, 48, head="simdr-star"),
    "hrnet-w32-rle": partial(build_hrnet, 32, head="rle"),
    "hrnet-w48-rle": partial(build_hrnet, 48, head="rle"),
    "hrnet-w32-psa-p": partial(build_hrnet, 32, attention="psa-p"),
    "hrnet-w32-psa-s": partial(build_hrnet, 32, attention="psa-s"),
    "hrnet-w48-psa-p": partial(build_hrnet, 48, attention="psa-p"),
    "hrnet-w48-psa-s": partial(build_hrnet, 48, attention="psa-s"),
}
