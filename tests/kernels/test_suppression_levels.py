"""Every level of vector instructions gives the same people, bit by bit."""

import numpy as np
import pytest

from edge_pose import kernels
from tests.kernels.scenes import SIGMAS, people, random_head

MATRIX = np.array([[0.5, 0, -4], [0, 0.5, -2]])


def results():
    """Everything that has a vector path, on inputs that reach its corners."""
    found = []
    for n in (1, 15, 16, 17, 250):
        xy, scores, areas, joint_scores = people(n, n)
        boxes = np.concatenate([xy.min(1), xy.max(1)], 1)
        for options in ({}, {"visible": 0.3}, {"visible": 0.3, "visibility": "candidate"}):
            seen = {"joint_scores": joint_scores, **options}
            found.append(kernels.oks_nms(xy, scores, areas, SIGMAS, threshold=0.4, **seen))
            found.extend(kernels.soft_oks_nms(xy, scores, areas, SIGMAS, threshold=0.4, **seen))
        found.append(kernels.oks_matrix(xy, areas, xy[::-1].copy(), areas[::-1].copy(), SIGMAS))
        found.append(kernels.nearby_joints_nms(xy, scores))
        *arrays, clusters = kernels.pose_nms(boxes, scores, xy, joint_scores)
        found.extend([*arrays, *clusters, kernels.nms(boxes, scores, iou=0.3)])
    for classes, objectness, dtype in ((1, False, np.float32), (20, False, np.float32), (20, True, np.float16)):
        pred = random_head(5, 700, classes, 4 + objectness + classes + 6, objectness).astype(dtype)
        for view, transposed in ((pred, False), (np.ascontiguousarray(pred.T), True)):
            found.extend(
                kernels.decode_yolo(
                    view, MATRIX, classes=classes, keypoints=2, objectness=objectness, transposed=transposed, conf=0.6
                )
            )
    return found


@pytest.mark.parametrize("level", ["scalar", "avx2", "avx512", "neon"])
def test_all_levels_agree(level):
    try:
        if not kernels.set_simd_level(level):
            pytest.skip(f"{level} does not run here")
        there = results()
    finally:
        kernels.set_simd_level("auto")
    for one, other in zip(there, results(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert sum(len(array) for array in there) > 1000
