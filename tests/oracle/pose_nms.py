"""Plain NumPy twins of OKS, of the suppressions built on it, and of parametric pose NMS."""

import math
from typing import Any

import numpy as np

from tests.oracle.detections import best_first


def oks_row(
    first: tuple[np.ndarray, float],
    others: tuple[np.ndarray, np.ndarray],
    sigmas: np.ndarray,
    counts: np.ndarray | None = None,
) -> np.ndarray:
    """OKS of one pose ((K, 2), area) with N others; counts (N, K) marks the joints that count, None = all."""
    d = others[0] - first[0]
    squares = d[..., 0] ** 2 + d[..., 1] ** 2
    area = ((others[1] + np.float32(first[1])) / 2).astype(np.float64) + np.spacing(1.0)
    similar = np.exp(-squares.astype(np.float64) / (2 * sigmas) ** 2 / area[:, None] / 2)
    counts = np.ones(squares.shape, bool) if counts is None else counts
    number = counts.sum(1)
    sums = np.where(counts, similar, 0).sum(1)
    return np.nan_to_num(np.divide(sums, number, out=np.zeros(len(sums)), where=number > 0))


def oks_matrix(
    a_xy: np.ndarray,
    a_areas: np.ndarray,
    b_xy: np.ndarray,
    b_areas: np.ndarray,
    sigmas: np.ndarray,
    *,
    a_joint_scores: np.ndarray | None = None,
    b_joint_scores: np.ndarray | None = None,
    visible: float | None = None,
    visibility: str = "both",
) -> np.ndarray:
    """(M, N) float64."""
    out = np.zeros((len(a_xy), len(b_xy)))
    for i in range(len(a_xy)):
        counts = None
        if visible is not None:
            assert b_joint_scores is not None
            counts = b_joint_scores > np.float32(visible)
            if visibility == "both":
                assert a_joint_scores is not None
                counts = counts & (a_joint_scores[i] > np.float32(visible))
        out[i] = oks_row((a_xy[i], a_areas[i]), (b_xy, b_areas), sigmas, counts)
    return out


