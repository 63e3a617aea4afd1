"""Where tracked people will be: a constant-velocity Kalman filter of the box centre, in units of body size."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.track.config import TrackConfig

if TYPE_CHECKING:
    from edge_pose.track.likeness import People

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
NOISE = 0.05  # of a box centre, in body sizes (root of the box area): what detectors jitter by
PUSH = 4.0  # acceleration in body sizes per second squared: somebody who starts to run, or falls
SPEED = 1.0  # of somebody just seen, in body sizes per second
BRAKE_S = 0.6  # who is hidden does not walk on for ever: the time in which the predicted speed falls to a third
BRIEF_S = 0.3  # how long somebody who has no id yet may be unseen


@dataclass(slots=True, eq=False)
class Tracks:
    """M people followed: arrays of one row a track, changed in place.

    ids (M,): -1 while there is none. hits: times seen in a row. seen: last time. scores: last box score.
    xy (M, K, 2), joints (M, K): the last pose. center, velocity (M, 2): at `seen`, pixels and pixels per second.
    sides (M, 2): width and height. p (M, 3): variances of place and speed and their covariance, in body sizes.
    """

    ids: I64
    hits: I64
    seen: F64
    scores: F32
    xy: F32
    joints: F32
    center: F64
    velocity: F64
    sides: F64
    p: F64

    @classmethod
    def none(cls, joints: int) -> Tracks:
        """Nobody."""
        whole, one = np.empty(0, np.int64), np.empty(0)
        pairs = one.reshape(0, 2)
        xy = np.empty((0, joints, 2), np.float32)
        single = np.empty(0, np.float32)
        return cls(whole, whole, one, single, xy, xy[..., 0], pairs, pairs, pairs, one.reshape(0, 3))

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, rows: Any) -> Tracks:
        """Return some of them."""
        return Tracks(*(getattr(self, f.name)[rows] for f in fields(self)))

    def with_people(self, people: People, time_s: float) -> Tracks:
        """Return these and new ones, still without ids."""
        n = len(people)
        boxes = people.boxes.astype(np.float64)
        fresh = (
            np.full(n, -1), np.ones(n, np.int64), np.full(n, time_s), people.scores, people.xy, people.joints,
            (boxes[:, :2] + boxes[:, 2:]) / 2, np.zeros((n, 2)), np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0),
            np.tile([NOISE**2, SPEED**2, 0.0], (n, 1)),
        )  # fmt: skip
        return Tracks(*(np.concatenate([getattr(self, f.name), v]) for f, v in zip(fields(self), fresh, strict=True)))

    @property
    def areas(self) -> F32:
        """Box areas (M,), square pixels."""
        return (self.sides[:, 0] * self.sides[:, 1]).astype(np.float32)

    def expired(self, time_s: float, config: TrackConfig) -> NDArray[np.bool_]:
        """Who was not seen for too long (M,)."""
        patience = np.where(self.ids > 0, config.patience_s, min(BRIEF_S, config.patience_s))
        return time_s - self.seen > patience + 1e-9

    def predict(self, time_s: float) -> None:
        """Nothing is kept: predictions start at the last sight."""

    def moved(self, time_s: float) -> F64:
        """How far everybody (M, 2) went since last seen, in pixels."""
        seconds = BRAKE_S * (1 - np.exp((self.seen - time_s) / BRAKE_S))
        return self.velocity * seconds[:, None]

    def boxes_at(self, time_s: float) -> F32:
        """Boxes (M, 4) at a time."""
        center, half = self.center + self.moved(time_s), self.sides / 2
        return np.concatenate([center - half, center + half], axis=1).astype(np.float32)

    def xy_at(self, time_s: float) -> F32:
        """Joints (M, K, 2) at a time."""
        return self.xy + self.moved(time_s).astype(np.float32)[:, None]

    def see(self, rows: I64, people: People, time_s: float) -> None:
        """Take what was seen of some of them: one row of `people` each."""
        boxes = people.boxes.astype(np.float64)
        sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0)
        size = np.sqrt(self.sides[rows].prod(axis=1))
        dt = time_s - self.seen[rows]
        p00, p11, p01 = self.p[rows].T
        q = PUSH**2 * dt * dt
        p00 = p00 + dt * (2 * p01 + dt * p11) + q * dt * dt / 4
        p01 = p01 + dt * p11 + q * dt / 2
        p11 = p11 + q
        total = p00 + NOISE**2
        gain, speed_gain = p00 / total, p01 / total
        place = self.center[rows] + self.moved(time_s)[rows]
        error = (boxes[:, :2] + boxes[:, 2:]) / 2 - place
        fading = np.exp(-dt / BRAKE_S)
        self.center[rows] = place + gain[:, None] * error
        self.velocity[rows] = self.velocity[rows] * fading[:, None] + speed_gain[:, None] * error
        self.p[rows] = np.stack([p00 * (1 - gain), p11 - speed_gain * p01, p01 * (1 - gain)], axis=1)
        share = (1 - np.exp(-dt / 0.05))[:, None]
        self.sides[rows] += share * (sides - self.sides[rows])
        limit = 10 * size[:, None]
        self.velocity[rows] = np.clip(self.velocity[rows], -limit, limit)
        self.xy[rows], self.joints[rows] = people.xy, people.joints
        self.seen[rows], self.scores[rows] = time_s, people.scores
        self.hits[rows] += 1
