"""A body's measures and clothes, and where its parts are in a pose: capsules to draw, keypoints to learn."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, sin

import numpy as np
from numpy.typing import NDArray

from tools.render.pose import Pose

F64 = NDArray[np.float64]
Colour = tuple[float, float, float]  # blue, green, red; 0..1


@dataclass(frozen=True, slots=True)
class Body:
    """Metres and colours of one person. girth: 1 is average. sleeves, legs: the share of the limb that is covered."""

    height: float = 1.72
    girth: float = 1.0
    shoulders: float = 0.36
    hips: float = 0.2
    head: float = 1.0
    skin: Colour = (0.55, 0.66, 0.85)
    hair: Colour = (0.1, 0.13, 0.2)
    top: Colour = (0.6, 0.3, 0.2)
    bottom: Colour = (0.3, 0.25, 0.22)
    shoes: Colour = (0.12, 0.12, 0.12)
    sleeves: float = 1.0
    legs: float = 1.0
    skirt: float = 0.0
    hair_length: float = 0.3
    pattern: int = 0
    pattern_scale: float = 20.0
    glasses: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A tapered capsule from a to b (world metres) with its radii, colour and pattern (0: plain)."""

    a: F64
    b: F64
    ra: float
    rb: float
    colour: Colour
    pattern: int = 0
    scale: float = 20.0


SKINS = (
    (0.72, 0.8, 0.95),
    (0.6, 0.7, 0.88),
    (0.45, 0.57, 0.78),
    (0.32, 0.43, 0.62),
    (0.2, 0.28, 0.44),
    (0.13, 0.18, 0.3),
)
HAIRS = (
    (0.06, 0.07, 0.09),
    (0.1, 0.14, 0.22),
    (0.18, 0.27, 0.4),
    (0.42, 0.62, 0.78),
    (0.65, 0.66, 0.68),
    (0.88, 0.88, 0.88),
)


def sample_body(rng: np.random.Generator) -> Body:
    """A person of chance: child or adult, thin or stout, light or dark, in trousers, shorts or a skirt."""

    def cloth() -> Colour:
        grey = rng.random() < 0.4
        base = rng.uniform(0.04, 0.95)
        tint = np.full(3, base) if grey else rng.uniform(0.03, 0.95, 3)
        return tuple(map(float, np.clip(tint + rng.normal(0, 0.03, 3), 0.02, 0.98)))  # type: ignore[return-value]

    girth = float(np.clip(rng.lognormal(0.05, 0.18), 0.75, 1.7))
    skin = np.array(SKINS[rng.integers(len(SKINS))]) * rng.uniform(0.85, 1.1)
    hair = np.array(HAIRS[rng.choice(len(HAIRS), p=[0.3, 0.25, 0.15, 0.1, 0.1, 0.1])]) * rng.uniform(0.8, 1.2)
    return Body(
        height=float(np.clip(rng.normal(1.69, 0.11), 1.2, 2.0)),
        girth=girth,
        shoulders=float(rng.uniform(0.32, 0.41)),
        hips=float(rng.uniform(0.17, 0.23)),
        head=float(rng.uniform(0.93, 1.1)),
        skin=tuple(map(float, np.clip(skin, 0, 1))),  # type: ignore[arg-type]
        hair=tuple(map(float, np.clip(hair, 0, 1))),  # type: ignore[arg-type]
        top=cloth(),
        bottom=cloth(),
        shoes=cloth(),
        sleeves=float(rng.choice([0.0, 0.45, 0.5, 1.6, 1.9, 1.9])),
        legs=float(rng.choice([0.5, 0.8, 1.9, 1.9, 1.9, 1.9])),
        skirt=float(rng.choice([0, 0, 0, 0, 0, 0.5, 0.9])),
        hair_length=float(rng.choice([-0.2, 0.1, 0.3, 0.3, 0.8, 1.3])),
        pattern=int(rng.choice([0, 0, 0, 1, 2, 3])),
        pattern_scale=float(rng.uniform(8, 40)),
        glasses=bool(rng.random() < 0.2),
    )


def turn_x(a: float) -> F64:
    """Rotation by a about the axis to the left: forward tips down."""
    return np.array([[1, 0, 0], [0, cos(a), -sin(a)], [0, sin(a), cos(a)]])


def turn_y(a: float) -> F64:
    """Rotation by a about the upright axis: the left comes to the back."""
    return np.array([[cos(a), 0, sin(a)], [0, 1, 0], [-sin(a), 0, cos(a)]])


def turn_z(a: float) -> F64:
    """Rotation by a about the axis forward: the left comes up."""
    return np.array([[cos(a), -sin(a), 0], [sin(a), cos(a), 0], [0, 0, 1]])


