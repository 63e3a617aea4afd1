"""YOLOv8: C2f blocks, anchor-free head, detection and pose.

Sources: the published architecture description and size tables at docs.ultralytics.com/models/yolov8; keys, shapes and
outputs pinned by net_yolov8n and net_yolov8n_pose.
"""

from functools import partial

from torch import nn

from edge_pose.models.yolo.blocks import Bottleneck, ConvBn, SplitChain, Sppf
from edge_pose.models.yolo.heads import DetectHead, PoseHead, dense_branch
from edge_pose.models.yolo.net import Parts, YoloNet, build
from edge_pose.models.yolo.scale import Scale, check_counts, scale_of

SCALES = {
    "n": Scale(0.33, 0.25),
    "s": Scale(0.33, 0.50),
    "m": Scale(0.67, 0.75, 768),
    "l": Scale(1.00, 1.00, 512),
    "x": Scale(1.00, 1.25, 512),
}


def bottleneck(channels: int, *, shortcut: bool) -> nn.Module:
    """Return the block that C2f repeats."""
    return Bottleneck(channels, channels, shortcut=shortcut, expansion=1.0)


def build_yolov8(size: str, *, classes: int = 80, keypoints: int = 0, init: bool = False) -> YoloNet:
    """Build YOLOv8 of size n, s, m, l or x; keypoints > 0 makes it a pose model of that many joints.

    The network maps (N, 3, H, W) RGB in 0..1, H and W multiples of 32, to (N, 4 + classes + 3 * keypoints, A): boxes as
    centre and size in input pixels, class probabilities, then x, y, visibility of each joint; A = H * W * 21 / 1024.
    """
    scale = scale_of(SCALES, size)
    check_counts(classes, keypoints)
    return build(lambda: parts(scale, classes, keypoints), init)


def parts(scale: Scale, classes: int, keypoints: int) -> Parts:
    """Put the version's blocks into the shared body."""
    c1, c2, c3, c4, c5 = (scale.channels(c) for c in (64, 128, 256, 512, 1024))

    def c2f(c_in: int, c_out: int, depth: int, shortcut: bool) -> nn.Module:
        return SplitChain(c_in, c_out, scale.repeats(depth), partial(bottleneck, shortcut=shortcut))

    maps = (c3, c4, c5)
    head = (
        PoseHead(maps, classes, keypoints, class_branch=dense_branch)
        if keypoints
        else DetectHead(maps, classes, class_branch=dense_branch)
    )
    return Parts(
        stem=ConvBn(3, c1, 3, 2),
        stages=(
            (ConvBn(c1, c2, 3, 2), c2f(c2, c2, 3, True)),
            (ConvBn(c2, c3, 3, 2), c2f(c3, c3, 6, True)),
            (ConvBn(c3, c4, 3, 2), c2f(c4, c4, 6, True)),
            (ConvBn(c4, c5, 3, 2), c2f(c5, c5, 3, True)),
        ),
        top=[Sppf(c5, c5)],
        rising=(c2f(c5 + c4, c4, 3, False), c2f(c4 + c3, c3, 3, False)),
        sinking=(
            (ConvBn(c3, c3, 3, 2), c2f(c3 + c4, c4, 3, False)),
            (ConvBn(c4, c4, 3, 2), c2f(c4 + c5, c5, 3, False)),
        ),
        head=head,
    )
