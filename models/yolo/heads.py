"""Anchor-free heads of YOLOv8 and YOLO11: boxes, class scores and, for poses, keypoints."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from edge_pose.errors import ShapeError
from edge_pose.models.yolo.blocks import ConvBn
from edge_pose.models.yolo.grid import Dfl, cell_centers, decode_boxes, decode_keypoints, flatten

Branch = Callable[[int, int, int], nn.Module]


class Raw(NamedTuple):
    """What the convolutions of a head give, before any decoding; A cells, finest map first.

    boxes: (N, 64, A) logits of distances, or (N, 4, A) distances in cells (YOLO26). scores: (N, classes, A) logits.
    keypoints: (N, 3K, A), or None where the model has none.
    """

    boxes: Tensor
    scores: Tensor
    keypoints: Tensor | None = None

    def joints(self) -> Tensor:
        """Return keypoints; raises ShapeError where there are none."""
        if self.keypoints is None:
            raise ShapeError("raw.keypoints must be (N, 3K, A), got None; take raw from the pose head that decodes it")
        return self.keypoints


def dense_branch(c_in: int, hidden: int, c_out: int) -> nn.Sequential:
    """Two 3x3 convolutions, then a plain 1x1."""
    return nn.Sequential(ConvBn(c_in, hidden, 3), ConvBn(hidden, hidden, 3), nn.Conv2d(hidden, c_out, 1))


def separable_branch(c_in: int, hidden: int, c_out: int) -> nn.Sequential:
    """Return the cheaper branch since YOLO11: each 3x3 is a depthwise one and a 1x1."""
    return nn.Sequential(
        nn.Sequential(ConvBn(c_in, c_in, 3, groups=c_in), ConvBn(c_in, hidden)),
        nn.Sequential(ConvBn(hidden, hidden, 3, groups=hidden), ConvBn(hidden, hidden)),
        nn.Conv2d(hidden, c_out, 1),
    )


def branches(make: Branch, channels: Sequence[int], hidden: int, c_out: int) -> nn.ModuleList:
    """One branch for each map."""
    return nn.ModuleList(make(c, hidden, c_out) for c in channels)


class DetectHead(nn.Module):
    """Boxes and class probabilities. channels: of the maps at strides 8, 16 and 32."""

    def __init__(self, channels: Sequence[int], classes: int, *, class_branch: Branch, bins: int = 16) -> None:
        super().__init__()
        self.classes = classes
        self.cv2 = branches(dense_branch, channels, max(16, channels[0] // 4, 4 * bins), 4 * bins)
        self.cv3 = branches(class_branch, channels, max(channels[0], min(classes, 100)), classes)
        self.dfl: nn.Module = Dfl(bins) if bins > 1 else nn.Identity()

    def raw(self, maps: Sequence[Tensor]) -> Raw:
        """Return the undecoded tensors of three maps."""
        return Raw(flatten(self.cv2, maps), flatten(self.cv3, maps))

    def decode(self, raw: Raw, maps: Sequence[Tensor]) -> Tensor:
        """Return (N, 4 + classes, A): boxes as centre and size in input pixels, class probabilities."""
        boxes = decode_boxes(self.dfl(raw.boxes), *cell_centers(maps))
        return torch.cat((boxes, raw.scores.sigmoid()), 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return what decode makes of the maps."""
        return self.decode(self.raw(maps), maps)


class PoseHead(DetectHead):
    """Boxes, class probabilities and K keypoints of each cell's person."""

    def __init__(
        self, channels: Sequence[int], classes: int, keypoints: int, *, class_branch: Branch, bins: int = 16
    ) -> None:
        super().__init__(channels, classes, class_branch=class_branch, bins=bins)
        values = 3 * keypoints
        self.cv4 = branches(dense_branch, channels, max(channels[0] // 4, values), values)

    def raw(self, maps: Sequence[Tensor]) -> Raw:
        """Return the undecoded tensors of three maps."""
        return super().raw(maps)._replace(keypoints=flatten(self.cv4, maps))

    def decode(self, raw: Raw, maps: Sequence[Tensor]) -> Tensor:
        """Return (N, 4 + classes + 3K, A): as DetectHead, then x, y in input pixels and visibility of each joint."""
        # The vendor doubles the raw value and counts it from the cell's corner, not from its centre.
        keypoints = decode_keypoints(raw.joints(), *cell_centers(maps), scale=2.0, offset=-0.5)
        return torch.cat((super().decode(raw, maps), keypoints), 1)
