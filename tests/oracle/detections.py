"""Plain NumPy twins of the YOLO decoders and of box suppression."""

from collections.abc import Sequence
from typing import Any

import numpy as np

Result = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def best_first(scores: np.ndarray) -> np.ndarray:
    """Indices by descending score, the lower index first among equals, NaN last."""
    return np.lexsort((np.arange(len(scores)), -scores, np.isnan(scores)))


def iou(a: np.ndarray, b: np.ndarray, offset: float = 0) -> np.ndarray:
    """Overlap of one box (4,) with boxes (N, 4), float32; NaN where both have no area."""
    one = np.float32(offset)
    w = np.maximum(np.minimum(a[2], b[:, 2]) - np.maximum(a[0], b[:, 0]) + one, 0)
    h = np.maximum(np.minimum(a[3], b[:, 3]) - np.maximum(a[1], b[:, 1]) + one, 0)
    areas = [(box[..., 2] - box[..., 0] + one) * (box[..., 3] - box[..., 1] + one) for box in (a, b)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return w * h / (areas[0] + areas[1] - w * h)


def nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    *,
    iou_threshold: float,
    offset: float = 0,
    classes: np.ndarray | None = None,
    max_det: int | None = None,
) -> np.ndarray:
    """Greedy suppression; only boxes of one class compete."""
    labels = np.zeros(len(boxes), np.int64) if classes is None else classes
    order = best_first(scores)
    kept: list[int] = []
    while len(order) and (max_det is None or len(kept) < max_det):
        best, order = order[0], order[1:]
        kept.append(int(best))
        beaten = (iou(boxes[best], boxes[order], offset) > np.float32(iou_threshold)) & (labels[order] == labels[best])
        order = order[~beaten]
    return np.array(kept, np.int64)


def to_frame(
    boxes: np.ndarray, xy: np.ndarray, matrix: np.ndarray, hw: tuple[float, float] | None, clip_keypoints: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Corners and keypoints through the matrix, float64; the upright box around all four mapped corners."""
    corners = boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]].astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1)
    xy = xy.astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
    if hw is not None:
        high = np.array([hw[1], hw[0]])
        boxes = np.clip(boxes, 0, np.tile(high, 2))
        xy = np.clip(xy, 0, high) if clip_keypoints else xy
    return boxes.astype(np.float32), xy.astype(np.float32)


def joints_of(values: np.ndarray, keypoints: int, keypoint_values: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, K * V) -> (n, K, 2) and scores (n, K), 1 where the head has none."""
    values = values.reshape(len(values), keypoints, keypoint_values)
    return values[..., :2], values[..., 2] if keypoint_values == 3 else np.ones(values.shape[:2], np.float32)


def decode_yolo(
    pred: np.ndarray,
    matrix: np.ndarray,
    hw: tuple[float, float] | None = None,
    *,
    classes: int = 1,
    keypoints: int = 0,
    keypoint_values: int = 3,
    conf: float = 0.25,
    iou: float = 0.7,
    max_det: int = 300,
    max_candidates: int = 30000,
    objectness: bool = False,
    agnostic: bool = False,
    multi_label: bool = False,
    keep_classes: Sequence[int] | None = None,
    transposed: bool = False,
    clip_keypoints: bool = False,
) -> Result:
    """Detections of a dense head, step by step over all rows."""
    rows = np.asarray(pred if transposed else pred.T).astype(np.float32)
    anchors = np.flatnonzero(np.isfinite(rows).all(1))
    rows = rows[anchors]
    first = 5 if objectness else 4
    scores = rows[:, first : first + classes]
    threshold = np.float32(conf)
    if objectness:
        scores = np.where(rows[:, 4:5] > threshold, rows[:, 4:5] * scores, 0)
    if multi_label:
        at, label = np.nonzero(scores > threshold)
    else:
        at = np.flatnonzero((scores > threshold).any(1))
        label = scores[at].argmax(1)
    if keep_classes is not None:
        wanted = np.isin(label, list(keep_classes))
        at, label = at[wanted], label[wanted]
    score = scores[at, label]
    order = best_first(score)[:max_candidates]
    at, label, score = at[order], label[order], score[order]
    half = rows[at, 2:4] / 2
    boxes = np.concatenate([rows[at, :2] - half, rows[at, :2] + half], 1)
    label_apart = np.zeros_like(label) if agnostic else label
    moved = boxes + (label_apart * np.float32(7680)).astype(np.float32)[:, None]  # rounds, as the published decoders do
    kept = nms(moved, score, iou_threshold=iou, classes=label_apart, max_det=max_det)
    xy, joint_scores = joints_of(rows[at[kept], first + classes :], keypoints, keypoint_values)
    boxes, xy = to_frame(boxes[kept], xy, matrix, hw, clip_keypoints)
    return boxes, score[kept], label[kept].astype(np.int64), xy, joint_scores, anchors[at[kept]]


def decode_end2end(
    pred: np.ndarray,
    matrix: np.ndarray,
    hw: tuple[float, float] | None = None,
    *,
    conf: float = 0.25,
    max_det: int = 300,
    keypoints: int = 0,
    keypoint_values: int = 3,
    keep_classes: Sequence[int] | None = None,
    clip_keypoints: bool = False,
    **_: Any,
) -> Result:
    """Detections of a head that suppressed by itself."""
    pred = pred.astype(np.float32)
    at = np.flatnonzero(np.isfinite(pred).all(1) & (pred[:, 4] > np.float32(conf)))
    if keep_classes is not None:
        at = at[np.isin(pred[at, 5], list(keep_classes))]
    at = at[best_first(pred[at, 4])][:max_det]
    xy, joint_scores = joints_of(pred[at, 6:], keypoints, keypoint_values)
    boxes, xy = to_frame(pred[at, :4], xy, matrix, hw, clip_keypoints)
    return boxes, pred[at, 4], pred[at, 5].astype(np.int64), xy, joint_scores, at
