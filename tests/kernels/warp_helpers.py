"""What the warp tests share: pictures, the kernels with the arguments most tests want, the SIMD levels at hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose import kernels

LEVELS = [level for level in ("scalar", "neon", "avx2", "avx512") if kernels.set_simd_level(level)]  # the best last
kernels.set_simd_level("auto")
PLAIN = {"scale": (1.0, 1.0, 1.0), "bias": (0.0, 0.0, 0.0)}


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def empty(hw: tuple[int, int], n: int, planar: bool, dtype: Any) -> NDArray[Any]:
    """An output whose every byte is 0xA5, so that what was not written shows."""
    shape = (n, 3, *hw) if planar else (n, *hw, 3)
    out = np.empty(shape, dtype)
    out.view(np.uint8).fill(0xA5)
    return out


def letterbox(
    image: NDArray[np.uint8],
    out_hw: tuple[int, int],
    resized_hw: tuple[int, int],
    offset_tl: tuple[int, int] = (0, 0),
    *,
    dtype: Any = np.float32,
    planar: bool = False,
    **rest: Any,
) -> NDArray[Any]:
    """One picture, BGR and unscaled unless said otherwise."""
    out = empty(out_hw, 1, planar, dtype)
    options = {**PLAIN, "swap_rb": False, **rest}
    kernels.letterbox(image, out, resized_hw=resized_hw, offset_tl=offset_tl, planar=planar, **options)
    return out[0]


def warp_affine(
    image: NDArray[np.uint8],
    frame_from_input: Any,
    out_hw: tuple[int, int],
    *,
    dtype: Any = np.float32,
    planar: bool = False,
    **rest: Any,
) -> NDArray[Any]:
    """N pictures, BGR and unscaled unless said otherwise."""
    matrices = np.array(frame_from_input, np.float64).reshape(-1, 2, 3)
    out = empty(out_hw, len(matrices), planar, dtype)
    options = {**PLAIN, "swap_rb": False, **rest}
    kernels.warp_affine(image, matrices, out, planar=planar, **options)
    return out


@contextmanager
def simd(level: str) -> Iterator[None]:
    """Run with this one of LEVELS."""
    try:
        assert kernels.set_simd_level(level)
        yield
    finally:
        kernels.set_simd_level("auto")


def rotation(angle: float, scale: float, center_xy: tuple[float, float], hw: tuple[int, int]) -> NDArray[np.float64]:
    """frame_from_input of a turned crop whose middle lies at center_xy."""
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = (np.array([hw[1], hw[0]]) - 1) / 2
    return np.column_stack([linear, np.asarray(center_xy) - linear @ middle])
