"""Ids: when people get one, keep it, and lose it."""

from dataclasses import replace

import numpy as np
import pytest

from edge_pose.errors import ShapeError, TimeError
from edge_pose.poses import Poses
from edge_pose.skeleton import Skeleton
from edge_pose.track import TrackConfig, Tracker
from edge_pose.track import tracker as tracker_module
from tests.people import frame, person, together


def follow(tracker, frames, fps=30.0, start=0.0):
    """Ids of every frame."""
    return [tracker.update(poses, start + i / fps).ids.tolist() for i, poses in enumerate(frames)]


def test_sure_people_have_an_id_at_first_sight():
    poses = frame((100, 200), (400, 200))
    tracked = Tracker().update(poses, 0.0)
    assert tracked.ids.tolist() == [1, 2]
    for name in ("xy", "scores", "boxes", "box_scores"):
        assert getattr(tracked, name) is getattr(poses, name)


def test_ids_go_by_score_and_then_from_left_to_right():
    assert Tracker().update(frame((400, 200), (100, 200), (700, 200), scores=[0.7, 0.7, 0.9]), 0).ids.tolist() == [
        3, 2, 1,
    ]  # fmt: skip


def test_the_unsure_wait_for_three_sights():
    tracker = Tracker()
    assert follow(tracker, [frame((100, 200), scores=0.5)] * 4) == [[-1], [-1], [1], [1]]
    assert tracker.births == 1


def test_a_chair_that_flickers_is_nobody():
    chair, empty = frame((100, 200), scores=0.5), frame()
    tracker = Tracker()
    assert follow(tracker, [chair, chair, *[empty] * 12] * 5) == [[-1], [-1], *[[]] * 12] * 5
    assert (tracker.births, tracker.deaths) == (0, 0)


def test_the_unlikely_start_nothing_and_keep_everything():
    tracker = Tracker()
    weak = frame((100, 200), scores=0.15)
    assert follow(tracker, [weak] * 9) == [[-1]] * 9
    assert follow(tracker, [frame((100, 200)), *[weak] * 90], start=1) == [[1]] * 91
    assert follow(tracker, [frame((100, 200), scores=0.05)], start=5) == [[-1]]


def test_one_match_is_for_the_confident_row():
    tracker = Tracker()
    tracker.update(frame((100, 200)), 0)
    assert tracker.update(frame((101, 200), (104, 200), scores=[0.2, 0.9]), 0.03).ids.tolist() == [-1, 1]


def test_rows_keep_their_order_whatever_it_is():
    tracker = Tracker()
    places = [(100, 200), (400, 200), (700, 200)]
    assert tracker.update(frame(*places), 0).ids.tolist() == [1, 2, 3]
    assert tracker.update(frame(*places)[[2, 0, 1]], 0.03).ids.tolist() == [3, 1, 2]
    assert tracker.update(frame(*places)[::-1], 0.06).ids.tolist() == [3, 2, 1]


@pytest.mark.parametrize("fps", [8, 15, 30, 60])
def test_a_fall_keeps_its_id(fps):
    fall = [frame((300 + 60 * part, 200 + 80 * part**2), lying=part) for part in np.linspace(0, 1, round(0.6 * fps))]
    assert follow(Tracker(), [*[fall[0]] * fps, *fall, *[fall[-1]] * fps], fps) == [[1]] * (2 * fps + len(fall))


@pytest.mark.parametrize("fps", [8, 15, 30, 60])
def test_a_run_across_the_picture_keeps_its_id(fps):
    assert follow(Tracker(), [frame((50 + 700 * i / fps, 200)) for i in range(fps)], fps) == [[1]] * fps


@pytest.mark.parametrize("hidden_s", [0.3, 0.5, 1.0])
def test_somebody_hidden_for_up_to_a_second_keeps_the_id(hidden_s):
    tracker, gap = Tracker(), round(hidden_s * 30) - 1
    walk = [frame((100 + 4 * i, 200)) for i in range(120)]
    seen = [*walk[:30], *[frame()] * gap, *walk[30 + gap :]]
    assert {tuple(ids) for ids in follow(tracker, seen)} == {(1,), ()}
    assert (tracker.births, tracker.deaths) == (1, 0)


