"""The crop that MoveNet takes from frame to frame, against the arithmetic of TensorFlow's tutorial."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from edge_pose import geometry, kernels
from edge_pose.errors import ShapeError
from edge_pose.estimators.movenet_crop import whole_frame
from tests.oracle import movenet_crop as oracle

INPUT_HW = (192, 160)


def follow(xy, scores, frame_hw, confidence=0.0):
    """The kernel on one person's (17, 2) and (17,)."""
    return kernels.movenet_follow(xy[None], scores[None], frame_hw=frame_hw, input_hw=INPUT_HW, confidence=confidence)


def region(x, y, side, frame_hw, dtype):
    """The tutorial's form: y_min, x_min, y_max, x_max, height, width as fractions of the frame."""
    height, width = frame_hw
    center, side = np.array([x, y], dtype), dtype(side)
    x, y = center - side / 2
    low, high = np.array([y / height, x / width]), np.array([(y + side) / height, (x + side) / width])
    return [*low, *high, *(high - low)]


@pytest.mark.golden
def test_next_square_is_the_tutorial_s(golden):
    data = golden("movenet_crop_region")
    for keypoints, frame_hw, visible, wanted in zip(
        data["keypoints_yxs"], data["image_hw"], data["torso_visible"], data["tf_tutorial"], strict=True
    ):
        assert oracle.torso_visible(keypoints[:, 2]) == visible
        xy, frame_hw = keypoints[:, 1::-1] * frame_hw[::-1].astype(np.float32), tuple(frame_hw.tolist())
        *_, square = follow(xy, np.ascontiguousarray(keypoints[:, 2]), frame_hw)
        whole = square == (frame_hw[1] / 2, frame_hw[0] / 2, max(frame_hw))
        got = region(*square, frame_hw, np.float64 if whole else np.float32)
        assert_allclose(got, wanted, atol=1e-9, rtol=1e-9)


@pytest.mark.golden
def test_first_square_is_the_whole_frame(golden):
    for height, width, *wanted in golden("movenet_crop_region")["init_table_h_w_then_region"]:
        frame_hw = (int(height), int(width))
        corners = whole_frame(frame_hw, INPUT_HW).to_frame([[[0, 0], INPUT_HW[::-1]]])[0] / frame_hw[::-1]
        got = [*corners[0, ::-1], *corners[1, ::-1], *(corners[1] - corners[0])[::-1]]
        assert_allclose(got, wanted, atol=1e-9)


@pytest.mark.golden
def test_the_two_other_variants_differ_as_documented(golden):
    """The Raspberry Pi example looks at the right hip only and lee-man's copy counts in pixels: ours is neither."""
    data = golden("movenet_crop_region")
    same = np.isclose(data["tf_tutorial"], data["tflite_rpi_example"], atol=1e-9).all(axis=1)
    assert 0 < (~same).sum() < len(same)
    assert not np.isclose(data["tf_tutorial"][:, 4:], data["leeman_pixels"][:, 4:], atol=1e-6).all()


@settings(deadline=None, max_examples=200)
@given(
    seed=st.integers(0, 2**32 - 1), spread=st.floats(1, 600), height=st.integers(1, 2000), width=st.integers(1, 2000)
)
def test_following_equals_the_twin(seed, spread, height, width):
    rng = np.random.default_rng(seed)
    xy = rng.normal([width / 2, height / 2], spread, (17, 2)).astype(np.float32)
    scores = rng.choice([0.0, 0.1, 0.2, 0.3, 0.9], 17).astype(np.float32)
    seen = scores >= 0.2
    found = follow(xy, scores, (height, width))
    assert (found is None) == (seen.sum() < 2)
    if found is None:
        return
    boxes, box_scores, matrix, square = found
    center, side = oracle.next_square(xy, scores, (height, width))
    assert square == (*center.tolist(), side)
    assert_array_equal(matrix, geometry.squares(center, side, INPUT_HW).frame_from_input)
    assert_array_equal(boxes[0], [*xy[seen].min(axis=0), *xy[seen].max(axis=0)])
    assert_allclose(box_scores, scores.mean(), rtol=1e-6)
    assert follow(xy, scores, (height, width), confidence=float(box_scores[0])) is not None
    assert follow(xy, scores, (height, width), confidence=float(box_scores[0]) + 1e-6) is None


def test_scores_that_are_no_numbers_are_nobody():
    xy, scores = np.zeros((17, 2), np.float32), np.full(17, np.nan, np.float32)
    assert follow(xy, scores, (10, 10)) is None
    scores[1:] = 0.9  # one of them alone leaves no mean to compare
    assert follow(xy, scores, (10, 10), confidence=0.3) is None


def test_joints_in_one_point_are_followed_by_the_whole_frame():
    """A square without area would show one pixel for ever to a network that finds something in it."""
    *_, square = follow(np.full((17, 2), 50, np.float32), np.full(17, 0.9, np.float32), (80, 100))
    assert square == (50, 40, 100)


@pytest.mark.parametrize(
    ("xy", "scores", "sizes", "message"),
    [
        (np.zeros((1, 16, 2), np.float32), np.zeros((1, 17), np.float32), (9, 9), "xy must be float32 of shape"),
        (np.zeros((1, 17, 2), np.float32), np.zeros((2, 17), np.float32), (9, 9), "scores must be float32 of shape"),
        (np.zeros((1, 17, 2)), np.zeros((1, 17), np.float32), (9, 9), "xy must be float32"),
        (np.zeros((1, 17, 2), np.float32), np.zeros((1, 17), np.float32), (0, 9), "at least one pixel"),
    ],
)
def test_what_is_no_person_is_refused(xy, scores, sizes, message):
    with pytest.raises(ShapeError, match=message):
        kernels.movenet_follow(xy, scores, frame_hw=sizes, input_hw=INPUT_HW, confidence=0.3)
