"""SimCC and SimDR decoding against MMPose, rtmlib and the SimDR authors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from edge_pose import kernels
from edge_pose.decode import flip, simcc
from tests.oracle.keypoints import crops, identity

pytestmark = pytest.mark.golden
PX = 1e-3
SIGMA = (4.9, 5.66)
COCO_PAIRS = [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)]


@pytest.fixture
def ref(golden):
    return golden("decode_simcc_rle")


def test_mmpose_maxima(ref):
    x, y = ref["simcc_x"], ref["simcc_y"]
    xy, scores = kernels.decode_simcc(x, y, identity(len(x)), split_ratio=1.0)
    assert_array_equal(xy, ref["mm_locs"])
    assert_array_equal(scores, ref["mm_vals"])
    xy, scores = kernels.decode_simcc(x, y, identity(len(x)), split_ratio=1.0, softmax=True)
    assert_array_equal(xy, ref["mm_softmax_locs"])
    assert_allclose(scores, ref["mm_softmax_vals"], rtol=1e-5)


def test_mmpose_codec(ref):
    x, y = ref["simcc_x"], ref["simcc_y"]
    xy, scores = simcc.decode_simcc(x, y, identity(len(x)))
    assert_array_equal(xy, ref["mm_codec_keypoints"])
    assert_array_equal(scores, ref["mm_codec_scores"])
    visibility = simcc.simcc_visibility(x, y, sigma=SIGMA)
    assert_allclose(visibility, ref["mm_codec_visibility"], atol=2e-4)
    xy, _ = simcc.decode_simcc(x[1:], y[1:], identity(len(x) - 1), dark_sigma=SIGMA)
    assert_allclose(xy, ref["mm_codec_dark_keypoints_from1"], atol=PX, rtol=0)


def test_mmpose_normalised_vectors(ref):
    assert_allclose(simcc.normalize_simcc(ref["simcc_x"], 4.9), ref["mm_simcc_normalized_x_sigma4_9"], rtol=1e-5)


def test_rtmlib(ref):
    x, y = ref["simcc_x"], ref["simcc_y"]
    xy, scores = kernels.decode_simcc(x, y, identity(len(x)), split_ratio=1.0, score="mean")
    assert_array_equal(xy, ref["rtm_locs"])
    assert_array_equal(scores, ref["rtm_vals"])
    frame = crops(ref["rtm_center"], ref["rtm_scale"], (x.shape[2] / 2, y.shape[2] / 2))
    xy, _ = simcc.decode_simcc(x, y, frame, score="mean")
    assert_allclose(xy, ref["rtm_frame_keypoints"], atol=PX, rtol=0)


@pytest.mark.parametrize("mode", ["noflip", "flip", "flipshift"])
def test_simdr(golden, mode):
    ref = golden("decode_simdr_original")
    indices = np.arange(ref["logits_x"].shape[1])
    for left, right in COCO_PAIRS:
        indices[[left, right]] = right, left
    x, y = simcc.softmax(ref["logits_x"]), simcc.softmax(ref["logits_y"])
    if mode != "noflip":
        # The shift comes before the softmax: the bin that falls off takes no part in it.
        mirrored = ref["logits_x_flipimg"], ref["logits_y_flipimg"]
        x_back, y_back = flip.flip_vectors(*mirrored, indices, shift=mode == "flipshift")
        x, y = flip.average(x, simcc.softmax(x_back)), flip.average(y, simcc.softmax(y_back))
    xy, scores = simcc.decode_simcc(x, y, identity(len(x)), score="max")
    assert_array_equal(xy, ref[f"{mode}_input_xy"])
    assert_allclose(scores, ref[f"{mode}_score"][..., 0], rtol=1e-5)
    # Scale is in units of 200 px; the source keeps the crop's aspect by its width alone.
    input_wh = np.array([x.shape[2] / 2, y.shape[2] / 2])
    size = 200.0 * ref["scale_px_over_200"][:, :1] * [1, input_wh[1] / input_wh[0]]
    xy, _ = simcc.decode_simcc(x, y, crops(ref["center"], size, input_wh), score="max")
    assert_allclose(xy, ref[f"{mode}_preds"], atol=PX, rtol=0)


def test_simdr_scores_without_a_flip_need_no_softmax_beforehand(golden):
    ref = golden("decode_simdr_original")
    x, y = ref["logits_x"], ref["logits_y"]
    xy, scores = simcc.decode_simcc(x, y, identity(len(x)), score="max", softmax=True)
    assert_array_equal(xy, ref["noflip_input_xy"])
    assert_allclose(scores, ref["noflip_score"][..., 0], rtol=1e-5)
