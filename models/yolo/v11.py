"""YOLO11: C3k2 blocks, self-attention at stride 32, a depthwise class branch; detection and pose.

Sources: the published architecture description and size tables at docs.ultralytics.com/models/yolo11 and Khanam &
Hussain 2024 ("YOLOv11: an overview of the key architectural enhancements"); pinned by net_yolo11n and net_yolo11n_pose.
"""

from collections.abc import Callable

from torch import nn

from edge_pose.models.yolo.attention import C2Psa
from edge_pose.models.yolo.blocks import Bottleneck, ConvBn, SplitChain, Sppf, c3k
from edge_pose.models.yolo.heads import DetectHead, PoseHead, separable_branch
from edge_pose.models.yolo.net import Pair, Parts, YoloNet, build
from edge_pose.models.yolo.scale import Scale, check_counts, scale_of

Widths = tuple[int, int, int, int, int]

SCALES = {
    "n": Scale(0.50, 0.25, light=True),
    "s": Scale(0.50, 0.50, light=True),
    "m": Scale(0.50, 1.00, 512),
    "l": Scale(1.00, 1.00, 512),
    "x": Scale(1.00, 1.50, 512),
}


def bottleneck(channels: int) -> nn.Module:
    """Return the block that the small sizes repeat where the large ones have c3k."""
    return Bottleneck(channels, channels)


def plan(scale: Scale) -> tuple[Widths, int, Callable[[int], nn.Module]]:
    """Return the widths of the five stages, how often blocks are repeated, and the light block."""
    c1, c2, c3, c4, c5 = (scale.channels(c) for c in (64, 128, 256, 512, 1024))
    return (c1, c2, c3, c4, c5), scale.repeats(2), bottleneck if scale.light else c3k


def stages(widths: Widths, depth: int, light: Callable[[int], nn.Module]) -> tuple[Pair, Pair, Pair, Pair]:
    """Return what follows the stem, down to stride 32."""
    c1, c2, c3, c4, c5 = widths
    return (
        (ConvBn(c1, c2, 3, 2), SplitChain(c2, c3, depth, light, expansion=0.25)),
        (ConvBn(c3, c3, 3, 2), SplitChain(c3, c4, depth, light, expansion=0.25)),
        (ConvBn(c4, c4, 3, 2), SplitChain(c4, c4, depth, c3k)),
        (ConvBn(c4, c5, 3, 2), SplitChain(c5, c5, depth, c3k)),
    )


def build_yolo11(size: str, *, classes: int = 80, keypoints: int = 0, init: bool = False) -> YoloNet:
    """Build YOLO11 of size n, s, m, l or x; keypoints > 0 makes it a pose model of that many joints.

    Input and output as build_yolov8.
    """
    scale = scale_of(SCALES, size)
    check_counts(classes, keypoints)
    return build(lambda: parts(scale, classes, keypoints), init)


def parts(scale: Scale, classes: int, keypoints: int) -> Parts:
    """Put the version's blocks into the shared body."""
    widths, depth, light = plan(scale)
    c3, c4, c5 = maps = widths[2:]
    head = (
        PoseHead(maps, classes, keypoints, class_branch=separable_branch)
        if keypoints
        else DetectHead(maps, classes, class_branch=separable_branch)
    )
    return Parts(
        stem=ConvBn(3, widths[0], 3, 2),
        stages=stages(widths, depth, light),
        top=[Sppf(c5, c5), C2Psa(c5, depth)],
        rising=(SplitChain(c5 + c4, c4, depth, light), SplitChain(c4 + c4, c3, depth, light)),
        sinking=(
            (ConvBn(c3, c3, 3, 2), SplitChain(c3 + c4, c4, depth, light)),
            (ConvBn(c4, c4, 3, 2), SplitChain(c4 + c5, c5, depth, c3k)),
        ),
        head=head,
    )
