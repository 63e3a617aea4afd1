"""Geometry against the original authors' matrices, and its own round trips."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_pose.errors import ShapeError
from edge_pose.geometry import Affine, crop_sizes, crops, letterbox, squares, stretch


@pytest.mark.golden
def test_letterbox_numbers_are_the_vendor_s(golden, golden_json):
    data, columns = golden("yolo_letterbox"), golden_json("yolo_letterbox")["columns"]
    stride = golden_json("yolo_letterbox")["stride"]
    for row in data["table"]:
        at = dict(zip(columns, row, strict=True))
        box = letterbox(
            (int(at["h"]), int(at["w"])),
            (int(at["new_h"]), int(at["new_w"])),
            enlarge=bool(at["scaleup"]),
            trim_to=stride if at["auto"] else 0,
        )
        assert box.resized_hw == (at["unpad_h"], at["unpad_w"]), at
        assert box.offset_tl == (at["top"], at["left"]), at
        assert box.output_hw == (at["out_h"], at["out_w"]), at


@pytest.mark.golden
def test_letterboxed_points_go_home_as_the_vendor_s(golden, golden_json):
    data, columns = golden("yolo_letterbox"), golden_json("yolo_letterbox")["columns"]
    for row, points, home, boxes, boxes_home in zip(
        data["table"], data["coords_in"], data["new_coords"], data["boxes_in"], data["new_boxes"], strict=True
    ):
        at = dict(zip(columns, row, strict=True))
        frame = (int(at["h"]), int(at["w"]))
        # The vendor goes home from the two shapes alone, as if the frame had filled the input.
        box = letterbox(frame, (int(at["out_h"]), int(at["out_w"])))
        limit = np.array([frame[1], frame[0]])  # the vendor clips to the frame
        np.testing.assert_allclose(box.affine.to_frame(points[None])[0].clip(0, limit), home, atol=1e-3)
        corners = box.affine.to_frame(boxes.reshape(1, -1, 2))[0].clip(0, limit)
        np.testing.assert_allclose(corners.reshape(-1, 4), boxes_home, atol=1e-3)


@pytest.mark.golden
@pytest.mark.parametrize("prefix", ["a", "b"])
def test_crops_are_those_of_hrnet(golden, prefix):
    data = golden("decode_leoxiaobin")
    boxes = data[f"{prefix}_boxes_xywh"].copy()
    boxes[:, 2:] += boxes[:, :2]
    width, height = data[f"{prefix}_input_wh"]
    center, size = crop_sizes(boxes, aspect=width / height)
    ordinary = data[f"{prefix}_center"][:, 0] != -1  # at x = -1 the source forgets the padding
    np.testing.assert_allclose(center, data[f"{prefix}_center"], rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(size[ordinary] / 200, data[f"{prefix}_scale"][ordinary], rtol=1e-5)
    original = data[f"{prefix}_scale"].astype(np.float64) * 200
    affine = crops(data[f"{prefix}_center"], original, (height, width))
    np.testing.assert_allclose(affine.input_from_frame, data[f"{prefix}_trans_fwd_input"], rtol=1e-4, atol=1e-3)
    map_hw = data[f"{prefix}_heatmaps"].shape[2:]
    home = crops(data[f"{prefix}_center"], original, map_hw).frame_from_input
    np.testing.assert_allclose(home, data[f"{prefix}_trans_inv_heatmap"], rtol=1e-4, atol=1e-3)


@pytest.mark.golden
def test_the_demo_s_boxes_give_the_same_crops(golden):
    data = golden("decode_leoxiaobin")
    for prefix in "ab":
        boxes = data[f"{prefix}_boxes_xywh"].copy()
        boxes[:, 2:] += boxes[:, :2]
        width, height = data[f"{prefix}_input_wh"]
        center, size = crop_sizes(boxes, aspect=width / height)
        ordinary = data[f"{prefix}_demo_center"][:, 0] != -1
        np.testing.assert_allclose(center, data[f"{prefix}_demo_center"], atol=1e-3)
        np.testing.assert_allclose(size[ordinary] / 200, data[f"{prefix}_demo_scale"][ordinary], rtol=1e-5)


@pytest.mark.golden
def test_rotated_and_shifted_crops(golden):
    data = golden("decode_leoxiaobin")
    for i, (width, height) in enumerate(data["aff_output_wh"]):
        affine = crops(
            data["aff_center"][i],
            data["aff_scale"][i].astype(np.float64) * 200,
            (height, width),
            rotation_deg=data["aff_rot_deg"][i],
            shift=data["aff_shift"][i].astype(np.float64),
        )
        np.testing.assert_allclose(affine.input_from_frame[0], data["aff_fwd"][i], rtol=1e-4, atol=2e-3)
        np.testing.assert_allclose(affine.frame_from_input[0], data["aff_inv"][i], rtol=1e-4, atol=2e-3)
        moved = affine.to_input(data["aff_pts"][i][None])[0]
        np.testing.assert_allclose(moved, data["aff_pts_out"][i], rtol=1e-4, atol=2e-3)


@pytest.mark.golden
def test_mmpose_matrices(golden):
    data = golden("decode_mmpose")
    for i, (width, height) in enumerate(data["wm_output_wh"]):
        where = (data["wm_center"][i], data["wm_scale"][i].astype(np.float64), (height, width))
        angle = data["wm_rot_deg"][i]
        for name, affine in {
            "wm_classic": crops(*where, rotation_deg=angle).input_from_frame,
            "wm_classic_inv": crops(*where, rotation_deg=angle).frame_from_input,
            "wm_classic_nofixar": crops(*where, rotation_deg=angle, keep_aspect=False).input_from_frame,
            "wm_udp": crops(*where, rotation_deg=angle, udp=True).input_from_frame,
        }.items():
            np.testing.assert_allclose(affine[0], data[name][i], rtol=1e-4, atol=2e-3, err_msg=f"{name} {i}")


@pytest.mark.golden
@pytest.mark.parametrize("prefix", ["a", "b"])
def test_mmpose_boxes_to_crops(golden, prefix):
    data = golden("decode_mmpose")
    height, width = np.array(data[f"{prefix}_heatmaps"].shape[2:]) * 4
    center, size = crop_sizes(data[f"{prefix}_bbox_xyxy"], aspect=width / height)
    np.testing.assert_allclose(center, data[f"{prefix}_center"], atol=1e-3)
    np.testing.assert_allclose(size, data[f"{prefix}_scale"], rtol=1e-5)
    classic = crops(center, size, (height, width)).input_from_frame
    np.testing.assert_allclose(classic, data[f"{prefix}_warp_classic"], rtol=1e-4, atol=1e-3)
    udp = crops(center, size, (height, width), udp=True).input_from_frame
    np.testing.assert_allclose(udp, data[f"{prefix}_warp_udp"], rtol=1e-4, atol=1e-3)


@pytest.mark.golden
def test_rtmlib_boxes_to_crops(golden):
    data = golden("decode_simcc_rle")
    center, size = crop_sizes(data["rtm_bbox_xyxy"], aspect=192 / 256)
    np.testing.assert_allclose(center, data["rtm_center"], atol=1e-3)
    np.testing.assert_allclose(size, data["rtm_scale"], rtol=1e-5)


sizes = st.tuples(st.integers(1, 4000), st.integers(1, 4000))


@given(frame=sizes, input_hw=st.tuples(st.integers(1, 1024), st.integers(1, 1024)))
def test_letterbox_round_trip_and_corners(frame, input_hw):
    box = letterbox(frame, input_hw)
    corners = np.array([[[0, 0], [frame[1], frame[0]]]])
    inside = box.affine.to_input(corners)[0]
    (top, left), (height, width) = box.offset_tl, box.resized_hw
    np.testing.assert_allclose(inside, [[left, top], [left + width, top + height]], atol=1e-6)
    assert top >= 0 and left >= 0 and top + height <= input_hw[0] and left + width <= input_hw[1]
    np.testing.assert_allclose(box.affine.to_frame(inside[None]), corners, atol=1e-6)


@given(
    center=st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)),
    size=st.tuples(st.floats(1, 5e3), st.floats(1, 5e3)),
    angle=st.floats(-180, 180),
    udp=st.booleans(),
)
def test_crop_round_trip(center, size, angle, udp):
    affine = crops(center, size, (256, 192), rotation_deg=angle, udp=udp)
    middle = np.array([[[95.5, 127.5]]]) if udp else np.array([[[96, 128]]])
    np.testing.assert_allclose(affine.to_frame(middle)[0, 0], center, atol=1e-6)
    points = np.random.default_rng(0).uniform(-100, 500, (1, 17, 2))
    np.testing.assert_allclose(affine.to_input(affine.to_frame(points)), points, atol=1e-5)


def test_stretch_and_squares():
    np.testing.assert_allclose(stretch((100, 200), (50, 50)).to_frame([[[50, 50]]]), [[[200, 100]]])
    np.testing.assert_allclose(squares([10, 20], 8, (4, 4)).to_frame([[[0, 0], [4, 4]]]), [[[6, 16], [14, 24]]])


def test_nobody_is_zero_rows():
    center, size = crop_sizes(np.empty((0, 4)), aspect=0.75)
    affine = crops(center, size, (256, 192))
    assert len(affine) == 0
    assert affine.to_frame(np.empty((0, 17, 2))).shape == (0, 17, 2)


def test_rows_of_an_affine():
    affine = crops(np.zeros((3, 2)), np.full((3, 2), 10.0), (4, 4))
    assert [len(affine[0]), len(affine[-1]), len(affine[1:]), len(affine[[True, False, True]])] == [1, 1, 2, 2]


def test_errors_name_what_was_wanted():
    with pytest.raises(ShapeError, match=r"frame_from_input must be \(N, 2, 3\), got shape \(2, 3\)"):
        Affine(np.zeros((2, 3)))
    with pytest.raises(ShapeError, match="at least one pixel"):
        letterbox((0, 10), (640, 640))
    with pytest.raises(ShapeError, match="one row a crop"):
        letterbox((10, 10), (64, 64)).affine.to_frame(np.zeros((2, 3, 2)))
