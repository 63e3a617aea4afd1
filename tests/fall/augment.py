"""Recordings as other cameras, people and networks would have given them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edge_pose.fall.watch import Moment
from edge_pose.skeleton import COCO17

FLIP = COCO17.flip_order


def slower(rows: Sequence[Moment], factor: float) -> list[Moment]:
    """The same at another pace: factor 2 takes twice as long."""
    return [(time_s * factor, hw, poses) for time_s, hw, poses in rows]


def at_fps(rows: Sequence[Moment], fps: float) -> list[Moment]:
    """The first row of each frame time of a camera with so many frames a second; never more rows than there are."""
    kept: list[Moment] = []
    for row in rows:
        if not kept or row[0] - kept[-1][0] >= 0.999 / fps:
            kept.append(row)
    return kept


def mirrored(rows: Sequence[Moment]) -> list[Moment]:
    """The room in a mirror."""
    out = []
    for time_s, hw, poses in rows:
        width = np.float32(hw[1])
        xy = poses.xy[:, FLIP].copy()
        xy[..., 0] = width - xy[..., 0]
        boxes = poses.boxes.copy()
        boxes[:, [0, 2]] = width - poses.boxes[:, [2, 0]]
        out.append((time_s, hw, replace(poses, xy=xy, scores=poses.scores[:, FLIP], boxes=boxes)))
    return out


def scaled(rows: Sequence[Moment], factor: float) -> list[Moment]:
    """The same picture with more or fewer pixels."""
    by = np.float32(factor)
    return [
        (time_s, (round(hw[0] * factor), round(hw[1] * factor)), replace(p, xy=p.xy * by, boxes=p.boxes * by))
        for time_s, hw, p in rows
    ]


def noisy(rows: Sequence[Moment], part: float, rng: np.random.Generator) -> list[Moment]:
    """Joints off by a normal error of so many standing heights (taken as the diagonal of the box)."""
    out = []
    for time_s, hw, p in rows:
        size = np.hypot(p.boxes[:, 2] - p.boxes[:, 0], p.boxes[:, 3] - p.boxes[:, 1])
        error = rng.normal(0, 1, p.xy.shape) * part * size[:, None, None]
        out.append((time_s, hw, replace(p, xy=(p.xy + error).astype(np.float32))))
    return out


def dropped(rows: Sequence[Moment], share: float, rng: np.random.Generator) -> list[Moment]:
    """That share of all joints not seen."""
    return [
        (time_s, hw, replace(p, scores=np.where(rng.random(p.scores.shape) < share, np.float32(0.05), p.scores)))
        for time_s, hw, p in rows
    ]


def without_frames(rows: Sequence[Moment], share: float, rng: np.random.Generator) -> list[Moment]:
    """That share of frames lost, the first and the last apart."""
    return [row for i, row in enumerate(rows) if i in (0, len(rows) - 1) or rng.random() >= share]
