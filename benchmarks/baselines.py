"""Two trackers that one would write by hand, to compare with: they remember rows for a second and predict nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edge_pose import kernels
from edge_pose.poses import Poses

PATIENCE_S = 1.0


class Greedy:
    """The best pair first, until none reaches `least`; what is left is somebody new if its score is 0.4 or more."""

    def __init__(self, likeness: Callable[[Poses, Poses], np.ndarray], least: float = 0.3) -> None:
        self.likeness, self.least = likeness, least
        self.births = 0
        self._known: dict[int, tuple[float, Poses]] = {}

    def update(self, poses: Poses, time_s: float) -> Poses:
        """Return the rows with ids."""
        self._known = {i: v for i, v in self._known.items() if time_s - v[0] <= PATIENCE_S}
        ids = np.full(len(poses), -1)
        if self._known and len(poses):
            names = list(self._known)
            before = [self._known[i][1] for i in names]
            fields = ("xy", "scores", "boxes", "box_scores")
            alike = self.likeness(Poses(*(np.concatenate([getattr(p, f) for p in before]) for f in fields)), poses)
            while alike.size and alike.max() >= self.least:
                m, n = np.unravel_index(alike.argmax(), alike.shape)
                ids[n] = names[m]
                alike[m], alike[:, n] = -1, -1
        for n in range(len(poses)):
            if ids[n] < 0 and poses.box_scores[n] >= 0.4:
                self.births += 1
                ids[n] = self.births
            if ids[n] > 0:
                self._known[int(ids[n])] = (time_s, poses[n : n + 1])
        return replace(poses, ids=ids)


def overlap(before: Poses, now: Poses) -> np.ndarray:
    """Intersection over union (M, N) of people's boxes."""
    a, b = before.boxes.astype(float), now.boxes.astype(float)
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    both = np.maximum(sides, 0).prod(axis=2)
    areas = [(v[:, 2:] - v[:, :2]).prod(axis=1) for v in (a, b)]
    return both / (areas[0][:, None] + areas[1][None] - both)


def similarity(before: Poses, now: Poses) -> np.ndarray:
    """COCO's object keypoint similarity (M, N) of the joints that show in both."""
    areas = [(p.boxes[:, 2:] - p.boxes[:, :2]).prod(axis=1) for p in (before, now)]
    return kernels.oks_matrix(
        before.xy, areas[0], now.xy, areas[1], np.array(now.skeleton.sigmas),
        a_joint_scores=before.scores, b_joint_scores=now.scores, visible=0.2,
    )  # fmt: skip
