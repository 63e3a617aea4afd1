"""NV12 and YUYV frames as cameras and decoders deliver them."""

import cv2
import numpy as np
import pytest

from tests.kernels.warp_helpers import letterbox, noise, rotation, warp_affine
from tests.oracle import warp as oracle

FORMATS = {
    "nv12": (cv2.COLOR_YUV2BGR_NV12, oracle.bgr_from_nv12, lambda h, w: (h * 3 // 2, w)),
    "yuyv": (cv2.COLOR_YUV2BGR_YUYV, oracle.bgr_from_yuyv, lambda h, w: (h, w, 2)),
}
SIZES = [(2, 2), (4, 2), (2, 64), (48, 86), (90, 134), (480, 640)]


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize(("luma", "chroma", "bgr"), [
    (16, (128, 128), (0, 0, 0)),
    (235, (128, 128), (255, 255, 255)),
    (126, (128, 128), (128, 128, 128)),
    (81, (90, 240), (0, 0, 254)),  # red
    (145, (54, 34), (1, 255, 0)),  # green
    (41, (240, 110), (255, 0, 0)),  # blue
    (0, (128, 128), (0, 0, 0)),  # darker than black
    (255, (255, 255), (255, 125, 255)),
])  # fmt: skip
def test_known_colours(pixel_format, luma, chroma, bgr):
    image = np.full(FORMATS[pixel_format][2](4, 4), luma, np.uint8)
    if pixel_format == "nv12":
        image[4:, 0::2], image[4:, 1::2] = chroma
    else:
        image[:, 0::2, 1], image[:, 1::2, 1] = chroma
    out = letterbox(image, (4, 4), (4, 4), dtype=np.uint8, pixel_format=pixel_format)
    assert np.abs(out.astype(int) - bgr).max() <= 1


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("size", SIZES)
def test_is_conversion_and_then_the_same(pixel_format, size):
    code, twin, shape = FORMATS[pixel_format]
    image = noise(*shape(*size))
    converted = letterbox(image, size, size, dtype=np.uint8, pixel_format=pixel_format)
    assert np.abs(converted.astype(int) - twin(image)).max() <= 1
    assert np.abs(converted.astype(int) - cv2.cvtColor(image, code)).max() <= 2
    for resized in [(30, 40), (13, 20), (40, 3)]:
        ours = letterbox(image, (40, 40), resized, pixel_format=pixel_format)
        assert (ours == letterbox(converted, (40, 40), resized)).all()


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("angle", [0.0, 0.7, np.pi])
def test_crops_too(pixel_format, size, angle):
    code, _, shape = FORMATS[pixel_format]
    image, hw = noise(*shape(*size)), (40, 30)
    converted = letterbox(image, size, size, dtype=np.uint8, pixel_format=pixel_format)
    centers = [(size[1] * x, size[0] * y) for x in (0.0, 0.5, 1.0) for y in (0.2, 0.9, 2.0)]
    matrices = np.stack([rotation(angle, 1.3, center, hw) for center in centers])
    ours = warp_affine(image, matrices, hw, fill=30, pixel_format=pixel_format)
    assert (ours == warp_affine(converted, matrices, hw, fill=30)).all()
    theirs = warp_affine(cv2.cvtColor(image, code), matrices, hw, fill=30)
    assert np.abs(ours - theirs).max() <= 2


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_rows_may_have_any_stride(pixel_format):
    wide = noise(*FORMATS[pixel_format][2](60, 200))
    image = wide[:, 20:150]
    for angle in (0.0, 0.5):
        matrix = rotation(angle, 0.9, (50, 30), (40, 30))
        ours = warp_affine(image, matrix, (40, 30), pixel_format=pixel_format)
        assert (ours == warp_affine(image.copy(), matrix, (40, 30), pixel_format=pixel_format)).all()
    upside_down = wide[::-1]
    ours = letterbox(upside_down, (40, 30), (40, 30), pixel_format=pixel_format)
    assert (ours == letterbox(upside_down.copy(), (40, 30), (40, 30), pixel_format=pixel_format)).all()
