"""The estimator's turn in a frame: as it is, or detector and pose network apart, with tracked boxes in between."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edge_pose.errors import PipelineError
from edge_pose.estimators import Estimator
from edge_pose.estimators.topdown import TopDown
from edge_pose.frames import Frame
from edge_pose.pipeline.budget import Budget
from edge_pose.poses import F32, Poses

if TYPE_CHECKING:
    from edge_pose.track import Tracker

SEEN = 0.3  # least score of a joint that tells where the body is
ENOUGH = 5  # joints
# How much larger than the joints' own extent a person's box is: sides, above the eyes, below the ankles.
SIDE, ABOVE, BELOW = 0.12, 0.12, 0.06


class Estimation:
    """One frame -> what the network sees, the milliseconds by stage, and what was given up for the budget."""

    def __init__(
        self,
        estimator: Estimator,
        *,
        tracker: Tracker | None = None,
        detect_every: int = 1,
        budget_ms: float | None = None,
        stills: bool = False,
    ) -> None:
        self.estimator, self.tracker, self.stills = estimator, tracker, stills
        self.top_down = estimator if isinstance(estimator, TopDown) else None
        if detect_every > 1 and self.top_down is None:
            raise PipelineError(f"detect_every={detect_every} needs a detector, but this model finds people by itself")
        self.budget = Budget(budget_ms, detect_every=detect_every, can_predict=tracker is not None)
        self._apart = self.top_down is not None and (detect_every > 1 or budget_ms is not None)
        self._until_detection = 0
        self._turn = 0

    def __call__(self, frame: Frame) -> tuple[Poses, dict[str, float], tuple[str, ...]]:
        """Estimate one frame."""
        if self.stills:
            self.estimator.reset()
        if self.top_down is not None and self._apart:
            return self._in_parts(self.top_down, frame)
        poses = self.estimator(frame.image)
        return poses, self.estimator.timings_ms, ()

    def settle(self, timings_ms: dict[str, float]) -> tuple[str, ...]:
        """Learn from the finished frame's timings; says if it took longer than the budget."""
        budget_ms = self.budget.budget_ms
        if budget_ms is None:
            return ()
        if self._apart:
            own = sum(timings_ms.get(stage, 0.0) for stage in ("detect", "preprocess", "network", "decode"))
            self.budget.rest(timings_ms["total"] - own)
        total_ms = timings_ms["total"]
        return (f"the budget of {budget_ms:g} ms: {total_ms:.1f} ms",) if total_ms > budget_ms else ()

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
            boxes = self.tracker.predicted(frame.time_s)
        wanted = len(boxes)
        fitting = budget.people(wanted, detected=detected)
        if fitting < wanted:
            boxes = boxes[self._next_in_turn(wanted, fitting)]
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

    def _next_in_turn(self, wanted: int, fitting: int) -> list[int]:
        """Choose people so that everybody has a turn, in the order that they have anyway."""
        first = self._turn % wanted
        self._turn = first + fitting
        return sorted((first + i) % wanted for i in range(fitting))


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
