"""decode_movenet and decode_movenet_heads: worked examples, the NumPy twin, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from edge_pose import kernels
from edge_pose.errors import ShapeError
from tests.oracle import movenet as oracle
from tests.oracle.keypoints import identity


def random_heads(seed: int, n: int = 2, k: int = 3, h: int = 12, w: int = 9) -> list[np.ndarray]:
    """Heads (center, regression, heatmaps, offsets), NCHW."""
    rng = np.random.default_rng(seed)
    shapes = [(n, 1, h, w), (n, 2 * k, h, w), (n, k, h, w), (n, 2 * k, h, w)]
    scales = [2, 3, 2, 0.5]
    return [rng.normal(0, s, shape).astype(np.float32) for s, shape in zip(scales, shapes, strict=True)]


def planted(joint: tuple[int, int], regressed: tuple[float, float]) -> list[np.ndarray]:
    """One joint on 10 x 10 cells: the person's centre at (5, 5), its heat at cell (x, y) = joint."""
    center, regression, heatmaps, offsets = (np.zeros((1, c, 10, 10), np.float32) for c in (1, 2, 1, 2))
    regression[0, :, 5, 5] = regressed[1] - 5, regressed[0] - 5
    heatmaps[...] = 0.01
    heatmaps[0, 0, joint[1], joint[0]] = 0.9
    offsets[0, :, joint[1], joint[0]] = 0.5, 0.25
    return [center + 0.5, regression, heatmaps, offsets]


def test_rows_of_fractions():
    yxs = np.array([[[[0.5, 0.25, 0.9], [np.nan, 0, 0.9]]]], np.float32)
    matrix = np.array([[[2.0, 0, 10], [0, 3.0, 20]]])
    joints, scores = kernels.decode_movenet(yxs, matrix, input_hw=(200, 100))
    assert_allclose(joints[0], [[2 * 25 + 10, 3 * 100 + 20], [2 * 50 + 10, 3 * 100 + 20]])
    assert_array_equal(scores, np.array([[0.9, 0]], np.float32))
    again, _ = kernels.decode_movenet(yxs[:, 0], matrix, input_hw=(200, 100))
    assert_array_equal(joints, again)


def test_scores_are_probabilities():
    scores = [-0.5, 0.0, 0.25, 1.0, 1.5, np.nan, np.inf, -np.inf]
    yxs = np.array([[[0.5, 0.5, score] for score in scores]], np.float32)
    assert kernels.decode_movenet(yxs, identity(1), input_hw=(9, 9))[1][0].tolist() == [0, 0, 0.25, 1, 1, 0, 1, 0]
    heads = planted((3, 4), (3.0, 4.0))
    heads[2][0, 0, 4, 3] = 7.0
    assert kernels.decode_movenet_heads(*heads, identity(1), logits=False)[1] == 1


def test_a_joint_is_found_near_its_regressed_place():
    joints, scores = kernels.decode_movenet_heads(*planted((3, 4), (3.4, 4.2)), identity(1), logits=False)
    assert_allclose(joints[0, 0], (4 * 3.25, 4 * 4.5))
    assert_allclose(scores, 0.9)


def test_the_cells_around_a_joint_vote():
    heads = planted((0, 4), (0.4, 4.2))  # at the border: five neighbours
    heads[2][...] = 0
    heads[2][0, 0, 4, :2] = 0.6, 0.2
    heads[3][0, 1, 4, 1] = -0.5
    joints, scores = kernels.decode_movenet_heads(*heads, identity(1), logits=False, votes=True)
    assert_allclose(joints[0, 0], (4 * (0.25 * 0.9 + 0.5 * 0.1), 4 * (4.5 * 0.9 + 4 * 0.1)), rtol=1e-5)
    assert_allclose(scores, 0.6)
    heads[2][...] = 0  # nobody
    joints, _ = kernels.decode_movenet_heads(*heads, identity(1), logits=False, votes=True)
    assert np.isfinite(joints).all()