def assemble(body: Body, pose: Pose, place: tuple[float, float]) -> tuple[F64, list[Part]]:
    """Keypoints (17, 3), COCO order, and the parts of a body that stands or lies on the floor at place (x, z)."""
    s, g = body.height / 1.72, body.girth
    root = turn_y(pose.yaw) @ turn_x(pose.pitch) @ turn_z(-pose.roll)
    belly = root @ turn_y(pose.spine_twist / 2) @ turn_x(pose.spine_flex / 2) @ turn_z(-pose.spine_side / 2)
    chest = belly @ turn_y(pose.spine_twist / 2) @ turn_x(pose.spine_flex / 2) @ turn_z(-pose.spine_side / 2)
    head = chest @ turn_y(pose.head_twist) @ turn_x(pose.head_flex) @ turn_z(-pose.head_side)
    up = np.array([0.0, 1.0, 0.0])
    pelvis = np.zeros(3)
    waist = pelvis + belly @ up * 0.22 * s
    neck = waist + chest @ up * 0.3 * s
    skull = neck + head @ np.array([0, 0.17, 0.02]) * s
    r = 0.098 * s * body.head
    face = {
        0: (0.0, -0.15, 1.08),
        1: (0.34, 0.18, 0.93),
        2: (-0.34, 0.18, 0.93),
        3: (0.95, 0.0, 0.0),
        4: (-0.95, 0.0, 0.0),
    }
    xyz = np.zeros((17, 3))
    for joint, offset in face.items():
        xyz[joint] = skull + head @ np.array(offset) * r

    parts: list[Part] = []
    for left, side in ((True, "l_"), (False, "r_")):
        sign = 1.0 if left else -1.0

        def angle(name: str, side: str = side) -> float:
            return float(getattr(pose, side + name))

        shoulder = neck + chest @ np.array([sign * body.shoulders / 2, -0.06, 0]) * s
        arm = chest @ turn_z(sign * angle("shoulder_abduct")) @ turn_x(-angle("shoulder_flex"))
        arm = arm @ turn_y(-sign * angle("shoulder_twist"))
        elbow = shoulder - arm @ up * 0.29 * s
        fore = arm @ turn_x(-angle("elbow"))
        wrist = elbow - fore @ up * 0.25 * s
        hand = wrist - fore @ up * 0.13 * s
        hip = pelvis + root @ np.array([sign * body.hips / 2, -0.06, 0]) * s
        thigh = root @ turn_z(sign * angle("hip_abduct")) @ turn_x(-angle("hip_flex"))
        thigh = thigh @ turn_y(sign * angle("hip_twist"))
        knee = hip - thigh @ up * 0.42 * s
        shin = thigh @ turn_x(angle("knee"))
        ankle = knee - shin @ up * 0.4 * s
        foot = shin @ turn_x(angle("ankle"))
        heel = ankle + foot @ np.array([0, -0.04, -0.04]) * s
        toe = ankle + foot @ np.array([0, -0.06, 0.17]) * s
        for joint, point in zip((5, 7, 9, 11, 13, 15), (shoulder, elbow, wrist, hip, knee, ankle), strict=True):
            xyz[joint + (0 if left else 1)] = point
        sleeve, leg = body.sleeves, body.legs
        k = g**0.6
        top, bottom, pattern = body.top, body.bottom, (body.pattern, body.pattern_scale)
        parts += _limb(shoulder, elbow, 0.06 * k * s, 0.049 * k * s, sleeve, top, body.skin, pattern)
        parts += _limb(elbow, wrist, 0.048 * k * s, 0.034 * k * s, sleeve - 1, top, body.skin, pattern)
        parts.append(Part(wrist, hand, 0.034 * s, 0.036 * s, body.skin))
        parts += _limb(hip, knee, 0.1 * k * s, 0.068 * k * s, leg, bottom, body.skin, (0, 1))
        parts += _limb(knee, ankle, 0.068 * k * s, 0.046 * k * s, leg - 1, bottom, body.skin, (0, 1))
        parts.append(Part(heel, toe, 0.045 * s, 0.038 * s, body.shoes))
        if body.skirt:
            hem = hip * (1 - body.skirt) + knee * body.skirt
            parts.append(Part(hip, hem, 0.11 * g * s, 0.14 * g * s, body.bottom))

    # The trunk is broader than deep: three capsules side by side; a stout person has a belly.
    across, forward = root @ np.array([1.0, 0, 0]), belly @ np.array([0, 0, 1.0])
    for share in (-1, 0, 1):
        low = pelvis + across * share * 0.07 * s * g**0.5 - root @ up * 0.02
        mid = waist + belly @ np.array([share * 0.06, 0, 0]) * s * g**0.5 + forward * 0.05 * s * max(0.0, g - 1)
        high = neck + chest @ np.array([share * body.shoulders * 0.32, -0.09, 0]) * s
        parts.append(Part(low, mid, 0.1 * g**0.7 * s, 0.095 * g * s, body.top, body.pattern, body.pattern_scale))
        parts.append(Part(mid, high, 0.095 * g * s, 0.085 * s * g**0.4, body.top, body.pattern, body.pattern_scale))
    parts.append(Part(xyz[5], xyz[6], 0.06 * s, 0.06 * s, body.top, body.pattern, body.pattern_scale))
    parts.append(Part(xyz[11], xyz[12], 0.095 * g**0.7 * s, 0.095 * g**0.7 * s, body.bottom))
    parts += _head(body, head, skull, neck, r, xyz)

    low = min(min(p.a[1] - p.ra, p.b[1] - p.rb) for p in parts)
    shift = np.array([place[0], pose.lift - low, place[1]])
    moved = [Part(p.a + shift, p.b + shift, p.ra, p.rb, p.colour, p.pattern, p.scale) for p in parts]
    return xyz + shift, moved


