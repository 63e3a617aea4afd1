"""Whose pose is whose in two models' answers, and how alike they are."""

import math

import numpy as np
import pytest

from edge_pose.export.matching import Tally, expected_loss, likenesses, matched, nearness
from edge_pose.poses import Poses
from edge_pose.skeleton import COCO17


def people(*where, score=0.9, joint=0.9) -> Poses:
    """Each of 100 x 200 px at (x, y), joints on a grid in the box."""
    count = len(where)
    grid = np.stack(np.meshgrid(np.linspace(10, 90, 4), np.linspace(10, 190, 5)), -1).reshape(-1, 2)[:17]
    xy = np.array([grid + place for place in where], np.float32).reshape(count, 17, 2)
    boxes = np.array([[x, y, x + 100, y + 200] for x, y in where], np.float32).reshape(count, 4)
    scores = np.full((count, 17), joint, np.float32)
    return Poses(xy, scores, boxes, np.broadcast_to(np.float32(score), count).copy(), skeleton=COCO17)


def tally(ours, theirs, *, paired=False, confidence=0.25) -> Tally:
    made = Tally(confidence, paired=paired)
    made.add(ours, theirs)
    return made


def test_the_same_answer_is_1():
    same = tally(people((0, 0), (300, 0)), people((0, 0), (300, 0)))
    assert (same.mean_oks, same.p95_px, same.lost, same.extra, len(same.oks)) == (1.0, 0.0, 0, 0, 2)


def test_oks_by_hand():
    """All joints 5 px aside: the mean over joints of exp(-25 / (2 area (2 sigma)^2)), area 0.53 of the box."""
    moved = people((3, 4))
    wanted = np.exp(-25 / (2 * 0.53 * 100 * 200 * (2 * np.array(COCO17.sigmas)) ** 2)).mean()
    assert likenesses(people((0, 0)), nearness(people((0, 0)), moved))[0, 0] == pytest.approx(wanted, rel=1e-6)
    assert tally(people((0, 0)), moved).p95_px == pytest.approx(5.0, rel=1e-5)


@pytest.mark.golden
def test_oks_is_that_of_pycocotools(golden):
    """Boxes are made so large that 0.53 of them are the people's areas; joints without a label are not counted."""
    known = golden("oks_coco")
    truth, found = known["gt_keypoints"], known["dt_keypoints_unsorted"][known["dt_order"]]
    labelled = truth[..., 2] > 0
    able = labelled.any(axis=1)  # for people without any, the source goes by their boxes
    side = np.sqrt(known["gt_area"] / 0.53)
    boxes = np.stack([0 * side, 0 * side, side, side], axis=1)
    ours = Poses(
        truth[..., :2].astype(np.float32), labelled.astype(np.float32), boxes.astype(np.float32),
        np.ones(len(truth), np.float32), skeleton=COCO17,
    )  # fmt: skip
    theirs = Poses(
        found[..., :2].astype(np.float32), np.ones(found.shape[:2], np.float32),
        np.zeros((len(found), 4), np.float32), np.ones(len(found), np.float32), skeleton=COCO17,
    )  # fmt: skip
    got = likenesses(ours, nearness(ours, theirs))
    np.testing.assert_allclose(got[able], known["oks_dt_sorted_by_gt"].T[able], atol=2e-5)
    assert able.sum() >= 10


def test_the_order_of_people_does_not_matter():
    assert tally(people((0, 0), (300, 0)), people((300, 0), (0, 0))).mean_oks == 1.0


@pytest.mark.parametrize(
    ("float_score", "other_score", "lost"),
    [
        (0.26, 0.24, 0),  # a hair below the threshold is no loss
        (0.26, 0.15, 1),  # but somebody twice as unsure is lost
        (0.9, 0.26, 0),  # there for both
        (0.9, 0.24, 1),  # sure for one, gone for the other
    ],
)
def test_who_is_lost(float_score, other_score, lost):
    found = tally(people((0, 0), score=float_score), people((0, 0), score=other_score))
    assert (found.lost, found.extra, found.mean_oks) == (lost, 0, 1.0 - lost)


