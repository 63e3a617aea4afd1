"""What letterbox and warp_affine refuse, and what they say."""

import numpy as np
import pytest

from edge_pose import kernels
from edge_pose.errors import ImageError, ShapeError
from tests.kernels.warp_helpers import PLAIN, noise

IMAGE = noise(20, 30, 3)
OUT = np.zeros((3, 8, 8), np.float32)
READ_ONLY = np.zeros((3, 8, 8), np.float32)
READ_ONLY.flags.writeable = False
BASE = np.zeros((20, 30, 3), np.uint8)


def letterbox(image=IMAGE, out=OUT, **options):
    defaults = {**PLAIN, "resized_hw": (8, 8), "offset_tl": (0, 0), "planar": True}
    kernels.letterbox(image, out, **{**defaults, **options})


def warp_affine(image=IMAGE, matrices=None, out=OUT[None], **options):
    matrices = np.eye(3)[None, :2].copy() if matrices is None else matrices
    kernels.warp_affine(image, matrices, out, **{**PLAIN, "planar": True, **options})


@pytest.mark.parametrize("call", [letterbox, warp_affine])
@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (IMAGE.astype(np.float32), ImageError, "image must be uint8, got float32"),
        (IMAGE[:, :, 0], ImageError, r"\(H, W, 3\)"),
        (noise(20, 30, 4), ImageError, r"got uint8 of shape \(20, 30, 4\)"),
        (IMAGE[:0], ImageError, "H, W >= 1"),
        (IMAGE[:, :0], ImageError, "H, W >= 1"),
        (IMAGE[:, :, ::-1], ShapeError, "ascontiguousarray"),
        (IMAGE[:, ::2], ShapeError, "ascontiguousarray"),
        (IMAGE[:, ::-1], ShapeError, "ascontiguousarray"),
        (noise(3, 20, 30).transpose(1, 2, 0), ShapeError, "ascontiguousarray"),
    ],
)
def test_what_is_no_frame(call, image, error, words):
    with pytest.raises(error, match=words):
        call(image)


@pytest.mark.parametrize(
    ("pixel_format", "image", "words"),
    [
        ("nv12", noise(31, 30), "even H, W"),
        ("nv12", noise(30, 31), "even H, W"),
        ("nv12", noise(30, 30, 3), "H \\* 3 / 2"),
        ("yuyv", noise(30, 31, 2), "even W"),
        ("yuyv", noise(30, 30, 3), r"\(H, W, 2\)"),
    ],
)
def test_what_is_no_yuv_frame(pixel_format, image, words):
    with pytest.raises(ImageError, match=words):
        letterbox(image, pixel_format=pixel_format)


@pytest.mark.parametrize("call", [letterbox, warp_affine])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fill": -1}, "fill must be a grey level in 0..255, got -1"),
        ({"fill": 256}, "got 256"),
        ({"threads": -1}, "threads must be >= 0"),
        ({"scale": (1.0, np.nan, 1.0)}, "finite"),
        ({"bias": (1.0, np.inf, 1.0)}, "finite"),
        ({"pixel_format": "rgb"}, "pixel_format must be 'bgr', 'nv12' or 'yuyv', got 'rgb'"),
    ],
)
def test_numbers_out_of_range(call, options, words):
    with pytest.raises(ShapeError, match=words):
        call(**options)


@pytest.mark.parametrize(
    ("out", "options", "words"),
    [
        (np.zeros((3, 8, 8)), {}, "out must be float32, float16 or uint8, got float64"),
        (np.zeros((3, 8, 8), ">f2"), {}, "out must be float32, float16 or uint8"),
        (np.zeros((8, 8, 3), np.float32), {}, r"\(1, 3, h, w\) or \(3, h, w\) with planar=True"),
        (np.zeros((3, 8, 8), np.float32), {"planar": False}, r"or \(h, w, 3\) with planar=False"),
        (np.zeros((2, 3, 8, 8), np.float32), {}, r"\(1, 3, h, w\)"),
        (np.zeros((3, 8), np.float32), {}, r"got float32 of shape \(3, 8\)"),
        (np.zeros((3, 8, 16), np.float32)[:, :, ::2], {}, "C-contiguous"),
        (READ_ONLY, {}, "writeable"),
        (np.zeros((3, 8, 8), np.uint8), {"scale": (0.5, 1.0, 1.0)}, "scale must be 1 and bias 0"),
        (np.zeros((3, 8, 8), np.uint8), {"bias": (0.0, 1.0, 0.0)}, "scale must be 1 and bias 0"),
    ],
)
def test_outputs_that_do_not_fit(out, options, words):
    with pytest.raises(ShapeError, match=words):
        letterbox(out=out, **options)


@pytest.mark.parametrize(
    ("resized", "offset"),
    [
        ((9, 8), (0, 0)),
        ((8, 8), (0, 1)),
        ((8, 8), (-1, 0)),
        ((0, 8), (0, 0)),
        ((8, -3), (0, 0)),
        ((2**31 - 1, 1), (1, 0)),
    ],
)
def test_a_picture_that_does_not_lie_inside(resized, offset):
    with pytest.raises(ShapeError, match="inside out"):
        letterbox(resized_hw=resized, offset_tl=offset)


@pytest.mark.parametrize(
    ("matrices", "words"),
    [
        (np.zeros((1, 2, 3), np.float32), "frame_from_input must be float64"),
        (np.zeros((2, 3)), r"shape \(any, 2, 3\), got float64 of shape \(2, 3\)"),
        (np.zeros((2, 2, 3)), r"out must be of shape \(2, 3, h, w\)"),
        (np.full((1, 2, 3), np.nan), "finite"),
        (np.full((1, 2, 3), np.inf), "finite"),
        (np.zeros((1, 3, 2)).transpose(0, 2, 1), "C-contiguous"),
    ],
)
def test_matrices_that_do_not_fit(matrices, words):
    with pytest.raises(ShapeError, match=words):
        warp_affine(matrices=matrices)


def test_pixel_centers_that_are_none():
    for pixel_center in (-0.5, 1.5, np.nan):
        with pytest.raises(ShapeError, match="pixel_center"):
            warp_affine(pixel_center=pixel_center)


@pytest.mark.parametrize("image", [BASE[5:15], BASE[5:15][::-1]])
def test_an_output_on_the_frames_own_memory(image):
    for out in (BASE[0:10], BASE[14:20], BASE):
        with pytest.raises(ShapeError, match="share memory"):
            letterbox(image, out, planar=False, resized_hw=(4, 8))
    for out in (BASE[:5], BASE[15:]):  # beside it is allowed
        letterbox(image, out, planar=False, resized_hw=(4, 8))
