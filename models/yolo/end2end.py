"""Heads of YOLO26: distances without bins, and a one-to-one branch whose best cells are the answer (no NMS)."""

import copy
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from edge_pose.models.yolo.blocks import ConvBn
from edge_pose.models.yolo.flow import FlowParameters
from edge_pose.models.yolo.grid import cell_centers, decode_boxes, decode_keypoints, flatten, sizes
from edge_pose.models.yolo.heads import DetectHead, Raw, separable_branch

MAX_ROWS = 300
BranchName = Literal["one2many", "one2one"]


class EndToEndDetectHead(DetectHead):
    """Boxes and class probabilities, once for NMS (one2many) and once without it (one2one).

    end_to_end: what forward gives, see build_yolo26; it may be changed on a built network.
    """

    def __init__(self, channels: Sequence[int], classes: int, *, end_to_end: bool = True) -> None:
        super().__init__(channels, classes, class_branch=separable_branch, bins=1)
        self.end_to_end = end_to_end
        self.one2one_cv2 = copy.deepcopy(self.cv2)
        self.one2one_cv3 = copy.deepcopy(self.cv3)

    def raw(self, maps: Sequence[Tensor], branch: BranchName = "one2many") -> Raw:
        """Return the undecoded tensors of one branch."""
        if branch == "one2many":
            return super().raw(maps)
        return Raw(flatten(self.one2one_cv2, maps), flatten(self.one2one_cv3, maps))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the best rows of the one-to-one branch, or the decoded one-to-many branch."""
        if not self.end_to_end:
            return super().forward(maps)
        return self.rows(self.raw(maps, "one2one"), maps)

    def rows(self, raw: Raw, maps: Sequence[Tensor]) -> Tensor:
        """Return (N, min(300, A), 6 + extra): the best scores with corners, class and what else the cell has.

        Among A * classes scores a cell may win once for each class. Of equal scores any may come first.
        """
        limit = min(MAX_ROWS, sizes(raw.scores)[1])
        scores = raw.scores.sigmoid()
        best, cells = scores.amax(1).topk(limit)
        labels = torch.zeros_like(best)
        if self.classes > 1:
            # Only a cell among the best can hold one of the best scores, so the rest is left out first.
            best, places = take(scores, cells).reshape(-1, limit * self.classes).topk(limit)
            winners = torch.div(places, self.classes, rounding_mode="trunc")
            labels = (places - winners * self.classes).to(best.dtype)
            cells = cells.gather(1, winners)
        chosen = take(self.cell_values(raw, maps), cells)
        return torch.cat((chosen[..., :4], best[..., None], labels[..., None], chosen[..., 4:]), 2)

    def cell_values(self, raw: Raw, maps: Sequence[Tensor]) -> Tensor:
        """Return what each cell says beside its scores: (N, 4, A) corners in input pixels."""
        return decode_boxes(raw.boxes, *cell_centers(maps), xyxy=True)


class EndToEndPoseHead(EndToEndDetectHead):
    """As EndToEndDetectHead, with K keypoints of each cell's person."""

    def __init__(self, channels: Sequence[int], classes: int, keypoints: int, *, end_to_end: bool = True) -> None:
        super().__init__(channels, classes, end_to_end=end_to_end)
        width = max(channels[0] // 4, 5 * keypoints)
        self.cv4 = nn.ModuleList(nn.Sequential(ConvBn(c, width, 3), ConvBn(width, width, 3)) for c in channels)
        self.one2one_cv4 = copy.deepcopy(self.cv4)
        # The flow and the sigmas serve the training loss only.
        self.flow_model = FlowParameters()
        self.cv4_kpts = nn.ModuleList(nn.Conv2d(width, 3 * keypoints, 1) for _ in channels)
        self.cv4_sigma = nn.ModuleList(nn.Conv2d(width, 2 * keypoints, 1) for _ in channels)
        self.one2one_cv4_kpts = copy.deepcopy(self.cv4_kpts)
        self.one2one_cv4_sigma = copy.deepcopy(self.cv4_sigma)

    def raw(self, maps: Sequence[Tensor], branch: BranchName = "one2many") -> Raw:
        """Return the undecoded tensors of one branch."""
        one = branch == "one2one"
        bodies = self.one2one_cv4 if one else self.cv4
        ends = self.one2one_cv4_kpts if one else self.cv4_kpts
        pairs = [nn.Sequential(body, end) for body, end in zip(bodies, ends, strict=True)]
        return super().raw(maps, branch)._replace(keypoints=flatten(pairs, maps))

    def decode(self, raw: Raw, maps: Sequence[Tensor]) -> Tensor:
        """Return (N, 4 + classes + 3K, A): as DetectHead, then x, y in input pixels and visibility of each joint."""
        return torch.cat((super().decode(raw, maps), self._keypoints(raw, maps)), 1)

    def cell_values(self, raw: Raw, maps: Sequence[Tensor]) -> Tensor:
        """Return (N, 4 + 3K, A): corners and keypoints of each cell."""
        return torch.cat((super().cell_values(raw, maps), self._keypoints(raw, maps)), 1)

    def _keypoints(self, raw: Raw, maps: Sequence[Tensor]) -> Tensor:
        return decode_keypoints(raw.joints(), *cell_centers(maps), scale=1.0, offset=0.0)


def take(values: Tensor, cells: Tensor) -> Tensor:
    """Pick columns: values (N, C, A), cells (N, R) -> (N, R, C)."""
    return values.gather(2, cells[:, None].repeat(1, sizes(values)[0], 1)).transpose(1, 2)
