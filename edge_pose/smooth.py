"""Steadier joints: a One-Euro filter per person and joint, by time stamps, in units of body size.

Source: Casiez, Roussel, Vogel 2012, "1 Euro Filter". Pinned by tests/golden/one_euro.npz.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import ShapeError, TimeError
from edge_pose.poses import Poses

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SmoothConfig:
    """How steady, how quick. Speeds are in body sizes (root of the box area) per second, so that any frame size fits.

    min_cutoff: Hz, of a joint at rest: lower is steadier. beta: Hz that the cutoff rises per unit of speed: higher
    lags less. d_cutoff: Hz, of the speed. visible: joint score below which a joint is not seen. fade_s: how long a
    joint that is not seen any more stays, with a falling score. jump: body sizes from which a joint that comes back
    starts anew instead of sweeping across. Raises ShapeError for values that make no sense.
    """

    min_cutoff: float = 1.0
    beta: float = 8.0
    d_cutoff: float = 2.0
    visible: float = 0.2
    fade_s: float = 0.3
    jump: float = 0.25

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
                raise ShapeError(f"{f.name} must be a number from 0 on, got {value!r}")
        for name in ("min_cutoff", "d_cutoff"):
            if getattr(self, name) == 0:
                raise ShapeError(f"{name} must be above 0 Hz, got 0")


def share(cutoff: Any, dt: Any) -> Any:
    """How much of a new value a first-order low-pass takes after dt seconds, given its cutoff in Hz."""
    turn = (2 * math.pi) * cutoff * dt
    return turn / (turn + 1)


class OneEuro:
    """The filter alone, on values of any shape: `update(values, time_s)`; the first values pass through.

    The speed is measured against the last filtered value. Raises TimeError when time does not grow.
    """

    def __init__(self, min_cutoff: float = 1.0, beta: float = 0.0, d_cutoff: float = 1.0) -> None:
        self.min_cutoff, self.beta, self.d_cutoff = min_cutoff, beta, d_cutoff
        self.reset()

    def update(self, values: Any, time_s: float) -> F64:
        """Return the filtered values, float64 of the same shape."""
        if not time_s > self._now:
            raise TimeError(f"time_s must grow from call to call: got {time_s} after {self._now}")
        x = np.asarray(values, np.float64)
        if self._x is not None:
            dt = time_s - self._now
            self._speed += share(self.d_cutoff, dt) * ((x - self._x) / dt - self._speed)
            x = self._x + share(self.min_cutoff + self.beta * np.abs(self._speed), dt) * (x - self._x)
        else:
            self._speed = np.zeros(x.shape)
        self._x, self._now = x, time_s
        return x

    def reset(self) -> None:
        """Forget what was before."""
        self._x: F64 | None = None
        self._speed: F64 = np.zeros(0)
        self._now = -math.inf


class Smoother:
    """Steadies the joints of tracked people. Rows with id -1 pass through; boxes and box scores stay as they are."""

    def __init__(self, config: SmoothConfig = SmoothConfig()) -> None:
        self.config = config
        self.reset()

    def update(self, poses: Poses, time_s: float) -> Poses:
        """Return the same rows with steadier xy; scores of joints that vanished fall to 0 within `fade_s`.

        time_s: seconds, greater than at the call before. Raises TimeError, and ShapeError for an id given twice.
        """
        if not time_s > self._now or time_s == math.inf:
            raise TimeError(f"time_s must grow from call to call: got {time_s} after {self._now}")
        self._now = time_s
        xy, scores = poses.xy.copy(), poses.scores.copy()
        known = poses.ids.tolist()
        for row, identity in enumerate(known):
            if identity >= 0:
                state = self._people.get(identity)
                if state is None or state.x.shape != xy[row].shape:
                    state = self._people[identity] = _Joints(xy.shape[1])
                size = math.sqrt(max(float(np.prod(poses.boxes[row, 2:] - poses.boxes[row, :2])), 1.0))
                state.step(xy[row], scores[row], time_s, size, self.config)
        for identity in [i for i, state in self._people.items() if time_s - state.now > 2]:
            del self._people[identity]
        return replace(poses, xy=xy, scores=scores)

    def reset(self) -> None:
        """Forget everybody: the next frame does not follow the one before."""
        self._people: dict[int, _Joints] = {}
        self._now = -math.inf


class _Joints:
    """One person's joints: filtered place (K, 2), speed (K, 2), when each was last seen (K,), with what score (K,)."""

    def __init__(self, joints: int) -> None:
        self.x, self.speed = np.zeros((joints, 2)), np.zeros((joints, 2))
        self.seen, self.score = np.full(joints, -math.inf), np.zeros(joints)
        self.now = -math.inf

    def step(self, xy: NDArray[Any], scores: NDArray[Any], time_s: float, size: float, config: SmoothConfig) -> None:
        """Take a new sight, and write what is to be shown into xy and scores."""
        self.now = time_s
        sight = (scores >= config.visible) & np.isfinite(xy).all(axis=1)
        gap = time_s - self.seen
        off = xy - self.x
        stale = (gap > config.fade_s) | (np.abs(off).max(axis=1) > config.jump * size)
        start, go, gone = sight & stale, sight & ~stale, ~sight & (gap <= config.fade_s)
        if go.any():
            dt = gap[go, None]
            speed, step = self.speed[go], off[go]
            speed = speed + share(config.d_cutoff, dt) * (step / dt - speed)
            cutoff = config.min_cutoff + config.beta / size * np.abs(speed)
            self.x[go] += share(cutoff, dt) * step
            self.speed[go] = speed
        self.x[start], self.speed[start] = xy[start], 0.0
        self.seen[sight], self.score[sight] = time_s, scores[sight]
        shown = sight | gone
        xy[shown] = self.x[shown]
        fading = self.score[gone] * (1 - gap[gone] / config.fade_s) if config.fade_s else 0.0
        scores[gone] = np.fmax(fading, np.nan_to_num(scores[gone]))
