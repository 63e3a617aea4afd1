"""NumPy twins of the MoveNet decoders, for one order: heads (N, C, H, W), (y, x) channel pairs."""

import numpy as np
from numpy.typing import NDArray

from tests.oracle.heatmap import apply


def sigmoid(x: NDArray) -> NDArray:
    """Logistic function in float32."""
    return 1 / (1 + np.exp(-x.astype(np.float32)))


def distance(h: int, w: int, y: float, x: float, fall_off: float = 1.8) -> NDArray:
    """Distance of every cell to (y, x), plus Google's 1.8 or another, in float32."""
    rows, columns = np.mgrid[:h, :w].astype(np.float32)
    return np.sqrt((rows - np.float32(y)) ** 2 + (columns - np.float32(x)) ** 2) + np.float32(fall_off)


def decode_movenet_heads(
    center: NDArray,
    regression: NDArray,
    heatmaps: NDArray,
    offsets: NDArray,
    frame_from_input: NDArray,
    stride: float = 4.0,
    logits: bool = True,
    whole_cells: bool = False,
    min_score: float = 0.0,
    fall_off: float = 1.8,
    votes: bool = False,
) -> tuple:
    """Twin of the kernel of the same name for layout "nchw" and order "yx"."""
    n, k, h, w = heatmaps.shape
    if logits:
        center, heatmaps = sigmoid(center), sigmoid(heatmaps)
    points, scores = np.zeros((n, k, 2)), np.zeros((n, k), np.float32)
    for i in range(n):
        cy, cx = divmod(int((center[i] / distance(h, w, h // 2, w // 2)).argmax()), w)
        for j in range(k):
            ry, rx = regression[i, 2 * j : 2 * j + 2, cy, cx]
            if whole_cells:
                ry, rx = np.trunc(ry + 0.5), np.trunc(rx + 0.5)
            ry, rx = np.float32(ry + cy), np.float32(rx + cx)
            heat = np.where(heatmaps[i, j] < min_score, 0, heatmaps[i, j])
            py, px = divmod(int((heat / distance(h, w, ry, rx, fall_off)).argmax()), w)
            scores[i, j] = heat[py, px]
            points[i, j] = rx, ry
            if heat[py, px] >= min_score:
                rows, columns = (slice(max(p - votes, 0), p + votes + 1) for p in (py, px))
                own = np.zeros((h, w))
                own[py, px] = 1e-6
                vote = (heatmaps[i, j].astype(float) ** 2 + own)[rows, columns]
                y, x = np.mgrid[:h, :w] + offsets[i, 2 * j : 2 * j + 2].astype(float)
                points[i, j] = [(vote * p[rows, columns]).sum() / vote.sum() for p in (x, y)]
    return apply(frame_from_input, points * stride), scores
