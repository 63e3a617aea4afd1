"""How alike a row is to what a track predicts, and which rows are one person found twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose import kernels
from edge_pose.poses import Poses
from edge_pose.track.motion import Tracks

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
VISIBLE = 0.2  # joints at or below this score say nothing about where somebody is
LOOSE = 2.0  # people move between frames: joints may be off by this many sigmas of COCO for one


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Rows made sound: finite boxes with area, joints of score 0 where they were not finite."""

    xy: F32
    joints: F32
    boxes: F32
    scores: F32
    areas: F32

    @classmethod
    def of(cls, poses: Poses) -> People:
        """Take the rows of a frame; a row without a finite box takes that of its joints, else its score becomes 0."""
        xy, joints = np.ascontiguousarray(poses.xy), np.ascontiguousarray(poses.scores)
        boxes, scores = poses.boxes, poses.box_scores
        if not (np.isfinite(xy.sum()) and np.isfinite(joints.sum()) and np.isfinite(boxes.sum() + scores.sum())):
            bad = ~(np.isfinite(xy).all(axis=2) & np.isfinite(joints))
            xy, joints = np.where(bad[..., None], np.float32(0), xy), np.where(bad, np.float32(0), joints)
            lost = ~np.isfinite(boxes).all(axis=1)
            boxes = np.where(lost[:, None], np.float32(0), boxes)
            scores = np.where(np.isfinite(scores) & ~lost, scores, np.float32(0))
        sides = np.maximum(boxes[:, 2:] - boxes[:, :2], np.float32(1))
        return cls(xy, joints, boxes, scores, sides[:, 0] * sides[:, 1])

    def __len__(self) -> int:
        return len(self.xy)

    def rows(self, rows: Any) -> People:
        """Return some of them."""
        return People(self.xy[rows], self.joints[rows], self.boxes[rows], self.scores[rows], self.areas[rows])


def between(tracks: Tracks, people: People, sigmas: F64, time_s: float) -> F64:
    """Likeness (M, N) in [0, 1] of what M tracks predict and N rows: half the joints', half the boxes'."""
    boxes = tracks.boxes_at(time_s)
    gap = np.minimum(time_s - tracks.seen, 1.0)
    joints = kernels.oks_matrix(
        tracks.xy_at(time_s), tracks.areas, people.xy, people.areas, sigmas * LOOSE,
        a_joint_scores=tracks.joints, b_joint_scores=people.joints, visible=VISIBLE,
    )  # fmt: skip
    margin = 0.15 + 0.5 * gap
    return 0.5 * joints + 0.5 * overlap(boxes, people.boxes, margin)


def overlap(a: F32, b: F32, margin: F64) -> F64:
    """Intersection over union (M, N) of boxes a (M, 4), b (N, 4), all grown by a share `margin` (M,) of their sides.

    Source: Yang et al. 2023 (C-BIoU): grown boxes still meet when people move fast or the frame rate is low.
    """
    grow = margin[:, None, None]
    aw, ah = np.maximum(a[:, 2] - a[:, 0], 1.0), np.maximum(a[:, 3] - a[:, 1], 1.0)
    bw, bh = np.maximum(b[:, 2] - b[:, 0], 1.0), np.maximum(b[:, 3] - b[:, 1], 1.0)
    side_a = np.stack([aw, ah], axis=1)[:, None] * (1 + 2 * grow)
    side_b = np.stack([bw, bh], axis=1)[None] * (1 + 2 * grow)
    apart = np.abs((a[:, None, :2] + a[:, None, 2:]) - (b[None, :, :2] + b[None, :, 2:])) / 2
    both = np.clip((side_a + side_b) / 2 - apart, 0.0, np.minimum(side_a, side_b)).prod(axis=2)
    return both / (side_a.prod(axis=2) + side_b.prod(axis=2) - both)


def duplicates(people: People, sigmas: F64, threshold: float) -> NDArray[np.bool_]:
    """Which rows (N,) are a person that a better row shows as well, by the similarity of their visible joints."""
    same = kernels.oks_matrix(
        people.xy, people.areas, people.xy, people.areas, sigmas,
        a_joint_scores=people.joints, b_joint_scores=people.joints, visible=VISIBLE,
    )  # fmt: skip
    worth = people.scores + np.float32(1e-3) * people.joints.mean(axis=1)
    better = worth[:, None] > worth[None, :]
    ties = (worth[:, None] == worth[None, :]) & (np.arange(len(worth))[:, None] < np.arange(len(worth)))
    return ((same > threshold) & (better | ties)).any(axis=0)
