"""Everything a picture shows, before it is drawn: people, room, lamp, camera and what spoils the photograph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.render.body import Body, sample_body
from tools.render.camera import Camera
from tools.render.moves import sample_pose
from tools.render.pose import Pose
from tools.render.raster import Light
from tools.render.room import Cuboid, Room, chair, sample_room

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Who, how and where (x, z metres on the floor)."""

    body: Body
    pose: Pose
    place: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Damage:
    """What a cheap camera does: blurs in pixels, noise and gamma, JPEG quality (0: none), grey (infra-red)."""

    blur: float = 0.0
    motion: float = 0.0
    angle: float = 0.0
    noise: float = 0.0
    gamma: float = 1.0
    gain: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    jpeg: int = 0
    grey: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One picture to be. The first person is the one who matters; shadow: 0..1."""

    people: tuple[Person, ...]
    room: Room
    light: Light
    camera: Camera
    shadow: float = 0.5
    damage: Damage = Damage()


def sample_scene(seed: int, *, width: int = 192, height: int = 192, people: int | None = None) -> Scene:
    """A scene of chance. people: None for mostly one, sometimes two or three; 0 for the room alone."""
    rng = np.random.default_rng(seed)
    pose = sample_pose(rng)
    body = sample_body(rng)
    eye_height = float(rng.choice([rng.uniform(0.4, 1.4), rng.uniform(1.2, 2.0), rng.uniform(1.8, 3.0)]))
    fov = float(rng.uniform(0.7, 1.7))
    distance = float(rng.uniform(0.85, 1.9) / np.tan(fov / 2))
    distance = float(np.clip(distance, 1.4, 7.0))
    aim = np.array([rng.normal(0, 0.28) * distance * 0.5, rng.uniform(0.3, 1.2), 0.0])
    camera = Camera.looking(
        np.array([0.0, eye_height, -distance]),
        aim,
        fov=fov,
        width=width,
        height=height,
        roll=float(rng.normal(0, 0.05)),
    )
    crowd = [Person(body, pose, (0.0, float(rng.uniform(-0.3, 0.3))))]
    count = people if people is not None else int(rng.choice([1, 2, 3], p=[0.75, 0.2, 0.05]))
    for _ in range(count - 1):
        x = float(rng.choice([-1, 1]) * rng.uniform(0.5, 2.0))
        crowd.append(Person(sample_body(rng), sample_pose(rng), (x, float(rng.uniform(0.2, 3.0)))))
    room = sample_room(rng, np.array([0.0, 0.0, 0.0]), camera.eye)
    crowd = [crowd[0], *(person for person in crowd[1:] if _within(room, person.place))]
    extra = _seats(rng, crowd[0])
    crowd = crowd[:count]
    if rng.random() < 0.25:  # something in front that hides a part
        z = -float(rng.uniform(0.35, 0.8))
        half = np.array([rng.uniform(0.1, 0.5), rng.uniform(0.1, 0.35), rng.uniform(0.05, 0.25)])
        at = np.array([rng.uniform(-0.6, 0.6), half[1], z])
        extra.append(Cuboid(at, half, float(rng.uniform(0, 3)), rng.uniform(0.05, 0.9, 3)))
    room = Room(room.low, room.high, room.colours, room.floor_pattern, room.tile, room.seed, (*room.furniture, *extra))
    lamp = np.array([rng.uniform(-3, 3), rng.uniform(1.8, 3.2), rng.uniform(-4, 2)])
    warmth = rng.normal(0, 0.08)
    light = Light(lamp, float(rng.uniform(0.25, 0.9)), float(rng.uniform(0.3, 0.75)), (1 - warmth, 1.0, 1 + warmth))
    return Scene(tuple(crowd), room, light, camera, float(rng.uniform(0.1, 0.7)), sample_damage(rng, seed))


def _within(room: Room, place: tuple[float, float], margin: float = 0.3) -> bool:
    """Whether a place is in the room: nobody is to be learnt who stands behind a wall."""
    low, high = room.low[[0, 2]] + margin, room.high[[0, 2]] - margin
    return bool((low < place).all() and (high > place).all())


def sample_damage(rng: np.random.Generator, seed: int) -> Damage:
    """A photograph's faults of chance."""
    return Damage(
        blur=float(rng.choice([0, 0, rng.uniform(0.3, 1.6)])),
        motion=float(rng.choice([0, 0, 0, rng.uniform(2, 7)])),
        angle=float(rng.uniform(0, np.pi)),
        noise=float(rng.choice([0.0, 0.01, rng.uniform(0.0, 0.06)])),
        gamma=float(rng.uniform(0.55, 1.1)),
        gain=float(rng.choice([1.0, 1.0, rng.uniform(0.4, 1.4)])),
        tint=tuple(map(float, np.clip(rng.normal(1, 0.06, 3), 0.8, 1.2))),  # type: ignore[arg-type]
        jpeg=int(rng.choice([0, rng.integers(20, 95)])),
        grey=bool(rng.random() < 0.08),
        seed=seed,
    )


def _seats(rng: np.random.Generator, person: Person) -> list[Cuboid]:
    """A chair under somebody who sits in the air."""
    pose = person.pose
    if (
        pose.l_hip_flex < 1.1
        or pose.r_hip_flex < 1.1
        or abs(pose.pitch) > 0.5
        or pose.l_knee > 1.9
        or pose.l_knee < 1.0
    ):
        return []
    colour = rng.uniform(0.05, 0.9, 3)
    spot = np.array([person.place[0], 0.0, person.place[1]])
    seat = 0.44 * person.body.height / 1.72 - 0.06
    return chair(spot, pose.yaw, colour, colour * 0.7, seat)
