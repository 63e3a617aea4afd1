"""Joint angles of a body. Radians; a flexion of zero everywhere is a person standing straight with the arms hanging."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pose:
    """Angles in radians, in the body's own frame: x to its left, y up, z the way it faces.

    yaw turns the body on the floor; pitch tips it forward (+pi/2: face down, -pi/2: on the back), roll to its left.
    Flexions bring a limb forward (knees: backward), abductions away from the body, twists turn it about itself.
    lift: metres of the lowest point over the floor.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    lift: float = 0.0
    spine_flex: float = 0.0
    spine_side: float = 0.0
    spine_twist: float = 0.0
    head_flex: float = 0.0
    head_side: float = 0.0
    head_twist: float = 0.0
    l_shoulder_flex: float = 0.0
    l_shoulder_abduct: float = 0.1
    l_shoulder_twist: float = 0.0
    l_elbow: float = 0.15
    r_shoulder_flex: float = 0.0
    r_shoulder_abduct: float = 0.1
    r_shoulder_twist: float = 0.0
    r_elbow: float = 0.15
    l_hip_flex: float = 0.0
    l_hip_abduct: float = 0.05
    l_hip_twist: float = 0.1
    l_knee: float = 0.05
    l_ankle: float = 0.0
    r_hip_flex: float = 0.0
    r_hip_abduct: float = 0.05
    r_hip_twist: float = 0.1
    r_knee: float = 0.05
    r_ankle: float = 0.0

    def vector(self) -> F64:
        """All angles as one array, in the order of the fields."""
        return np.array([getattr(self, f.name) for f in fields(self)])

    @classmethod
    def of(cls, vector: F64) -> Pose:
        """The pose of such an array."""
        return cls(*map(float, vector))

    def but(self, **angles: float) -> Pose:
        """Return the same pose with some angles replaced."""
        return replace(self, **angles)


# What joints can do: (least, most) of each angle of the limbs, after the range-of-motion tables of Kapandji.
LIMITS = {
    "spine_flex": (-0.4, 1.2),
    "spine_side": (-0.5, 0.5),
    "spine_twist": (-0.6, 0.6),
    "head_flex": (-0.6, 0.7),
    "head_side": (-0.5, 0.5),
    "head_twist": (-1.1, 1.1),
    "shoulder_flex": (-0.8, 2.9),
    "shoulder_abduct": (0.0, 2.6),
    "shoulder_twist": (-1.2, 1.2),
    "elbow": (0.0, 2.5),
    "hip_flex": (-0.4, 2.1),
    "hip_abduct": (-0.15, 0.8),
    "hip_twist": (-0.4, 0.6),
    "knee": (0.0, 2.4),
    "ankle": (-0.4, 0.7),
}


def limited(pose: Pose) -> Pose:
    """Return the pose with every angle of trunk and limbs brought to what joints can do."""
    angles = {}
    for field in fields(pose):
        name = field.name.removeprefix("l_").removeprefix("r_")
        if name in LIMITS:
            low, high = LIMITS[name]
            angles[field.name] = float(np.clip(getattr(pose, field.name), low, high))
    return replace(pose, **angles)


def between(a: Pose, b: Pose, share: float) -> Pose:
    """The pose that lies at share (0..1) of the way from a to b."""
    return Pose.of(a.vector() * (1 - share) + b.vector() * share)


def mirrored(pose: Pose) -> Pose:
    """The pose as a looking-glass shows it: left and right change places."""
    angles = {}
    for field in fields(pose):
        name, value = field.name, getattr(pose, field.name)
        if name[:2] in ("l_", "r_"):
            angles[("r_" if name[0] == "l" else "l_") + name[2:]] = value
        elif name in ("yaw", "roll", "spine_side", "spine_twist", "head_side", "head_twist"):
            angles[name] = -value
        else:
            angles[name] = value
    return Pose(**angles)
