"""A second look at somebody who was lost while low: pose networks know people on their feet, so the crop is turned.

The pipeline takes it, wherever falls are watched for. What it finds is added to the frame's poses before anything
records them, so that a replay needs no second look.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import PipelineError
from edge_pose.estimators import Estimator
from edge_pose.fall.detector import FallDetector
from edge_pose.frames import Image
from edge_pose.poses import F32, Poses

SIDE = 1.5  # of the square crop, in standing heights of the person
LEAST_PX = 48


class SecondLook:
    """Looks again, turned by 90 degrees to either side in turn, where a detector lost somebody.

    At most one more pass of the network in a frame, and no more than one every `look_every_s`; most frames have none.
    looks, found: how often it looked again, and how often that showed somebody. Raises PipelineError for an estimator
    that follows somebody, as a MoveNet does: the turned crop is no successor of anything.
    """

    def __init__(self, estimator: Estimator, detector: FallDetector) -> None:
        if estimator.follows:
            raise PipelineError("a second look needs an estimator that takes each picture for itself; this one follows")
        self.estimator, self.detector = estimator, detector
        self.looks = self.found = 0

    def __call__(self, image: Image, poses: Poses, timings_ms: dict[str, float]) -> Poses:
        """Return the frame's poses with whom a turned crop of the image showed, last; adds its time to the timings."""
        place = self.detector.look_at(poses)
        if place is None:
            return poses
        start = time.perf_counter()
        self.looks += 1
        more = self._turned(image, place, turn=1 if self.looks % 2 else -1)
        timings_ms["second_look"] = (time.perf_counter() - start) * 1e3
        if more is None:
            return poses
        self.found += 1
        pairs = ((poses.xy, more.xy), (poses.scores, more.scores), (poses.boxes, more.boxes))
        xy, scores, boxes = (np.concatenate(pair) for pair in pairs)
        return Poses(xy, scores, boxes, np.concatenate([poses.box_scores, more.box_scores]), skeleton=poses.skeleton)

    def _turned(self, image: Image, place: tuple[float, float, float], turn: int) -> Poses | None:
        """Return the person found in a turned crop, in pixels of the image, or None. place: x, y, height in pixels."""
        height, width = image.shape[:2]
        x, y, tall = place
        half = max(LEAST_PX, SIDE * tall) / 2
        left, right = max(0, int(x - half)), min(width, int(x + half) + 1)
        top, bottom = max(0, int(y - half)), min(height, int(y + half) + 1)
        if right - left < LEAST_PX // 2 or bottom - top < LEAST_PX // 2:
            return None
        crop = image[top:bottom, left:right]
        found = self.estimator(np.ascontiguousarray(np.rot90(crop, turn)))
        if not len(found):
            return None
        best = found[[int(np.argmax(found.box_scores))]]
        hw = (bottom - top, right - left)
        corner = np.array([left, top], np.float32)
        xy = turned_back(best.xy, turn, hw) + corner
        ends = turned_back(best.boxes.reshape(1, 2, 2), turn, hw) + corner
        boxes = np.concatenate([ends.min(axis=1), ends.max(axis=1)], axis=1)
        return replace(best, xy=xy, boxes=boxes)


def turned_back(points: F32, turn: int, hw: tuple[int, int]) -> NDArray[np.float32]:
    """Return (..., 2) points of np.rot90(crop, turn) as points of the crop of size hw; turn is 1 or -1."""
    height, width = hw
    x, y = points[..., 0], points[..., 1]
    back = (width - y, x) if turn == 1 else (y, height - x)
    return np.stack(back, axis=-1).astype(np.float32)
