"""The clip of the demo: somebody walks into a room, falls, lies, gets up and walks on."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import pi
from pathlib import Path

import cv2
import numpy as np

from tools.render.body import Body
from tools.render.camera import Camera
from tools.render.moves import ALL_FOURS, FALLS, FLOOR_SIT, KNEEL, STAND, along, walking
from tools.render.picture import Picture, render
from tools.render.pose import Pose, between
from tools.render.raster import Light
from tools.render.room import Cuboid, Room, chair, sample_furniture
from tools.render.scene import Damage, Person, Scene

WALK, STRIDE = 0.9, 1.25  # metres a second; metres of two steps


@dataclass(frozen=True, slots=True)
class Story:
    """Seconds of each part and which way the fall goes; the fall takes fall_s from upright to the floor."""

    fall: str = "forward"
    walk_s: float = 3.2
    fall_s: float = 0.75
    lie_s: float = 4.5
    rise_s: float = 3.5
    leave_s: float = 2.5
    fps: float = 15.0

    @property
    def length_s(self) -> float:
        """Seconds of the whole."""
        return self.walk_s + self.fall_s + self.lie_s + self.rise_s + self.leave_s

    @property
    def fall_start_s(self) -> float:
        """When the fall begins, in seconds from the first frame."""
        return self.walk_s


def moment(story: Story, time_s: float) -> tuple[Pose, float]:
    """The pose at a time, facing along the way, and the metres walked since the first frame."""
    way = FALLS[story.fall]
    fallen = story.walk_s + story.fall_s
    rising = fallen + story.lie_s
    up = rising + story.rise_s
    strides = WALK / STRIDE
    if time_s < story.walk_s:
        return walking(time_s * strides, 0.9), WALK * time_s
    walked = WALK * story.walk_s
    if time_s < fallen:
        share = (time_s - story.walk_s) / story.fall_s
        start = walking(story.walk_s * strides, 0.9)
        keys = [(0.0, start), (0.5, way[1]), (1.0, way[2])]
        return along(keys, share**1.3), walked + 0.25 * share
    walked += 0.25
    if time_s < rising:
        stir = 0.06 * np.sin(1.7 * (time_s - fallen))
        return way[2].but(head_side=way[2].head_side + stir, l_elbow=way[2].l_elbow + stir), walked
    if time_s < up:
        turn = [] if story.fall == "forward" else [(0.3, FLOOR_SIT)]
        keys = [(0.0, way[2]), *turn, (0.55, ALL_FOURS), (0.78, KNEEL), (1.0, STAND)]
        return along(keys, (time_s - rising) / story.rise_s), walked
    since = time_s - up
    return between(STAND, walking(since * strides, 0.9), min(1.0, 2 * since)), walked + WALK * since


def frames(story: Story, *, width: int = 640, height: int = 480, seed: int = 11) -> Iterator[tuple[float, Picture]]:
    """Every frame of the story with its time in seconds."""
    rng = np.random.default_rng(seed)
    colours = np.array(
        [[0.72, 0.78, 0.8], [0.7, 0.76, 0.79], [0.3, 0.42, 0.55], [0.9] * 3, [0.6] * 3, [0.74, 0.8, 0.83]]
    )
    pieces: list[Cuboid] = [
        *sample_furniture(np.random.default_rng(5), np.array([-2.1, 0, 2.2])),
        *sample_furniture(np.random.default_rng(21), np.array([1.9, 0, 2.3])),
        *chair(np.array([2.0, 0, 0.9]), pi, np.array([0.2, 0.35, 0.5]), np.array([0.15, 0.25, 0.35])),
    ]
    room = Room(np.array([-3.2, 0.0, -4.2]), np.array([3.2, 2.6, 3.0]), colours, 1, 0.35, 4, tuple(pieces))
    camera = Camera.looking(
        np.array([0.3, 1.75, -3.6]), np.array([0.1, 0.75, 0.4]), fov=1.15, width=width, height=height
    )
    light = Light(np.array([-1.2, 2.5, -1.5]), 0.6, 0.55)
    body = Body(top=(0.55, 0.35, 0.15), bottom=(0.28, 0.22, 0.2), sleeves=1.9)
    body = replace(body, pattern=0)
    for index in range(round(story.length_s * story.fps)):
        time_s = index / story.fps
        pose, walked = moment(story, time_s)
        person = Person(body, pose.but(yaw=pose.yaw + pi / 2 + 0.15), (-2.2 + walked * 0.98, 0.35 - 0.15 * walked))
        damage = Damage(blur=0.6, noise=0.005, gamma=0.8, jpeg=90, seed=int(rng.integers(1 << 30)))
        yield time_s, render(Scene((person,), room, light, camera, 0.5, damage))


def main() -> None:
    """Write the clip as MP4: `python -m tools.render.clip FILE.mp4`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--fall", choices=sorted(FALLS), default="forward")
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), metavar=("WIDTH", "HEIGHT"))
    given = parser.parse_args()
    story = Story(fall=given.fall)
    writer = cv2.VideoWriter(str(given.output), cv2.VideoWriter.fourcc(*"mp4v"), story.fps, tuple(given.size))
    for _, picture in frames(story, width=given.size[0], height=given.size[1]):
        writer.write(picture.image)
    writer.release()


if __name__ == "__main__":
    main()
