"""YOLOv5, architecture of releases 6.x: C3 blocks, three anchors a cell, detection only.

Sources: the architecture description at docs.ultralytics.com/yolov5/tutorials/architecture_description; keys, shapes
and outputs pinned by net_yolov5n.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from edge_pose.models.yolo.blocks import C3, ConvBn, Sppf
from edge_pose.models.yolo.grid import STRIDES, corners, sizes
from edge_pose.models.yolo.net import Parts, YoloNet, build
from edge_pose.models.yolo.scale import Scale, check_counts, scale_of

NO_LIMIT = 1 << 20
SCALES = {
    "n": Scale(0.33, 0.25, NO_LIMIT),
    "s": Scale(0.33, 0.50, NO_LIMIT),
    "m": Scale(0.67, 0.75, NO_LIMIT),
    "l": Scale(1.00, 1.00, NO_LIMIT),
    "x": Scale(1.33, 1.25, NO_LIMIT),
}
# Widths and heights in input pixels, fitted to COCO by the authors; the files hold them in units of the stride.
ANCHORS = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)


class AnchorHead(nn.Module):
    """Boxes, objectness and class probabilities of three anchors in each cell."""

    anchors: Tensor

    def __init__(self, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        self.values = 5 + classes
        pixels = torch.tensor(ANCHORS, dtype=torch.float32)
        self.register_buffer("anchors", pixels / torch.tensor(STRIDES).view(-1, 1, 1))
        self.m = nn.ModuleList(nn.Conv2d(c, pixels.shape[1] * self.values, 1) for c in channels)

    def raw(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return the undecoded tensors, one (N, 3 * (5 + classes), h, w) for each map."""
        return [conv(x) for conv, x in zip(self.m, maps, strict=True)]

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return (N, A, 5 + classes); A counts the cells of anchor 0, 1, 2 of the finest map first."""
        rows = [self._decode(raw, level) for level, raw in enumerate(self.raw(maps))]
        return torch.cat(rows, 1)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        """Leave out what files of older releases repeat: the anchors in pixels."""
        state_dict.pop(f"{prefix}anchor_grid", None)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _decode(self, raw: Tensor, level: int) -> Tensor:
        _, height, width = sizes(raw)
        count = len(ANCHORS[level])
        y = raw.reshape(-1, count, self.values, height, width).permute(0, 1, 3, 4, 2).sigmoid()
        xy, wh, scores = torch.split(y, [2, 2, self.values - 4], 4)
        xy = (xy * 2 + (corners(raw) - 0.5)) * STRIDES[level]
        wh = (wh * 2) ** 2 * (self.anchors[level] * STRIDES[level]).view(count, 1, 1, 2)
        return torch.cat((xy, wh, scores), 4).reshape(-1, count * height * width, self.values)


def build_yolov5(size: str, *, classes: int = 80, init: bool = False) -> YoloNet:
    """Build YOLOv5 of size n, s, m, l or x.

    The network maps (N, 3, H, W) RGB in 0..1, H and W multiples of 32, to (N, A, 5 + classes): boxes as centre and size
    in input pixels, objectness, class probabilities (score = their product); A = H * W * 63 / 1024.
    """
    scale = scale_of(SCALES, size)
    check_counts(classes)
    return build(lambda: parts(scale, classes), init)


def parts(scale: Scale, classes: int) -> Parts:
    """Put the version's blocks into the shared body."""
    c1, c2, c3, c4, c5 = (scale.channels(c) for c in (64, 128, 256, 512, 1024))

    def csp(c_in: int, c_out: int, depth: int, shortcut: bool) -> nn.Module:
        return C3(c_in, c_out, scale.repeats(depth), shortcut=shortcut)

    return Parts(
        stem=ConvBn(3, c1, 6, 2, padding=2),
        stages=(
            (ConvBn(c1, c2, 3, 2), csp(c2, c2, 3, True)),
            (ConvBn(c2, c3, 3, 2), csp(c3, c3, 6, True)),
            (ConvBn(c3, c4, 3, 2), csp(c4, c4, 9, True)),
            (ConvBn(c4, c5, 3, 2), csp(c5, c5, 3, True)),
        ),
        top=[Sppf(c5, c5), ConvBn(c5, c4)],
        rising=(csp(c4 + c4, c4, 3, False), csp(c3 + c3, c3, 3, False)),
        lateral=ConvBn(c4, c3),
        sinking=(
            (ConvBn(c3, c3, 3, 2), csp(c3 + c3, c4, 3, False)),
            (ConvBn(c4, c4, 3, 2), csp(c4 + c4, c5, 3, False)),
        ),
        head=AnchorHead((c3, c4, c5), classes),
    )
