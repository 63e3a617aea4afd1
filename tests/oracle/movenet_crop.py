"""NumPy twin of movenet_follow: the square that MoveNet looks at next, as TensorFlow's tutorial computes it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SHOULDERS, HIPS = [5, 6], [11, 12]


def whole_frame(frame_hw: tuple[int, int]) -> tuple[NDArray[np.floating[Any]], float]:
    """Centre (2,) and side of the square that just holds the frame."""
    height, width = frame_hw
    return np.array([width / 2, height / 2]), float(max(height, width))


def torso_visible(scores: NDArray[np.float32]) -> bool:
    """Whether at least one shoulder and one hip are seen: without them the body's extent is unknown."""
    seen = scores > 0.2
    return bool(seen[HIPS].any() and seen[SHOULDERS].any())


def next_square(
    xy: NDArray[np.float32], scores: NDArray[np.float32], frame_hw: tuple[int, int]
) -> tuple[NDArray[np.floating[Any]], float]:
    """Centre (2,) and side of the square to look at in the next frame."""
    height, width = frame_hw
    if not torso_visible(scores):
        return whole_frame(frame_hw)
    center = (xy[HIPS[0]] + xy[HIPS[1]]) / 2
    reach = np.abs(xy - center).max(axis=1)
    half = max(1.9 * reach[SHOULDERS + HIPS].max(), 1.2 * reach[scores >= 0.2].max())
    half = min(half, max(center[0], width - center[0], center[1], height - center[1]))
    return (center, float(2 * half)) if half <= max(width, height) / 2 else whole_frame(frame_hw)
