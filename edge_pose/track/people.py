"""Rows of a frame made sound: what a tracker computes with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.poses import Poses

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
DRIFT = 1.0  # body sizes a second by which a pose that was not seen may be off
FAR = 1e7  # pixels; no picture is so large: as good as not finite
SHOWS, ENOUGH = 0.5, 0.25  # joint score, and share of joints above it, that a coat on the wall seldom has
VISIBLE = 0.2  # joints at or below this score say nothing about where somebody is


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """N people: xy (N, K, 2), joints (N, K) scores, mid and half (N, 2) centre and half sides of the box, scores (N,).

    All finite; half sides are at least half a pixel; joints that were not finite have score 0. gap: seconds since they
    were seen, a number or (N,).
    """

    xy: F32
    joints: F32
    mid: F64
    half: F64
    scores: F32
    gap: F64 | float = 0.0

    @classmethod
    def of(cls, poses: Poses) -> People:
        """Take the rows of a frame; a row without a finite box or score is nobody (score 0)."""
        xy, joints = np.ascontiguousarray(poses.xy), np.ascontiguousarray(poses.scores)
        boxes, scores = poses.boxes, poses.box_scores
        if not (sound(xy) and sound(joints) and sound(boxes) and sound(scores)):
            bad = ~((np.abs(xy) < FAR).all(axis=2) & (np.abs(joints) < FAR))
            xy, joints = np.where(bad[..., None], np.float32(0), xy), np.where(bad, np.float32(0), joints)
            lost = ~((np.abs(boxes) < FAR).all(axis=1) & (np.abs(scores) < FAR))
            boxes, scores = np.where(lost[:, None], np.float32(0), boxes), np.where(lost, np.float32(0), scores)
        low, high = boxes[:, :2].astype(np.float64), boxes[:, 2:]
        return cls(xy, joints, (low + high) / 2, np.maximum((high - low) / 2, 0.5), scores)

    def __len__(self) -> int:
        return len(self.scores)

    def rows(self, rows: Any) -> People:
        """Return some of them."""
        return People(self.xy[rows], self.joints[rows], self.mid[rows], self.half[rows], self.scores[rows])

    @property
    def areas(self) -> F32:
        """Areas (N,) that poses are compared by, square pixels: the box's, and more the longer nobody was seen."""
        return (4 * self.half[:, 0] * self.half[:, 1] * (1 + DRIFT * self.gap) ** 2).astype(np.float32)


def sound(values: F32) -> bool:
    """Whether all numbers are finite, and so small that their squares are: by the sum of these, in one go."""
    flat = values.astype(np.float64).ravel()  # in which no square of a float32 overflows
    return float(flat.dot(flat)) < FAR * FAR  # NaN is not below anything
