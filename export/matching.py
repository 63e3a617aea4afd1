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
# Of an annotator against the truth: COCO's sigmas are their spread, and OKS divides by twice that.
ANNOTATED = 0.8
SLIP = 0.6  # share of one model's score that the other may give to somebody near the threshold

Pairs = list[tuple[int, int]]
F64 = NDArray[np.float64]


class Tally:
    """Likenesses and distances, person by person.

    confidence: score from which somebody is there. A person of one model is there for the other, too, at that score,
    or from 0.6 of the first model's score on: 0.26 that becomes 0.24 is no loss, 0.5 that becomes 0.24 is one.
    paired: row i is the same person in both; otherwise the likeliest pairs are taken, the surest person first.
    oks: of every person that either is sure of; judged: how many of them have a joint that the float model is sure of.
    """

    def __init__(self, confidence: float, *, paired: bool) -> None:
        self.confidence, self.paired = confidence, paired
        self.oks: list[float] = []
        self._distances: list[F64] = []
        self._losses: list[float] = []
        self._worths: list[float] = []
        self.lost = self.extra = self.judged = 0

    @property
    def mean_oks(self) -> float:
        """Over all people, 0 for those lost or extra; NaN where nobody was seen."""
        return float(np.mean(self.oks)) if self.oks else math.nan

    @property
    def loss(self) -> float:
        """OKS against the truth that the other model is expected to lose, a person by how sure it is; NaN for nobody.

        Of a pair expected_loss, of somebody lost or extra all that was expected of them.
        """
        worth = sum(self._worths)
        return sum(a * b for a, b in zip(self._losses, self._worths, strict=True)) / worth if worth > 0 else math.nan

    @property
    def p95_px(self) -> float:
        """95th percentile of the distances between the joints of pairs, in pixels; NaN without pairs."""
        apart = np.concatenate(self._distances) if self._distances else np.empty(0)
        return float(np.percentile(apart, 95, method="higher")) if apart.size else math.nan

    def add(self, ours: Poses, theirs: Poses) -> None:
        """Count everybody of one shot: ours, the float model's, and whom it does not even doubtfully see."""
        score_a, score_b = ours.box_scores, theirs.box_scores
        sure_a, sure_b = score_a >= self.confidence, score_b >= self.confidence
        near = nearness(ours, theirs)
        likeness = likenesses(ours, near)
        pairs = [(i, i) for i in range(len(ours))] if self.paired else matched(likeness, sure_a, sure_b)
        same = [(i, j) for i, j in pairs if sure_a[i] and self._there(score_b[j], score_a[i])]
        doubted = [(i, j) for i, j in pairs if not sure_a[i] and sure_b[j] and self._there(score_a[i], score_b[j])]
        joints = counted(ours)
        for i, j in same:
            self.oks.append(float(likeness[i, j]))
            apart = np.linalg.norm(ours.xy[i].astype(np.float64) - theirs.xy[j], axis=1)[joints[i]]
            self._distances.append(np.where(np.isfinite(apart), apart, np.inf))
            self._cost(expected_loss(near[i, j], ours.scores[i])[joints[i]], score_a[i])
        lost = set(np.flatnonzero(sure_a).tolist()) - {i for i, _ in same}
        extra = set(np.flatnonzero(sure_b).tolist()) - {j for _, j in same + doubted}
        for poses, rows in ((ours, lost), (theirs, extra)):
            for row in sorted(rows):
                self.oks.append(0.0)
                self._cost(expectation(poses.scores[row])[counted(poses)[row]], poses.box_scores[row])
        self.judged += int((joints & (ours.scores >= SURE_JOINT))[sure_a].any(axis=1).sum())
        self.lost, self.extra = self.lost + len(lost), self.extra + len(extra)

    def _cost(self, joints: F64, worth: float) -> None:
        self._losses.append(float(joints.mean()))
        self._worths.append(float(worth))

    def _there(self, score: float, other: float) -> bool:
        """Say whether a score is enough for a person to whom the other model gives `other`."""
        return bool(score >= min(self.confidence, SLIP * other))


def counted(poses: Poses) -> NDArray[np.bool_]:
    """Return (N, K): the joints that the model is sure of; all of a person none of whose joints it is sure of."""
    sure = poses.scores >= SURE_JOINT
    return sure | ~sure.any(axis=1, keepdims=True)


def nearness(ours: Poses, theirs: Poses) -> F64:
    """Return the OKS (N, M, K) in [0, 1] of every joint of every pair, by the area of the first's boxes.

    Joints that are no numbers count 0. Source: the COCO keypoint task, with the area as 0.53 of the box.
    """
    spread = 2 * np.array(ours.skeleton.sigmas)
    sizes = (ours.boxes[:, 2:] - ours.boxes[:, :2]).astype(np.float64)
    area = np.maximum(sizes.prod(axis=1) * AREA_OF_BOX, 1.0)
    apart = ((ours.xy[:, None].astype(np.float64) - theirs.xy[None]) ** 2).sum(axis=-1)
    near: Any = np.exp(-apart / (2 * area[:, None, None] * spread**2))
    return np.asarray(np.nan_to_num(near))


def likenesses(ours: Poses, near: F64) -> F64:
    """Return the OKS (N, M) of every pair from that of its joints, by those that the first is sure of."""
    joints = counted(ours)[:, None]
    return np.asarray((near * joints).sum(axis=-1) / joints.sum(axis=-1))


def expectation(scores: NDArray[np.float32]) -> F64:
    """Return the OKS that joints are expected to have against the truth: their score, but no more than annotators'."""
    return np.clip(scores, 0, ANNOTATED).astype(np.float64)


def expected_loss(near: F64, scores: NDArray[np.float32]) -> F64:
    """Return (K,): the OKS that joints lose against the truth, which nobody knows here, by moving from the float ones.

    near: OKS (K,) of the moved joints to the float ones. scores: the float model's. A score s is the expected OKS where
    the truth lies around the joint in a Gaussian of variance (1 / s - 1) in units of OKS; the same integral around a
    joint that moved gives s * near ** s. A joint that the model doubts has less to lose than one it is sure of.
    """
    expected = expectation(scores)
    return np.asarray(expected * (1 - near**expected))


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
