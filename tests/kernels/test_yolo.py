"""decode_yolo and decode_end2end: worked examples, the reference decoders' vectors, the NumPy twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_pose.errors import ShapeError
from edge_pose.kernels import decode_end2end, decode_yolo
from tests.kernels.scenes import random_head
from tests.oracle import detections as oracle

IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])
HALF = np.array([[0.5, 0, -4], [0, 0.5, -2]])
MIRROR = np.array([[-1.0, 0, 640], [0, 1, 0]])
TURN = np.array([[0.0, -1, 480], [1, 0, 0]])


def head(*rows):
    """(C, A) from rows."""
    return np.ascontiguousarray(np.array(rows, np.float32).T)


def same(got, wanted, atol=1e-4):
    for one, other in zip(got, wanted, strict=True):
        assert one.dtype == (np.int64 if other.dtype.kind == "i" else np.float32)
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


def test_two_anchors_of_one_person_become_one():
    pred = head(
        [100, 50, 20, 40, 0.9, 95, 45, 0.8], [101, 50, 20, 40, 0.7, 0, 0, 0], [300, 50, 20, 40, 0.95, 1, 2, 0.5]
    )
    boxes, scores, classes, xy, joint_scores, anchors = decode_yolo(pred, HALF, (100, 148), keypoints=1)
    np.testing.assert_array_equal(anchors, [2, 0])
    np.testing.assert_array_equal(boxes, [[141, 13, 148, 33], [41, 13, 51, 33]])  # cut at the frame's right edge
    np.testing.assert_array_equal(scores, np.float32([0.95, 0.9]))
    np.testing.assert_array_equal(classes, [0, 0])
    np.testing.assert_array_equal(xy, [[[-3.5, -1]], [[43.5, 20.5]]])  # where the joint is, though outside of the frame
    np.testing.assert_array_equal(joint_scores, np.float32([[0.5], [0.8]]))


@pytest.mark.parametrize("anchors", [0, 1, 600])
def test_nobody(anchors):
    boxes, scores, classes, xy, joint_scores, rows = decode_yolo(
        np.zeros((56, anchors), np.float32), IDENTITY, keypoints=17
    )
    assert boxes.shape == (0, 4) and xy.shape == (0, 17, 2) and joint_scores.shape == (0, 17)
    assert scores.shape == classes.shape == rows.shape == (0,)


def test_confidence_must_be_exceeded():
    pred = head([10, 10, 4, 4, 0.5], [30, 10, 4, 4, np.nextafter(np.float32(0.5), np.float32(1))])
    np.testing.assert_array_equal(decode_yolo(pred, IDENTITY, conf=0.5)[5], [1])


def test_an_overlap_equal_to_the_threshold_stays():
    pred = head([2, 1, 4, 2, 0.9], [3, 1, 2, 2, 0.8])  # the second is exactly half of the first
    assert len(decode_yolo(pred, IDENTITY, iou=0.5)[5]) == 2
    assert len(decode_yolo(pred, IDENTITY, iou=0.499)[5]) == 1


def test_ties_keep_the_lower_anchor():
    pred = head(*[[10, 10, 4, 4, 0.5]] * 3, *[[50, 10, 4, 4, 0.5]] * 3)
    np.testing.assert_array_equal(decode_yolo(pred, IDENTITY)[5], [0, 3])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("channel", range(8))
def test_rows_that_are_not_finite_are_dropped_and_suppress_nobody(channel, bad):
    rows = [[10, 10, 4, 4, 0.9, 1, 2, 0.5], [10, 10, 4, 4, 0.8, 1, 2, 0.5]]
    rows[0][channel] = bad
    np.testing.assert_array_equal(decode_yolo(head(*rows), IDENTITY, keypoints=1)[5], [1])


def test_classes_compete_only_among_themselves_unless_agnostic():
    pred = head([10, 10, 4, 4, 0.9, 0.1], [10, 10, 4, 4, 0.1, 0.8], [10, 10, 4, 4, 0.2, 0.7])
    np.testing.assert_array_equal(decode_yolo(pred, IDENTITY, classes=2)[5], [0, 1])
    np.testing.assert_array_equal(decode_yolo(pred, IDENTITY, classes=2, agnostic=True)[5], [0])
    np.testing.assert_array_equal(decode_yolo(pred, IDENTITY, classes=2, keep_classes=[1])[5], [1])
    assert len(decode_yolo(pred, IDENTITY, classes=2, keep_classes=[])[5]) == 0


def test_objectness_itself_must_pass():
    pred = head([10, 10, 4, 4, 0.6, 0.5], [30, 10, 4, 4, 0.3, 1.5], [50, 10, 4, 4, 0.9, 0.5])
    boxes, scores, _, _, _, anchors = decode_yolo(pred, IDENTITY, objectness=True, conf=0.4)
    np.testing.assert_array_equal(anchors, [2])
    np.testing.assert_allclose(scores, [0.45])
    np.testing.assert_array_equal(boxes, [[48, 8, 52, 12]])


def test_a_mirrored_or_turned_map_gives_upright_boxes():
    pred = head([100, 50, 20, 40, 0.9])
    np.testing.assert_array_equal(decode_yolo(pred, MIRROR)[0], [[530, 30, 550, 70]])
    np.testing.assert_array_equal(decode_yolo(pred, TURN)[0], [[410, 90, 450, 110]])


def test_two_values_a_keypoint():
    _, _, _, xy, scores, _ = decode_yolo(head([9, 9, 4, 4, 0.9, 1, 2, 3, 4]), IDENTITY, keypoints=2, keypoint_values=2)
    np.testing.assert_array_equal(xy, [[[1, 2], [3, 4]]])
    np.testing.assert_array_equal(scores, [[1, 1]])


def test_max_det_and_max_candidates_keep_the_best():
    pred = head(*[[20 * i, 10, 4, 4, 0.3 + i / 2000] for i in range(1000)])
    np.testing.assert_array_equal(decode_yolo(pred, IDENTITY, max_det=3)[5], [999, 998, 997])
    assert len(decode_yolo(pred, IDENTITY, max_det=0)[5]) == 0
    pred[0] = 10
    pred[0, :3] = 500  # weaker, but elsewhere
    assert len(decode_yolo(pred, IDENTITY)[5]) == 2
    assert len(decode_yolo(pred, IDENTITY, max_candidates=900)[5]) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"pred": np.zeros((56, 9))}, "pred must be float32 or float16"),
        ({"pred": np.zeros((1, 56, 9), np.float32)}, r"got float32 of shape \(1, 56, 9\)"),
        ({"pred": np.zeros((9, 56), np.float32)}, "pass transposed=True"),
        ({"pred": np.zeros((9, 56), np.float32).T}, "C-contiguous"),
        ({"frame_from_input": np.eye(3)}, r"frame_from_input must be float64 of shape \(2, 3\)"),
        ({"conf": 1.5}, "conf"),
        ({"conf": float("nan")}, "conf"),
        ({"iou": -0.1}, "iou"),
        ({"max_det": -1}, "max_det"),
        ({"classes": 0}, "classes"),
        ({"keypoint_values": 4}, "keypoint_values"),
        ({"keep_classes": [1]}, r"keep_classes must lie in 0\.\.0, got 1"),
        ({"clip_keypoints": True}, "frame_hw"),
    ],
)
def test_refusals_say_the_mend(arguments, text):
    good = {"pred": np.zeros((56, 9), np.float32), "frame_from_input": IDENTITY, "keypoints": 17}
    with pytest.raises(ShapeError, match=text):
        decode_yolo(**(good | arguments))


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    anchors=st.sampled_from([0, 1, 15, 16, 17, 511, 513, 700]),
    classes=st.sampled_from([1, 2, 5]),
    keypoints=st.sampled_from([0, 3]),
    values=st.sampled_from([2, 3]),
    objectness=st.booleans(),
    agnostic=st.booleans(),
    multi_label=st.booleans(),
    keep=st.sampled_from([None, (0,), ()]),
    conf=st.sampled_from([0.0, 0.25, 0.5, 0.9]),
    iou=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    max_det=st.sampled_from([0, 1, 20, 300]),
    matrix=st.sampled_from([IDENTITY, HALF, MIRROR, TURN]),
    hw=st.sampled_from([None, (50, 30)]),
    transposed=st.booleans(),
    half=st.booleans(),
)
def test_equals_the_twin(
    seed, anchors, classes, keypoints, values, objectness, agnostic, multi_label, keep, conf, iou, max_det, matrix, hw,
    transposed, half,
):  # fmt: skip
    pred = random_head(seed, anchors, classes, 4 + objectness + classes + keypoints * values, objectness)
    pred = pred.astype(np.float16 if half else np.float32)
    arguments = {
        "pred": np.ascontiguousarray(pred.T) if transposed else pred, "classes": classes, "keypoints": keypoints,
        "keypoint_values": values, "objectness": objectness, "agnostic": agnostic, "multi_label": multi_label,
        "keep_classes": keep, "conf": conf, "iou": iou, "max_det": max_det, "transposed": transposed,
        "clip_keypoints": hw is not None,
    }  # fmt: skip
    pred = arguments.pop("pred")
    got = decode_yolo(pred, matrix, hw, **arguments)
    wanted = oracle.decode_yolo(pred, matrix, hw, **arguments)
    np.testing.assert_array_equal(got[5], wanted[5])
    same(got, wanted)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.sampled_from([0, 1, 40]),
    keypoints=st.sampled_from([0, 3]),
    values=st.sampled_from([2, 3]),
    keep=st.sampled_from([None, (1, 2)]),
    max_det=st.sampled_from([0, 5, 300]),
    half=st.booleans(),
)
def test_end2end_equals_the_twin(seed, rows, keypoints, values, keep, max_det, half):
    rng = np.random.default_rng(seed)
    pred = rng.uniform(0, 100, (rows, 6 + keypoints * values)).astype(np.float32)
    pred[:, 4] = rng.integers(0, 10, rows) / 10
    pred[:, 5] = rng.integers(0, 3, rows)
    pred[rng.random(pred.shape) < 0.01] = np.nan
    pred = pred.astype(np.float16 if half else np.float32)
    arguments = {
        "classes": 3,
        "keypoints": keypoints,
        "keypoint_values": values,
        "keep_classes": keep,
        "max_det": max_det,
    }
    same(decode_end2end(pred, HALF, (40, 40), **arguments), oracle.decode_end2end(pred, HALF, (40, 40), **arguments))


def test_end2end_drops_what_is_no_class():
    rows = np.array([[0, 0, 4, 4, 0.9, c] for c in (-1, 0, 1, 2, np.nan)], np.float32)
    np.testing.assert_array_equal(decode_end2end(rows, IDENTITY, classes=2)[5], [1, 2])


@pytest.mark.golden
@pytest.mark.parametrize("name", ["pose", "det", "pose_few"])
def test_golden_yolov8(golden, golden_json, name):
    arrays, meta = golden("yolo_nms"), golden_json("yolo_nms")
    pred, classes = arrays[f"{name}_pred"][0], meta["nc"][name]
    keypoints = (len(pred) - 4 - classes) // 3
    for suffix, (conf, iou, extra) in meta["cases"].items():
        wanted = arrays[f"{name}_out{suffix}"]
        for transposed in (False, True):
            view = np.ascontiguousarray(pred.T) if transposed else pred
            boxes, scores, ids, xy, joint_scores, anchors = decode_yolo(
                view, IDENTITY, classes=classes, keypoints=keypoints, conf=conf, iou=iou, transposed=transposed, **extra
            )
            np.testing.assert_array_equal(anchors, arrays[f"{name}_idx{suffix}"], err_msg=suffix)
            joints = wanted[:, 6:].reshape(len(wanted), keypoints, 3)
            same((boxes, scores, ids, xy), (wanted[:, :4], wanted[:, 4], wanted[:, 5].astype(int), joints[..., :2]))
            np.testing.assert_allclose(joint_scores, joints[..., 2], atol=1e-4)


@pytest.mark.golden
@pytest.mark.parametrize(
    ("suffix", "extra"),
    [("", {}), ("_agnostic", {"agnostic": True}), ("_multilabel", {"multi_label": True}), ("_cls", {})],
)
def test_golden_yolov5(golden, suffix, extra):
    arrays = golden("yolov5_nms")
    wanted = arrays[f"out{suffix}"]
    pred = arrays["pred"][0]
    if suffix == "_cls":
        extra = {"keep_classes": np.unique(wanted[:, 5]).astype(int).tolist()}
    boxes, scores, ids, *_ = decode_yolo(
        pred, IDENTITY, classes=pred.shape[1] - 5, objectness=True, transposed=True, iou=0.45, **extra
    )
    same((boxes, scores, ids), (wanted[:, :4], wanted[:, 4], wanted[:, 5].astype(int)))


@pytest.mark.golden
def test_golden_back_projection(golden, golden_json):
    arrays, columns = golden("yolo_letterbox"), golden_json("yolo_letterbox")["columns"]
    for i, values in enumerate(arrays["table"]):
        row = dict(zip(columns, values, strict=True))
        # The reference goes by the network's input alone: it takes the picture to fill it, enlarged if need be.
        gain = min(row["out_h"] / row["h"], row["out_w"] / row["w"])
        matrix = np.zeros((2, 3))
        for axis, (size, out) in enumerate(((row["w"], row["out_w"]), (row["h"], row["out_h"]))):
            inner = max(1, round(size * gain))
            matrix[axis, axis] = size / inner
            matrix[axis, 2] = -round((out - inner) / 2 - 0.1) * size / inner
        xy = arrays["coords_in"][i]
        ones = np.ones((len(xy), 1), np.float32)
        pred = np.concatenate([arrays["boxes_in"][i], ones, 0 * ones, xy.reshape(len(xy), -1)], 1)
        boxes, _, _, joints, _, rows = decode_end2end(
            pred, matrix, (row["h"], row["w"]), keypoints=xy.shape[1], keypoint_values=2, clip_keypoints=True
        )
        np.testing.assert_array_equal(rows, np.arange(len(xy)))
        np.testing.assert_allclose(boxes, arrays["new_boxes"][i], rtol=0, atol=1e-3)
        np.testing.assert_allclose(joints, arrays["new_coords"][i], rtol=0, atol=1e-3)
