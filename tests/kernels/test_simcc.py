"""decode_simcc: worked examples, the NumPy twin, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from edge_pose import kernels
from edge_pose.errors import ShapeError
from tests.oracle import simcc as oracle
from tests.oracle.keypoints import identity

VALUES = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0])


def vector(size: int, values: dict[int, float]) -> np.ndarray:
    """(1, 1, size), zero but for values."""
    v = np.zeros((1, 1, size), np.float32)
    for bin_, value in values.items():
        v[0, 0, bin_] = value
    return v


@pytest.mark.parametrize(
    ("x", "y", "score", "xy", "wanted"),
    [
        ({6: 0.5}, {9: 1.0}, "min", (3, 4.5), 0.5),
        ({6: 0.5}, {9: 1.0}, "mean", (3, 4.5), 0.75),
        ({6: 0.5}, {9: 1.0}, "max", (3, 4.5), 1.0),
        ({6: 0.5, 8: 0.5}, {0: 1.0, 19: 1.0}, "min", (3, 0), 0.5),      # ties: the first bin
        ({}, {9: 1.0}, "min", (-0.5, -0.5), 0),                         # MMPose: the lesser is not positive
        ({}, {9: 1.0}, "mean", (0, 4.5), 0.5),                          # rtmlib: the mean is
        ({6: np.nan, 7: 0.5}, {9: 1.0}, "min", (3.5, 4.5), 0.5),        # NaN is never a peak
    ],
)  # fmt: skip
def test_worked_examples(x, y, score, xy, wanted):
    joints, scores = kernels.decode_simcc(vector(16, x), vector(20, y), identity(1), score=score)
    assert_allclose(joints[0, 0], xy)
    assert scores[0, 0] == wanted


def test_softmax_scores_are_probabilities():
    x, y = vector(4, {1: np.log(5)}), vector(6, {2: np.log(15)})
    _, scores = kernels.decode_simcc(x, y, identity(1), softmax=True)
    assert_allclose(scores, 5 / 8)
    _, scores = kernels.decode_simcc(x, y, identity(1), softmax=True, score="max")
    assert_allclose(scores, 15 / 20)
    _, scores = kernels.decode_simcc(x, y, identity(1), softmax=True, gain=(2.0, 1.0))
    assert_allclose(scores, 15 / 20)  # x: 25 / 28


def test_dark_finds_the_top_of_a_gaussian():
    bins = np.arange(64)
    x = np.exp(-((bins - 30.3) ** 2) / 50).astype(np.float32)[None, None]
    y = np.exp(-((bins - 20.6) ** 2) / 50).astype(np.float32)[None, None]
    joints, _ = kernels.decode_simcc(x, y, identity(1), split_ratio=1.0, dark_blur=(7, 0))
    assert_allclose(joints[0, 0], (30.3, 21), atol=1e-2)  # only x was refined


@settings(deadline=None, max_examples=60)
@given(
    x=arrays(np.float32, (2, 2, 70), elements=VALUES),
    y=arrays(np.float32, (2, 2, 300), elements=VALUES),
    score=st.sampled_from(["min", "mean", "max"]),
    gain=st.sampled_from([None, (1.0, 1.0), (7.0, 0.5)]),
)
def test_equals_the_twin(x, y, score, gain):
    matrices = np.random.default_rng(0).normal(size=(2, 2, 3))
    options = {} if gain is None else {"softmax": True, "gain": gain}
    joints, scores = kernels.decode_simcc(x, y, matrices, split_ratio=2.5, score=score, **options)
    wanted, wanted_scores = oracle.decode_simcc(x, y, matrices, 2.5, score, gain)
    assert_allclose(scores, wanted_scores, rtol=1e-6)
    assert_allclose(joints, wanted, rtol=1e-6, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(
    cx=st.floats(-3, 90),
    cy=st.floats(-3, 90),
    sigma=st.floats(3, 8),
    top=st.sampled_from([0.01, 0.5, 1.0]),
    blur=st.tuples(st.sampled_from([1, 3, 15, 29]), st.sampled_from([5, 35])),
)
def test_dark_equals_the_twin(cx, cy, sigma, top, blur):
    bins = np.arange(88)
    x, y = ((top * np.exp(-((bins - c) ** 2) / (2 * sigma**2))).astype(np.float32)[None, None] for c in (cx, cy))
    joints, _ = kernels.decode_simcc(x, y, identity(1), dark_blur=blur)
    wanted, _ = oracle.decode_simcc(x, y, identity(1), dark_blur=blur)
    assert_allclose(joints, wanted, atol=2e-3)


@settings(deadline=None, max_examples=40)
@given(
    x=arrays(np.float32, (1, 3, 9), elements=st.floats(width=32)),
    y=arrays(np.float32, (1, 3, 5), elements=st.floats(width=32)),
    softmax=st.booleans(),
)
def test_any_vector_gives_places_that_are_numbers(x, y, softmax):
    joints, scores = kernels.decode_simcc(x, y, identity(1), softmax=softmax, dark_blur=(3, 3))
    assert np.isfinite(joints).all()
    assert not np.isnan(scores).any()


@pytest.mark.parametrize("n", [0, 1, 4])
def test_a_batch_gives_what_single_calls_give(n):
    rng = np.random.default_rng(n)
    x, y = rng.random((n, 3, 384), dtype=np.float32), rng.random((n, 3, 512), dtype=np.float32)
    joints, scores = kernels.decode_simcc(x, y, identity(n), dark_blur=(29, 35))
    assert (joints.shape, scores.shape) == ((n, 3, 2), (n, 3))
    for i in range(n):
        one, one_scores = kernels.decode_simcc(x[i : i + 1], y[i : i + 1], identity(1), dark_blur=(29, 35))
        assert_array_equal(joints[i], one[0])
        assert_array_equal(scores[i], one_scores[0])


def test_out_is_written_and_returned():
    out = np.empty((1, 1, 2), np.float32), np.empty((1, 1), np.float32)
    joints, scores = kernels.decode_simcc(vector(8, {2: 1}), vector(8, {4: 1}), identity(1), out=out)
    assert joints is out[0]
    assert scores is out[1]
    assert_array_equal(out[0], [[[1, 2]]])


X, Y = np.zeros((2, 3, 8), np.float32), np.zeros((2, 3, 9), np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kernels.decode_simcc(X[0], Y, identity(2)), "x must be float32 of shape"),
        (lambda: kernels.decode_simcc(X, Y[:1], identity(2)), r"y must be float32 of shape \(2, 3, any\)"),
        (lambda: kernels.decode_simcc(X[..., :0], Y, identity(2)), "x must have 1 to 2"),
        (lambda: kernels.decode_simcc(X, Y, identity(3)), "frame_from_input must be float64"),
        (lambda: kernels.decode_simcc(X, Y, identity(2), split_ratio=0), "split_ratio must be positive"),
        (lambda: kernels.decode_simcc(X, Y, identity(2), score="median"), 'score must be one of "min"'),
        (lambda: kernels.decode_simcc(X, Y, identity(2), gain=(1, -1)), "gain must be"),
        (lambda: kernels.decode_simcc(X, Y, identity(2), dark_blur=(3, 4)), "dark_blur must be 0, or odd"),
    ],
)
def test_refusals_say_what_was_wanted(call, message):
    with pytest.raises(ShapeError, match=message):
        call()
