"""Steadier joints: a One-Euro filter per person and joint, by time stamps, in units of body size.

Source: Casiez, Roussel, Vogel 2012, "1 Euro Filter". Pinned by tests/golden/one_euro.npz.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import ShapeError, TimeError
from edge_pose.poses import Poses
from edge_pose.strict import check_numbers

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
NEVER = -1e9  # seconds: long before anything, and still a number to reckon with


@dataclass(frozen=True, slots=True)
class SmoothConfig:
    """How steady, how quick. Lengths are in body sizes (half the box's width and height), so that any frame fits.

    min_cutoff: Hz, of a joint at rest: lower is steadier. beta: Hz that the cutoff rises for every body size per
    second: higher lags less. d_cutoff: Hz, of the speed. visible: joint score below which a joint is not seen. fade_s:
    how long a joint that is not seen any more stays, with a falling score. jump: distance from which a joint starts
    anew at once instead of sweeping across. memory_s: how long somebody unseen is remembered. Raises ShapeError for
    values that make no sense.
    """

    min_cutoff: float = 1.0
    beta: float = 14.0
    d_cutoff: float = 1.5
    visible: float = 0.2
    fade_s: float = 0.3
    jump: float = 0.5
    memory_s: float = 2.0

    def __post_init__(self) -> None:
        check_numbers(self, ShapeError, above_zero=("min_cutoff", "d_cutoff", "fade_s", "jump"))


def share(cutoff: Any, dt: Any) -> Any:
    """How much of a new value a first-order low-pass takes after dt seconds, given its cutoff in Hz."""
    turn = (2 * math.pi) * dt * cutoff
    return turn / (turn + 1)


class OneEuro:
    """The filter alone, on values of any shape: `update(values, time_s)`; the first values pass through.

    min_cutoff, beta, d_cutoff: as in the paper. The speed is measured against the last filtered value.
    """

    def __init__(self, min_cutoff: float = 1.0, beta: float = 0.0, d_cutoff: float = 1.0) -> None:
        self.min_cutoff, self.beta, self.d_cutoff = min_cutoff, beta, d_cutoff
        self._x: F64 | None = None
        self._speed: F64 | float = 0.0
        self._now = -math.inf

    def update(self, values: Any, time_s: float) -> F64:
        """Return the filtered values, float64 of the same shape. Raises TimeError when time does not grow."""
        check_time(time_s, self._now)
        x = np.asarray(values, np.float64)
        if self._x is not None:
            dt = time_s - self._now
            step = x - self._x
            self._speed = self._speed + share(self.d_cutoff, dt) * (step / dt - self._speed)
            x = self._x + share(self.min_cutoff + self.beta * np.abs(self._speed), dt) * step
        self._x, self._now = x, time_s
        return x

    def reset(self) -> None:
        """Forget what was before."""
        self._x, self._speed, self._now = None, 0.0, -math.inf


def check_time(time_s: float, before_s: float) -> None:
    """Raise TimeError unless time grows."""
    if not before_s < time_s < math.inf:
        raise TimeError(f"time_s must grow from call to call: got {time_s} after {before_s}")


class Smoother:
    """Steadies the joints of tracked people. Rows with id -1 pass through; boxes and box scores stay as they are.

    A joint that is not seen any more stays where it was while its score falls to what the network says, within
    `fade_s`; then the network's own word passes through.
    """

    def __init__(self, config: SmoothConfig = SmoothConfig()) -> None:
        self.config = config
        self._now = -math.inf
        self._whole: list[int] = []  # whom the last frame showed with all joints, if that was everybody remembered
        self._empty(0)

    def update(self, poses: Poses, time_s: float) -> Poses:
        """Return the same rows with steadier xy, and scores that fade; NaN joints count as not seen.

        time_s: seconds, greater than at the call before. Raises TimeError, and ShapeError for an id given twice.
        """
        check_time(time_s, self._now)
        ids = poses.ids.tolist()
        rows = [row for row, identity in enumerate(ids) if identity >= 0]
        if len({ids[row] for row in rows}) != len(rows):
            raise ShapeError(f"ids of one frame must differ, got {ids}")
        gap_s, self._now = time_s - self._now, time_s
        whole, self._whole = self._whole, []
        if not rows:
            return poses
        if len(ids) == 1 and ids == whole and gap_s <= self.config.fade_s:
            moved = self._move_on(poses.xy, poses.scores, poses.boxes[0], gap_s)
            if moved is not None:
                self._whole = whole
                xy, scores = moved, poses.scores
                return Poses.unchecked(xy, scores, poses.boxes, poses.box_scores, poses.skeleton, poses.ids)
        if len(rows) == len(ids):
            xy, scores = self._step(ids, poses.xy, poses.scores, poses.boxes)
        else:
            some = self._step([ids[row] for row in rows], poses.xy[rows], poses.scores[rows], poses.boxes[rows])
            xy, scores = poses.xy.copy(), poses.scores.copy()
            xy[rows], scores[rows] = some
        return Poses.unchecked(xy, scores, poses.boxes, poses.box_scores, poses.skeleton, poses.ids)

    def reset(self) -> None:
        """Forget everybody: the next frame does not follow the one before."""
        self._now = -math.inf
        self._empty(0)

    def _empty(self, joints: int) -> None:
        """Remember S = 0 people: filtered place and speed (S, K, 2), last sight of each joint and its score (S, K)."""
        self._ids: list[int] = []
        self._whole = []
        self._x, self._speed = np.empty((0, joints, 2)), np.empty((0, joints, 2))
        self._seen, self._score = np.empty((0, joints)), np.empty((0, joints))

    def _places(self, ids: list[int], joints: int) -> Any:
        """Return where these people are in the arrays, which grow for new ones and forget those long unseen."""
        if joints != self._x.shape[1]:
            self._empty(joints)
        if ids == self._ids:
            return slice(None)
        kept = np.flatnonzero(self._now - self._seen.max(axis=1, initial=NEVER) <= self.config.memory_s)
        if len(kept) < len(self._ids):
            self._ids = [self._ids[i] for i in kept]
            self._x, self._speed = self._x[kept], self._speed[kept]
            self._seen, self._score = self._seen[kept], self._score[kept]
        new = [identity for identity in ids if identity not in self._ids]
        if new:
            pairs, ones = np.zeros((len(new), joints, 2)), np.zeros((len(new), joints))
            self._ids = self._ids + new
            self._x, self._speed = np.concatenate([self._x, pairs]), np.concatenate([self._speed, pairs])
            self._seen, self._score = np.concatenate([self._seen, ones + NEVER]), np.concatenate([self._score, ones])
        place = {identity: i for i, identity in enumerate(self._ids)}
        return [place[identity] for identity in ids]

    def _move_on(self, xy: F32, scores: F32, box: F32, dt: float) -> F32 | None:
        """Take a new sight of the one person there is, all of whose joints were seen dt seconds ago, as `_step` does.

        That is nearly every frame of most cameras, in half the time. None, and nothing is done, if it is not so simple.
        """
        config, x, speed = self.config, self._x, self._speed
        if xy.shape != x.shape or not (math.isfinite(float(xy.sum())) and bool((scores >= config.visible).all())):
            return None
        off = xy - x
        size = max(np.float32(1.0), (box[2] - box[0] + box[3] - box[1]) / 2)  # NaN is not larger than 1
        if not np.abs(off).max() <= config.jump * size:
            return None
        speed = speed + share(config.d_cutoff, dt) * (off / dt - speed)
        moved = x + share(config.min_cutoff + config.beta / size * np.abs(speed), dt) * off
        self._x, self._speed, self._score = moved, speed, scores.astype(np.float64)
        self._seen.fill(self._now)
        return np.asarray(moved, np.float32)

    def _step(self, ids: list[int], xy: F32, scores: F32, boxes: F32) -> tuple[F32, F32]:
        """Take a new sight of some people (n, K, 2), (n, K), (n, 4); returns what to show."""
        config, at = self.config, self._places(ids, xy.shape[1])
        x, speed, gap = self._x[at], self._speed[at], self._now - self._seen[at]
        size = np.fmax((boxes[:, 2] - boxes[:, 0] + boxes[:, 3] - boxes[:, 1]) / 2, 1.0)[:, None]
        sight = scores >= config.visible
        if not math.isfinite(float(xy.sum())):
            sight &= np.isfinite(xy).all(axis=2)
            xy_seen = np.where(sight[..., None], xy, x)
        else:
            xy_seen = xy
        dt, off = gap[..., None], xy_seen - x
        moved_speed = speed + share(config.d_cutoff, dt) * (off / dt - speed)
        cutoff = config.min_cutoff + (config.beta / size)[..., None] * np.abs(moved_speed)
        moved = x + share(cutoff, dt) * off
        anew = (gap > config.fade_s) | (np.abs(off).max(axis=2) > config.jump * size)
        if anew.any():
            moved = np.where(anew[..., None], xy_seen, moved)
            moved_speed = np.where(anew[..., None], 0.0, moved_speed)
        if sight.all():
            self._x[at], self._speed[at], self._seen[at], self._score[at] = moved, moved_speed, self._now, scores
            self._whole = ids if ids == self._ids else []
            return moved.astype(np.float32), scores
        shown, there = sight[..., None], sight & ~anew
        # Joints out of sight go where the body goes.
        weight = np.maximum(there.sum(axis=1), 1)[:, None]
        drift = np.where(there[..., None], moved - x, 0.0).sum(axis=1) / weight
        moved = np.where(shown, moved, x + drift[:, None])
        before = self._score[at]
        self._x[at], self._speed[at] = moved, np.where(shown, moved_speed, 0.0)
        self._seen[at] = np.where(sight, self._now, self._seen[at])
        self._score[at] = np.where(sight, scores, before)
        fading = ~sight & (gap <= config.fade_s)
        xy = np.where((sight | fading)[..., None], moved, xy)
        faded = np.where(fading, np.fmax(before * (1 - gap / config.fade_s), scores), scores)
        return xy.astype(np.float32), faded.astype(np.float32)