def test_after_more_than_a_second_the_id_is_gone_for_ever():
    tracker = Tracker()
    tracker.update(frame((100, 200)), 0)
    assert tracker.update(frame((100, 200)), 1.01).ids.tolist() == [2]
    assert (tracker.births, tracker.deaths) == (2, 1)


def test_patience_is_seconds_not_frames():
    for fps in (2, 60):
        tracker = Tracker(TrackConfig(patience_s=2.0))
        tracker.update(frame((100, 200)), 0)
        frames = [frame()] * (round(1.5 * fps) - 1)
        follow(tracker, frames, fps, start=1 / fps)
        assert tracker.update(frame((100, 200)), 1.5).ids.tolist() == [1]


@pytest.mark.parametrize("seen", [1.0, 0.3])
def test_two_who_cross_keep_their_ids(seen):
    tracker, rng = Tracker(), np.random.default_rng(0)
    ids = []
    for i in range(120):
        right, left = (100 + 4 * i, 200), (580 - 4 * i, 215)
        both = abs(right[0] - left[0]) > 40 * (seen < 1)  # else who is behind is not seen
        poses = frame(right, left, noise=2.0, rng=rng) if both else frame(right, noise=2.0, rng=rng)
        ids.append(tracker.update(poses, i / 30).ids.tolist())
    assert ids[0] == ids[-1] == [1, 2]
    assert tracker.births == 2


def test_a_person_found_twice_is_one():
    tracker = Tracker()
    twice = together(frame((100, 200)), frame((103, 201), scores=0.8))
    assert follow(tracker, [twice] * 5) == [[1, -1]] * 5
    swapped = twice.xy.copy()
    swapped[1] = swapped[1, twice.skeleton.flip_order]  # the second finding takes left for right
    assert follow(tracker, [replace(twice, xy=swapped)] * 5, start=1) == [[1, -1]] * 5


def test_an_upper_body_in_the_box_of_somebody_is_no_newcomer():
    tracker = Tracker()
    whole = frame((300, 200))
    half = replace(whole, boxes=[[250, 100, 350, 210]], box_scores=[0.55], xy=whole.xy + np.float32(25))
    assert follow(tracker, [together(whole, half)] * 10) == [[1, -1]] * 10


def test_a_part_of_somebody_keeps_the_id():
    tracker = Tracker()
    tracker.update(frame((300, 200), lying=1.0), 0)
    head = Poses(np.full((1, 17, 2), 380), np.full((1, 17), 0.05), [[365, 185, 405, 225]], [0.2])
    assert tracker.update(head, 0.03).ids.tolist() == [1]


def test_nobody_is_nobody():
    tracker = Tracker()
    assert tracker.update(Poses.empty(), 0).ids.shape == (0,)
    tracker.update(frame((100, 200)), 0.1)
    assert len(tracker.update(Poses.empty(), 0.2)) == 0
    assert tracker.update(frame((100, 200)), 0.3).ids.tolist() == [1]


