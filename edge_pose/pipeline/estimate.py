"""The estimator's turn in a frame: as it is, or detector and pose network apart, with tracked boxes in between."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import PipelineError
from edge_pose.estimators import Estimator
from edge_pose.estimators.onestage import OneStage, YoloDetector
from edge_pose.estimators.topdown import TopDown
from edge_pose.frames import Frame
from edge_pose.pipeline.budget import Budget, InputSize
from edge_pose.poses import F32, Boxes, Poses

if TYPE_CHECKING:
    from edge_pose.fall import SecondLook
    from edge_pose.track import Tracker

SEEN = 0.3  # least score of a joint that tells where the body is
ENOUGH = 5  # joints
OWN = ("detect", "preprocess", "network", "decode", "second_look")  # stages that are not the rest of a frame
# How much larger than the joints' own extent a person's box is: sides, above the eyes, below the ankles.
SIDE, ABOVE, BELOW = 0.12, 0.12, 0.06


class Estimation:
    """One frame -> what the network sees, the milliseconds by stage, and what was given up for the budget.

    confidence: the estimator's own; while it works here it may be lower, because weak rows keep ids.
    """

    def __init__(
        self,
        estimator: Estimator,
        *,
        tracker: Tracker | None = None,
        second_look: SecondLook | None = None,
        falls: bool = False,
        detect_every: int = 1,
        budget_ms: float | None = None,
        stills: bool = False,
    ) -> None:
        self.estimator, self.tracker, self.stills = estimator, tracker, stills
        self.second_look, self.confidence = second_look, estimator.confidence
        self.top_down = estimator if isinstance(estimator, TopDown) else None
        if detect_every > 1 and self.top_down is None:
            raise PipelineError(f"detect_every={detect_every} needs a detector, but this model finds people by itself")
        self.budget = Budget(budget_ms, detect_every=detect_every, can_predict=tracker is not None)
        self._apart = self.top_down is not None and (detect_every > 1 or budget_ms is not None)
        self._resizes, self._input = _resizing(estimator, budget_ms)
        # For each weak box of a detector the pose network runs once more: only to see whoever has fallen.
        weak = tracker is not None and (falls or self.top_down is None)
        self._least = min(self.confidence, tracker.config.keep_score) if tracker and weak else self.confidence
        self._until_detection = 0
        self._left_out = Boxes.empty()  # whom there was no time for in the frame before

    def begin(self) -> None:
        """Let the estimator keep the weak rows too."""
        if self._least != self.confidence:
            self.estimator.confidence = self._least

    def __call__(self, frame: Frame) -> tuple[Poses, dict[str, float], tuple[str, ...]]:
        """Estimate one frame."""
        if self.stills:
            self.estimator.reset()
        given_up: tuple[str, ...] = ()
        if self.top_down is not None and self._apart:
            poses, timings, given_up = self._in_parts(self.top_down, frame)
        else:
            poses = self.estimator(frame.image)
            timings = self.estimator.timings_ms
        if self.second_look is not None:
            poses = self.second_look(frame.image, poses, timings)
        return poses, timings, given_up

    def shown(self, poses: Poses) -> Poses:
        """Return those whom the estimator by itself would have found: the weak only keep ids."""
        least = np.float32(self.confidence)
        if len(poses) == 1:
            return poses[:0] if poses.box_scores[0] < least else poses
        weak = poses.box_scores < least
        return poses[~weak] if weak.any() else poses

    def settle(self, timings_ms: dict[str, float]) -> tuple[str, ...]:
        """Learn from the finished frame's timings; says if it took longer than the budget."""
        budget_ms = self.budget.budget_ms
        if budget_ms is None:
            return ()
        total_ms = timings_ms["total"]
        given_up: tuple[str, ...] = ()
        if self._apart:
            own = sum(timings_ms.get(stage, 0.0) for stage in OWN)
            self.budget.rest(total_ms - own)
        if self._input is not None and self._resizes is not None:
            if self._input.number:
                used, full = self._input.sizes[self._input.number], self._input.sizes[0]
                given_up = (f"input: {used[1]} x {used[0]} of {full[1]} x {full[0]}",)
            if self._input.settle(total_ms):
                self._resizes.use_input(self._input.number)
        if total_ms > budget_ms:
            given_up += (f"the budget of {budget_ms:g} ms: {total_ms:.1f} ms",)
        return given_up

    def close(self) -> None:
        """Leave the estimator as it was."""
        if self._least != self.confidence:
            self.estimator.confidence = self.confidence
        if self._resizes is not None:
            self._resizes.use_input(0)

    def _in_parts(self, model: TopDown, frame: Frame) -> tuple[Poses, dict[str, float], tuple[str, ...]]:
        budget = self.budget
        detected = self.tracker is None or self._until_detection <= 0
        detect_ms = None
        given_up: list[str] = []
        if detected:
            boxes = model.detector(frame.image)
            if model.max_people is not None:
                boxes = boxes[: model.max_people]
            detect_ms = sum(model.detector.timings_ms.values())
        else:
            assert self.tracker is not None  # or it would have been detected
            boxes = _joined(self._left_out, self.tracker.predicted(frame.time_s, seen_only=True))
        wanted = len(boxes)
        fitting = budget.people(wanted, detected=detected)
        boxes = self._chosen(boxes, fitting, detected)
        if fitting < wanted:
            given_up.append(f"people: {fitting} of {wanted}")
        timings = {} if detect_ms is None else {"detect": detect_ms}
        poses = Poses.empty(model.skeleton)
        pose_ms = 0.0
        if fitting:
            poses = model.pose(frame.image, boxes)
            timings |= model.pose.timings_ms
            pose_ms = sum(model.pose.timings_ms.values())
            if not detected:
                poses = replace(poses, boxes=boxes_around(poses))
        budget.measured(detect_ms=detect_ms, pose_ms=pose_ms, looked_at=fitting, wanted=wanted)
        if budget.every > budget.asked:
            given_up.append(f"detector: every {budget.every} frames")
        self._until_detection = (budget.every if detected else self._until_detection) - 1
        return poses, timings, tuple(given_up)

    def _chosen(self, boxes: Boxes, fitting: int, detected: bool) -> Boxes:
        """Return those whom there is time for, and remember the others: they come first in the next frame.

        A detection knows nothing of turns, so it puts first whoever overlaps somebody that was left out.
        """
        order = np.arange(len(boxes))
        if detected and fitting < len(boxes) and len(self._left_out):
            waited = _overlap(boxes.xyxy, self._left_out.xyxy)
            order = np.argsort(~waited, kind="stable")
        self._left_out = boxes[order[fitting:]]
        return boxes[order[:fitting]]