def _all_pairs(xy: np.ndarray, areas: np.ndarray, sigmas: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    scores = options.pop("joint_scores", None)
    return oks_matrix(xy, areas, xy, areas, sigmas, a_joint_scores=scores, b_joint_scores=scores, **options)


def oks_nms(
    xy: np.ndarray, scores: np.ndarray, areas: np.ndarray, sigmas: np.ndarray, *, threshold: float, **options: Any
) -> np.ndarray:
    """Kept indices, best first."""
    oks = _all_pairs(xy, areas, sigmas, options)
    order = best_first(scores)
    kept = []
    while len(order):
        kept.append(order[0])
        order = order[1:][oks[order[0], order[1:]] <= threshold]
    return np.array(kept, np.int64)


def soft_oks_nms(
    xy: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    sigmas: np.ndarray,
    *,
    threshold: float,
    max_det: int = 20,
    **options: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Chosen indices and the lowered scores they were chosen with."""
    oks = _all_pairs(xy, areas, sigmas, options)
    order = best_first(scores)
    score = scores.astype(np.float64)
    kept: list[int] = []
    values: list[float] = []
    while len(order) and len(kept) < max_det:
        best, order = order[0], order[1:]
        kept.append(best)
        values.append(score[best])
        # math.exp rounds better than np.exp: exactly 1 where nothing is near, so that equal scores stay equal.
        score[order] *= [math.exp(-(value**2) / threshold) for value in oks[best, order]]
        order = order[np.lexsort((order, -score[order], np.isnan(score[order])))]
    return np.array(kept, np.int64), np.array(values, np.float32)


def nearby_joints_nms(
    xy: np.ndarray,
    scores: np.ndarray,
    *,
    distance: float = 0.05,
    min_joints: int | None = None,
    max_det: int | None = None,
) -> np.ndarray:
    """Kept indices in the order of the decisions."""
    min_joints = xy.shape[1] // 2 if min_joints is None else min_joints
    d = np.sqrt(((xy[:, None] - xy) ** 2).sum(-1))
    extent = xy.max(1) - xy.min(1) if len(xy) else xy[:, 0]
    radius = np.sqrt((extent**2).sum(1)).astype(np.float64) * distance
    near = (d < radius[:, None, None]).sum(-1) > min_joints
    near |= np.eye(len(xy), dtype=bool)
    order = best_first(scores)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    kept: list[int] = []
    silenced: set[int] = set()
    for i in order:
        group = np.flatnonzero(near[i])
        best = group[rank[group].argmin()]
        if i not in silenced and best not in silenced:
            kept.append(int(best))
            silenced |= set(group.tolist())
    if max_det is not None and len(kept) > max_det:
        kept = sorted(kept, key=lambda i: rank[i])[:max_det]
    return np.array(kept, np.int64)


def coco_oks(
    dt_xy: np.ndarray,
    gt_xy: np.ndarray,
    gt_labelled: np.ndarray,
    gt_areas: np.ndarray,
    gt_boxes: np.ndarray,
    sigmas: np.ndarray,
) -> np.ndarray:
    """(D, G) float64."""
    out = np.zeros((len(dt_xy), len(gt_xy)))
    for j, (gt, labelled, area, (x, y, w, h)) in enumerate(zip(gt_xy, gt_labelled, gt_areas, gt_boxes, strict=True)):
        d = dt_xy - gt
        if not labelled.any():
            low, high = np.array([x - w, y - h]), np.array([x + 2 * w, y + 2 * h])
            d = np.maximum(0, low - dt_xy) + np.maximum(0, dt_xy - high)
            labelled = np.ones_like(labelled)
        e = (d**2).sum(-1) / (2 * sigmas) ** 2 / (area + np.spacing(1.0)) / 2
        out[:, j] = np.exp(-e[:, labelled]).mean(1)
    return out


def pose_nms(
    boxes: np.ndarray,
    box_scores: np.ndarray,
    xy: np.ndarray,
    joint_scores: np.ndarray,
    *,
    area_threshold: float = 0,
    delta1: float = 1,
    mu: float = 1.7,
    delta2: float = 2.65,
    gamma: float = 22.48,
    score_threshold: float = 0.3,
    match_threshold: int = 5,
    alpha: float = 0.1,
    score_radius: float = 1,
    match_cap: float = 7,
    merge_cap: float = 15,
) -> tuple[list[int], list[list[int]], np.ndarray, np.ndarray]:
    """(picked, clusters, merged xy, merged joint scores)."""
    scores = np.where(joint_scores == 0, np.float32(1e-5), joint_scores).astype(np.float64)
    xy = xy.astype(np.float64)
    side = alpha * np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]).astype(np.float64)
    left = best_first(scores.mean(1))
    picked, clusters, out_xy, out_scores = [], [], [], []
    while len(left):
        chosen = left[0]
        d = np.sqrt(((xy[left] - xy[chosen]) ** 2).sum(-1))
        confidence = np.tanh(scores[left] / delta1) * np.tanh(scores[chosen] / delta1)
        similarity = (confidence * (d <= score_radius)).sum(1) + mu * np.exp(-d / delta2).sum(1)
        matches = (d < min(side[chosen], match_cap)).sum(1)
        same = (similarity > gamma) | (matches >= match_threshold) | (left == chosen)
        cluster, left = np.sort(left[same]), left[~same]
        if not scores[chosen].max() >= np.float32(score_threshold):
            continue
        near = np.sqrt(((xy[cluster] - xy[chosen]) ** 2).sum(-1)) <= min(side[chosen], merge_cap)
        near |= (cluster == chosen)[:, None]
        weights = scores[cluster] * near
        weights /= weights.sum(0)
        merged = (xy[cluster] * weights[..., None]).sum(0)
        extent = 1.5 * (merged.max(0) - merged.min(0))
        if extent[0] * extent[1] < area_threshold:
            continue
        picked.append(int(chosen))
        clusters.append(cluster.tolist())
        out_xy.append(merged)
        out_scores.append((scores[cluster] * weights).sum(0))
    k = xy.shape[1]
    return picked, clusters, np.reshape(out_xy, (-1, k, 2)), np.reshape(out_scores, (-1, k))
