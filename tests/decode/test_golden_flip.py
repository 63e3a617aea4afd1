"""The flip test's helpers against leoxiaobin's and MMPose's; SimDR's are in test_golden_simcc."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from edge_pose.decode import flip

pytestmark = pytest.mark.golden


def test_hrnet(golden):
    ref = golden("decode_leoxiaobin")
    out, mirrored = ref["flip_out"], ref["flip_out_flipped"]
    indices = np.arange(out.shape[1])
    for left, right in ref["flip_pairs"]:
        indices[[left, right]] = right, left
    back = flip.flip_heatmaps(mirrored, indices)
    assert_array_equal(back, ref["flip_back"])
    assert_array_equal(flip.average(out, back), ref["flip_avg_noshift"])
    shifted = flip.flip_heatmaps(mirrored, indices, shift=True)
    assert_array_equal(flip.average(out, shifted), ref["flip_avg_shift"])


def test_mmpose_heatmaps(golden):
    ref = golden("decode_mmpose")
    for shift, name in ((False, "noshift"), (True, "shift")):
        back = flip.flip_heatmaps(ref["flip_in_flipped"], ref["flip_indices"], shift=shift)
        assert_array_equal(back, ref[f"flip_{name}"])
        assert_array_equal(flip.average(ref["flip_in"], back), ref[f"flip_avg_{name}"])


def test_mmpose_vectors(golden):
    ref = golden("decode_mmpose")
    x, y = flip.flip_vectors(ref["flipvec_x"], ref["flipvec_y"], ref["flip_indices"])
    assert_array_equal(x, ref["flipvec_x_out"])
    assert_array_equal(y, ref["flipvec_y_out"])


def test_mmpose_coordinates(golden):
    ref = golden("decode_mmpose")
    coords, indices = ref["flipcoord_in"], ref["flip_indices"]
    assert_allclose(flip.flip_coordinates(coords, indices), ref["flipcoord_noshift"], atol=1e-7)
    shifted = flip.flip_coordinates(coords, indices, shift_width=192)
    assert_allclose(shifted, ref["flipcoord_shift"], atol=1e-7)
