"""YOLO26: YOLO11's body, a head without distance bins, and a second, one-to-one branch that needs no NMS.

Sources: the published architecture description and size tables at docs.ultralytics.com/models/yolo26; keys, shapes and
outputs of both branches pinned by net_yolo26n and net_yolo26n_pose.
"""

from torch import nn

from edge_pose.models.yolo.attention import C2Psa, PsaBlock
from edge_pose.models.yolo.blocks import Bottleneck, ConvBn, SplitChain, Sppf, c3k
from edge_pose.models.yolo.end2end import EndToEndDetectHead, EndToEndPoseHead
from edge_pose.models.yolo.net import Parts, YoloNet, build
from edge_pose.models.yolo.scale import Scale, check_counts, scale_of
from edge_pose.models.yolo.v11 import SCALES, plan, stages


def attentive(channels: int) -> nn.Module:
    """Return the block of the last map: a bottleneck, then self-attention."""
    return nn.Sequential(Bottleneck(channels, channels), PsaBlock(channels))


def build_yolo26(
    size: str, *, classes: int = 80, keypoints: int = 0, end_to_end: bool = True, init: bool = False
) -> YoloNet:
    """Build YOLO26 of size n, s, m, l or x; keypoints > 0 makes it a pose model of that many joints.

    Input as build_yolov8. With end_to_end the output is (N, 300, 6 + 3 * keypoints), fewer rows where there are fewer
    cells: x1, y1, x2, y2 in input pixels, score, class, then x, y, visibility of each joint; best score first, no NMS
    needed. Without, it is the one-to-many branch and the output is that of build_yolov8.
    """
    scale = scale_of(SCALES, size)
    check_counts(classes, keypoints)
    return build(lambda: parts(scale, classes, keypoints, end_to_end), init)


def parts(scale: Scale, classes: int, keypoints: int, end_to_end: bool) -> Parts:
    """Put the version's blocks into the shared body."""
    widths, depth, light = plan(scale)
    c3, c4, c5 = maps = widths[2:]
    head = (
        EndToEndPoseHead(maps, classes, keypoints, end_to_end=end_to_end)
        if keypoints
        else EndToEndDetectHead(maps, classes, end_to_end=end_to_end)
    )
    return Parts(
        stem=ConvBn(3, widths[0], 3, 2),
        stages=stages(widths, depth, light),
        top=[Sppf(c5, c5, act=False, shortcut=True), C2Psa(c5, depth)],
        rising=(SplitChain(c5 + c4, c4, depth, c3k), SplitChain(c4 + c4, c3, depth, c3k)),
        sinking=(
            (ConvBn(c3, c3, 3, 2), SplitChain(c3 + c4, c4, depth, c3k)),
            (ConvBn(c4, c4, 3, 2), SplitChain(c4 + c5, c5, 1, attentive)),
        ),
        head=head,
    )
