"""MoveNet's decoding against lee-man's and fire717's."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from edge_pose.decode import movenet
from tests.oracle import movenet as oracle
from tests.oracle.keypoints import identity

pytestmark = pytest.mark.golden


@pytest.fixture
def leeman(golden):
    return {name: array.astype(np.float32) for name, array in golden("movenet_decode_leeman").items()}


def per_cell(n: int) -> np.ndarray:
    """Matrices that give map cells for stride=1."""
    return identity(n)


def test_centre_of_leeman(leeman):
    center = leeman["hm_logit"]
    n, h, w, _ = center.shape
    assert_allclose(1 / oracle.distance(h, w, h // 2, w // 2), leeman["weight_to_center"], rtol=1e-6)
    # Regressions of 0 and no candidate for any joint: the joint is at the centre.
    nothing = [np.zeros((n, h, w, c), np.float32) for c in (2, 1, 2)]
    xy, scores = movenet.decode_movenet_heads(center, *nothing, per_cell(n), layout="nhwc", stride=1, min_score=0.9)
    assert_array_equal(xy[:, 0, 1] * w + xy[:, 0, 0], leeman["center_index"])
    assert_array_equal(scores, 0)


def test_regression_of_leeman(leeman):
    n = len(leeman["hps"])
    xy, _ = movenet.decode_movenet_heads(
        leeman["hm_logit"][:n],
        leeman["hps"],
        leeman["hm_hp_logit"],
        leeman["hp_offset"],
        per_cell(n),
        layout="nhwc",
        stride=1,
        min_score=2,  # no cell is a candidate, so the regressed place comes out
    )
    assert_allclose(xy[..., ::-1], leeman["regressed_yx"], atol=1e-5)


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_joints_of_leeman(leeman, layout):
    names = ["hm_logit", "hps", "hm_hp_logit", "hp_offset"]
    n, h, w, _ = leeman["hps"].shape
    heads = [leeman[name][:n] for name in names]
    if layout == "nchw":
        heads = [head.transpose(0, 3, 1, 2) for head in heads]
    xy, scores = movenet.decode_movenet_heads(*heads, per_cell(n), layout=layout, stride=1)
    wanted = leeman["out_yx_score"]
    assert_allclose(xy[..., ::-1] / [h, w], wanted[..., :2], atol=1e-6)
    assert_allclose(scores, wanted[..., 2], atol=1e-6)
    # The cell is the peak's: what is left of the place are the offsets found there.
    peak = leeman["peak_index"].astype(int)
    rows, joints = np.indices(peak.shape)
    y, x = peak // w, peak % w
    offsets = leeman["hp_offset"]
    assert_allclose(xy[..., 1], y + offsets[rows, y, x, 2 * joints], atol=1e-4)
    assert_allclose(xy[..., 0], x + offsets[rows, y, x, 2 * joints + 1], atol=1e-4)


def test_rows_of_leeman_are_fractions(leeman):
    yxs = leeman["out_yx_score"]
    xy, scores = movenet.decode_movenet(yxs, identity(len(yxs)), input_hw=(192, 192))
    assert_allclose(xy, 192 * yxs[..., 1::-1], rtol=1e-6)
    assert_array_equal(scores, yxs[..., 2])


def test_the_exported_network_of_leeman(golden):
    ref = golden("net_movenet_lightning")
    heads = [ref[name] for name in ("head_hm", "head_hps", "head_hm_hp", "head_hp_offset")]
    h, w = heads[0].shape[2:]
    xy, scores = movenet.decode_movenet_heads(*heads, per_cell(1), stride=1)
    wanted = ref["out_kpts_yx_score"][:, 0]
    assert_allclose(xy[..., ::-1] / [h, w], wanted[..., :2], atol=1e-5)
    assert_allclose(scores, wanted[..., 2], atol=1e-6)


def fire717(center, regression, heatmaps, offsets):
    """Fractions (N, 34) as fire717 has them, -1 where a joint is below 0.1."""
    n, _, h, w = heatmaps.shape
    xy, scores = movenet.decode_movenet_heads(
        center,
        regression,
        heatmaps,
        offsets,
        per_cell(n),
        stride=1,
        order="xy",
        logits=False,
        whole_cells=True,
        min_score=0.1,
    )
    return np.where(scores[..., None] > 0, xy / [w, h], -1).reshape(n, -1)


def test_fire717(golden, leeman):
    ref = golden("movenet_decode_fire717")
    h, w = ref["center_weight"].shape
    assert_allclose(1 / oracle.distance(h, w, h // 2, w // 2), ref["center_weight"], rtol=1e-6)

    def pairs_swapped(head):
        n, _, _, c = head.shape
        return head.reshape(n, h, w, c // 2, 2)[..., ::-1].reshape(n, h, w, c).transpose(0, 3, 1, 2)

    regression, offsets = pairs_swapped(leeman["hps"]), pairs_swapped(leeman["hp_offset"])
    n = len(regression)
    center = oracle.sigmoid(leeman["hm_logit"][:n]).transpose(0, 3, 1, 2)
    heatmaps = oracle.sigmoid(leeman["hm_hp_logit"]).transpose(0, 3, 1, 2)
    assert_allclose(fire717(center, regression, heatmaps, offsets), ref["out_xy_norm"], atol=1e-6)
    ready = fire717(ref["centers"], regression[:2], ref["heatmaps"], offsets[:2])
    assert_allclose(ready, ref["out_first2"], atol=1e-6)
