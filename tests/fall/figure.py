"""A stick figure in a room: motions as key poses, seen by a pin-hole camera, as the joints a pose network would give.

Proportions: Drillis and Contini 1964, as in Winter, Biomechanics, fig. 4.1. Metres and degrees; x ahead, y left, z up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edge_pose.poses import Poses

TALL = 1.7
SHANK, THIGH, TRUNK, NECK = 0.246 * TALL, 0.245 * TALL, 0.288 * TALL, 0.1 * TALL
ARM, FOREARM, FOOT = 0.186 * TALL, 0.146 * TALL, 0.039 * TALL
HALF_SHOULDERS, HALF_HIPS = 0.115 * TALL, 0.07 * TALL
THICK = 0.07  # of a body that lies, from its middle to the floor


@dataclass(frozen=True)
class Key:
    """A pose. trunk: lean ahead; thighs: raised ahead; shanks: ahead of the plumb line (behind is negative).

    tilt, roll: of the whole body, ahead and to its left. arms: raised ahead. base: height of what the body rests on.
    turn: about its own long axis, before all others. x, y: where the feet are; yaw: where it faces. spread: of the
    thighs, one ahead of the other.
    """

    trunk: float = 0.0
    thighs: float = 0.0
    shanks: float = 0.0
    tilt: float = 0.0
    roll: float = 0.0
    arms: float = 0.0
    base: float = 0.0
    x: float = 0.0
    y: float = 0.0
    yaw: float = 0.0
    spread: float = 0.0
    turn: float = 0.0

    def array(self) -> np.ndarray:
        return np.array([getattr(self, name) for name in self.__dataclass_fields__])


STAND = Key()
SIT = Key(trunk=5, thighs=88, shanks=0, arms=30)
SLUMP = Key(trunk=-25, thighs=85, shanks=5, arms=20)
SHOES = Key(trunk=75, thighs=85, shanks=0, arms=10)
BEND = Key(trunk=95, thighs=-8, shanks=-8, arms=-5)
CROUCH = Key(trunk=25, thighs=115, shanks=-35, arms=40)
TIE = Key(trunk=65, thighs=110, shanks=-35, arms=15)
KNEEL = Key(trunk=8, thighs=0, shanks=-92)
FOURS = Key(trunk=85, thighs=0, shanks=-90, arms=0)
FLOOR_SIT = Key(trunk=-5, thighs=85, shanks=80, arms=10)
BACK = Key(tilt=-88)
FRONT = Key(tilt=88)
SIDE = Key(roll=88, thighs=25, shanks=-20)
ON_SIDE = Key(tilt=-88, turn=80, thighs=25, shanks=-20)  # turned over from lying on the back
HUNCHED = Key(roll=80, trunk=35, thighs=70, shanks=-20)


def on(key: Key, base: float) -> Key:
    """The same pose on something raised."""
    return replace(key, base=base)


@dataclass(frozen=True)
class Motion:
    """Key poses with the seconds it takes to get to each; speeding: accelerates like something that falls."""

    name: str
    fall: bool
    steps: tuple[tuple[float, Key, bool], ...]
    start: Key = STAND
    tags: tuple[str, ...] = field(default=())

    def seconds(self) -> float:
        return sum(step[0] for step in self.steps)

    def keys(self, times: np.ndarray) -> np.ndarray:
        """(T, 12) parameters at the times."""
        out = np.repeat(self.start.array()[None], len(times), axis=0)
        at, before = 0.0, self.start.array()
        for seconds, key, falls in self.steps:
            part = np.clip((times - at) / max(seconds, 1e-6), 0, 1)
            eased = part**1.8 if falls else part * part * (3 - 2 * part)
            inside = times >= at
            out[inside] = before + (key.array() - before) * eased[inside, None]
            at, before = at + seconds, key.array()
        return out


def joints(params: np.ndarray) -> np.ndarray:
    """(T, 17, 3) metres, of (T, 12) parameters. The lowest point rests on the base."""
    trunk, thighs, shanks, tilt, roll, arms, base, x, y, yaw, spread, turn = params.T
    a, sway = np.deg2rad(trunk), np.deg2rad(spread)
    up = np.stack([np.sin(a), 0 * a, np.cos(a)], 1)
    hips = np.zeros((len(params), 3))
    neck = hips + TRUNK * up
    nose = neck + NECK * up + np.array([0.09, 0, 0.02])
    side = np.array([0, 1.0, 0])

    def reach(start: np.ndarray, angle: np.ndarray, length: float) -> np.ndarray:
        r = np.deg2rad(angle)
        return start + length * np.stack([np.sin(r), 0 * r, -np.cos(r)], 1)

    out = np.zeros((len(params), 17, 3))
    out[:, 0] = nose
    for i, (s, ahead) in enumerate(((1, 1), (-1, -1))):
        out[:, 1 + i] = nose + side * s * 0.03 + np.array([-0.02, 0, 0.03])
        out[:, 3 + i] = nose + side * s * 0.07 + np.array([-0.1, 0, 0.01])
        out[:, 5 + i] = neck + side * s * HALF_SHOULDERS
        out[:, 7 + i] = reach(out[:, 5 + i], arms + np.rad2deg(sway) * -ahead * 0.5, ARM)
        out[:, 9 + i] = reach(out[:, 7 + i], arms + 20, FOREARM)
        out[:, 11 + i] = hips + side * s * HALF_HIPS
        out[:, 13 + i] = reach(out[:, 11 + i], thighs + np.rad2deg(sway) * ahead, THIGH)
        out[:, 15 + i] = reach(out[:, 13 + i], shanks + np.rad2deg(np.minimum(sway * ahead, 0)), SHANK)
    t, r, q = np.deg2rad(tilt), np.deg2rad(roll), np.deg2rad(turn)[:, None]
    rotated = np.stack(
        [out[..., 0] * np.cos(q) - out[..., 1] * np.sin(q), out[..., 0] * np.sin(q) + out[..., 1] * np.cos(q)], -1
    )
    out[..., :2] = rotated
    out = np.stack(
        [
            out[..., 0] * np.cos(t)[:, None] + out[..., 2] * np.sin(t)[:, None],
            out[..., 1],
            -out[..., 0] * np.sin(t)[:, None] + out[..., 2] * np.cos(t)[:, None],
        ],
        -1,
    )
    out = np.stack(
        [
            out[..., 0],
            out[..., 1] * np.cos(r)[:, None] + out[..., 2] * np.sin(r)[:, None],
            -out[..., 1] * np.sin(r)[:, None] + out[..., 2] * np.cos(r)[:, None],
        ],
        -1,
    )
    lying = np.maximum(np.abs(np.sin(t)), np.abs(np.sin(r)))
    clear = FOOT + (THICK - FOOT) * lying
    out[..., 2] += (base + clear - out[..., 2].min(1))[:, None]
    feet = out[:, 15:17, :2].mean(1)
    out[..., :2] -= feet[:, None]
    w = np.deg2rad(yaw)[:, None]
    turned = np.stack(
        [out[..., 0] * np.cos(w) - out[..., 1] * np.sin(w), out[..., 0] * np.sin(w) + out[..., 1] * np.cos(w)], -1
    )
    out[..., :2] = turned + np.stack([x, y], 1)[:, None]
    return out


@dataclass(frozen=True)
class Camera:
    """At (0, 0, height), looking along x, down by `down` degrees; the figure stands at `away` metres."""

    height: float = 1.6
    away: float = 4.0
    down: float = 10.0
    hw: tuple[int, int] = (480, 640)
    fov: float = 62.0

    def project(self, points: np.ndarray) -> np.ndarray:
        """(…, 3) metres -> (…, 2) pixels."""
        p = points + np.array([self.away, 0, -self.height])
        d = np.deg2rad(self.down)
        depth = np.maximum(p[..., 0] * np.cos(d) - p[..., 2] * np.sin(d), 0.2)
        rise = p[..., 0] * np.sin(d) + p[..., 2] * np.cos(d)
        f = self.hw[1] / 2 / np.tan(np.deg2rad(self.fov / 2))
        return np.stack([self.hw[1] / 2 - f * p[..., 1] / depth, self.hw[0] / 2 - f * rise / depth], -1)


@dataclass(frozen=True)
class Flaws:
    """What a network does wrong. noise: of joints, in body lengths; drop: share of joints that are not found.

    blind: share of frames in which somebody who lies is not found; late: frames lost at random.
    """

    noise: float = 0.01
    drop: float = 0.03
    blind: float = 0.1
    late: float = 0.0


def film(
    motion: Motion,
    camera: Camera,
    fps: float,
    rng: np.random.Generator,
    flaws: Flaws = Flaws(),
    yaw: float = 0.0,
    offset: tuple[float, float] = (0.0, 0.0),
    begin_s: float = 0.0,
) -> list[tuple[float, Poses]]:
    """What a pose network would give of a motion, frame by frame, with id 1. yaw turns the figure in the room."""
    times = np.arange(0, motion.seconds(), 1 / fps)
    params = motion.keys(times)
    points = joints(params)
    w = np.deg2rad(yaw)
    xy = points[..., :2].copy()
    points[..., 0] = xy[..., 0] * np.cos(w) - xy[..., 1] * np.sin(w) + offset[0]
    points[..., 1] = xy[..., 0] * np.sin(w) + xy[..., 1] * np.cos(w) + offset[1]
    pixels = camera.project(points)
    f = camera.hw[1] / 2 / np.tan(np.deg2rad(camera.fov / 2))
    body_px = f * TALL / camera.away
    wobble = rng.normal(0, 1, pixels.shape)
    wobble[1:] = 0.6 * wobble[1:] + 0.8 * wobble[:-1]  # errors of one frame stay for the next
    pixels = pixels + wobble * flaws.noise * body_px
    lying = (points[..., 2].max(1) - points[..., 2].min(1)) < 0.45 * TALL
    frames: list[tuple[float, Poses]] = []
    height, width = camera.hw
    for i, at_s in enumerate(times.tolist()):
        if rng.random() < flaws.late:
            continue
        seen = (pixels[i] > 0).all(1) & (pixels[i] < (width, height)).all(1) & (rng.random(17) >= flaws.drop)
        scores = np.where(seen, rng.uniform(0.55, 0.98, 17) * (0.75 if lying[i] else 1.0), rng.uniform(0, 0.15, 17))
        if seen.sum() < 4 or (lying[i] and rng.random() < flaws.blind):
            frames.append((begin_s + at_s, Poses.empty()))
            continue
        low, high = pixels[i][seen].min(0) - 0.03 * body_px, pixels[i][seen].max(0) + 0.03 * body_px
        box = np.concatenate([np.clip(low, 0, (width, height)), np.clip(high, 0, (width, height))])
        xy32 = np.clip(pixels[i], 0, (width, height))[None].astype(np.float32)
        sure = np.array([0.5 if lying[i] else 0.9], np.float32)
        frames.append(
            (
                begin_s + at_s,
                Poses(xy32, scores[None].astype(np.float32), box[None].astype(np.float32), sure, np.array([1])),
            )
        )
    return frames


def steps(*parts: Sequence[object]) -> tuple[tuple[float, Key, bool], ...]:
    """(seconds, key) or (seconds, key, True) for something that falls."""
    return tuple((float(p[0]), p[1], bool(p[2]) if len(p) > 2 else False) for p in parts)  # type: ignore[arg-type, misc]
