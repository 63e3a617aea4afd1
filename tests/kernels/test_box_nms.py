"""nms: worked examples, the reference's vectors, the NumPy twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_pose.errors import ShapeError
from edge_pose.kernels import nms
from tests.oracle import detections as oracle

F32 = np.float32


@pytest.mark.parametrize(
    ("boxes", "scores", "kept"),
    [
        (np.empty((0, 4)), [], []),  # nobody
        ([[0, 0, 10, 10]], [0.1], [0]),
        ([[0, 0, 10, 10], [0, 0, 10, 10]], [0.5, 0.5], [0]),  # identical: the first one wins
        ([[0, 0, 10, 10], [0, 0, 10, 10]], [0.4, 0.5], [1]),
        ([[0, 0, 10, 10], [0, 0, 10, 5]], [0.9, 0.8], [0, 1]),  # overlap equal to the threshold: both stay
        ([[0, 0, 10, 10], [0, 0, 10, 6]], [0.9, 0.8], [0]),
        ([[5, 5, 5, 5], [5, 5, 5, 5]], [0.9, 0.8], [0, 1]),  # no area, no overlap
        ([[0, 0, 9, 9], [0, 0, 9, np.nan]], [0.9, 0.8], [0, 1]),
        ([[0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9]], [np.nan, -1, 0.5], [2, 1, 0]),  # NaN scores sort last
        ([[0, 0, 9, 9], [0, 0, 9, 9]], [np.nan, -np.inf], [1]),
    ],
)
def test_worked_examples(boxes, scores, kept):
    got = nms(np.array(boxes, F32), np.array(scores, F32), iou=0.5)
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, kept)


def test_pixel_offset_counts_both_edges():
    boxes = np.array([[0, 0, 1, 1], [1, 1, 2, 2]], F32)  # as pixel indices they share one of seven pixels
    scores = np.array([0.9, 0.8], F32)
    assert len(nms(boxes, scores, iou=0.1)) == 2
    assert len(nms(boxes, scores, iou=0.1, offset=1)) == 1


def test_classes_do_not_compete():
    boxes, scores = np.zeros((3, 4), F32) + F32([0, 0, 9, 9]), F32([0.7, 0.8, 0.9])
    np.testing.assert_array_equal(nms(boxes, scores, iou=0.5, classes=np.array([-7, 10**12, -7])), [2, 1])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"boxes": np.zeros((2, 5), F32)}, r"boxes must be float32 of shape \(any, 4\)"),
        ({"boxes": np.zeros((2, 4))}, "got float64"),
        ({"boxes": np.zeros((4, 4), F32)[::2]}, "ascontiguousarray"),
        ({"scores": np.zeros(3, F32)}, "scores must be float32"),
        ({"classes": np.zeros(2, np.int32)}, "classes must be int64"),
        ({"iou": float("nan")}, "iou"),
        ({"offset": 0.5}, "offset"),
        ({"max_det": -1}, "max_det"),
    ],
)
def test_refusals(arguments, text):
    with pytest.raises(ShapeError, match=text):
        nms(**({"boxes": np.zeros((2, 4), F32), "scores": np.zeros(2, F32), "iou": 0.5} | arguments))


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.sampled_from([0, 1, 2, 16, 17, 33, 300, 600]),
    span=st.sampled_from([8, 60, 2000]),
    iou=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    offset=st.sampled_from([0, 1]),
    labelled=st.booleans(),
    max_det=st.sampled_from([None, 0, 7]),
)
def test_equals_the_twin(seed, n, span, iou, offset, labelled, max_det):
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, span, (n, 2))
    boxes = np.concatenate([corner, corner + rng.integers(0, 16, (n, 2))], 1).astype(F32)
    boxes[rng.random((n, 4)) < 0.003] = np.nan
    scores = (rng.integers(-3, 40, n) / 40).astype(F32)
    scores[rng.random(n) < 0.01] = np.nan
    classes = rng.integers(-1, 3, n) if labelled else None
    wanted = oracle.nms(boxes, scores, iou_threshold=iou, offset=offset, classes=classes, max_det=max_det)
    got = nms(boxes, scores, iou=iou, offset=offset, classes=classes, max_det=max_det)
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.golden
def test_golden(golden):
    arrays = golden("nms_box_oks")
    names = [name for name in arrays if name.startswith("b") and "_keep_" in name]
    assert names
    for name in names:
        case, _, percent = name.split("_")
        dets = arrays[f"{case}_dets"]
        boxes, scores = np.ascontiguousarray(dets[:, :4]), np.ascontiguousarray(dets[:, 4])
        np.testing.assert_array_equal(nms(boxes, scores, iou=int(percent) / 100, offset=1), arrays[name], err_msg=name)
