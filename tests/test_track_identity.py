"""IDF1 and switches, by hand."""

import numpy as np
import pytest

from edge_pose.errors import ShapeError
from edge_pose.track.identity import identity_scores

A, B = [0, 0, 10, 10], [100, 0, 110, 10]


def test_all_right():
    scores = identity_scores([([1, 2], [A, B], [7, 3], [A, B])] * 4)
    assert (scores.idf1, scores.precision, scores.recall) == (1, 1, 1)
    assert (scores.switches, scores.fragments, scores.truths, scores.founds) == (0, 0, 8, 8)


def test_an_id_that_changes_halfway_counts_half():
    frames = [([1], [A], [5], [A])] * 3 + [([1], [A], [6], [A])] * 3
    scores = identity_scores(frames)
    assert scores.idf1 == 0.5 and (scores.switches, scores.fragments) == (1, 1)


def test_two_who_swap():
    frames = [([1, 2], [A, B], [5, 6], [A, B])] * 3 + [([1, 2], [A, B], [5, 6], [B, A])]
    scores = identity_scores(frames)
    assert scores.idf1 == pytest.approx(2 * 6 / 16) and scores.switches == 2


def test_what_is_missed_and_what_is_too_much():
    scores = identity_scores([([1, 2], [A, B], [5, 9], [A, [50, 50, 60, 60]]), ([1], [A], [5, -1], [A, B])])
    assert (scores.recall, scores.precision) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert (scores.truths, scores.founds) == (3, 3)  # rows without an id are no findings


@pytest.mark.parametrize(("shift", "right"), [(0, 1.0), (3.33, 1.0), (3.34, 0.0), (50, 0.0)])
def test_boxes_must_overlap_by_half(shift, right):
    assert identity_scores([([1], [A], [1], [np.add(A, [shift, 0, shift, 0])])]).idf1 == right


def test_who_still_fits_keeps_the_pairing():
    near = [1, 0, 11, 10]
    frames = [([1, 2], [A, near], [5, 6], [A, near]), ([1, 2], [A, near], [5, 6], [near, A])]
    assert identity_scores(frames).switches == 0


def test_what_is_not_judged_is_left_aside():
    scores = identity_scores([([1, -1], [A, B], [5, 6], [A, B])])
    assert (scores.idf1, scores.truths, scores.founds) == (1, 1, 1)


def test_nothing_at_all():
    assert identity_scores([]).idf1 == identity_scores([([], [], [], [])]).idf1 == 1
    assert identity_scores([([1], [A], [], [])]).idf1 == 0
    assert identity_scores([([1], [[5, 5, 5, 5]], [1], [[5, 5, 5, 5]])]).idf1 == 0  # boxes without area


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (([1, 1], [A, B], [], []), r"true ids of one frame must differ, got \[1, 1\]"),
        (([1], [A], [5, 5], [A, B]), r"ids of one frame must differ, got \[5, 5\]"),
        (([1], [A, B], [], []), "true boxes must be float64 of shape"),
    ],
)
def test_what_is_no_frame(frame, message):
    with pytest.raises(ShapeError, match=message):
        identity_scores([frame])
