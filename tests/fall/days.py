"""Days in a home, put together from motions: people walk, sit, bend and lie down slowly, and nobody falls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from edge_pose.fall.watch import Moment
from tests.fall import motions
from tests.fall.figure import BACK, FLOOR_SIT, KNEEL, SIT, STAND, Camera, Flaws, Key, Motion, film, on, steps

Parts = list[tuple[float, Key]]


def episode(rng: np.random.Generator) -> Motion:
    """One stay in the room: some things that people do, each ending on their feet, at an unhurried pace."""
    parts: Parts = [(1.0, STAND)]
    for _ in range(int(rng.integers(3, 9))):
        parts += ACTS[rng.choice(len(ACTS), p=SHARES)](rng)
    return Motion("a stay", False, steps(*parts))


def _walk(r: np.random.Generator) -> Parts:
    return [(p[0], p[1]) for p in motions.walk(STAND, r.uniform(-0.8, 0.8), r.uniform(-1, 1), r.uniform(2, 6))] + [
        (r.uniform(1, 3), STAND)
    ]


def _stand(r: np.random.Generator) -> Parts:
    sway = replace(STAND, trunk=r.uniform(-3, 8), arms=r.uniform(0, 60))
    return [(r.uniform(1, 4), sway), (r.uniform(2, 15), sway), (1.0, STAND)]


def _sit(r: np.random.Generator) -> Parts:
    parts: Parts = [(r.uniform(1.0, 2.0), SIT)]
    for _ in range(int(r.integers(1, 5))):
        lean = replace(SIT, trunk=r.uniform(-15, 35), arms=r.uniform(0, 70))
        parts += [(r.uniform(0.8, 2), lean), (r.uniform(3, 25), lean)]
    return [*parts, (r.uniform(1.0, 2.0), STAND), (0.5, STAND)]


def _bend(r: np.random.Generator) -> Parts:
    low = replace(motions.BEND, trunk=r.uniform(60, 100))
    return [(r.uniform(0.9, 1.6), low), (r.uniform(0.5, 4), low), (r.uniform(0.9, 1.6), STAND), (0.5, STAND)]


def _crouch(r: np.random.Generator) -> Parts:
    low = motions.CROUCH if r.random() < 0.5 else replace(motions.TIE, trunk=r.uniform(35, 65))
    return [(r.uniform(1.0, 1.8), low), (r.uniform(1, 8), low), (r.uniform(1.0, 1.8), STAND), (0.5, STAND)]


def _lie(r: np.random.Generator) -> Parts:
    """To bed: sit, stay, lie down slowly; up again the same way."""
    bed = on(BACK, motions.BED)
    down: Parts = [(r.uniform(1.0, 2.0), SIT), (r.uniform(0.5, 3), SIT), (r.uniform(1.5, 4), bed)]
    return [*down, (r.uniform(10, 60), bed), (r.uniform(1.5, 3), SIT), (1.0, SIT), (r.uniform(1.0, 2.0), STAND)]


def _floor(r: np.random.Generator) -> Parts:
    """Slowly to the floor, as to play or to exercise, and up."""
    down: Parts = [(r.uniform(1.2, 2.0), KNEEL), (r.uniform(0.5, 2), KNEEL), (r.uniform(1.2, 2.0), FLOOR_SIT)]
    lying: Parts = [(r.uniform(2, 4), BACK), (r.uniform(5, 30), BACK), (r.uniform(2, 3), FLOOR_SIT)]
    return [*down, (r.uniform(3, 20), FLOOR_SIT), *lying, (r.uniform(1.2, 2.0), KNEEL), (r.uniform(1.2, 2.0), STAND)]


ACTS = (_walk, _stand, _sit, _bend, _crouch, _lie, _floor)
SHARES = (0.28, 0.22, 0.25, 0.1, 0.06, 0.06, 0.03)


def day(hours: float, seed: int, fps: float = 10.0) -> Iterator[Moment]:
    """Yield the moments of so many hours in one room; between two stays it is empty for a while.

    Each stay has its own person, direction, distance, and flaws of the network; the camera stays where it is.
    """
    rng = np.random.default_rng(seed)
    camera = Camera(rng.uniform(1.2, 2.6), rng.uniform(3, 5))
    camera = replace(camera, down=float(np.rad2deg(np.arctan2(camera.height - 0.9, camera.away))))
    at_s, end_s = 0.0, hours * 3600
    while at_s < end_s:
        flaws = Flaws(rng.uniform(0.003, 0.02), rng.uniform(0, 0.15), rng.uniform(0, 0.3), rng.uniform(0, 0.1))
        stay = film(episode(rng), camera, fps, rng, flaws, rng.uniform(0, 360), (0.0, rng.uniform(-0.6, 0.6)), at_s)
        for time_s, poses in stay:
            if time_s >= end_s:
                return
            yield time_s, camera.hw, poses
        at_s = stay[-1][0] + float(rng.uniform(1, 20))
