"""Two models' people on the same shots: who is who, how alike their poses are (OKS), how far apart their joints."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.poses import Poses

SURE_JOINT = 0.3  # joints that the float model itself guesses at are not compared, as COCO leaves out unlabelled ones
SAME_PERSON = 0.1  # least OKS of two poses of one person
AREA_OF_BOX = 0.53  # COCO's people fill so much of their boxes
SLIP = 0.6  # share of one model's score that the other may give to somebody near the threshold

Pairs = list[tuple[int, int]]
F64 = NDArray[np.float64]


class Tally:
    """Likenesses and distances, person by person.

    confidence: score from which somebody is there. A person of one model is there for the other, too, at that score,
    or from 0.6 of the first model's score on: 0.26 that becomes 0.24 is no loss, 0.5 that becomes 0.24 is one.
    paired: row i is the same person in both; otherwise the likeliest pairs are taken, the surest person first.
    """

    def __init__(self, confidence: float, *, paired: bool) -> None:
        self.confidence, self.paired = confidence, paired
        self.oks: list[float] = []
        self._distances: list[F64] = []
        self.lost = self.extra = 0

    @property
    def mean_oks(self) -> float:
        """Over all people, 0 for those lost or extra; NaN where nobody was seen."""
        return float(np.mean(self.oks)) if self.oks else math.nan

    @property
    def p95_px(self) -> float:
        """95th percentile of the distances between the joints of pairs, in pixels; NaN without pairs."""
        apart = np.concatenate(self._distances) if self._distances else np.empty(0)
        return float(np.percentile(apart, 95, method="higher")) if apart.size else math.nan

    def add(self, ours: Poses, theirs: Poses) -> None:
        """Count everybody of one shot: ours, the float model's, and whom it does not even doubtfully see."""
        score_a, score_b = ours.box_scores, theirs.box_scores
        sure_a, sure_b = score_a >= self.confidence, score_b >= self.confidence
        likeness = likenesses(ours, theirs)
        pairs = [(i, i) for i in range(len(ours))] if self.paired else matched(likeness, sure_a, sure_b)
        same = [(i, j) for i, j in pairs if sure_a[i] and self._there(score_b[j], score_a[i])]
        doubted = [(i, j) for i, j in pairs if not sure_a[i] and sure_b[j] and self._there(score_a[i], score_b[j])]
        joints = counted(ours)
        for i, j in same:
            self.oks.append(float(likeness[i, j]))
            apart = np.linalg.norm(ours.xy[i].astype(np.float64) - theirs.xy[j], axis=1)[joints[i]]
            self._distances.append(np.where(np.isfinite(apart), apart, np.inf))
        lost = int(sure_a.sum()) - len(same)
        extra = int(sure_b.sum() - sure_b[[j for _, j in same + doubted]].sum())
        self.oks += [0.0] * (lost + extra)
        self.lost, self.extra = self.lost + lost, self.extra + extra

    def _there(self, score: float, other: float) -> bool:
        """Say whether a score is enough for a person to whom the other model gives `other`."""
        return bool(score >= min(self.confidence, SLIP * other))


def counted(poses: Poses) -> NDArray[np.bool_]:
    """Return (N, K): the joints that the model is sure of; all of a person none of whose joints it is sure of."""
    sure = poses.scores >= SURE_JOINT
    return sure | ~sure.any(axis=1, keepdims=True)


def likenesses(ours: Poses, theirs: Poses) -> F64:
    """Return the OKS (N, M) in [0, 1] of every pair, by the joints that the first is sure of and its boxes' area.

    Joints that are no numbers count 0. Source: the COCO keypoint task, with the area as 0.53 of the box.
    """
    spread = 2 * np.array(ours.skeleton.sigmas)
    sizes = (ours.boxes[:, 2:] - ours.boxes[:, :2]).astype(np.float64)
    area = np.maximum(sizes.prod(axis=1) * AREA_OF_BOX, 1.0)
    apart = ((ours.xy[:, None].astype(np.float64) - theirs.xy[None]) ** 2).sum(axis=-1)
    near: Any = np.exp(-apart / (2 * area[:, None, None] * spread**2))
    joints = counted(ours)[:, None]
    return np.asarray((np.nan_to_num(near) * joints).sum(axis=-1) / joints.sum(axis=-1))


def matched(likeness: F64, sure_a: NDArray[np.bool_], sure_b: NDArray[np.bool_]) -> Pairs:
    """Return index pairs: each sure person of the first with the likest of the second, then the other way round.

    Rows are ordered by score, best first; nobody is taken twice, and no pair is less alike than 0.1.
    """
    free = likeness.copy()
    pairs: Pairs = []
    for sure, transposed in ((sure_a, False), (sure_b, True)):
        for row in np.flatnonzero(sure).tolist():
            alike = free[:, row] if transposed else free[row]
            best = int(alike.argmax()) if alike.size else -1
            if best < 0 or alike[best] < SAME_PERSON:
                continue
            i, j = (best, row) if transposed else (row, best)
            pairs.append((i, j))
            free[i], free[:, j] = -1, -1
    return pairs
