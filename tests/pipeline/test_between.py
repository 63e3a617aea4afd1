"""Between two detections people are looked at where their tracks are; and what is given up is told."""

import numpy as np
import pytest

from edge_pose.errors import PipelineError
from edge_pose.estimators import Detector
from edge_pose.estimators.topdown import TopDown
from edge_pose.pipeline import Pipeline
from edge_pose.pipeline.estimate import boxes_around
from edge_pose.poses import Boxes, Poses
from edge_pose.skeleton import COCO17
from tests.pipeline.standins import Numbers, Seeing, number_of, people

SPEED = 1.5  # pixels a frame


class Street:
    """People 100 pixels apart who walk to the right; frame i is told by its picture."""

    def __init__(self, count):
        self.count = count

    def at(self, image):
        return people(*[(100.0 * (i + 1) + SPEED * number_of(image), 100.0) for i in range(self.count)])


class Finding(Detector):
    def __init__(self, street, cost_ms=20.0):
        self.street, self.calls, self.cost_ms = street, 0, cost_ms

    def __call__(self, image):
        self.calls += 1
        found = self.street.at(image)
        return Boxes(found.boxes, found.box_scores)

    @property
    def timings_ms(self):
        return {"network": self.cost_ms}

    def close(self):
        pass


class Looking:
    """A pose network that sees whoever is in the middle of a box."""

    skeleton = COCO17

    def __init__(self, street, cost_ms=5.0):
        self.street, self.looked_at, self.cost_ms, self.last = street, [], cost_ms, 0

    def __call__(self, image, boxes):
        self.looked_at.append(len(boxes))
        self.last = len(boxes)
        there = self.street.at(image)
        middles = (boxes.xyxy[:, :2] + boxes.xyxy[:, 2:]) / 2
        nearest = [int(np.argmin(np.abs(there.xy[:, :, 0].mean(axis=1) - x))) for x, _ in middles]
        return Poses(there.xy[nearest], there.scores[nearest], boxes.xyxy, boxes.scores)

    @property
    def timings_ms(self):
        return {"network": self.cost_ms * self.last}

    def close(self):
        pass


def walk(count, frames, *, detect_ms=20.0, person_ms=5.0, **options):
    street = Street(count)
    model = TopDown(Finding(street, detect_ms), Looking(street, person_ms))
    with Pipeline(model, Numbers(frames), track=True, **options) as stream:
        return list(stream), model


def test_the_detector_runs_every_few_frames_and_nobody_is_lost():
    results, model = walk(3, 40, detect_every=4)
    assert model.detector.calls == 10
    assert ["detect" in r.timings_ms for r in results] == [i % 4 == 0 for i in range(40)]
    for result in results[8:]:
        assert sorted(result.poses.ids.tolist()) == [1, 2, 3]
        for pose in result.poses:
            middle = (pose.box[0] + pose.box[2]) / 2  # boxes move with their people
            assert middle == pytest.approx(100.0 * pose.id + SPEED * number_of(result.frame.image), abs=4)
        assert result.given_up == ()


def test_an_empty_street_costs_no_pose_network():
    results, model = walk(0, 12, detect_every=3)
    assert model.detector.calls == 4
    assert model.pose.looked_at == []
    assert all(len(r.poses) == 0 for r in results)


def test_on_a_budget_people_take_turns():
    results, model = walk(8, 120, budget_ms=35.0)
    assert max(model.pose.looked_at[1:]) <= 7
    late = results[40:]
    assert all(r.given_up for r in late)
    assert {part.partition(":")[0] for r in late for part in r.given_up} <= {
        "people",
        "detector",
        "the budget of 35 ms",
    }
    seen = {identity for r in late[:10] for identity in r.poses.ids.tolist() if identity > 0}
    assert len(seen) == 8  # everybody has had a turn
    assert model.detector.calls < 40  # and the detector stood back


def test_a_generous_budget_gives_up_nothing():
    results, model = walk(3, 30, budget_ms=10_000.0)
    assert model.detector.calls == 30
    assert [r.given_up for r in results[1:]] == [()] * 29


def test_a_frame_over_the_budget_says_so():
    class Slow(Seeing):
        pass

    with Pipeline(Slow(slow_s=0.02), Numbers(3), budget_ms=5.0) as stream:
        for result in stream:
            (words,) = result.given_up
            assert words.startswith("the budget of 5 ms: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detect_every": 2}, "needs a detector, but this model finds people by itself"),
        ({"detect_every": 0}, "at least 1"),
        ({"budget_ms": -1}, "more than 0"),
    ],
)
def test_what_cannot_be_had(options, message):
    source = Numbers(3)
    with pytest.raises(PipelineError, match=message):
        Pipeline(Seeing(), source, track=True, **options)
    assert source.closed_in is not None
    street = Street(1)
    with pytest.raises(PipelineError, match="add track=True"):
        Pipeline(TopDown(Finding(street), Looking(street)), Numbers(3), detect_every=2)


def test_a_box_goes_where_the_joints_are():
    seen = people((50, 60))
    moved = Poses(seen.xy + 30, seen.scores, seen.boxes, seen.box_scores)
    (box,) = boxes_around(moved)
    assert ((box[:2] + box[2:]) / 2).tolist() == pytest.approx([80, 89], abs=1.5)
    assert (box[2:] - box[:2]).tolist() == pytest.approx([20, 42.5], abs=1)
    unseen = Poses(seen.xy + 30, np.full((1, 17), 0.1), seen.boxes, seen.box_scores)
    assert np.array_equal(boxes_around(unseen), seen.boxes)
    assert boxes_around(Poses.empty()).shape == (0, 4)
