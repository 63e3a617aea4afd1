"""The motions that a fall detector must tell apart, with the durations that people take for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tests.fall.figure import (
    BACK,
    BEND,
    CROUCH,
    FLOOR_SIT,
    FOURS,
    FRONT,
    HUNCHED,
    KNEEL,
    ON_SIDE,
    SHOES,
    SIDE,
    SIT,
    SLUMP,
    STAND,
    TIE,
    Key,
    Motion,
    on,
    steps,
)

Make = Callable[[np.random.Generator], Motion]
BED = 0.5  # metres


def _u(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def walk(key: Key, dx: float, dy: float, seconds: float) -> tuple[tuple[float, Key, bool], ...]:
    """Strides; the figure ends at key moved by (dx, dy)."""
    count = max(2, round(seconds / 0.5))
    parts = []
    for i in range(1, count + 1):
        part = i / count
        spread = 22.0 if i % 2 else -22.0
        parts.append((seconds / count, replace(key, x=key.x + dx * part, y=key.y + dy * part, spread=spread)))
    return steps(*parts, (0.3, replace(key, x=key.x + dx, y=key.y + dy)))


def _hold(rng: np.random.Generator, low: float = 1.0, high: float = 3.0) -> float:
    return _u(rng, low, high)


def _walking(r: np.random.Generator) -> Motion:
    return Motion("walking", False, walk(STAND, _u(r, -1.5, 1.5), _u(r, -1.2, 1.2), _u(r, 3, 6)))


def _sitting(r: np.random.Generator) -> Motion:
    return Motion("sitting down", False, steps((_hold(r), STAND), (_u(r, 0.8, 1.6), SIT), (_hold(r, 2, 4), SIT)))


def _dropping(r: np.random.Generator) -> Motion:
    """Somebody who lets himself fall into a chair, and leans back."""
    parts = ((_hold(r), STAND), (_u(r, 0.5, 0.8), SIT), (_u(r, 0.4, 0.9), SLUMP), (_hold(r, 2, 4), SLUMP))
    return Motion("dropping into a chair", False, steps(*parts))


def _rising(r: np.random.Generator) -> Motion:
    parts = ((_hold(r), SIT), (_u(r, 0.8, 1.5), STAND), (_hold(r), STAND), (_u(r, 0.8, 1.2), SIT), (_hold(r), SIT))
    return Motion("getting up and sitting down", False, steps(*parts), SIT)


def _shoes(r: np.random.Generator) -> Motion:
    parts = ((_hold(r), STAND), (_u(r, 0.8, 1.2), SIT), (0.5, SIT), (_u(r, 0.6, 1.0), SHOES), (_hold(r, 2, 5), SHOES))
    return Motion("tying shoes on a chair", False, steps(*parts, (0.8, SIT), (1, SIT)))


def _picking(r: np.random.Generator) -> Motion:
    down = (_u(r, 0.6, 1.2), BEND)
    return Motion("bending", False, steps((_hold(r), STAND), down, (_hold(r, 0.5, 3), BEND), (0.9, STAND), (1, STAND)))


def _crouching(r: np.random.Generator) -> Motion:
    down, hold = (_u(r, 0.6, 1.1), CROUCH), (_hold(r, 0.5, 4), CROUCH)
    return Motion("crouching", False, steps((_hold(r), STAND), down, hold, (0.9, STAND), (1, STAND)))


def _tying(r: np.random.Generator) -> Motion:
    down, hold = (_u(r, 0.9, 1.4), TIE), (_hold(r, 2, 5), TIE)
    return Motion("tying shoes, crouched", False, steps((_hold(r), STAND), down, hold, (0.9, STAND), (1, STAND)))


def _kneeling(r: np.random.Generator) -> Motion:
    down, hold = (_u(r, 0.9, 1.6), KNEEL), (_hold(r, 1, 3), KNEEL)
    reach = (_u(r, 0.7, 1.2), FOURS)
    back = ((0.9, KNEEL), (1.2, STAND), (1, STAND))
    return Motion("kneeling and reaching", False, steps((_hold(r), STAND), down, hold, reach, (_hold(r), FOURS), *back))


def _squats(r: np.random.Generator) -> Motion:
    parts: list[tuple[float, Key]] = [(_hold(r), STAND)]
    for _ in range(4):
        parts += [(_u(r, 0.4, 0.7), CROUCH), (_u(r, 0.1, 0.4), CROUCH), (_u(r, 0.4, 0.7), STAND), (0.2, STAND)]
    return Motion("squats", False, steps(*parts))


def _jumping(r: np.random.Generator) -> Motion:
    parts: list[tuple[float, Key]] = [(_hold(r), STAND)]
    dip = Key(trunk=15, thighs=40, shanks=-35)
    for _ in range(5):
        parts += [(0.25, dip), (0.2, on(STAND, _u(r, 0.1, 0.25))), (0.2, STAND), (0.15, dip), (0.2, STAND)]
    return Motion("jumping", False, steps(*parts))


def _floor_sitting(r: np.random.Generator) -> Motion:
    parts = ((_hold(r), STAND), (_u(r, 0.9, 1.5), CROUCH), (_u(r, 0.6, 1.2), FLOOR_SIT), (_hold(r, 2, 4), FLOOR_SIT))
    return Motion("sitting down on the floor", False, steps(*parts))


def _lying_floor(r: np.random.Generator) -> Motion:
    """On purpose: crouch or kneel, sit, lie."""
    first = KNEEL if r.random() < 0.5 else CROUCH
    parts = ((_hold(r), STAND), (_u(r, 0.9, 1.4), first), (_u(r, 0.7, 1.3), FLOOR_SIT), (_u(r, 1.1, 2.0), BACK))
    return Motion("lying down on the floor", False, steps(*parts, (_hold(r, 2, 4), BACK)))


def _lying_front(r: np.random.Generator) -> Motion:
    parts = ((_hold(r), STAND), (_u(r, 0.9, 1.4), KNEEL), (_u(r, 0.8, 1.4), FOURS), (_u(r, 1.0, 1.8), FRONT))
    return Motion("lying down on the belly", False, steps(*parts, (_hold(r, 2, 4), FRONT)))


def _lying_bed(r: np.random.Generator) -> Motion:
    down, over = _u(r, 0.9, 1.5), _u(r, 1.0, 2.0)
    lying = on(ON_SIDE if r.random() < 0.5 else BACK, BED)
    parts = ((_hold(r), STAND), (down, SIT), (_u(r, 0.2, 1.5), SIT), (over, lying), (_hold(r, 2, 4), lying))
    return Motion("lying down on a bed", False, steps(*parts))


def _sleeping(r: np.random.Generator) -> Motion:
    lying, turned = on(BACK, BED), on(ON_SIDE, BED)
    parts = ((_hold(r, 2, 4), lying), (_u(r, 0.8, 1.5), turned), (2, turned), (1.0, lying), (2, lying))
    return Motion("turning over in bed", False, steps(*parts), lying)


def _crawling(r: np.random.Generator) -> Motion:
    parts: list[tuple[float, Key]] = [(_hold(r), STAND), (_u(r, 1.0, 1.5), KNEEL), (_u(r, 0.8, 1.2), FOURS)]
    parts += [(0.7, replace(FOURS, x=0.25 * i, thighs=12.0 * (-1) ** i, arms=15.0 * (-1) ** i)) for i in range(1, 6)]
    return Motion("crawling", False, steps(*parts))


def _pushups(r: np.random.Generator) -> Motion:
    high, low = Key(tilt=68, arms=70), Key(tilt=86, arms=60)
    parts: list[tuple[float, Key]] = [(1, FOURS), (0.8, high)]
    for _ in range(5):
        parts += [(_u(r, 0.5, 0.9), low), (_u(r, 0.5, 0.9), high)]
    return Motion("push-ups", False, steps(*parts), FOURS)


def _fall(name: str, end: Key, knees: bool, low: float = 0.55, high: float = 1.0) -> Make:
    def make(r: np.random.Generator) -> Motion:
        seconds = _u(r, low, high)
        before = walk(STAND, 0.8, 0, 1.6) if r.random() < 0.5 else steps((_hold(r, 0.8, 2), STAND))
        start = before[-1][1]
        final = replace(end, x=start.x, y=start.y)
        if knees:
            give = Key(
                trunk=20, thighs=45, shanks=-50, tilt=end.tilt * 0.25, roll=end.roll * 0.25, x=start.x, y=start.y
            )
            way = steps((seconds * 0.45, give), (seconds * 0.55, final, True))
        else:
            way = steps((seconds, final, True))
        return Motion(name, True, before + way + steps((_u(r, 1.2, 4), final)))

    return make


def _from_chair(r: np.random.Generator) -> Motion:
    end = HUNCHED if r.random() < 0.5 else FRONT
    lean = Key(trunk=50, thighs=85, shanks=-10) if end is FRONT else Key(trunk=10, thighs=88, roll=25)
    parts = ((_hold(r), SIT), (_u(r, 0.3, 0.6), lean), (_u(r, 0.5, 0.8), end, True), (_u(r, 1.5, 4), end))
    return Motion("falling off a chair", True, steps(*parts), SIT)


def _from_bed(r: np.random.Generator) -> Motion:
    lying, side = on(BACK, BED), on(ON_SIDE, BED)
    floor = replace(ON_SIDE, y=0.6, turn=150)
    parts = ((_hold(r), lying), (0.7, side), (0.3, side), (_u(r, 0.4, 0.7), floor, True), (_u(r, 1.5, 4), floor))
    return Motion("falling out of bed", True, steps(*parts), lying)


def _collapsing(r: np.random.Generator) -> Motion:
    parts = (
        (_hold(r), STAND),
        (_u(r, 0.4, 0.6), Key(trunk=20, thighs=100, shanks=-60)),
        (_u(r, 0.4, 0.6), HUNCHED, True),
    )
    return Motion("collapsing", True, steps(*parts, (_u(r, 1.2, 4), HUNCHED)))


NEGATIVES: tuple[Make, ...] = (
    _walking, _sitting, _dropping, _rising, _shoes, _picking, _crouching, _tying, _kneeling, _squats, _jumping,
    _floor_sitting, _lying_floor, _lying_front, _lying_bed, _sleeping, _crawling, _pushups,
)  # fmt: skip
POSITIVES: tuple[Make, ...] = (
    _fall("falling ahead", FRONT, False),
    _fall("falling ahead on the knees", FRONT, True),
    _fall("falling back", BACK, False),
    _fall("falling back, knees giving way", BACK, True),
    _fall("falling aside", SIDE, False),
    _fall("falling aside, knees giving way", SIDE, True),
    _collapsing,
    _from_chair,
    _from_bed,
)
