"""Part of a day in which nobody falls (benchmarks/falls.py has all of it), and one in which somebody does."""

import numpy as np
import pytest

from edge_pose.fall import FallConfig
from edge_pose.fall.watch import falls_of
from tests.fall import days
from tests.fall.figure import BACK, STAND, Camera, Motion, film, steps


@pytest.mark.parametrize("seed", [101, 102])
def test_part_of_a_day_without_a_fall_is_silent(seed):
    assert falls_of(days.day(0.08, seed, fps=8.0), FallConfig()) == ()


def test_a_fall_at_the_end_of_it_is_told():
    rows = list(days.day(0.02, 104, fps=8.0))
    camera = Camera(hw=rows[0][1])
    fall = Motion("fall", True, steps((2, STAND), (0.7, BACK, True), (3, BACK)))
    more = film(fall, camera, 8.0, np.random.default_rng(1), yaw=80, begin_s=rows[-1][0] + 20)
    told = falls_of([*rows, *((t, camera.hw, p) for t, p in more)], FallConfig())
    assert [e.event for e in told] == ["fall.confirmed"]
    assert told[0].time_s > rows[-1][0] + 20
