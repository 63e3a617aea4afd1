"""Deadline mode: what a frame may cost, and what is given up for it. Times are told, not measured."""

import pytest

from edge_pose.errors import PipelineError
from edge_pose.pipeline.budget import LONGEST, Budget


def known(budget_ms=40.0, *, detect_ms=20.0, person_ms=5.0, rest_ms=1.0, **options):
    """A budget that has seen one frame."""
    budget = Budget(budget_ms, can_predict=True, **options)
    budget.rest(rest_ms)
    budget.measured(detect_ms=detect_ms, pose_ms=2 * person_ms, looked_at=2, wanted=2)
    return budget


@pytest.mark.parametrize(
    ("wanted", "detected", "people"),
    [
        (0, True, 0),
        (1, True, 1),
        (3, True, 3),  # 1 + 20 + 3 * 5 fits
        (4, True, 3),
        (7, False, 7),
        (20, False, 7),  # 1 + 7 * 5 fits
    ],
)
def test_as_many_people_as_fit(wanted, detected, people):
    assert known().people(wanted, detected=detected) == people


def test_somebody_is_always_looked_at():
    assert known(budget_ms=1.0).people(5, detected=True) == 1


def test_before_anything_is_known_one_person_is_tried():
    assert Budget(40.0).people(5, detected=True) == 1


def test_without_a_budget_nothing_is_given_up():
    budget = known(budget_ms=None)
    assert budget.people(100, detected=True) == 100
    budget.measured(detect_ms=500.0, pose_ms=500.0, looked_at=100, wanted=100)
    assert budget.every == 1


def test_the_detector_gets_rarer_and_comes_back():
    budget = known()
    seen = [budget.every]
    for _ in range(6):
        budget.measured(detect_ms=20.0, pose_ms=15.0, looked_at=3, wanted=10)
        seen.append(budget.every)
    assert seen == [1, 2, 4, 8, 8, 8, 8]
    assert seen[-1] == LONGEST
    for _ in range(10):
        budget.measured(detect_ms=20.0, pose_ms=5.0, looked_at=1, wanted=1)
        seen.append(budget.every)
    assert seen[7:] == [7, 6, 5, 4, 3, 2, 1, 1, 1, 1]


def test_it_never_looks_more_often_than_it_was_told_to():
    budget = known(detect_every=3)
    for _ in range(5):
        budget.measured(detect_ms=1.0, pose_ms=1.0, looked_at=1, wanted=1)
    assert budget.every == 3


def test_a_slow_frame_counts_at_once_and_is_forgotten_slowly():
    budget = known()
    budget.measured(detect_ms=None, pose_ms=30.0, looked_at=1, wanted=1)
    assert budget.people(20, detected=False) == 1
    for _ in range(100):
        budget.measured(detect_ms=None, pose_ms=5.0, looked_at=1, wanted=1)
    assert budget.people(20, detected=False) == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget_ms": 0}, "budget_ms must be more than 0"),
        ({"budget_ms": float("nan")}, "budget_ms must be more than 0"),
        ({"budget_ms": None, "detect_every": 0}, "detect_every must be at least 1"),
        ({"budget_ms": None, "detect_every": 2}, "detect_every=2 needs the boxes of tracked people"),
    ],
)
def test_what_makes_no_sense(options, message):
    with pytest.raises(PipelineError, match=message):
        Budget(**options)