def test_a_joint_without_a_candidate_stays_at_its_regressed_place():
    heads = planted((3, 4), (3.25, -2.5))
    joints, scores = kernels.decode_movenet_heads(*heads, identity(1), logits=False, min_score=0.95)
    assert_allclose(joints[0, 0], (4 * 3.25, 4 * -2.5))
    assert scores[0, 0] == 0
    joints, _ = kernels.decode_movenet_heads(*heads, identity(1), logits=False, min_score=0.95, whole_cells=True)
    assert_allclose(joints[0, 0], (4 * 4, 4 * -2))  # 5 + trunc(-1.75 + 0.5), 5 + trunc(-7.5 + 0.5)


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 2**32 - 1),
    logits=st.booleans(),
    whole_cells=st.booleans(),
    min_score=st.sampled_from([0.0, 0.3, 0.99]),
    layout=st.sampled_from(["nchw", "nhwc"]),
    order=st.sampled_from(["yx", "xy"]),
    fall_off=st.sampled_from([0.01, 1.8, 16.0, 1e6]),
    votes=st.booleans(),
)
def test_heads_equal_the_twin(seed, logits, whole_cells, min_score, layout, order, fall_off, votes):
    heads = random_heads(seed)
    if not logits:
        heads[0], heads[2] = oracle.sigmoid(heads[0]), oracle.sigmoid(heads[2])
    options = {
        "logits": logits,
        "whole_cells": whole_cells,
        "min_score": min_score,
        "stride": 4.0,
        "fall_off": fall_off,
        "votes": votes,
    }
    wanted, wanted_scores = oracle.decode_movenet_heads(heads[0][:, 0], *heads[1:], identity(2), **options)
    if order == "xy":
        for i in (1, 3):
            heads[i] = heads[i].reshape(2, 3, 2, 12, 9)[:, :, ::-1].reshape(2, 6, 12, 9).copy()
    if layout == "nhwc":
        heads = [np.ascontiguousarray(head.transpose(0, 2, 3, 1)) for head in heads]
    joints, scores = kernels.decode_movenet_heads(*heads, identity(2), layout=layout, order=order, **options)
    assert_allclose(scores, wanted_scores, rtol=1e-6)
    assert_allclose(joints, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_heads_that_are_no_numbers_give_places_that_are(value):
    heads = [np.full_like(head, value) for head in random_heads(0)]
    joints, scores = kernels.decode_movenet_heads(*heads, identity(2))
    assert np.isfinite(joints).all()
    assert not np.isnan(scores).any()


def test_a_batch_gives_what_single_calls_give():
    heads = random_heads(7, n=3)
    joints, scores = kernels.decode_movenet_heads(*heads, identity(3))
    for i in range(3):
        one, one_scores = kernels.decode_movenet_heads(*(head[i : i + 1] for head in heads), identity(1))
        assert_array_equal(joints[i], one[0])
        assert_array_equal(scores[i], one_scores[0])


def test_nobody():
    joints, scores = kernels.decode_movenet_heads(*random_heads(0, n=0), identity(0))
    assert (joints.shape, scores.shape) == ((0, 3, 2), (0, 3))
    joints, scores = kernels.decode_movenet(np.empty((0, 17, 3), np.float32), identity(0), input_hw=(192, 192))
    assert (joints.shape, scores.shape) == ((0, 17, 2), (0, 17))


HEADS = random_heads(0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kernels.decode_movenet_heads(*HEADS[:3], HEADS[2], identity(2)), "offsets must be float32 of shape"),
        (lambda: kernels.decode_movenet_heads(*HEADS, identity(2), layout="hwc"), "layout must be one of"),
        (lambda: kernels.decode_movenet_heads(*HEADS, identity(2), order="zyx"), "order must be one of"),
        (lambda: kernels.decode_movenet_heads(*HEADS, identity(2), stride=0), "stride must be positive"),
        (lambda: kernels.decode_movenet_heads(*HEADS, identity(2), fall_off=0), "fall_off must be between 1e-6 and"),
        (
            lambda: kernels.decode_movenet_heads(*HEADS, identity(2), fall_off=np.nan),
            "fall_off must be between 1e-6 and",
        ),
        (lambda: kernels.decode_movenet_heads(*HEADS, identity(2), fall_off=1e39), "fall_off must be between 1e-6 and"),
        (lambda: kernels.decode_movenet_heads(HEADS[0][0], *HEADS[1:], identity(2)), "center must be float32"),
        (lambda: kernels.decode_movenet(HEADS[0], identity(2), input_hw=(1, 1)), "yxs must be float32 of shape"),
    ],
)
def test_refusals_say_what_was_wanted(call, message):
    with pytest.raises(ShapeError, match=message):
        call()
