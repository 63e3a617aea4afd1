"""What people do, as functions of time: each returns the pose and how far the body has moved on the floor."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, sin

import numpy as np

from tools.render.pose import LIMITS, Pose, between, limited, mirrored

STAND = Pose()
SIT = Pose(
    l_hip_flex=1.5,
    r_hip_flex=1.5,
    l_knee=1.5,
    r_knee=1.5,
    l_elbow=0.8,
    r_elbow=0.8,
    l_shoulder_flex=0.3,
    r_shoulder_flex=0.3,
)
BEND = Pose(
    spine_flex=1.0, l_hip_flex=1.0, r_hip_flex=1.0, pitch=0.9, l_shoulder_flex=1.4, r_shoulder_flex=1.2, l_elbow=0.2
)
CROUCH = Pose(
    pitch=0.35,
    spine_flex=0.4,
    l_hip_flex=2.0,
    r_hip_flex=1.9,
    l_knee=2.3,
    r_knee=2.2,
    l_ankle=-0.3,
    r_ankle=-0.3,
    l_shoulder_flex=0.9,
    r_shoulder_flex=0.8,
    l_elbow=0.7,
    r_elbow=0.6,
)
KNEEL = Pose(l_hip_flex=0.1, r_hip_flex=1.5, l_knee=1.55, r_knee=1.5, spine_flex=0.3, l_ankle=0.6)
FLAT_BACK = Pose(
    pitch=-pi / 2,
    l_shoulder_abduct=0.6,
    r_shoulder_abduct=0.4,
    l_hip_abduct=0.2,
    r_hip_abduct=0.2,
    l_knee=0.3,
    r_elbow=0.5,
)
FLAT_FRONT = Pose(
    pitch=pi / 2,
    l_shoulder_abduct=1.9,
    l_shoulder_twist=-1.2,
    l_elbow=0.9,
    r_shoulder_abduct=0.9,
    r_shoulder_twist=-1.2,
    r_elbow=0.7,
    head_twist=0.9,
    l_hip_abduct=0.15,
    r_hip_abduct=0.3,
    r_knee=0.3,
    l_ankle=0.7,
    r_ankle=0.7,
)
FLAT_SIDE = Pose(
    pitch=0.15,
    roll=pi / 2,
    l_hip_flex=0.7,
    r_hip_flex=0.4,
    l_knee=0.9,
    r_knee=0.6,
    l_shoulder_flex=1.3,
    r_shoulder_flex=0.6,
    l_elbow=0.9,
    r_elbow=0.9,
    head_side=0.2,
)
STUMBLE = Pose(
    pitch=0.45,
    l_hip_flex=0.9,
    l_knee=0.8,
    r_hip_flex=0.1,
    r_knee=0.5,
    l_shoulder_flex=1.3,
    r_shoulder_flex=1.1,
    l_shoulder_abduct=0.7,
    r_shoulder_abduct=0.6,
    l_elbow=0.5,
    r_elbow=0.5,
)
TOPPLE = Pose(
    pitch=-0.5,
    l_hip_flex=0.7,
    r_hip_flex=0.5,
    l_knee=0.9,
    r_knee=1.0,
    l_shoulder_flex=0.9,
    r_shoulder_flex=0.6,
    l_shoulder_abduct=1.0,
    r_shoulder_abduct=0.8,
)
LEAN = Pose(
    roll=0.6,
    l_hip_flex=0.5,
    l_knee=0.9,
    r_hip_flex=0.3,
    r_knee=0.4,
    l_shoulder_abduct=1.2,
    r_shoulder_abduct=1.0,
    l_elbow=0.4,
)
FLOOR_SIT = Pose(
    l_hip_flex=1.5,
    r_hip_flex=1.3,
    l_knee=0.4,
    r_knee=0.9,
    pitch=-0.2,
    l_shoulder_flex=-0.5,
    r_shoulder_flex=-0.4,
    l_shoulder_abduct=0.4,
    r_shoulder_abduct=0.4,
)
REACH = Pose(l_shoulder_flex=2.5, l_elbow=0.3, head_flex=-0.3, spine_flex=-0.1)
ALL_FOURS = Pose(
    pitch=1.35,
    l_hip_flex=1.4,
    r_hip_flex=1.2,
    l_knee=1.4,
    r_knee=1.4,
    l_shoulder_flex=1.5,
    r_shoulder_flex=1.3,
    head_flex=-0.4,
    l_ankle=0.6,
    r_ankle=0.6,
)


def walking(phase: float, pace: float = 1.0) -> Pose:
    """One moment of a stride; phase in turns."""
    swing = sin(2 * pi * phase)
    lag = sin(2 * pi * phase - 1.2)
    return Pose(
        spine_flex=0.05,
        spine_twist=0.1 * swing,
        l_hip_flex=0.1 + 0.45 * pace * swing,
        r_hip_flex=0.1 - 0.45 * pace * swing,
        l_knee=0.15 + 0.75 * pace * max(0.0, lag),
        r_knee=0.15 + 0.75 * pace * max(0.0, -lag),
        l_shoulder_flex=-0.4 * pace * swing,
        r_shoulder_flex=0.4 * pace * swing,
        l_elbow=0.35 + 0.1 * swing,
        r_elbow=0.35 - 0.1 * swing,
        l_hip_twist=0.05,
        r_hip_twist=0.05,
    )


FALLS: dict[str, tuple[Pose, ...]] = {
    "forward": (STAND, STUMBLE, FLAT_FRONT),
    "backward": (STAND, TOPPLE, FLAT_BACK),
    "side": (STAND, LEAN, FLAT_SIDE),
}
REST = (SIT, CROUCH, KNEEL, BEND, FLOOR_SIT, REACH, ALL_FOURS)
LYING = (FLAT_BACK, FLAT_FRONT, FLAT_SIDE)


def along(keys: Sequence[tuple[float, Pose]], time_s: float) -> Pose:
    """The pose at a time on a way through poses with their times, eased in and out of each."""
    times = [t for t, _ in keys]
    i = int(np.clip(np.searchsorted(times, time_s) - 1, 0, len(keys) - 2))
    share = float(np.clip((time_s - times[i]) / (times[i + 1] - times[i]), 0, 1))
    return between(keys[i][1], keys[i + 1][1], share * share * (3 - 2 * share))


def sample_pose(rng: np.random.Generator) -> Pose:
    """A pose of chance that a body can hold: somebody walks, rests, falls, lies, reaches; then loosened a little."""
    kind = rng.random()
    if kind < 0.3:
        pose = walking(rng.random(), rng.uniform(0.0, 1.4))
    elif kind < 0.42:
        pose = STAND
    elif kind < 0.66:
        pose = between(STAND, REST[rng.integers(len(REST))], float(rng.choice([1.0, rng.uniform(0.3, 1.0)])))
    elif kind < 0.8:
        way = list(FALLS.values())[rng.integers(3)]
        i = int(rng.integers(len(way) - 1))
        pose = between(way[i], way[i + 1], rng.random())
    elif kind < 0.94:
        pose = LYING[rng.integers(3)]
        pose = pose.but(roll=pose.roll + rng.normal(0, 0.25), pitch=pose.pitch + rng.normal(0, 0.12))
    else:
        pose = between(SIT, LYING[rng.integers(3)], rng.random())
    if rng.random() < 0.5:
        pose = mirrored(pose)
    loose = rng.choice([0.08, 0.15, 0.3])
    vector = pose.vector()
    vector[4:] += rng.normal(0, loose, len(vector) - 4)
    if rng.random() < 0.35:  # arms of their own
        low_high = [LIMITS[n] for n in ("shoulder_flex", "shoulder_abduct", "shoulder_twist", "elbow")]
        for start in (10, 14):
            if rng.random() < 0.7:
                vector[start : start + 4] = [rng.uniform(low, high) for low, high in low_high]
    vector[1:3] += rng.normal(0, 0.06, 2)
    vector[0] = rng.uniform(0, 2 * pi)
    return limited(Pose.of(vector))
