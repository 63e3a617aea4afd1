"""Deadline mode: what a frame may cost, and what is given up for it. Times are told, not measured."""

import time

import onnx
import pytest

from edge_pose.errors import PipelineError
from edge_pose.estimators import load
from edge_pose.pipeline import Pipeline
from edge_pose.pipeline.budget import LONGEST, Budget, InputSize
from tests import tiny
from tests.pipeline.standins import Numbers


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


def test_the_input_shrinks_and_grows_again():
    size = InputSize(40.0, [(640, 640), (480, 480), (320, 320)])
    assert [size.settle(50.0) for _ in range(3)] == [False, False, True]
    assert size.sizes[size.number] == (480, 480)
    for _ in range(10):
        size.settle(50.0)
    assert size.number == 2  # there is no smaller one
    assert not any(size.settle(20.0) for _ in range(100))  # 20 x 480^2 / 320^2 would not fit
    assert [size.settle(10.0) for _ in range(30)] == [False] * 29 + [True]
    size.settle(39.0)
    assert size.number == 1


@pytest.fixture
def open_size(tmp_path):
    """A YOLO-pose network that takes pictures of any size."""
    path = tiny.constant_network(tmp_path / "any.onnx", tiny.YOLO, tiny.yolo_answer([(16, 16, 10, 20, 0.9)]))
    model = onnx.load(path)
    for axis, name in ((2, "height"), (3, "width")):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    onnx.save(model, path)
    return path


def test_a_network_of_open_size_looks_at_less(open_size, monkeypatch):
    with load(open_size) as pose:
        backend = pose._yolo.network.backend
        real, sides = backend.run, []

        def run(batch):
            sides.append(batch.shape[2])
            time.sleep(0.03 * (batch.shape[2] / 64) ** 2)
            return real(batch)

        monkeypatch.setattr(backend, "run", run)
        with Pipeline(pose, Numbers(12), budget_ms=20.0) as stream:
            results = list(stream)
        assert sides == [64] * 3 + [32] * 9
        assert [r.given_up[0].partition(":")[0] for r in results[:3]] == ["the budget of 20 ms"] * 3
        assert all(r.given_up[0] == "input: 32 x 32 of 64 x 64" for r in results[3:])
        (box,) = results[-1].poses.boxes  # in pixels of the frame, whatever the network saw
        assert ((box[:2] + box[2:]) / 2).tolist() == pytest.approx([32, 24], abs=1)
        pose(Numbers(1)._read().image)
        assert sides[-1] == 64  # afterwards it is as it was


def test_a_network_of_fixed_size_has_nothing_to_give_up(tmp_path):
    path = tiny.constant_network(tmp_path / "m.onnx", tiny.YOLO, tiny.yolo_answer([]))
    with load(path) as pose:
        assert pose.input_sizes() == ((64, 64),)
