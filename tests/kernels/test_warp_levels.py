"""One picture, one result: the same bits at every SIMD level and number of threads, from many callers at once."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from edge_pose import kernels
from edge_pose.errors import ShapeError
from tests.kernels.warp_helpers import LEVELS, letterbox, noise, rotation, simd, warp_affine

NORMAL = {"scale": (1 / 58.4, 1 / 57.1, 1 / 57.4), "bias": (-2.1, -2.0, -1.8)}
ELEMENTS = [(np.float32, NORMAL), (np.float16, NORMAL), (np.uint8, {})]
FRAMES = {
    "bgr": [noise(1080, 1920, 3), noise(97, 131, 3), noise(5, 7, 3), noise(64, 86, 3)],
    "nv12": [noise(1080, 1280), noise(96, 130), noise(6, 2)],
    "yuyv": [noise(300, 500, 2), noise(97, 130, 2), noise(5, 2, 2)],
}
CASES = [(name, k) for name, frames in FRAMES.items() for k in range(len(frames))]


def everything(pixel_format: str, image: np.ndarray, **options: object) -> list[bytes]:
    """Every kind of output for a frame."""
    results, hw = [], (61, 75)
    width, height = image.shape[1], image.shape[0]
    crops = [rotation(0.0, scale, (width * 0.7, height * 0.3), hw) for scale in (-0.3, 0.1, 1.0, 2.2, 5.0, 20.0)]
    crops += [rotation(angle, scale, (width / 2, height / 2), hw) for angle in (0.3, 2.0) for scale in (0.2, 3.0)]
    for planar in (True, False):
        for dtype, colors in ELEMENTS:
            kind = {"planar": planar, "dtype": dtype, "pixel_format": pixel_format, **colors, **options}
            for resized, offset in [((61, 75), (0, 0)), ((40, 33), (3, 30)), ((50, 16), (1, 2)), ((9, 5), (0, 1))]:
                results.append(letterbox(image, hw, resized, offset, **kind).tobytes())
            results.append(warp_affine(image, crops, hw, fill=9, **kind).tobytes())
    return results


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("pixel_format", "k"), CASES)
def test_every_level_gives_the_same_bits(level, pixel_format, k):
    image = FRAMES[pixel_format][k]
    with simd("scalar"):
        expected = everything(pixel_format, image)
    with simd(level):
        assert kernels.simd_level() == level
        assert everything(pixel_format, image) == expected


def test_an_unknown_level_is_refused():
    assert not kernels.set_simd_level("mmx")
    assert kernels.simd_level() == LEVELS[-1]


@pytest.mark.parametrize("threads", [0, 2, 3, 8, 1000])
@pytest.mark.parametrize(("pixel_format", "k"), CASES)
def test_every_number_of_threads_gives_the_same_bits(threads, pixel_format, k):
    image = FRAMES[pixel_format][k]
    assert everything(pixel_format, image, threads=threads) == everything(pixel_format, image)


def test_the_global_number_of_threads():
    assert kernels.get_threads() == 1
    try:
        kernels.set_threads(3)
        assert kernels.get_threads() == 3
        test_every_number_of_threads_gives_the_same_bits(0, "bgr", 1)
    finally:
        kernels.set_threads(1)
    for wrong in (0, -1, 257):
        with pytest.raises(ShapeError, match=r"threads must be in 1\.\.256"):
            kernels.set_threads(wrong)


def test_many_callers_share_a_frame():
    image = FRAMES["bgr"][0]
    expected = [everything("bgr", image, threads=n) for n in (1, 2)]
    with ThreadPoolExecutor(8) as callers:
        asked = [callers.submit(everything, "bgr", image, threads=1 + k % 2) for k in range(16)]
        for k, answer in enumerate(asked):
            assert answer.result() == expected[k % 2]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own():
    image = FRAMES["bgr"][1]
    expected = everything("bgr", image, threads=4)
    child = os.fork()
    if child == 0:
        os._exit(0 if everything("bgr", image, threads=4) == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
