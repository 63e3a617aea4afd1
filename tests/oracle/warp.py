"""Plain twins of letterbox and warp_affine: one formula a function, float64 throughout, pixels in BGR."""

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def sample(image: NDArray[np.uint8], x: F64, y: F64, fill: float) -> F64:
    """Bilinear samples at index coordinates (pixel centres at integers); beyond the image lies `fill`."""
    height, width = image.shape[:2]
    x, y = np.clip(x, -2.0, width + 1.0), np.clip(y, -2.0, height + 1.0)
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    padded = np.pad(image.astype(np.float64), ((3, 3), (3, 3), (0, 0)), constant_values=fill)
    fx, fy = (x - x0)[..., None], (y - y0)[..., None]
    at = lambda dy, dx: padded[y0 + dy + 3, x0 + dx + 3]  # noqa: E731
    upper = at(0, 0) * (1 - fx) + at(0, 1) * fx
    lower = at(1, 0) * (1 - fx) + at(1, 1) * fx
    return upper * (1 - fy) + lower * fy


def resize(image: NDArray[np.uint8], hw: tuple[int, int]) -> F64:
    """Half-pixel centres, edges clamped, no antialiasing."""
    (height, width), (new_h, new_w) = image.shape[:2], hw
    y = np.clip((np.arange(new_h) + 0.5) * height / new_h - 0.5, 0, height - 1)
    x = np.clip((np.arange(new_w) + 0.5) * width / new_w - 0.5, 0, width - 1)
    grid_x, grid_y = np.meshgrid(x, y)
    return sample(image, grid_x, grid_y, 0.0)


def letterbox(
    image: NDArray[np.uint8],
    out_hw: tuple[int, int],
    resized_hw: tuple[int, int],
    offset_tl: tuple[int, int],
    fill: int = 114,
) -> F64:
    out = np.full((*out_hw, 3), float(fill))
    top, left = offset_tl
    out[top : top + resized_hw[0], left : left + resized_hw[1]] = resize(image, resized_hw)
    return out


def warp_affine(
    image: NDArray[np.uint8],
    frame_from_input: F64,
    out_hw: tuple[int, int],
    pixel_center: float = 0.0,
    fill: int = 0,
) -> F64:
    """(N, h, w, 3) in grey levels."""
    x, y = np.meshgrid(np.arange(out_hw[1]) + pixel_center, np.arange(out_hw[0]) + pixel_center)
    out = np.empty((len(frame_from_input), *out_hw, 3))
    for row, m in zip(out, frame_from_input, strict=True):
        at_x = m[0, 0] * x + m[0, 1] * y + m[0, 2] - pixel_center
        at_y = m[1, 0] * x + m[1, 1] * y + m[1, 2] - pixel_center
        row[:] = sample(image, at_x, at_y, fill)
    return out


def normalised(levels: F64, scale: F64, bias: F64, *, swap_rb: bool = True, planar: bool = True) -> F64:
    """(..., h, w, 3) BGR grey levels to the network's input; scale and bias in the output's channel order."""
    out = (levels[..., ::-1] if swap_rb else levels) * scale + bias
    return np.moveaxis(out, -1, -3) if planar else out


def bgr_from_yuv(y: NDArray[np.uint8], u: NDArray[np.uint8], v: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """BT.601, limited range: luma 16..235, chroma 16..240."""
    luma = np.maximum(y.astype(np.float64) - 16, 0) * 255 / 219
    cb, cr = ((c.astype(np.float64) - 128) * 255 / 224 for c in (u, v))
    blue, red = luma + 1.772 * cb, luma + 1.402 * cr
    green = luma - (0.114 * 1.772 * cb + 0.299 * 1.402 * cr) / 0.587
    return np.clip(np.round(np.stack([blue, green, red], axis=-1)), 0, 255).astype(np.uint8)


def bgr_from_nv12(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height = image.shape[0] * 2 // 3
    chroma = image[height:].reshape(height // 2, -1, 2).repeat(2, axis=0).repeat(2, axis=1)
    return bgr_from_yuv(image[:height], chroma[..., 0], chroma[..., 1])


def bgr_from_yuyv(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    u, v = image[:, 0::2, 1].repeat(2, axis=1), image[:, 1::2, 1].repeat(2, axis=1)
    return bgr_from_yuv(image[:, :, 0], u, v)
