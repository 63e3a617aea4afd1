"""Heatmap decoding against the original authors' code: leoxiaobin's HRNet, MMPose's codecs, rtmlib's DARK."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from edge_pose import kernels
from edge_pose.decode import heatmap
from tests.oracle import heatmap as oracle
from tests.oracle.keypoints import crops, identity

pytestmark = pytest.mark.golden
PX = 1e-3  # of a pixel or a cell: the references compute in float32


@pytest.mark.parametrize("prefix", ["a", "b"])
def test_hrnet_peaks(golden, prefix):
    ref = golden("decode_leoxiaobin")
    maps = ref[f"{prefix}_heatmaps"]
    xy, scores = kernels.decode_heatmap(maps, identity(len(maps)), refine="none")
    assert_array_equal(xy, ref[f"{prefix}_max_preds"])
    assert_array_equal(scores, ref[f"{prefix}_maxvals"][..., 0])


@pytest.mark.parametrize("prefix", ["a", "b"])
@pytest.mark.parametrize(("name", "refine"), [("final_preds", "quarter"), ("final_preds_nopost", "none")])
def test_hrnet_joints_in_the_frame(golden, prefix, name, refine):
    ref = golden("decode_leoxiaobin")
    maps, wanted = ref[f"{prefix}_heatmaps"], ref[f"{prefix}_{name}"]
    xy, _ = kernels.decode_heatmap(maps, ref[f"{prefix}_trans_inv_heatmap"], refine=refine)
    assert_allclose(xy, wanted, atol=PX, rtol=0)
    # The same through the record of the crop: frame -> input, inverted, and the stride.
    linear = np.linalg.inv(ref[f"{prefix}_trans_fwd_input"][:, :, :2])
    from_input = np.concatenate([linear, -linear @ ref[f"{prefix}_trans_fwd_input"][:, :, 2:]], axis=2)
    w, h = ref[f"{prefix}_input_wh"].tolist()
    xy, scores = heatmap.decode_heatmap(maps, from_input, input_hw=(h, w), refine=refine)
    assert_allclose(xy, wanted, atol=PX, rtol=0)
    assert_array_equal(scores, ref[f"{prefix}_maxvals"][..., 0])


@pytest.mark.parametrize("prefix", ["a", "b"])
@pytest.mark.parametrize(
    ("name", "refine", "blur", "atol"),
    [
        ("locs", "none-mmpose", 11, 0),
        ("quarter", "quarter-mmpose", 11, 0),
        ("dark11", "dark", 11, PX),
        ("dark17", "dark", 17, PX),
        ("dark_udp11", "dark-udp", 11, PX),
    ],
)
def test_mmpose_cells(golden, prefix, name, refine, blur, atol):
    ref = golden("decode_mmpose")
    maps, wanted = ref[f"{prefix}_heatmaps"], ref[f"{prefix}_{name}"]
    xy, scores = kernels.decode_heatmap(maps, identity(len(maps)), refine=refine, blur=blur)
    assert_array_equal(scores, ref[f"{prefix}_vals"])
    # The reference has NaN where nothing is to be found; here such joints are (-1, -1) like all that are not found.
    known = np.isfinite(wanted).all(axis=-1)
    assert (ref[f"{prefix}_vals"][~known] <= 0).all()
    assert_array_equal(xy[~known], -1)
    assert_allclose(xy[known], wanted[known], atol=atol, rtol=0)


@pytest.mark.parametrize("prefix", ["a", "b"])
def test_mmpose_modulation_of_the_twin(golden, prefix):
    ref = golden("decode_mmpose")
    for heat, wanted in zip(ref[f"{prefix}_heatmaps"][1], ref[f"{prefix}_gaussian_blur11"][0], strict=True):
        assert_allclose(oracle.modulate(heat, 11), wanted, atol=1e-6)


@pytest.mark.parametrize(("prefix", "blur", "stride"), [("a", 11, 4), ("b", 17, 4)])
@pytest.mark.parametrize(
    ("name", "refine", "grid"),
    [
        ("msra", "quarter-mmpose", "classic"),
        ("msra_unbiased", "dark", "classic"),
        ("udp", "dark-udp", "udp"),
    ],
)
def test_mmpose_codecs_in_the_input_and_in_the_frame(golden, prefix, blur, stride, name, refine, grid):
    ref = golden("decode_mmpose")
    maps = ref[f"{prefix}_heatmaps"]
    (map_h, map_w), n = maps.shape[2:], len(maps)
    h, w = stride * map_h, stride * map_w
    # MMPose's UDP decoder stretches the corner cells over the whole width, not to the corner pixels.
    span = (w - 1, h - 1) if grid == "udp" else (w, h)
    known = np.isfinite(ref[f"{prefix}_codec_{name}"]).all(axis=-1)

    codec = crops(np.full((n, 2), (w / 2, h / 2)), np.full((n, 2), (w, h)), span)
    xy, scores = heatmap.decode_heatmap(maps, codec, input_hw=(h, w), grid=grid, refine=refine, blur=blur)
    assert_allclose(xy[known], ref[f"{prefix}_codec_{name}"][known], atol=stride * PX, rtol=0)
    assert_array_equal(scores, ref[f"{prefix}_scores"])

    frame = crops(ref[f"{prefix}_center"], ref[f"{prefix}_scale"], span)
    xy, _ = heatmap.decode_heatmap(maps, frame, input_hw=(h, w), grid=grid, refine=refine, blur=blur)
    cell = ref[f"{prefix}_scale"].max() / map_w
    assert_allclose(xy[known], ref[f"{prefix}_frame_{name}"][known], atol=cell * PX, rtol=0)
    assert np.isfinite(xy).all()


def test_mmpose_udp_offsets(golden):
    ref = golden("decode_mmpose")
    maps = ref["comb_heatmaps"].astype(np.float32)
    h, w = 4 * maps.shape[2], 4 * maps.shape[3]
    codec = crops(np.full((len(maps), 2), (w / 2, h / 2)), np.full((len(maps), 2), (w, h)), (w - 1, h - 1))
    xy, scores = heatmap.decode_udp_offset(maps, codec, input_hw=(h, w))
    assert_allclose(xy, ref["comb_keypoints"], atol=PX, rtol=0)
    assert_allclose(scores, ref["comb_scores"], atol=1e-6, rtol=0)


def test_rtmlib_dark(golden):
    ref = golden("decode_simcc_rle")
    maps = ref["rtm_dark_heatmaps"].astype(np.float32)
    xy, _ = kernels.decode_heatmap(maps, identity(len(maps)), refine="none-mmpose")
    assert_array_equal(xy, ref["rtm_dark_coords_in"])
    xy, _ = kernels.decode_heatmap(maps, identity(len(maps)), refine="dark-udp-rtmlib", blur=3)
    assert_allclose(xy, ref["rtm_dark_coords_out"], atol=PX, rtol=0)
