"""YOLO heads to detections in frame pixels: dense heads with suppression, and heads that suppressed by themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_pose import kernels
from edge_pose.errors import ShapeError

Floats = NDArray[np.float32] | NDArray[np.float16]
FrameHw = tuple[float, float]


class Detections(NamedTuple):
    """n findings, best first; nobody is n = 0.

    boxes (n, 4) float32 xyxy frame px; scores (n,); classes (n,) int64; xy (n, K, 2) float32 frame px; joint_scores
    (n, K), 1 where the head has none; rows (n,) int64, the anchor of each.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    xy: NDArray[np.float32]
    joint_scores: NDArray[np.float32]
    rows: NDArray[np.int64]


def anchors(
    pred: Floats,
    frame_from_input: NDArray[np.float64],
    frame_hw: FrameHw | None = None,
    *,
    classes: int = 1,
    keypoints: int = 0,
    keypoint_values: int = 3,
    objectness: bool = False,
    conf: float = 0.25,
    iou: float = 0.7,
    max_det: int = 300,
    agnostic: bool = False,
    multi_label: bool = False,
    keep_classes: Sequence[int] | None = None,
) -> Detections:
    """Detections of one image from a dense head.

    pred: (C, A) or (A, C) float32 or float16, C = 4 + classes + keypoints * keypoint_values channels, one more with
    objectness (YOLOv5); which of the two is told by C, by the version's habit where both fit. frame_from_input: (2, 3).
    frame_hw: boxes are clipped to it. The rest is as kernels.decode_yolo says. Raises ShapeError.
    """
    channels = 4 + objectness + classes + keypoints * keypoint_values
    transposed = _transposed(pred, channels, habit=objectness)
    found = kernels.decode_yolo(
        pred,
        frame_from_input,
        frame_hw,
        classes=classes,
        keypoints=keypoints,
        keypoint_values=keypoint_values,
        objectness=objectness,
        conf=conf,
        iou=iou,
        max_det=max_det,
        agnostic=agnostic,
        multi_label=multi_label,
        keep_classes=keep_classes,
        transposed=transposed,
    )
    return Detections(*found)


def end2end(
    pred: Floats,
    frame_from_input: NDArray[np.float64],
    frame_hw: FrameHw | None = None,
    *,
    classes: int = 1,
    keypoints: int = 0,
    keypoint_values: int = 3,
    conf: float = 0.25,
    max_det: int = 300,
    keep_classes: Sequence[int] | None = None,
) -> Detections:
    """Detections of one image from a head that needs no suppression (YOLO26).

    pred: (R, 6 + keypoints * keypoint_values) rows x1, y1, x2, y2, score, class, keypoints. Otherwise as `anchors`.
    """
    found = kernels.decode_end2end(
        pred,
        frame_from_input,
        frame_hw,
        classes=classes,
        keypoints=keypoints,
        keypoint_values=keypoint_values,
        conf=conf,
        max_det=max_det,
        keep_classes=keep_classes,
    )
    return Detections(*found)


def batch(
    decode: Callable[..., Detections],
    pred: Floats,
    frame_from_input: NDArray[np.float64],
    frame_hw: Sequence[FrameHw] | None = None,
    **options: Any,
) -> list[Detections]:
    """Detections of every image of a batch: decode (`anchors` or `end2end`) on each.

    pred: (B, ., .); frame_from_input: (B, 2, 3) float64; frame_hw: B sizes. B may be 0. Raises ShapeError.
    """
    if pred.ndim != 3 or len(frame_from_input) != len(pred) or (frame_hw is not None and len(frame_hw) != len(pred)):
        sizes = "none" if frame_hw is None else len(frame_hw)
        raise ShapeError(
            "pred must be (B, rows, columns) with B matrices and B frame sizes, "
            f"got {pred.shape}, {len(frame_from_input)} matrices and {sizes} sizes"
        )
    sizes_hw: Sequence[FrameHw | None] = [None] * len(pred) if frame_hw is None else frame_hw
    return [decode(*one, **options) for one in zip(pred, frame_from_input, sizes_hw, strict=True)]


def _transposed(pred: Floats, channels: int, habit: bool) -> bool:
    fits = [axis for axis, size in enumerate(pred.shape) if size == channels] if pred.ndim == 2 else []
    return bool(fits[0]) if len(fits) == 1 else habit
