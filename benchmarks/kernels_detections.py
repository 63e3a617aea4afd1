"""YOLO decoding and box suppression against NumPy and OpenCV by hand. Run: python benchmarks/kernels_detections.py"""

import cv2
import numpy as np
from timing import Case, main

from edge_pose import kernels

SCALE, PAD_X, PAD_Y = 0.5, 0.0, 140.0  # 1280 x 720 letterboxed into 640 x 640
FRAME_FROM_INPUT = np.array([[1 / SCALE, 0, -PAD_X / SCALE], [0, 1 / SCALE, -PAD_Y / SCALE]])


def scene(classes: int = 1, keypoints: int = 17, people: int = 6) -> np.ndarray:
    """A (C, 8400) head: each person seen by some 25 anchors, and some 200 anchors of noise above 0.001."""
    rng = np.random.default_rng(0)
    pred = np.empty((4 + classes + 3 * keypoints, 8400), np.float32)
    pred[:2] = rng.uniform(0, 640, (2, 8400))
    pred[2:4] = rng.uniform(10, 300, (2, 8400))
    pred[4 : 4 + classes] = 10.0 ** -rng.uniform(2.9, 7, (classes, 8400))
    pred[4 + classes :] = rng.uniform(0, 640, (3 * keypoints, 8400))
    for anchors in rng.choice(8400, (people, 25), replace=False):
        box = np.concatenate([rng.uniform(100, 540, 2), rng.uniform(60, 300, 2)])
        pred[:4, anchors] = box[:, None] + rng.normal(0, 4, (4, 25))
        pred[4, anchors] = rng.uniform(0.05, 0.95, 25)
    return pred


def rows_by_hand(pred: np.ndarray, classes: int, conf: float) -> tuple[np.ndarray, ...]:
    """Rows above the threshold, their best class and its score."""
    if classes == 1:
        index = np.flatnonzero(pred[4] > conf)
        return index, pred[:, index].T, np.zeros(len(index), np.int64), pred[4, index]
    scores = pred[4 : 4 + classes].max(0)
    index = np.flatnonzero(scores > conf)
    return index, pred[:, index].T, pred[4 : 4 + classes, index].argmax(0), scores[index]


def finish_by_hand(rows: np.ndarray, kept: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and keypoints of the kept rows in frame pixels."""
    rows = rows[kept]
    pads = np.array([PAD_X, PAD_Y], np.float32)
    corners = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], 1)
    boxes = (corners - np.tile(pads, 2)) / SCALE
    boxes[:, 0::2].clip(0, 1280, out=boxes[:, 0::2])
    boxes[:, 1::2].clip(0, 720, out=boxes[:, 1::2])
    joints = rows[:, 4 + classes :].reshape(len(rows), -1, 3)
    return boxes, (joints[..., :2] - pads) / SCALE


def opencv_by_hand(pred: np.ndarray, classes: int, conf: float) -> tuple[np.ndarray, ...]:
    """NumPy, and cv2.dnn.NMSBoxes for the suppression."""
    index, rows, labels, scores = rows_by_hand(pred, classes, conf)
    corners = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, 2:4]], 1)
    if classes == 1:
        kept = cv2.dnn.NMSBoxes(corners, scores, conf, 0.7)
    else:
        kept = cv2.dnn.NMSBoxesBatched(corners, scores, labels.astype(np.int32), conf, 0.7)
    kept = np.asarray(kept)[:300]
    return index[kept], scores[kept], *finish_by_hand(rows, kept, classes)


def numpy_nms(boxes: np.ndarray, scores: np.ndarray, iou: float) -> np.ndarray:
    """Greedy suppression, one row of overlaps a kept box."""
    order = np.argsort(-scores, kind="stable")
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1) * (y2 - y1)
    kept = []
    while order.size:
        i = order[0]
        kept.append(i)
        rest = order[1:]
        w = np.maximum(np.minimum(x2[i], x2[rest]) - np.maximum(x1[i], x1[rest]), 0)
        h = np.maximum(np.minimum(y2[i], y2[rest]) - np.maximum(y1[i], y1[rest]), 0)
        shared = w * h
        order = rest[shared <= iou * (areas[i] + areas[rest] - shared)]
    return np.array(kept, np.int64)


def numpy_by_hand(pred: np.ndarray, classes: int, conf: float) -> tuple[np.ndarray, ...]:
    """NumPy alone; boxes of different classes are moved apart."""
    index, rows, labels, scores = rows_by_hand(pred, classes, conf)
    corners = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], 1)
    kept = numpy_nms(corners + labels[:, None] * np.float32(7680), scores, 0.7)[:300]
    return index[kept], scores[kept], *finish_by_hand(rows, kept, classes)


def decode_case(name: str, classes: int, keypoints: int, conf: float) -> Case:
    pred = scene(classes, keypoints)

    def ours() -> tuple[np.ndarray, ...]:
        return kernels.decode_yolo(
            pred, FRAME_FROM_INPUT, (720, 1280), classes=classes, keypoints=keypoints, conf=conf, iou=0.7
        )

    others = {"NumPy + cv2": opencv_by_hand, "NumPy": numpy_by_hand}
    for other in others.values():
        np.testing.assert_array_equal(ours()[5], other(pred, classes, conf)[0])
        np.testing.assert_allclose(ours()[0], other(pred, classes, conf)[2], atol=1e-3)
        np.testing.assert_allclose(ours()[3], other(pred, classes, conf)[3], atol=1e-3)
    calls = {key: lambda f=f: f(pred, classes, conf) for key, f in others.items()}
    return name, ours, calls, pred[4 : 4 + classes].nbytes


def nms_case(n: int) -> Case:
    rng = np.random.default_rng(n)
    corner = rng.uniform(0, 1000, (n, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(20, 200, (n, 2))], 1).astype(np.float32)
    scores = rng.random(n).astype(np.float32)
    sizes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
    others = {
        "cv2": lambda: cv2.dnn.NMSBoxes(sizes, scores, 0.0, 0.5),
        "NumPy": lambda: numpy_nms(boxes, scores, 0.5),
    }
    for other in others.values():
        np.testing.assert_array_equal(kernels.nms(boxes, scores, iou=0.5), other())
    return f"box NMS N={n}", lambda: kernels.nms(boxes, scores, iou=0.5), others, None


def cases() -> list[Case]:
    """Every case: name, ours, the others by name, bytes that must be read at least."""
    return [
        decode_case("YOLO-pose 56x8400 conf .25", 1, 17, 0.25),
        decode_case("YOLO-pose 56x8400 conf .001", 1, 17, 0.001),
        decode_case("YOLO 84x8400 conf .25", 80, 0, 0.25),
        *(nms_case(n) for n in (10, 100, 1000)),
    ]


if __name__ == "__main__":
    main(cases())
