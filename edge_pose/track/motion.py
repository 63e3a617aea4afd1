"""Where tracked people will be: a constant-velocity Kalman filter of the box centre, in units of body size."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.track.people import VISIBLE, People

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# Lengths are in body sizes (root of the box area), so that near and far people, and any frame size, are alike.
NOISE = 0.05  # of a box centre: what detectors jitter by
PUSH = 4.0  # acceleration per second squared: somebody who starts to run, or falls
SPEED = 1.0  # of somebody just seen, per second
SHIFT = 0.03  # of the joints' common shift between two sights
TOP_SPEED = 10.0  # nobody is faster
BRAKE_S = 0.8  # who is hidden does not walk on for ever: the time in which the predicted speed falls to a third
FOLLOW_S = 0.05  # in which box sides take two thirds of a change


@dataclass(slots=True, eq=False)
class Tracks:
    """M people followed: arrays of one row a track, changed in place.

    ids (M,): -1 while there is none. hits: confident sights in a row. seen: time of the last sight. scores: its box
    score. xy (M, K, 2), joints (M, K): its pose. mid, velocity (M, 2): filtered box centre, px and px/s, at `seen`.
    half (M, 2): half width and height. p (M, 3): variances of place and speed, their covariance, in body sizes.
    """

    ids: I64
    hits: I64
    seen: F64
    scores: F32
    xy: F32
    joints: F32
    mid: F64
    half: F64
    velocity: F64
    p: F64

    @classmethod
    def none(cls, joints: int) -> Tracks:
        """Nobody."""
        whole, one, single = np.empty(0, np.int64), np.empty(0), np.empty(0, np.float32)
        pairs, xy = np.empty((0, 2)), np.empty((0, joints, 2), np.float32)
        return cls(whole, whole, one, single, xy, xy[..., 0], pairs, pairs, pairs, np.empty((0, 3)))

    @classmethod
    def first(cls, people: People, time_s: float) -> Tracks:
        """People just seen, without ids."""
        n = len(people)
        p = np.tile([NOISE**2, SPEED**2, 0.0], (n, 1))
        mid, half = people.mid.copy(), people.half.copy()
        return cls(
            np.full(n, -1), np.ones(n, np.int64), np.full(n, time_s), people.scores.copy(), people.xy.copy(),
            people.joints.copy(), mid, half, np.zeros((n, 2)), p,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, rows: Any) -> Tracks:
        """Return some of them."""
        return Tracks(*(getattr(self, f.name)[rows] for f in fields(self)))

    def __add__(self, others: Tracks) -> Tracks:
        return Tracks(*(np.concatenate([getattr(self, f.name), getattr(others, f.name)]) for f in fields(self)))

    def at(self, time_s: float) -> People:
        """Where they are expected at a time."""
        gap = time_s - self.seen
        moved = self.velocity * (BRAKE_S * (1 - np.exp(gap / -BRAKE_S)))[:, None]
        xy = self.xy + moved.astype(np.float32)[:, None]
        return People(xy, self.joints, self.mid + moved, self.half, self.scores)

    def see(self, rows: Any, people: People, expected: People, time_s: float) -> None:
        """Take a new sight of some of them, one row of `people` each; expected: where at() had them."""
        every = len(people) == len(self) and bool((rows == np.arange(len(rows))).all())
        if every:
            rows = slice(None)
        dt = time_s - self.seen[rows]
        half, xy, velocity = self.half[rows], self.xy[rows], self.velocity[rows]
        size = 2 * np.sqrt(half[:, 0] * half[:, 1])
        p00, p11, p01 = self.p[rows].T
        push = (PUSH * dt) ** 2
        p00 = p00 + dt * (2 * p01 + dt * (p11 + push / 4))
        p01 = p01 + dt * (p11 + push / 2)
        p11 = p11 + push
        both = (self.joints[rows] > VISIBLE) & (people.joints > VISIBLE)
        weight = both.sum(axis=1)
        shift = np.einsum("nkc,nk->nc", people.xy - xy, both) / np.maximum(weight, 1)[:, None]
        # How fast: what the joints that show in both sights moved by, which a box cut off by an obstacle does not.
        noise = np.where(weight > 2, (SHIFT / dt) ** 2, 1e6)
        gain = p11 / (p11 + noise)
        place_gain = p01 / (p11 + noise)
        slower = np.exp(dt / -BRAKE_S)[:, None]
        wrong = shift / dt[:, None] - velocity
        velocity = velocity * slower + gain[:, None] * wrong
        mid = expected.mid[rows] + place_gain[:, None] * wrong
        p00, p01, p11 = p00 - place_gain * p01, p01 * (1 - gain), p11 * (1 - gain)
        # Where: the box.
        gain = p00 / (p00 + NOISE**2)
        speed_gain = p01 / (p00 + NOISE**2)
        wrong = people.mid - mid
        limit = TOP_SPEED * size[:, None]
        self.mid[rows] = mid + gain[:, None] * wrong
        self.velocity[rows] = np.clip(velocity + speed_gain[:, None] * wrong, -limit, limit)
        self.p[rows] = np.stack([p00 * (1 - gain), p11 - speed_gain * p01, p01 * (1 - gain)], axis=1)
        self.half[rows] = half + (1 - np.exp(dt / -FOLLOW_S))[:, None] * (people.half - half)
        self.xy[rows], self.joints[rows] = people.xy, people.joints
        self.seen[rows], self.scores[rows] = time_s, people.scores
        self.hits[rows] += 1
