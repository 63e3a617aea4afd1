"""Regressed coordinates against MMPose's codec and the RLE authors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from edge_pose.decode import regression
from tests.oracle.keypoints import crops, identity

pytestmark = pytest.mark.golden
PX = 1e-3
HW = (256, 192)


def test_mmpose(golden):
    ref = golden("decode_simcc_rle")
    encoded = ref["rle_encoded"]
    xy, scores = regression.decode_regression(encoded, identity(len(encoded)), input_hw=HW)
    assert_allclose(xy, ref["rle_keypoints"], atol=PX, rtol=0)
    assert_allclose(scores, ref["rle_scores"], atol=1e-6)
    xy, scores = regression.decode_regression(encoded[..., :2], identity(len(encoded)), input_hw=HW)
    assert_allclose(xy, ref["reg_keypoints"], atol=PX, rtol=0)
    assert_allclose(scores, ref["reg_scores"], atol=0)


def test_the_rle_authors(golden):
    ref = golden("decode_rle_original")
    boxes, (h, w) = ref["bbox_xyxy"], (4 * ref["hm_shape"]).tolist()
    # The source keeps the crop's aspect by its width alone.
    size = (boxes[:, 2:3] - boxes[:, 0:1]) * [1, h / w]
    frame = crops((boxes[:, :2] + boxes[:, 2:]) / 2, size, (w, h))
    xy, scores = regression.decode_regression(
        ref["pred_jts"], frame, input_hw=(h, w), sigma=ref["sigma"], origin="center"
    )
    assert_allclose(xy, ref["preds"], atol=PX, rtol=0)
    for name in ("scores", "out_scores"):
        assert_allclose(scores, ref[name][..., 0], atol=1e-6)


def test_the_rle_networks_own_score(golden):
    ref = golden("net_rle_res50_256x192")
    _, scores = regression.decode_regression(
        ref["out_pred_jts"], identity(1), input_hw=HW, sigma=ref["out_sigma"], origin="center"
    )
    assert_allclose(scores, ref["out_maxvals"][..., 0], atol=1e-6)


def test_batches_of_nobody():
    xy, scores = regression.decode_regression(np.empty((0, 17, 4), np.float32), identity(0), input_hw=HW)
    assert (xy.shape, scores.shape) == ((0, 17, 2), (0, 17))
