"""warp_affine against worked examples, its twin, OpenCV and the original authors' crops."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.warp_helpers import noise, rotation, warp_affine
from tests.oracle import warp as oracle

TWIN = 0.05
IDENTITY = [[1, 0, 0], [0, 1, 0]]


def opencv(image, matrix, hw, fill=0):
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, np.array(matrix, float), hw[::-1], flags=flags, borderValue=(fill,) * 3).astype(int)


@pytest.mark.parametrize("pixel_center", [0.0, 0.5])
def test_the_identity_copies(pixel_center):
    image = noise(30, 40, 3)
    assert (warp_affine(image, IDENTITY, (30, 40), pixel_center=pixel_center)[0] == image).all()


def test_half_a_pixel_off_blends_neighbours_and_the_border():
    image = np.array([[[10] * 3, [30] * 3]], np.uint8)
    out = warp_affine(image, [[1, 0, 0.5], [0, 1, 0]], (1, 3), fill=100)
    assert out[0, 0, :, 0].tolist() == [20, 65, 100]


def test_pixel_center_moves_the_origin_of_scaling():
    image = np.arange(8, dtype=np.uint8).repeat(3).reshape(1, 8, 3)
    half = [[2, 0, 0], [0, 1, 0]]
    assert warp_affine(image, half, (1, 4))[0, 0, :, 0].tolist() == [0, 2, 4, 6]
    assert warp_affine(image, half, (1, 4), pixel_center=0.5)[0, 0, :, 0].tolist() == [0.5, 2.5, 4.5, 6.5]


def test_mirrored_and_upside_down():
    image = noise(120, 160, 3)
    mirrored = warp_affine(image, [[-1, 0, 159], [0, -1, 119]], (120, 160))
    assert (mirrored[0] == image[::-1, ::-1]).all()


@pytest.mark.parametrize("off", [0.0, 1e-6, -1e-6, 3e-5])
def test_transposed_with_samples_a_hair_off_the_pixels(off):
    image = noise(40, 50, 3)
    transposed = warp_affine(image, [[0, 1, -off], [1, 0, -off]], (50, 40))[0]
    assert np.abs(transposed - image.transpose(1, 0, 2)).max() <= 0.05
    turned = warp_affine(image, [[0, -1, 49 - off], [1, 0, -off]], (50, 40))[0]
    assert np.abs(turned - image.transpose(1, 0, 2)[::-1]).max() <= 0.05


def test_nobody():
    assert warp_affine(noise(10, 10, 3), np.empty((0, 2, 3)), (8, 8)).shape == (0, 8, 8, 3)


@pytest.mark.parametrize(
    "matrix",
    [
        [[1, 0, 1000], [0, 1, 0]],  # to the right
        [[1, 0, 0], [0, 1, -100]],  # above
        rotation(0.5, 1.0, (-300, -300), (32, 48)),
        [[0, 0, -5], [0, 0, 3]],  # all from one point beside the frame
        [[1e12, 0, -3e11], [0, 1e12, 7]],  # a pixel's step is farther than any frame
        [[1e308, -1e308, 0], [1e308, 1e308, -1e308]],
        [[1, 1e300, 0], [0, 1, 0]],
        [[1e-300, 0, 1e17], [0, 1, 0]],
    ],
)
def test_a_crop_outside_the_frame_is_all_fill(matrix):
    for pixel_center in (0.0, 0.5):
        out = warp_affine(noise(50, 60, 3), matrix, (32, 48), fill=77, pixel_center=pixel_center)
        assert (out == 77).all()


@pytest.mark.parametrize("frame", [(480, 640), (1080, 1920), (5, 7), (1, 1), (1, 50), (50, 1), (2, 2), (90, 120)])
@pytest.mark.parametrize("angle", [0.0, 0.3, -2.0, np.pi / 2, np.pi, 1e-9])
@pytest.mark.parametrize("zoom", [0.03, 0.4, 1.0, 2.7, 9.0])
def test_agrees_with_opencv_within_a_grey_level(frame, angle, zoom):
    image, hw = noise(*frame, 3), (64, 48)
    for center in [(frame[1] * 0.4, frame[0] * 0.6), (0.0, 0.0), (frame[1] - 1.0, frame[0] / 2)]:
        matrix = rotation(angle, zoom, center, hw)
        expected = opencv(image, matrix, hw, fill=50)
        for dtype in (np.float32, np.uint8):
            ours = warp_affine(image, matrix, hw, fill=50, dtype=dtype)[0]
            assert np.abs(ours - expected).max() <= 1.0


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_agrees_with_its_twin_anywhere(data):
    side = st.integers(1, 120)
    image = noise(data.draw(side), data.draw(side), 3, seed=data.draw(st.integers(0, 99)))
    hw = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 70))
    number = st.floats(-4, 4, allow_subnormal=False)
    linear = [[data.draw(number), data.draw(st.sampled_from([0.0, 0.5, -1.2]))] for _ in range(2)]
    linear[1].reverse()
    matrix = np.column_stack([linear, [data.draw(st.floats(-100, 150)) for _ in range(2)]])[None]
    pixel_center, fill = data.draw(st.sampled_from([0.0, 0.5])), data.draw(st.integers(0, 255))
    ours = warp_affine(image, matrix, hw, pixel_center=pixel_center, fill=fill)
    assert np.abs(ours - oracle.warp_affine(image, matrix, hw, pixel_center, fill)).max() <= TWIN


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=6, max_size=6), st.sampled_from([1, 7, 99]))
def test_any_finite_matrix_is_safe_and_gives_grey_levels(numbers, side):
    out = warp_affine(noise(side, side, 3), numbers, (16, 16), fill=9)
    assert (out >= 0).all()
    assert (out <= 255).all()


@pytest.mark.parametrize("planar", [True, False])
@pytest.mark.parametrize("angle", [0.0, 0.2])
def test_layouts_elements_and_channel_order(planar, angle):
    image, hw = noise(200, 300, 3), (50, 37)
    matrices = np.stack([rotation(angle, 1.5, (x, 100), hw) for x in (0, 150, 300)])
    levels = oracle.warp_affine(image, matrices, hw, fill=3)
    scale, bias = np.array([0.5, 0.25, 2.0]), np.array([1.0, -3.0, 0.5])
    for swap_rb in (True, False):
        options = {"scale": scale, "bias": bias, "swap_rb": swap_rb, "planar": planar}
        ours = warp_affine(image, matrices, hw, fill=3, **options)
        assert np.abs(ours - oracle.normalised(levels, **options)).max() <= 2 * TWIN
        halves = warp_affine(image, matrices, hw, fill=3, dtype=np.float16, **options)
        assert (halves == ours.astype(np.float16)).all()
        bytes_ = warp_affine(image, matrices, hw, fill=3, dtype=np.uint8, planar=planar, swap_rb=swap_rb)
        plain = oracle.normalised(levels, np.ones(3), np.zeros(3), swap_rb=swap_rb, planar=planar)
        assert np.abs(bytes_ - plain).max() <= 0.5 + TWIN


def test_n_crops_are_what_n_calls_give():
    image, hw = noise(240, 320, 3), (64, 48)
    matrices = np.stack([rotation(0.1 * (k % 3), 0.5 + 0.2 * k, (30 * k, 20 * k), hw) for k in range(11)])
    together = warp_affine(image, matrices, hw)
    for matrix, crop in zip(matrices, together, strict=True):
        assert (warp_affine(image, matrix, hw)[0] == crop).all()


def test_rows_may_have_any_stride():
    base, hw = noise(200, 300, 3), (40, 30)
    for image in (base[::-1], base[20:150, 30:200], base[::2]):
        for angle in (0.0, 0.4):
            matrix = rotation(angle, 2.0, (80, 60), hw)
            assert (warp_affine(image, matrix, hw) == warp_affine(image.copy(), matrix, hw)).all()


def test_a_small_frame_into_an_output_without_pixels():
    assert warp_affine(noise(4, 4, 3), IDENTITY, (0, 5)).shape == (1, 0, 5, 3)


@pytest.mark.golden
def test_agrees_with_the_original_crops(golden):
    reference = golden("decode_leoxiaobin")
    image, hw = reference["warp_img"], reference["warp_out"].shape[1:3]
    forward = np.concatenate([reference["warp_mat"], np.tile([[[0.0, 0.0, 1.0]]], (3, 1, 1))], axis=1)
    frame_from_input = np.ascontiguousarray(np.linalg.inv(forward)[:, :2])
    bytes_ = warp_affine(image, frame_from_input, hw, dtype=np.uint8).astype(int)
    assert np.abs(bytes_ - reference["warp_out"]).max() <= 1
    assert np.abs(bytes_ - reference["warp_out_cv4_12"]).max() <= 3
    floats = warp_affine(image, frame_from_input, hw)
    assert np.abs(floats - reference["warp_out"].astype(np.float64)).max() <= 1.0
