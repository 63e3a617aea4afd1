"""letterbox against worked examples, its twin, OpenCV and the original authors' pictures."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_pose import geometry
from tests.kernels.warp_helpers import LEVELS, letterbox, noise, simd
from tests.oracle import warp as oracle

TWIN = 0.05  # grey levels: weights of 14 bits, float32
SIZES = [
    # frame, output, resized, offset
    ((1080, 1920), (640, 640), (360, 640), (140, 0)),
    ((480, 640), (640, 640), (480, 640), (80, 0)),  # copied pixel by pixel
    ((720, 1280), (640, 640), (360, 640), (140, 0)),  # exactly halved
    ((1, 1), (32, 32), (32, 32), (0, 0)),
    ((1, 4000), (64, 64), (1, 64), (20, 0)),
    ((4000, 1), (100, 100), (90, 3), (5, 50)),
    ((2, 2), (50, 50), (40, 40), (1, 3)),
    ((33, 47), (200, 300), (200, 285), (0, 7)),
    ((85, 86), (96, 96), (95, 96), (1, 0)),  # a row of just over 256 bytes
    ((2160, 3840), (360, 640), (360, 640), (0, 0)),  # every block of taps lies wider than 256 bytes
    ((300, 500), (7, 5), (3, 5), (2, 0)),
]


def test_a_pixel_is_scaled_shifted_and_reordered():
    image = np.array([[[10, 20, 30]]], np.uint8)
    out = letterbox(image, (1, 1), (1, 1), scale=(2.0, 3.0, 4.0), bias=(1.0, 2.0, 3.0), swap_rb=True)
    assert out.tolist() == [[[30 * 2 + 1, 20 * 3 + 2, 10 * 4 + 3]]]
    out = letterbox(image, (1, 1), (1, 1), scale=(2.0, 3.0, 4.0), bias=(1.0, 2.0, 3.0))
    assert out.tolist() == [[[10 * 2 + 1, 20 * 3 + 2, 30 * 4 + 3]]]


def test_the_margin_is_grey_in_the_networks_units():
    out = letterbox(noise(4, 4, 3), (6, 8), (4, 4), (1, 3), fill=100, scale=(0.5, 1.0, 2.0), planar=True)
    inside = np.zeros((6, 8), bool)
    inside[1:5, 3:7] = True
    for channel, value in zip(out, (50.0, 100.0, 200.0), strict=True):
        assert (channel[~inside] == value).all()


def test_doubling_two_pixels_gives_quarters():
    image = np.array([[[0, 0, 0], [100, 100, 100]]], np.uint8)
    assert letterbox(image, (1, 4), (1, 4))[0, :, 0].tolist() == [0, 25, 75, 100]


@pytest.mark.parametrize(("frame", "output", "resized", "offset"), SIZES)
def test_agrees_with_opencv_within_a_grey_level(frame, output, resized, offset):
    image = noise(*frame, 3)
    (height, width), (top, left) = resized, offset
    margins = (top, output[0] - height - top, left, output[1] - width - left)
    expected = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    expected = cv2.copyMakeBorder(expected, *margins, cv2.BORDER_CONSTANT, value=(114, 114, 114)).astype(int)
    for dtype in (np.float32, np.float16, np.uint8):
        ours = letterbox(image, output, resized, offset, dtype=dtype).astype(np.float64)
        assert np.abs(ours - expected).max() <= (1.07 if dtype == np.float16 else 1.0)  # halves: 1/16 at 128..255


@pytest.mark.parametrize(("frame", "output", "resized", "offset"), SIZES)
@pytest.mark.parametrize("planar", [True, False])
def test_agrees_with_its_twin(frame, output, resized, offset, planar):
    image = noise(*frame, 3)
    scale, bias = np.array([1 / 58.4, 1 / 57.1, 1 / 57.4]), np.array([-2.1, -2.0, -1.8])
    levels = oracle.letterbox(image, output, resized, offset, fill=7)
    for swap_rb in (True, False):
        options = {"scale": scale, "bias": bias, "swap_rb": swap_rb, "planar": planar}
        ours = letterbox(image, output, resized, offset, fill=7, **options)
        expected = oracle.normalised(levels, **options)
        assert np.abs(ours - expected).max() <= TWIN / 57
        halves = letterbox(image, output, resized, offset, fill=7, dtype=np.float16, **options)
        assert (halves == ours.astype(np.float16)).all()
    bytes_ = letterbox(image, output, resized, offset, fill=7, dtype=np.uint8, planar=planar)
    expected = oracle.normalised(levels, np.ones(3), np.zeros(3), swap_rb=False, planar=planar)
    assert np.abs(bytes_ - expected).max() <= 0.5 + TWIN


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_agrees_with_its_twin_at_any_size(data):
    side = st.integers(1, 130)
    frame, output = (data.draw(side), data.draw(side)), (data.draw(side), data.draw(side))
    resized = data.draw(st.integers(1, output[0])), data.draw(st.integers(1, output[1]))
    offset = data.draw(st.integers(0, output[0] - resized[0])), data.draw(st.integers(0, output[1] - resized[1]))
    image = noise(*frame, 3, seed=data.draw(st.integers(0, 99)))
    ours = letterbox(image, output, resized, offset)
    assert np.abs(ours - oracle.letterbox(image, output, resized, offset)).max() <= TWIN


def test_a_one_colour_frame_stays_that_colour():
    image = np.full((123, 457, 3), (7, 130, 255), np.uint8)
    assert (letterbox(image, (91, 64), (91, 64)) == (7, 130, 255)).all()


@pytest.mark.parametrize(
    "view",
    [
        lambda image: image[::-1],  # flipped upside down
        lambda image: image[10:60, 5:120],  # cropped
        lambda image: image[::3, :100],  # every third row
        lambda image: image[40:41][[0] * 1],
    ],
)
def test_rows_may_have_any_stride(view):
    image = view(noise(90, 140, 3))
    ours = letterbox(image, (64, 64), (50, 64), (7, 0))
    assert (ours == letterbox(np.ascontiguousarray(image), (64, 64), (50, 64), (7, 0))).all()


def test_rows_that_are_repeated_by_a_stride_of_zero():
    image = np.broadcast_to(noise(1, 100, 3), (50, 100, 3))
    assert (letterbox(image, (64, 64), (64, 64)) == letterbox(image.copy(), (64, 64), (64, 64))).all()


@pytest.mark.golden
@pytest.mark.parametrize(("name", "trim_to"), [("img_lb_96", 0), ("img_lb_96_auto", 32), ("img_lb_96_v5", 0)])
def test_agrees_with_the_original_letterbox(golden, name, trim_to):
    reference = golden("yolo_letterbox")
    expected, image = reference[name], reference["img"]
    plan = geometry.letterbox(image.shape[:2], (96, 96), trim_to=trim_to)
    assert plan.output_hw == expected.shape[:2]
    ours = letterbox(image, plan.output_hw, plan.resized_hw, plan.offset_tl, dtype=np.uint8)
    assert np.abs(ours.astype(int) - expected).max() <= 1
    ours = letterbox(image, plan.output_hw, plan.resized_hw, plan.offset_tl)
    assert np.abs(ours - expected.astype(np.float64)).max() <= 1.0


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("width", [1, 2, 5, 6, 7, 15, 16, 17, 21, 64])
def test_bytes_that_keep_their_size_are_copied(level, width):
    image = noise(3, width + 3, 3)[::-1, 1:-2]  # rows from the bottom up
    for swap in (False, True):
        with simd(level):
            out = letterbox(image, (5, width + 4), (3, width), (1, 2), dtype=np.uint8, swap_rb=swap)
        np.testing.assert_array_equal(out[1:4, 2:-2], image[..., ::-1] if swap else image)
        out[1:4, 2:-2] = 114
        assert (out == 114).all()
