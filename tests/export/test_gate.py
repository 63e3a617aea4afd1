"""The accuracy gate: a model file against the float one, on pictures that nothing was calibrated with."""

import json
import math

import cv2
import numpy as np
import pytest

from edge_pose.errors import SourceError
from edge_pose.estimators.load import open_network
from edge_pose.export.calibration import Frames
from edge_pose.export.evidence import evidence_from
from edge_pose.export.gate import Agreement, Gate, narrowed, truth_of
from tests.export.networks import pictures
from tests.tiny import HEATMAP, YOLO, constant_network, heatmap_answer, yolo_answer

SEEN = (32, 32, 20, 40, 0.9)


def shots(count=3):
    return Frames.of([np.full((64, 64, 3), 10 * i, np.uint8) for i in range(count)])


@pytest.fixture
def yolo(tmp_path):
    """Return what writes a network that always sees these people."""
    return lambda name, *people: constant_network(tmp_path / f"{name}.onnx", YOLO, yolo_answer(list(people)))


def gate_of(path, frames, truth=None):
    return Gate(open_network(path, device="cpu", engine="onnxruntime"), frames, None, truth)


def test_a_model_agrees_with_itself(yolo):
    path = yolo("a", SEEN)
    found = gate_of(path, shots()).measure(path)
    assert (found.mean_oks, found.p95_px, found.people, found.lost, found.extra) == (1.0, 0.0, 3, 0, 0)
    assert found.drop == 0.0


def test_joints_that_moved_are_measured_in_pixels(yolo):
    found = gate_of(yolo("a", SEEN), shots()).measure(yolo("b", (35, 36, 20, 40, 0.9)))
    assert found.p95_px == pytest.approx(5.0, abs=0.01)
    assert 0 < found.mean_oks < 1
    # The network gives 0.9, and a truth by annotators could not be nearer than 0.8.
    assert found.drop == pytest.approx(100 * 0.8 * (1 - found.mean_oks**0.8), rel=0.1)


def test_somebody_lost_and_somebody_extra(yolo):
    one, two = yolo("one", SEEN), yolo("two", SEEN, (10, 10, 8, 8, 0.8))
    assert gate_of(two, shots()).measure(one).lost == 3
    assert gate_of(one, shots()).measure(two).extra == 3
    assert gate_of(one, shots()).measure(two).mean_oks == 0.5


def test_nobody_never_holds(yolo):
    path = yolo("empty")
    found = gate_of(path, shots()).measure(path)
    assert math.isnan(found.drop)
    assert not found.holds(100.0)


@pytest.mark.parametrize(
    ("loss", "ap", "drop", "holds"),
    [
        (0.005, (math.nan, math.nan), 0.5, True),
        (0.015, (math.nan, math.nan), 1.5, False),
        (0.015, (0.5, 0.495), 0.5, True),  # where AP can be had, AP decides
        (0.001, (0.5, 0.48), 2.0, False),
        (0.1, (0.5, 0.51), -1.0, True),  # better than float
    ],
)
def test_what_a_model_costs(loss, ap, drop, holds):
    found = Agreement(0.9, loss, 1.0, 10, 0, 0, *ap)
    assert found.drop == pytest.approx(drop)
    assert found.holds(1.0) is holds


@pytest.fixture
def annotated(tmp_path):
    """Five pictures with a person each, where the network of `heatmap_answer(6, 8)` looks for all joints."""
    folder = tmp_path / "annotated"
    folder.mkdir()
    images, rows = [], []
    for i in range(5):
        cv2.imwrite(str(folder / f"{i}.png"), np.full((64, 48, 3), 20 * i, np.uint8))
        images.append({"id": i, "file_name": f"{i}.png", "width": 48, "height": 64})
        joints = [24.0, 32.0, 2.0] * 17
        rows.append(
            {"id": i + 1, "image_id": i, "category_id": 1, "bbox": [4, 2, 40, 60], "area": 1600, "iscrowd": 0,
             "keypoints": joints, "num_keypoints": 17}
        )  # fmt: skip
    file = folder / "people.json"
    file.write_text(json.dumps({"images": images, "annotations": rows, "categories": []}))
    return file


def test_ap_where_annotations_are_given(tmp_path, annotated):
    right = constant_network(tmp_path / "right.onnx", HEATMAP, heatmap_answer(6, 8))
    wrong = constant_network(tmp_path / "wrong.onnx", HEATMAP, heatmap_answer(0, 0))
    gate = gate_of(right, shots(1), truth_of(annotated, None))
    assert gate.ap_float > 0.5
    assert gate.measure(right).drop == 0.0
    assert gate.measure(wrong).drop == pytest.approx(100 * gate.ap_float)
    assert not gate.measure(wrong).holds(1.0)
    assert "AP" in str(gate.measure(wrong))


def names(evidence):
    return {take.footage.path.name for take in evidence.calibration.takes}


def test_annotated_pictures_are_not_calibrated_with(tmp_path, annotated):
    pictures(annotated.parent, 6)  # 00.png to 05.png beside 0.png to 4.png
    model = constant_network(tmp_path / "m.onnx", HEATMAP, heatmap_answer(6, 8))
    with evidence_from(annotated.parent, model, HEATMAP, annotated) as evidence:
        assert not names(evidence) & {f"{i}.png" for i in range(5)}
        assert len(evidence.gate.truth.photos) == 5


def test_where_all_are_annotated_those_that_are_calibrated_with_do_not_judge(tmp_path, annotated):
    model = constant_network(tmp_path / "m.onnx", HEATMAP, heatmap_answer(6, 8))
    with evidence_from(annotated.parent, model, HEATMAP, annotated) as evidence:
        judges = {photo.path.name for photo in evidence.gate.truth.photos}
        assert len(judges) == 2
        assert not names(evidence) & judges
        assert evidence.gate.ap_float > 0.5


def test_no_picture_left_to_judge_by(annotated):
    truth = truth_of(annotated, None)
    with pytest.raises(SourceError, match="all annotated pictures are calibrated with"):
        narrowed(truth, [photo.path for photo in truth.photos])


def test_annotations_without_their_pictures(tmp_path, annotated):
    away = tmp_path / "away.json"
    away.write_text(annotated.read_text())
    assert len(truth_of(away, annotated.parent).photos) == 5  # they lie in --calib
    with pytest.raises(SourceError, match="none of the 5 images"):
        truth_of(away, None)


def test_the_rehearsal_has_none_of_the_held_out_frames(tmp_path):
    model = constant_network(tmp_path / "m.onnx", HEATMAP, heatmap_answer(6, 8))
    with evidence_from(pictures(tmp_path / "calib"), model, HEATMAP) as evidence:
        held = set(evidence.gate.frames.names)
        assert set(evidence.rehearsal.frames.names) <= set(evidence.calibration.names)
        assert held
        assert not held & set(evidence.calibration.names)
