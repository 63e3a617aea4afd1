"""What every binding refuses: memory that is shared, or lies where its type cannot be read."""

import numpy as np
import pytest

from edge_pose import kernels
from edge_pose.errors import ShapeError


def misaligned(array):
    raw = np.zeros(array.nbytes + 1, np.uint8)
    view = raw[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def test_misaligned_arrays_are_refused():
    boxes, scores = np.array([[0, 0, 1, 1]], np.float32), np.ones(1, np.float32)
    assert kernels.nms(boxes, scores, iou=0.5).tolist() == [0]
    with pytest.raises(ShapeError, match=r"boxes lies at an address that does not fit its type; pass boxes\.copy"):
        kernels.nms(misaligned(boxes), scores, iou=0.5)


def test_results_never_share_memory_with_what_is_read():
    maps = np.zeros((1, 1, 4, 4), np.float32)
    matrices = np.zeros((1, 2, 3))
    with pytest.raises(ShapeError, match="share memory"):
        kernels.decode_heatmap(maps, matrices, out=(maps[:, :, 0, :2], np.empty((1, 1), np.float32)))
    areas = np.ones(1, np.float32)
    matrix = np.zeros((1, 1))
    xy = matrix.view(np.float32).reshape(1, 1, 2)
    with pytest.raises(ShapeError, match="share memory"):
        kernels.oks_matrix(xy, areas, xy.copy(), areas, np.ones(1), out=matrix)
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ShapeError, match="share memory"):
        kernels.letterbox(
            image, image[::1], resized_hw=(4, 4), offset_tl=(0, 0), scale=(1, 1, 1), bias=(0, 0, 0), planar=False
        )
