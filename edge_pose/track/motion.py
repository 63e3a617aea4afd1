"""Where tracked people will be: they go on as their joints moved last, and are as large as they were lately."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.track.people import VISIBLE, People

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

MEMORY_S = 0.1  # of the filter of place and speed: so long it takes until a sudden turn is believed
BRAKE_S = 3.0  # who is hidden does not walk on for ever: the time in which the expected speed falls to a third
SHRINK_S = 1.5  # in which the body takes two thirds of a smaller box: whom an obstacle cuts off is not smaller
MARGIN, MARGIN_PER_S, MARGIN_S = 0.15, 1.0, 0.5  # by how many body sizes boxes grow, at once, a second, for so long
BODY_LEAST = 1.0  # square pixels
LOST_S = 0.1  # from which somebody unseen is expected with the whole body, not with what showed last


@dataclass(slots=True, eq=False)
class Tracks:
    """M people followed: arrays of one row a track, changed in place.

    ids (M,): -1 while there is none. hits: sights. seen: time of the last sight. scores: its box score. xy (M, K, 2),
    joints (M, K): its pose. mid, half (M, 2): centre and half sides of its box. low, high (M, 2): corners of the body
    at that time, as far as it showed lately. velocity (M, 2): px/s. ahead (M, 2): px from where they were seen to
    where they are believed to be: a finding that slides from one person to another as they cross goes against that.
    """

    ids: I64
    hits: I64
    seen: F64
    scores: F32
    xy: F32
    joints: F32
    mid: F64
    half: F64
    low: F64
    high: F64
    velocity: F64
    ahead: F64

    @classmethod
    def none(cls, joints: int) -> Tracks:
        """Nobody."""
        whole, one, single = np.empty(0, np.int64), np.empty(0), np.empty(0, np.float32)
        pairs, xy = np.empty((0, 2)), np.empty((0, joints, 2), np.float32)
        return cls(whole, whole, one, single, xy, xy[..., 0], pairs, pairs, pairs, pairs, pairs, pairs)

    @classmethod
    def first(cls, people: People, time_s: float) -> Tracks:
        """People just seen, without ids."""
        n = len(people)
        numbers = np.full(n, -1, np.int64), np.ones(n, np.int64), np.full(n, time_s)
        pose = people.scores.copy(), people.xy.copy(), people.joints.copy()
        mid, half, still = people.mid.copy(), people.half.copy(), np.zeros((n, 2))
        return cls(*numbers, *pose, mid, half, mid - half, mid + half, still, still.copy())

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, rows: Any) -> Tracks:
        """Return some of them."""
        return Tracks(*[getattr(self, name)[rows] for name in NAMES])

    def __add__(self, others: Tracks) -> Tracks:
        return Tracks(*[np.concatenate([getattr(self, name), getattr(others, name)]) for name in NAMES])

    def at(self, time_s: float) -> People:
        """Where they are expected at a time."""
        gap = time_s - self.seen
        moved = self.ahead + self.velocity * (BRAKE_S * (1 - np.exp(gap / -BRAKE_S)))[:, None]
        xy = self.xy + moved.astype(np.float32)[:, None]
        mid, half = self.mid, self.half
        lost = gap > LOST_S
        if lost.any():
            mid = np.where(lost[:, None], (self.low + self.high) / 2, mid)
            half = np.where(lost[:, None], (self.high - self.low) / 2, half)
        return People(xy, self.joints, mid + moved, half, self.scores, gap)

    def left(self) -> People:
        """Where they were seen last."""
        return People(self.xy, self.joints, self.mid, self.half, self.scores)

    def see(self, rows: Any, people: People, time_s: float) -> None:
        """Take a new sight of some of them, one row of `people` each, whose arrays are kept.

        Place and speed: a fading-memory filter of first order (Zarchan, Musoff 2009, ch. 7), which for the first sights
        is the line of least squares through them.
        """
        every = len(rows) == len(self) and rows.tolist() == list(range(len(rows)))
        old = self if every else self.rows(rows)
        dt = (time_s - old.seen)[:, None]
        low, high = people.mid - people.half, people.mid + people.half
        # How far: by the joints that show in both sights, because a box that an obstacle cuts off goes another way.
        both = ((old.joints > VISIBLE) & (people.joints > VISIBLE)).astype(np.float32)
        weight = both.sum(axis=1, keepdims=True)
        shift = (both[:, None] @ (people.xy - old.xy))[:, 0].astype(np.float64) / np.maximum(weight, 1)
        if weight.min() < 3:
            left, right = low - old.mid + old.half, high - old.mid - old.half
            common = np.where(np.abs(left) < np.abs(right), left, right) * (left * right > 0)
            shift = np.where(weight < 3, common, shift)
        # Whose body shows in part only goes on as before: the joints of what is hidden are squeezed into what is not.
        body = old.high - old.low
        shown = 4 * people.half[:, :1] * people.half[:, 1:] / np.maximum(body[:, :1] * body[:, 1:], BODY_LEAST)
        trust = np.minimum(np.maximum(2 * shown - 0.6, 0.1), 1.0)
        n = (old.hits + 1)[:, None]
        first, fade = 1 / (n * (n + 1)), np.exp(dt / -MEMORY_S)
        place = trust * np.maximum(1 - fade * fade, (4 * n - 2) * first)
        speed = trust * np.maximum((1 - fade) * (1 - fade), 6 * first)
        wrong = shift - old.ahead - old.velocity * dt
        velocity = old.velocity + speed / dt * wrong
        ahead = (place - 1) * wrong
        if dt.max() > LOST_S:
            ahead = np.where(dt > LOST_S, 0.0, ahead)
        # How large: as before, moved by no more than it takes to hold what shows, and slowly shrinking to that.
        moved = trust * shift + (1 - trust) * velocity * dt
        body_low, body_high = old.low + moved, old.high + moved
        below, above = np.maximum(body_low - low, 0.0), np.maximum(high - body_high, 0.0)
        push = (above - below) * (below * above == 0)
        smaller = 1 - np.exp(dt / -SHRINK_S)
        body_low, body_high = np.minimum(body_low + push, low), np.maximum(body_high + push, high)
        new = (
            old.ids, old.hits + 1, np.full(len(rows), time_s), people.scores, people.xy, people.joints, people.mid,
            people.half, body_low + smaller * (low - body_low), body_high + smaller * (high - body_high),
            velocity, ahead,
        )  # fmt: skip
        for name, values in zip(NAMES, new, strict=True):
            if every:
                setattr(self, name, values)
            else:
                getattr(self, name)[rows] = values


NAMES = tuple(f.name for f in fields(Tracks))
