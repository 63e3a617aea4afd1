"""A pose network that looks at one person at a time: given boxes, or behind a detector that finds them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import ShapeError
from edge_pose.estimators.base import Detector, Estimator, Network
from edge_pose.estimators.decoding import decode_crops
from edge_pose.frames import Image, check_image
from edge_pose.poses import Boxes, Poses


class PoseFromBoxes:
    """Image and boxes -> Poses, one row a box, in the order of the boxes.

    People go through the network in micro-batches of the network's row count. Cost: linear in people, one crop and
    one share of a micro-batch each; nobody costs nothing.
    """

    def __init__(self, network: Network) -> None:
        self.network, self.skeleton = network, network.spec.skeleton

    def __call__(self, image: Image, boxes: Boxes) -> Poses:
        """Return the poses of the people in these boxes; `Boxes.whole(image)` says "one person fills the picture"."""
        if not isinstance(boxes, Boxes):
            raise ShapeError(f"boxes must be edge_pose.Boxes, got {type(boxes).__name__} (Boxes.whole(image) is one)")
        if not np.isfinite(boxes.xyxy).all():
            bad = int(np.flatnonzero(~np.isfinite(boxes.xyxy).all(axis=1))[0])
            raise ShapeError(f"boxes must be finite, box {bad} is {boxes.xyxy[bad].tolist()}: leave it out")
        image = check_image(image)
        network, n, k = self.network, len(boxes), len(self.skeleton)
        network.timings.last_ms.clear()
        xy, scores = np.empty((n, k, 2), np.float32), np.empty((n, k), np.float32)
        for start in range(0, n, network.rows):
            rows = slice(start, min(start + network.rows, n))
            xy[rows], scores[rows] = self._crops(image, boxes.xyxy[rows])
        return Poses(xy, scores, boxes.xyxy, boxes.scores, skeleton=self.skeleton)

    def _crops(self, image: Image, xyxy: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        batch, affine = self.network.fit_boxes(image, xyxy)
        outputs = self.network.run(batch)
        with self.network.timings.stage("decode"):
            return decode_crops(self.network.spec, outputs, affine)

    @property
    def timings_ms(self) -> dict[str, float]:
        """Milliseconds by stage of the last frame."""
        return dict(self.network.timings.last_ms)

    def close(self) -> None:
        """Give the engine's memory back."""
        self.network.close()


class TopDown(Estimator):
    """A detector, then a pose network on what it found. An empty room makes no pose call at all."""

    def __init__(self, detector: Detector, pose: PoseFromBoxes, max_people: int | None = None) -> None:
        self.detector, self.pose, self.max_people = detector, pose, max_people
        self.skeleton = pose.skeleton
        self._timings: dict[str, float] = {}

    def __call__(self, image: Image) -> Poses:
        """Return everybody in the image, the detector's best first; at most `max_people`."""
        boxes = self.detector(image)
        if self.max_people is not None:
            boxes = boxes[: self.max_people]
        self._timings = {"detect": sum(self.detector.timings_ms.values())}
        if not len(boxes):
            return Poses.empty(self.skeleton)
        poses = self.pose(image, boxes)
        self._timings |= self.pose.timings_ms
        return poses

    @property
    def confidence(self) -> float:
        """Least score of a person: of the box that the detector finds."""
        return self.detector.confidence

    @confidence.setter
    def confidence(self, least: float) -> None:
        self.detector.confidence = least

    @property
    def timings_ms(self) -> dict[str, float]:
        """Milliseconds by stage of the last frame; "detect" is all of the detector."""
        return dict(self._timings)

    def close(self) -> None:
        """Give both engines' memory back."""
        self.detector.close()
        self.pose.close()
