"""NumPy twins of the heatmap decoders: one map at a time, float64 but where the original's float32 is the point."""

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

# OpenCV's fixed kernels; larger ones come from the formula.
SMALL_KERNELS = {
    1: [1],
    3: [1, 2, 1],
    5: [1, 4, 6, 4, 1],
    7: [8, 28, 56, 72, 56, 28, 8],
    9: [4, 13, 30, 51, 60, 51, 30, 13, 4],
}


def gaussian_kernel(size: int) -> F64:
    """OpenCV's getGaussianKernel(size, sigma=0)."""
    if size in SMALL_KERNELS:
        taps = np.array(SMALL_KERNELS[size], np.float64)
    else:
        sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
        taps = np.exp(-((np.arange(size) - (size - 1) / 2) ** 2) / (2 * sigma * sigma))
    return taps / taps.sum()


def gaussian_blur(heat: NDArray, size: int, border: str) -> F64:
    """Blur (H, W) separably; border "zero" or "reflect" (the edge cell is not repeated)."""
    taps, pad = gaussian_kernel(size), size // 2
    mode = {"zero": "constant", "reflect": "reflect"}[border]
    padded = np.pad(heat.astype(np.float64), pad, mode=mode)
    rows = sum(t * padded[:, i : i + heat.shape[1]] for i, t in enumerate(taps))
    return sum(t * rows[i : i + heat.shape[0]] for i, t in enumerate(taps))


def modulate(heat: NDArray, size: int) -> F64:
    """Blur with zeros outside, then stretch to the old maximum (the DARK paper's distribution modulation).

    A map whose blurred values are all negative would be turned over; it comes out flat instead.
    """
    blurred = gaussian_blur(heat, size, "zero")
    return blurred * max(0.0, heat.max() / blurred.max())