@pytest.mark.parametrize("spoil", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_nobody_and_harms_nobody(spoil):
    tracker = Tracker()
    places = [(100, 200), (400, 200)]
    tracker.update(frame(*places), 0)
    for field, expected in (("boxes", [-1, 2]), ("box_scores", [-1, 2]), ("xy", [1, 2]), ("scores", [1, 2])):
        poses = frame(*places)
        getattr(poses, field)[0] = spoil
        time_s = 0.03 * (1 + ["boxes", "box_scores", "xy", "scores"].index(field))
        assert tracker.update(poses, time_s).ids.tolist() == expected, field


def test_boxes_without_area_are_followed():
    tracker = Tracker()
    point = Poses(np.full((1, 17, 2), 50), np.full((1, 17), 0.9), [[50, 50, 50, 50]], [0.9])
    assert follow(tracker, [point] * 5) == [[1]] * 5
    turned = replace(point, boxes=[[60, 60, 40, 40]])
    assert tracker.update(turned, 1.0).ids.tolist() == [1]


def test_other_skeletons():
    two = Skeleton("two", ("head", "foot"), ((0, 1),), (), (0.05, 0.1))
    poses = Poses(np.array([[[5, 0], [5, 90]]]), np.ones((1, 2)), [[0, 0, 10, 90]], [0.9], skeleton=two)
    tracker = Tracker()
    assert follow(tracker, [poses] * 3) == [[1]] * 3
    with pytest.raises(ShapeError, match="must have 2 joints as before, got 17"):
        tracker.update(frame((100, 200)), 1)
    tracker.reset()
    assert tracker.update(frame((100, 200)), 1).ids.tolist() == [2]


@pytest.mark.parametrize("time_s", [1.0, 0.5, float("nan"), float("inf")])
def test_time_must_grow(time_s):
    tracker = Tracker()
    tracker.update(frame((100, 200)), 1.0)
    with pytest.raises(TimeError, match=f"got {time_s} after 1.0"):
        tracker.update(frame((100, 200)), time_s)
    assert tracker.update(frame((100, 200)), 1.1).ids.tolist() == [1]  # the error changed nothing


def test_reset_forgets_people_but_not_which_ids_were_used():
    tracker = Tracker()
    tracker.update(frame((100, 200)), 5.0)
    tracker.reset()
    assert tracker.update(frame((100, 200)), 0.0).ids.tolist() == [2]
    assert (tracker.births, tracker.deaths) == (2, 1)


def test_predicted_boxes_go_on_as_people_did():
    tracker = Tracker()
    for i in range(30):
        tracker.update(together(frame((500, 200), scores=0.8), frame((100 + 4 * i, 200))), i / 30)
    boxes = tracker.predicted(32 / 30)
    expected = [person(100 + 4 * 32, 200)[1], person(500, 200)[1]]  # by id: the best of the first frame is 1
    np.testing.assert_allclose(boxes.xyxy, expected, atol=4)
    np.testing.assert_allclose(boxes.scores, [0.9, 0.8])
    assert boxes.xyxy.dtype == np.float32
    with pytest.raises(TimeError, match=r"got 0\.5 after"):
        tracker.predicted(0.5)


def test_predicted_holds_whoever_has_an_id_and_can_leave_out_who_was_not_seen():
    tracker = Tracker()
    assert len(tracker.predicted(0.0)) == 0
    tracker.update(frame((100, 200), (400, 200)), 0)
    tracker.update(frame((400, 200)), 0.03)
    both = [person(100, 200)[1], person(400, 200)[1]]
    np.testing.assert_allclose(tracker.predicted(0.03).xyxy, both, atol=1)
    np.testing.assert_allclose(tracker.predicted(0.03, seen_only=True).xyxy, both[1:], atol=1)
    tracker.update(frame(), 0.06)
    assert [len(tracker.predicted(at_s)) for at_s in (0.06, 1.0, 1.02, 1.04)] == [2, 2, 1, 0]
    assert len(tracker.predicted(0.06, seen_only=True)) == 0
    tracker.update(frame((700, 200), scores=0.5), 0.09)
    assert len(tracker.predicted(0.09)) == 2  # who may be somebody has no id yet


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keep_score": 0.5}, "scores must rise: keep_score 0.5 <= start_score 0.4"),
        ({"hits": 0}, "hits must be a whole number from 1 on, got 0"),
        ({"hits": 1.5}, "hits must be a whole number"),
        ({"patience_s": float("nan")}, "patience_s must be a number from 0 on, got nan"),
        ({"match": 1.5}, "match must be between 0 and 1, got 1.5"),
        ({"duplicate": "a"}, "duplicate must be a number from 0 on, got 'a'"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ShapeError, match=message):
        TrackConfig(**settings)


def test_who_falls_and_is_not_seen_for_a_while_is_known_where_the_fall_ended():
    tracker = Tracker()
    fall = [frame((300, 100 + 8 * i)) for i in range(30)]
    follow(tracker, fall)
    follow(tracker, [frame()] * 18, start=1.0)
    assert tracker.update(frame((300, 340)), 1.6).ids.tolist() == [1]


def test_a_weak_box_around_half_the_picture_is_nobody():
    tracker = Tracker()
    half = Poses(np.full((1, 17, 2), 300), np.full((1, 17), 0.05), [[0, 0, 600, 480]], [0.15])
    follow(tracker, [frame((300, 200))] * 3)
    assert follow(tracker, [half] * 3, start=0.1) == [[-1]] * 3


def test_a_coat_that_shows_hardly_a_joint_is_nobody_unless_the_network_is_sure():
    tracker = Tracker()
    coat = frame((100, 200), scores=0.55, joint_scores=0.3)
    assert follow(tracker, [coat] * 9) == [[-1]] * 9
    assert follow(tracker, [replace(coat, box_scores=[0.7])], start=1) == [[1]]


def test_a_weak_part_keeps_the_id_and_does_not_say_where_the_whole_is():
    tracker = Tracker()
    lying = frame((300, 300), lying=1.0)
    follow(tracker, [lying] * 3)
    feet = Poses(np.full((1, 17, 2), 210), np.full((1, 17), 0.05), [[195, 280, 225, 320]], [0.15])
    assert follow(tracker, [feet] * 5, start=0.2) == [[1]] * 5
    elsewhere = replace(feet, boxes=[[130, 280, 160, 320]])
    assert tracker.update(elsewhere, 0.5).ids.tolist() == [-1]
    assert tracker.update(lying, 0.6).ids.tolist() == [1]


def alone(monkeypatch, frames, fast, fps=30.0):
    """Ids of frames of one person, what the tracker believes, and how often the short way was taken."""
    taken, real = [], tracker_module.follow_alone
    monkeypatch.setattr(
        tracker_module, "follow_alone", lambda *given: bool(taken.append(real(*given)) or taken[-1]) if fast else False
    )
    tracker = Tracker()
    ids = follow(tracker, frames, fps)
    monkeypatch.setattr(tracker_module, "follow_alone", real)
    return ids, tracker._tracks, sum(taken)


@pytest.mark.parametrize("seed", range(6))
def test_one_person_alone_is_followed_as_in_a_crowd(seed, monkeypatch):
    """The short way for one person gives the ids and believes the places that the rules for many give."""
    rng = np.random.default_rng(seed)
    at, way = np.array([200.0, 200.0]), rng.normal(0, 4, 2)
    frames = []
    for _ in range(150):
        way += rng.normal(0, 0.5, 2)
        at += way
        poses = frame(tuple(at), scores=float(rng.choice([0.95, 0.7, 0.5, 0.2], p=[0.7, 0.2, 0.05, 0.05])))
        joints = np.where(rng.random((1, 17)) < rng.choice([0, 0.3, 0.9], p=[0.7, 0.2, 0.1]), 0.1, 0.9)
        boxes = poses.boxes + rng.normal(0, 6, 4).astype(np.float32)
        boxes[:, 3] -= rng.choice([0, 60], p=[0.8, 0.2])  # cut off
        frames.append(replace(poses, boxes=boxes, scores=joints.astype(np.float32)))
        if rng.random() < 0.05:
            frames += [frame()] * int(rng.integers(1, 40))
        if rng.random() < 0.03:
            at += rng.normal(0, 150, 2)
    (fast, one, taken), (slow, two, none) = (alone(monkeypatch, frames, way) for way in (True, False))
    assert fast == slow
    assert taken > 40
    assert none == 0
    for name in ("ids", "hits", "seen", "scores", "xy", "joints", "mid", "half", "low", "high", "velocity", "ahead"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), rtol=1e-9, atol=1e-9, err_msg=name)


def test_what_was_given_is_kept_as_it_was():
    """Arrays of the caller are neither changed nor looked at again."""
    tracker = Tracker()
    tracker.update(frame((100, 200)), 0.0)
    given = frame((103, 200))
    before = given.xy.copy()
    ids = tracker.update(given, 0.03).ids
    tracker.update(frame((106, 200)), 0.06)
    assert np.array_equal(given.xy, before)
    given.xy[:] = 1e4
    ids[:] = 7
    assert tracker.update(frame((109, 200)), 0.09).ids.tolist() == [1]
