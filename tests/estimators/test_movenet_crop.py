"""The crop that MoveNet takes from frame to frame, against the arithmetic of TensorFlow's tutorial."""

import numpy as np
import pytest

from edge_pose.estimators.movenet_crop import next_square, torso_visible, whole_frame


def region(center, side, frame_hw):
    """The tutorial's form: y_min, x_min, y_max, x_max, height, width as fractions of the frame."""
    height, width = frame_hw
    side = center.dtype.type(side)
    x, y = center - side / 2
    low, high = np.array([y / height, x / width]), np.array([(y + side) / height, (x + side) / width])
    return [*low, *high, *(high - low)]


@pytest.mark.golden
def test_next_square_is_the_tutorial_s(golden):
    data = golden("movenet_crop_region")
    for keypoints, frame_hw, visible, wanted in zip(
        data["keypoints_yxs"], data["image_hw"], data["torso_visible"], data["tf_tutorial"], strict=True
    ):
        assert torso_visible(keypoints[:, 2]) == visible
        xy = keypoints[:, 1::-1] * frame_hw[::-1].astype(np.float32)
        got = region(*next_square(xy, keypoints[:, 2], tuple(frame_hw.tolist())), frame_hw.tolist())
        np.testing.assert_allclose(got, wanted, atol=1e-9, rtol=1e-9)


@pytest.mark.golden
def test_first_square_is_the_whole_frame(golden):
    for height, width, *wanted in golden("movenet_crop_region")["init_table_h_w_then_region"]:
        np.testing.assert_allclose(region(*whole_frame((height, width)), (height, width)), wanted, atol=1e-9)


@pytest.mark.golden
def test_the_two_other_variants_differ_as_documented(golden):
    """The Raspberry Pi example looks at the right hip only and lee-man's copy counts in pixels: ours is neither."""
    data = golden("movenet_crop_region")
    same = np.isclose(data["tf_tutorial"], data["tflite_rpi_example"], atol=1e-9).all(axis=1)
    assert 0 < (~same).sum() < len(same)
    assert not np.isclose(data["tf_tutorial"][:, 4:], data["leeman_pixels"][:, 4:], atol=1e-6).all()
