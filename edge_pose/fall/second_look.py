"""A second look at somebody who was lost while low: pose networks know people on their feet, so the crop is turned.

What it finds is added to the frame's poses before anything records them, so that a replay needs no second look.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_pose.estimators import Estimator
from edge_pose.fall.detector import FallDetector
from edge_pose.frames import Image, check_image
from edge_pose.poses import F32, Poses

SIDE = 1.5  # of the square crop, in standing heights of the person
LEAST_PX = 48


class SecondLook(Estimator):
    """An estimator that looks again, turned by 90 degrees to either side in turn, where a detector lost somebody.

    At most one more pass of the network in a frame, and no more than one every `look_every_s`; most frames have none.
    estimator must not remember the frame before (a MoveNet does): the turned crop is no successor of anything.
    looks, found: how often it looked again, and how often that showed somebody.
    """

    def __init__(self, estimator: Estimator, detector: FallDetector) -> None:
        self.estimator, self.detector, self.skeleton = estimator, detector, estimator.skeleton
        self.looks = self.found = 0
        self._timings: dict[str, float] = {}

    def __call__(self, image: Image) -> Poses:
        """Return everybody in the image; who was found by turning comes last."""
        image = check_image(image)
        poses = self.estimator(image)
        self._timings = self.estimator.timings_ms
        place = self.detector.look_at(poses)
        if place is None:
            return poses
        start = time.perf_counter()
        self.looks += 1
        more = self._turned(image, place, turn=1 if self.looks % 2 else -1)
        self._timings["second_look"] = (time.perf_counter() - start) * 1e3
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

    @property
    def timings_ms(self) -> dict[str, float]:
        """Milliseconds by stage of the last frame; "second_look" where there was one."""
        return dict(self._timings)

    def reset(self) -> None:
        """Forget the frame before."""
        self.estimator.reset()

    def close(self) -> None:
        """Close the estimator."""
        self.estimator.close()


def turned_back(points: F32, turn: int, hw: tuple[int, int]) -> NDArray[np.float32]:
    """Return (..., 2) points of np.rot90(crop, turn) as points of the crop of size hw; turn is 1 or -1."""
    height, width = hw
    x, y = points[..., 0], points[..., 1]
    back = (width - y, x) if turn == 1 else (y, height - x)
    return np.stack(back, axis=-1).astype(np.float32)