def peak(heat: NDArray) -> tuple[int, int, float]:
    """(x, y, value) of the first greatest cell in row-major order; NaN cells never win."""
    cells = np.where(np.isnan(heat), -np.inf, heat)
    index = int(cells.argmax())
    best = float(cells.flat[index])
    return (0, 0, 0.0) if best == -np.inf else (index % heat.shape[1], index // heat.shape[1], best)


def quarter(heat: NDArray, x: int, y: int) -> tuple[float, float]:
    """HRNet's offset: both axes or none, and not from row or column 1."""
    h, w = heat.shape
    if not (1 < x < w - 1 and 1 < y < h - 1):
        return 0.0, 0.0
    dx = np.sign(heat[y, x + 1] - heat[y, x - 1])
    dy = np.sign(heat[y + 1, x] - heat[y - 1, x])
    return 0.25 * float(np.nan_to_num(dx)), 0.25 * float(np.nan_to_num(dy))


def quarter_mmpose(heat: NDArray, x: int, y: int) -> tuple[float, float]:
    """MMPose's offset: each axis by itself, but an axis rests where the other coordinate is 0."""
    h, w = heat.shape
    dx = np.sign(heat[y, x + 1] - heat[y, x - 1]) if 1 < x < w - 1 and y > 0 else 0.0
    dy = np.sign(heat[y + 1, x] - heat[y - 1, x]) if 1 < y < h - 1 and x > 0 else 0.0
    return 0.25 * float(np.nan_to_num(dx)), 0.25 * float(np.nan_to_num(dy))


def newton(gradient: list[float], hessian: list[list[float]]) -> tuple[float, float]:
    """The Newton step to the maximum, or none where there is no finite one."""
    matrix = np.array(hessian)
    if not np.isfinite(matrix).all() or np.linalg.det(matrix) == 0:
        return 0.0, 0.0
    step = -np.linalg.inv(matrix) @ np.array(gradient)
    return (float(step[0]), float(step[1])) if np.isfinite(step).all() else (0.0, 0.0)


def dark(heat: NDArray, x: int, y: int, blur: int) -> tuple[float, float]:
    """Zhang et al. 2020: a Taylor step on the log of the modulated map, differences two cells wide."""
    h, w = heat.shape
    if not (1 < x < w - 2 and 1 < y < h - 2):
        return 0.0, 0.0
    m = np.log(np.maximum(modulate(heat, blur), 1e-10))
    dx, dy = 0.5 * (m[y, x + 1] - m[y, x - 1]), 0.5 * (m[y + 1, x] - m[y - 1, x])
    dxx = 0.25 * (m[y, x + 2] - 2 * m[y, x] + m[y, x - 2])
    dyy = 0.25 * (m[y + 2, x] - 2 * m[y, x] + m[y - 2, x])
    dxy = 0.25 * (m[y + 1, x + 1] - m[y - 1, x + 1] - m[y + 1, x - 1] + m[y - 1, x - 1])
    return newton([dx, dy], [[dxx, dxy], [dxy, dyy]])


def dark_udp(heat: NDArray, x: int, y: int, blur: int, *, rtmlib: bool = False) -> tuple[float, float]:
    """Huang et al. 2020: differences one cell wide, borders repeated, the Hessian's diagonal nudged."""
    modulated = gaussian_blur(heat, blur, "reflect") if rtmlib else modulate(heat, blur)
    m = np.pad(np.log(np.clip(modulated, 1e-3, 50)), 1, mode="edge")[y : y + 3, x : x + 3]
    dx, dy = 0.5 * (m[1, 2] - m[1, 0]), 0.5 * (m[2, 1] - m[0, 1])
    eps = float(np.finfo(np.float32).eps)
    dxx = m[1, 2] - 2 * m[1, 1] + m[1, 0] + eps
    dyy = m[2, 1] - 2 * m[1, 1] + m[0, 1] + eps
    dxy = 0.5 * (m[2, 2] - m[1, 2] - m[2, 1] + 2 * m[1, 1] - m[1, 0] - m[0, 1] + m[0, 0])
    return newton([dx, dy], [[dxx, dxy], [dxy, dyy]])


def refined(heat: NDArray, refine: str, blur: int) -> tuple[float, float, float]:
    """(x, y, score) of one map in map cells."""
    x, y, score = peak(heat)
    if score <= 0:
        return (0.0, 0.0, score) if refine in ("none", "quarter") else (-1.0, -1.0, score)
    dx, dy = {
        "none": lambda: (0.0, 0.0),
        "none-mmpose": lambda: (0.0, 0.0),
        "quarter": lambda: quarter(heat, x, y),
        "quarter-mmpose": lambda: quarter_mmpose(heat, x, y),
        "dark": lambda: dark(heat, x, y, blur),
        "dark-udp": lambda: dark_udp(heat, x, y, blur),
        "dark-udp-rtmlib": lambda: dark_udp(heat, x, y, blur, rtmlib=True),
    }[refine]()
    return x + dx, y + dy, score


def apply(matrices: NDArray, points: NDArray) -> NDArray:
    """(N, 2, 3) matrices on (N, K, 2) points, in float64, handed out as float32."""
    linear, shift = matrices[:, :, :2], matrices[:, :, 2]
    moved = np.einsum("nij,nkj->nki", linear, points.astype(np.float64)) + shift[:, None]
    return moved.astype(np.float32)


def decode_heatmap(maps: NDArray, frame_from_map: NDArray, refine: str = "quarter", blur: int = 11) -> tuple:
    """Twin of the kernel of the same name."""
    n, k = maps.shape[:2]
    rows = [[refined(maps[i, j], refine, blur) for j in range(k)] for i in range(n)]
    out = np.array(rows, np.float64).reshape(n, k, 3)
    return apply(frame_from_map, out[..., :2]), out[..., 2].astype(np.float32)


def decode_udp_offset(maps: NDArray, frame_from_map: NDArray, blur: int = 11, radius: float = 0.0546875) -> tuple:
    """Twin of the kernel of the same name: maps (N, 3K, H, W), heat, x and y offset of each joint."""
    n, k, h = maps.shape[0], maps.shape[1] // 3, maps.shape[2]
    points, scores = np.full((n, k, 2), -1.0), np.zeros((n, k), np.float32)
    for i in range(n):
        for j in range(k):
            heat, off_x, off_y = maps[i, 3 * j : 3 * j + 3]
            x, y, scores[i, j] = peak(gaussian_blur(heat, 2 * blur + 1, "reflect").astype(np.float32))
            if scores[i, j] > 0:
                points[i, j] = x + off_x[y, x] * radius * h, y + off_y[y, x] * radius * h
    return apply(frame_from_map, points), scores