def _resizing(estimator: Estimator, budget_ms: float | None) -> tuple[OneStage | YoloDetector | None, InputSize | None]:
    """Return which network can look at smaller pictures, if one can, and who decides."""
    network = estimator.detector if isinstance(estimator, TopDown) else estimator
    if budget_ms is None or not isinstance(network, (OneStage, YoloDetector)):
        return None, None
    sizes = network.input_sizes()
    return (network, InputSize(budget_ms, sizes)) if len(sizes) > 1 else (None, None)


def _joined(one: Boxes, two: Boxes) -> Boxes:
    if not len(one):
        return two
    return Boxes(np.concatenate([one.xyxy, two.xyxy]), np.concatenate([one.scores, two.scores]))


def _overlap(boxes: F32, others: F32) -> NDArray[np.bool_]:
    """Return which boxes share at least half of their area with one of the others."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    area = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
    found: NDArray[np.bool_] = (shared >= 0.5 * area[:, None]).any(axis=1)
    return found


def boxes_around(poses: Poses) -> F32:
    """Return where the joints say that people are: (N, 4) pixels.

    A box that a tracker predicted tells nothing new about the person in it; without this it would never move. Where
    too few joints are seen, it stays.
    """
    boxes = poses.boxes.copy()
    for row, (xy, scores) in enumerate(zip(poses.xy, poses.scores, strict=True)):
        seen = xy[scores >= SEEN]
        if len(seen) >= ENOUGH:
            (left, top), (right, bottom) = seen.min(axis=0), seen.max(axis=0)
            width, height = right - left, bottom - top
            boxes[row] = (
                left - SIDE * width, top - ABOVE * height, right + SIDE * width, bottom + BELOW * height
            )  # fmt: skip
    return np.ascontiguousarray(boxes)