def _limb(
    a: F64, b: F64, ra: float, rb: float, covered: float, cloth: Colour, skin: Colour, pattern: tuple[int, float]
) -> list[Part]:
    """A limb that is clothed for a share of its length; cloth is a little wider than skin."""
    share = min(max(covered, 0.0), 1.0)
    mid, rm = a + (b - a) * share, ra + (rb - ra) * share
    parts = []
    if share > 0:
        parts.append(Part(a, mid, ra * 1.1, rm * 1.15, cloth, *pattern))
    if share < 1:
        parts.append(Part(mid, b, rm, rb, skin))
    return parts


def _head(body: Body, head: F64, skull: F64, neck: F64, r: float, xyz: F64) -> list[Part]:
    """Neck, face, hair, ears and what makes it a face: eyes, a mouth, sometimes glasses."""

    def at(x: float, y: float, z: float) -> F64:
        return np.asarray(skull + head @ np.array([x, y, z]) * r)

    dark = (0.08, 0.08, 0.1)
    lips = tuple(c * k for c, k in zip(body.skin, (0.6, 0.55, 0.8), strict=True))
    shade = tuple(c * 0.92 for c in body.skin)
    parts = [
        Part(neck - head @ np.array([0, 0.02, 0]), skull, 0.052 * body.height / 1.72, 0.05, shade),  # type: ignore[arg-type]
        Part(at(0, -0.35, 0.22), at(0, 0.18, 0), r * 0.8, r, body.skin),
        Part(xyz[0] - head @ np.array([0, 0, 0.01]), at(0, 0.1, 0.9), r * 0.17, r * 0.1, shade),  # type: ignore[arg-type]
        Part(at(-0.25, -0.52, 0.93), at(0.25, -0.52, 0.93), r * 0.09, r * 0.09, lips),  # type: ignore[arg-type]
    ]
    for joint in (1, 2):
        eye = xyz[joint]
        parts.append(Part(eye, eye + head @ np.array([1e-4, 0, 0]), r * 0.13, r * 0.13, (0.85, 0.87, 0.88)))
        parts.append(
            Part(
                eye + head @ np.array([0, 0, 0.08]) * r,
                eye + head @ np.array([1e-4, 0, 0.08 * r]),
                r * 0.09,
                r * 0.09,
                dark,
            )
        )
        brow = eye + head @ np.array([0, 0.26, 0.02]) * r
        out = head @ np.array([0.2, 0, 0]) * r
        parts.append(Part(brow - out, brow + out, r * 0.06, r * 0.06, body.hair))
        if body.glasses:
            parts.append(Part(eye - out * 1.2, eye + out * 1.2, r * 0.2, r * 0.2, dark))
    for joint in (3, 4):
        parts.append(Part(xyz[joint] * 1.0, xyz[joint] + head @ np.array([0, 0.25, 0]) * r, r * 0.2, r * 0.22, shade))  # type: ignore[arg-type]
    if body.hair_length >= 0:
        parts.append(Part(at(0, 0.35, -0.22), at(0, 0.12, -0.3), r * 1.0, r * 1.0, body.hair))
        parts.append(Part(at(-0.35, 0.75, 0.35), at(0.35, 0.75, 0.35), r * 0.4, r * 0.4, body.hair))
    if body.hair_length > 0.5:
        parts.append(Part(at(0, 0, -0.5), at(0, -body.hair_length, -0.6), r * 0.85, r * 0.6, body.hair))
    return parts
