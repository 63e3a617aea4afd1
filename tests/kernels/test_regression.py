"""decode_regression: worked examples and refusals."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from edge_pose import kernels
from edge_pose.errors import ShapeError
from tests.oracle.keypoints import identity

SIZE = (200, 100)  # height, width


@pytest.mark.parametrize(
    ("coords", "origin", "xy"),
    [
        ((0.25, 0.5), "corner", (25, 100)),
        ((-0.25, 0.0), "center", (25, 100)),
        ((1.5, -0.5), "corner", (150, -100)),     # outside is allowed
        ((np.nan, 0.5), "corner", (50, 100)),     # no number: the middle, score 0
        ((0.5, np.inf), "center", (50, 100)),
    ],
)  # fmt: skip
def test_worked_examples(coords, origin, xy):
    joints, scores = kernels.decode_regression(
        np.array([[coords]], np.float32), None, identity(1), input_hw=SIZE, origin=origin
    )
    assert_allclose(joints[0, 0], xy)
    assert scores[0, 0] == np.isfinite(coords).all()


def test_scores_are_one_minus_the_mean_sigma_wherever_sigma_is():
    rng = np.random.default_rng(0)
    values = rng.random((3, 17, 4), dtype=np.float32)
    coords, sigma = values[..., :2].copy(), values[..., 2:].copy()
    matrices = rng.normal(size=(3, 2, 3))
    apart = kernels.decode_regression(coords, sigma, matrices, input_hw=SIZE)
    together = kernels.decode_regression(values, None, matrices, input_hw=SIZE)
    points = np.concatenate([coords * [100.0, 200.0], np.ones((3, 17, 1))], axis=2)
    assert_allclose(apart[0], np.einsum("nij,nkj->nki", matrices, points), rtol=1e-5, atol=1e-4)
    assert_allclose(apart[1], (1 - sigma).mean(axis=-1), atol=1e-6)
    assert_array_equal(apart[0], together[0])
    assert_array_equal(apart[1], together[1])


def test_nobody():
    joints, scores = kernels.decode_regression(np.empty((0, 17, 2), np.float32), None, identity(0), input_hw=SIZE)
    assert (joints.shape, scores.shape) == ((0, 17, 2), (0, 17))


C = np.zeros((2, 3, 2), np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kernels.decode_regression(C[0], None, identity(2), input_hw=SIZE), "coords must be float32 of shape"),
        (lambda: kernels.decode_regression(C, C[:1], identity(2), input_hw=SIZE), "sigma must be float32 of shape"),
        (lambda: kernels.decode_regression(C, [1], identity(2), input_hw=SIZE), "sigma must be a numpy array or None"),
        (
            lambda: kernels.decode_regression(np.zeros((2, 3, 4), np.float32), C, identity(2), input_hw=SIZE),
            "sigma must be None where coords has it",
        ),
        (lambda: kernels.decode_regression(C, None, identity(2), input_hw=(0, 5)), "input_hw must be two positive"),
        (
            lambda: kernels.decode_regression(C, None, identity(2), input_hw=SIZE, origin="middle"),
            'origin must be one of "corner", "center"',
        ),
        (
            lambda: kernels.decode_regression(C, None, identity(2), input_hw=SIZE, out=(C, C[..., 0].copy())),
            "must not share memory",
        ),
    ],
)
def test_refusals_say_what_was_wanted(call, message):
    with pytest.raises(ShapeError, match=message):
        call()
