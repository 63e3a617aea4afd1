"""Deadline mode: how often the detector runs, and how many people are looked at, so that a frame's work fits."""

from __future__ import annotations

from collections.abc import Sequence

from edge_pose.errors import PipelineError

LONGEST = 8  # frames between two detections: at 30 a second, nobody is overlooked for longer than a blink
SHRINK = 0.95  # a cost estimate follows upwards at once, and downwards slowly
OVER, CALM = 3, 30  # frames


class Budget:
    """Costs of a frame's parts as they were measured, and what fits into `budget_ms`.

    every: frames from one detection to the next; at least `detect_every`, longer while a detection leaves too little
    time for the people there. can_predict: whether there are boxes without a detection.
    """

    def __init__(self, budget_ms: float | None, *, detect_every: int = 1, can_predict: bool = False) -> None:
        if budget_ms is not None and not budget_ms > 0:
            raise PipelineError(f"budget_ms must be more than 0, got {budget_ms}")
        if detect_every < 1:
            raise PipelineError(f"detect_every must be at least 1, got {detect_every}")
        if detect_every > 1 and not can_predict:
            raise PipelineError(
                f"detect_every={detect_every} needs the boxes of tracked people between: add track=True"
            )
        self.budget_ms, self.asked, self.every = budget_ms, detect_every, detect_every
        self._longest = max(detect_every, LONGEST) if can_predict else detect_every
        self.detect_ms = self.person_ms = self.rest_ms = 0.0

    def people(self, wanted: int, *, detected: bool) -> int:
        """Return how many of the people there is time for in this frame: at least one, if there is anybody."""
        if self.budget_ms is None or wanted <= 1:
            return wanted
        if not self.person_ms:
            return 1  # nothing is known yet
        left_ms = self.budget_ms - self.rest_ms - (self.detect_ms if detected else 0.0)
        return min(wanted, max(1, int(left_ms / self.person_ms)))

    def measured(self, *, detect_ms: float | None, pose_ms: float, looked_at: int, wanted: int) -> None:
        """Learn from a frame; a detection after which people had to be left out becomes rarer, else it comes back."""
        if looked_at:
            self.person_ms = _follow(self.person_ms, pose_ms / looked_at)
        if detect_ms is None:
            return
        self.detect_ms = _follow(self.detect_ms, detect_ms)
        if self.budget_ms is None:
            return
        need_ms = self.rest_ms + self.detect_ms + wanted * self.person_ms
        if need_ms > self.budget_ms:
            self.every = min(2 * self.every, self._longest)
        elif need_ms < 0.8 * self.budget_ms:
            self.every = max(self.asked, self.every - 1)

    def rest(self, rest_ms: float) -> None:
        """Learn what all but the detector and the pose network took."""
        self.rest_ms = _follow(self.rest_ms, max(0.0, rest_ms))


class InputSize:
    """Which of several input sizes a network has time for: a smaller one after three frames over the budget.

    The larger one comes back after 30 frames in which it would have fitted, judged by its area.
    """

    def __init__(self, budget_ms: float, sizes: Sequence[tuple[int, int]]) -> None:
        self.budget_ms, self.sizes, self.number = budget_ms, tuple(sizes), 0
        self._over = self._calm = 0

    def settle(self, total_ms: float) -> bool:
        """Learn what a frame took; says whether another size is to be used from now on."""
        before = self.number
        if total_ms > self.budget_ms:
            self._over, self._calm = self._over + 1, 0
            if self._over >= OVER and self.number + 1 < len(self.sizes):
                self.number += 1
        else:
            self._over = 0
            fits = self.number > 0 and total_ms * self._growth() < 0.9 * self.budget_ms
            self._calm = self._calm + 1 if fits else 0
            if self._calm >= CALM:
                self.number -= 1
        if self.number != before:
            self._over = self._calm = 0
        return self.number != before

    def _growth(self) -> float:
        (height, width), (larger_h, larger_w) = self.sizes[self.number], self.sizes[self.number - 1]
        return larger_h * larger_w / (height * width)


def _follow(known: float, new: float) -> float:
    return new if new >= known else SHRINK * known + (1 - SHRINK) * new