@pytest.mark.parametrize(("float_score", "other_score", "extra"), [(0.2, 0.3, 0), (0.16, 0.3, 1), (0.2, 0.9, 1)])
def test_who_is_extra(float_score, other_score, extra):
    found = tally(people((0, 0), score=float_score), people((0, 0), score=other_score))
    assert (found.lost, found.extra, len(found.oks)) == (0, extra, extra)


def test_somebody_elsewhere_is_lost_and_extra():
    found = tally(people((0, 0)), people((500, 500)))
    assert (found.lost, found.extra, found.mean_oks) == (1, 1, 0.0)


def test_nobody_is_no_agreement():
    found = tally(people(), people())
    assert math.isnan(found.mean_oks)
    assert math.isnan(found.p95_px)


def test_rows_of_crops_are_paired_however_far_they_moved():
    found = tally(people((0, 0)), people((500, 500)), paired=True, confidence=0.0)
    assert (found.lost, found.extra) == (0, 0)
    assert found.mean_oks < 1e-6
    assert found.p95_px > 700


def test_joints_that_are_guessed_at_are_not_compared():
    ours, theirs = people((0, 0)), people((0, 0))
    ours.scores[0, 3], theirs.xy[0, 3] = 0.1, 1000
    assert tally(ours, theirs).mean_oks == 1.0
    ours.scores[:] = 0.1  # where all are guesses, all are compared
    assert tally(ours, theirs).mean_oks < 1.0


def test_joints_that_are_no_numbers_count_nothing_and_are_far():
    theirs = people((0, 0))
    theirs.xy[0, :2] = np.nan
    found = tally(people((0, 0)), theirs)
    assert found.mean_oks == pytest.approx(15 / 17)
    assert found.p95_px == math.inf


def test_nobody_is_taken_twice():
    likeness = np.array([[0.9, 0.8], [0.95, 0.05]])
    assert matched(likeness, np.array([True, True]), np.array([False, False])) == [(0, 0)]


@pytest.mark.parametrize("score", [0.1, 0.35, 0.6, 0.8, 0.95])
@pytest.mark.parametrize("moved", [0.0, 0.3, 1.0, 4.0])  # in units of what OKS divides by
def test_what_a_joint_is_expected_to_lose(score, moved):
    """Drawn: truths around the float model's joint, so far away that their mean OKS is its score."""
    expected = min(score, 0.8)
    truth = np.random.default_rng(0).normal(0, math.sqrt(1 / expected - 1), (400_000, 2))

    def oks(x):
        return np.exp(-((truth - (x, 0)) ** 2).sum(axis=1) / 2).mean()

    assert oks(0) == pytest.approx(expected, abs=0.003)
    (got,) = expected_loss(np.exp([-(moved**2) / 2]), np.array([score], np.float32))
    assert got == pytest.approx(oks(0) - oks(moved), abs=0.003)


def test_what_the_float_model_doubts_costs_less():
    moved = people((4, 3))
    assert tally(people((0, 0), joint=0.35), moved).loss < 0.3 * tally(people((0, 0), joint=0.9), moved).loss


def test_people_count_by_how_sure_the_model_is_of_them():
    """Both lose somebody, whose joints were worth 0.8; the other person is as before."""
    sure = tally(people((0, 0), (300, 0)), people((0, 0)))
    assert sure.loss == pytest.approx(0.4)
    ours = people((0, 0), (300, 0))
    ours.box_scores[1] = 0.3
    assert tally(ours, people((0, 0))).loss == pytest.approx(0.8 * 0.3 / 1.2)


def test_somebody_invented_costs_what_was_expected_of_them():
    assert tally(people((0, 0)), people((0, 0), (300, 0))).loss == pytest.approx(0.4)


def test_how_many_could_be_judged():
    ours = people((0, 0), (300, 0))
    ours.scores[1] = 0.2
    assert tally(ours, ours).judged == 1
    assert math.isnan(tally(people(), people()).loss)
