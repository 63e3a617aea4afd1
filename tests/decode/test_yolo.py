"""What decode/yolo.py adds to the kernels: layouts told by their size, batches."""

import numpy as np
import pytest

from edge_pose.decode import yolo
from edge_pose.errors import ShapeError

F32 = np.float32


def heads(batch, channels, rows, seed=3):
    rng = np.random.default_rng(seed)
    pred = rng.random((batch, channels, rows)).astype(F32)
    pred[:, :4] *= 40
    return pred


def matrices(batch):
    return np.array([[[1.0 + i, 0, i], [0, 2.0 + i, -i]] for i in range(batch)]).reshape(batch, 2, 3)


def same(got, wanted):
    for name, one, other in zip(yolo.Detections._fields, got, wanted, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.mark.parametrize("objectness", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 70])
def test_both_layouts_give_the_same(rows, objectness):
    pred = heads(1, 4 + objectness + 2 + 9, rows)[0]
    options = {"classes": 2, "keypoints": 3, "objectness": objectness, "conf": 0.5}
    found = yolo.anchors(pred, matrices(1)[0], (60, 60), **options)
    same(found, yolo.anchors(np.ascontiguousarray(pred.T), matrices(1)[0], (60, 60), **options))
    assert (len(found.boxes) > 0) == (rows > 1)


def test_a_square_output_is_read_by_the_versions_habit():
    pred = np.zeros((6, 6), F32)
    pred[4, 2] = 0.9  # of anchor 2 when channels come first
    np.testing.assert_array_equal(yolo.anchors(pred, matrices(1)[0], classes=2).rows, [2])
    pred = np.zeros((6, 6), F32)
    pred[3, 4:] = 0.9
    np.testing.assert_array_equal(yolo.anchors(pred, matrices(1)[0], objectness=True).rows, [3])


def test_neither_layout_is_an_error():
    with pytest.raises(ShapeError, match="pred must have 56 channels"):
        yolo.anchors(np.zeros((55, 90), F32), matrices(1)[0], keypoints=17)


@pytest.mark.parametrize("size", [0, 1, 3])
def test_a_batch_gives_what_single_images_give(size):
    pred, maps, sizes = heads(size, 4 + 1 + 6, 50), matrices(size), [(50.0 + i, 40.0) for i in range(size)]
    found = yolo.batch(yolo.anchors, pred, maps, sizes, keypoints=2, conf=0.3)
    assert len(found) == size
    for i, one in enumerate(found):
        assert len(one.boxes)
        same(one, yolo.anchors(pred[i], maps[i], sizes[i], keypoints=2, conf=0.3))


def test_a_batch_of_finished_rows():
    pred = heads(2, 30, 6 + 6)
    pred[..., 5] = 0
    found = yolo.batch(yolo.end2end, pred, matrices(2), None, keypoints=2)
    for i, one in enumerate(found):
        same(one, yolo.end2end(pred[i], matrices(2)[i], keypoints=2))
        assert np.all(np.diff(one.scores) <= 0) and len(one.rows)


@pytest.mark.parametrize(
    ("shape", "maps", "sizes"), [((5, 9), 1, None), ((2, 5, 9), 1, None), ((2, 5, 9), 2, [(4, 4)])]
)
def test_a_batch_needs_a_matrix_and_a_size_for_each(shape, maps, sizes):
    with pytest.raises(ShapeError, match="B matrices"):
        yolo.batch(yolo.anchors, np.zeros(shape, F32), matrices(maps), sizes)
