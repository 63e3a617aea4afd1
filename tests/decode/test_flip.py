"""The flip test's helpers: they undo a mirror, and refuse what does not fit."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from edge_pose.decode import flip
from edge_pose.errors import ShapeError

SWAP = [0, 2, 1]


def test_mirroring_twice_changes_nothing():
    maps = np.random.default_rng(0).random((2, 3, 4, 5), dtype=np.float32)
    assert_array_equal(flip.flip_heatmaps(flip.flip_heatmaps(maps, SWAP), SWAP), maps)
    x, y = maps[..., 0, :], maps[..., :, 0]
    twice = flip.flip_vectors(*flip.flip_vectors(x, y, SWAP), SWAP)
    assert_array_equal(twice[0], x)
    assert_array_equal(twice[1], y)


def test_inputs_are_left_alone():
    maps = np.random.default_rng(0).random((2, 3, 4, 5), dtype=np.float32)
    before = maps.copy()
    flip.flip_heatmaps(maps, SWAP, shift=True)
    flip.flip_coordinates(maps[..., :2, 0], SWAP, shift_width=10)
    flip.flip_vectors(maps[..., 0], maps[..., 1], SWAP, shift=True)
    assert_array_equal(maps, before)


def test_shifts():
    maps = np.arange(4, dtype=np.float32).reshape(1, 1, 1, 4)
    assert_array_equal(flip.flip_heatmaps(maps, [0], shift=True)[0, 0, 0], [3, 3, 2, 1])  # right
    x, _ = flip.flip_vectors(maps[:, :, 0], maps[:, :, 0], [0], shift=True)
    assert_array_equal(x[0, 0], [2, 1, 0, 0])  # left


def test_nobody():
    assert flip.flip_heatmaps(np.empty((0, 3, 4, 5), np.float32), SWAP, shift=True).shape == (0, 3, 4, 5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: flip.flip_heatmaps(np.zeros((1, 3, 4), np.float32), SWAP),
        lambda: flip.flip_coordinates(np.zeros((1, 4, 2), np.float32), SWAP),
        lambda: flip.average(np.zeros((1, 3), np.float32), np.zeros((1, 1), np.float32)),
    ],
)
def test_refusals(call):
    with pytest.raises(ShapeError, match="must"):
        call()
