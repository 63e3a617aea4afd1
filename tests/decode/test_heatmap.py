"""decode.heatmap's own part: where the cells of a map lie in the input."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from edge_pose.decode import heatmap
from edge_pose.errors import ShapeError
from tests.oracle.keypoints import identity


@pytest.mark.parametrize(
    ("grid", "xy"),
    [
        ("classic", (4 * 11, 4 * 15)),       # the stride
        ("udp", (47, 63)),                   # the last cell at the last pixel
    ],
)  # fmt: skip
def test_the_last_cell(grid, xy):
    maps = np.zeros((1, 1, 16, 12), np.float32)
    maps[0, 0, 15, 11] = 1
    joints, _ = heatmap.decode_heatmap(maps, identity(1), input_hw=(64, 48), grid=grid, refine="none")
    assert_allclose(joints[0, 0], xy)


def test_maps_that_are_not_contiguous_are_taken():
    maps = np.random.default_rng(0).random((2, 5, 16, 12), dtype=np.float32)
    got = heatmap.decode_heatmap(maps[:, ::2], identity(2), input_hw=(64, 48))
    wanted = heatmap.decode_heatmap(maps[:, ::2].copy(), identity(2), input_hw=(64, 48))
    assert_allclose(got[0], wanted[0])
    assert_allclose(got[1], wanted[1])


def test_nobody():
    maps = np.empty((0, 17, 64, 48), np.float32)
    for decode in (heatmap.decode_heatmap, heatmap.decode_udp_offset):
        joints, scores = decode(maps[:, :15], identity(0), input_hw=(256, 192))
        assert joints.shape == (*scores.shape, 2)
        assert len(joints) == 0


@pytest.mark.parametrize(
    ("shape", "grid", "message"),
    [
        ((1, 17, 64), "classic", r"maps must be \(N, K, H, W\)"),
        ((1, 17, 0, 48), "classic", "at least one cell"),
        ((1, 17, 1, 48), "udp", "at least 2 x 2 cells"),
        ((1, 17, 64, 48), "uniform", 'grid must be "classic" or "udp"'),
    ],
)
def test_refusals(shape, grid, message):
    with pytest.raises(ShapeError, match=message):
        heatmap.decode_heatmap(np.zeros(shape, np.float32), identity(1), input_hw=(256, 192), grid=grid)
