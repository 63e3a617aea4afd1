"""Where MoveNet looks next: the square around the body it saw last, else the whole frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.skeleton import COCO17

MIN_SCORE = 0.2
TORSO_MARGIN, BODY_MARGIN = 1.9, 1.2
TORSO = [COCO17.index(f"{side}_{joint}") for joint in ("shoulder", "hip") for side in ("left", "right")]
SHOULDERS, HIPS = TORSO[:2], TORSO[2:]


def whole_frame(frame_hw: tuple[int, int]) -> tuple[NDArray[np.floating[Any]], float]:
    """Return centre (2,) and side of the square, in pixels, that just holds the frame."""
    height, width = frame_hw
    return np.array([width / 2, height / 2]), float(max(height, width))


def torso_visible(scores: NDArray[np.float32]) -> bool:
    """Whether at least one shoulder and one hip are seen: without them the body's extent is unknown."""
    seen = scores > MIN_SCORE
    return bool(seen[HIPS].any() and seen[SHOULDERS].any())


def next_square(
    xy: NDArray[np.float32], scores: NDArray[np.float32], frame_hw: tuple[int, int]
) -> tuple[NDArray[np.floating[Any]], float]:
    """Return centre (2,) and side, in frame pixels, of the square to look at in the next frame.

    xy (17, 2) frame pixels, scores (17,). The square is centred between the hips and holds the torso 1.9 times over
    and every joint seen 1.2 times; where the torso is not seen or the square would exceed the frame: the whole frame.
    Source: TensorFlow's MoveNet tutorial (determine_crop_region); pinned by movenet_crop_region `tf_tutorial`.
    """
    height, width = frame_hw
    if not torso_visible(scores):
        return whole_frame(frame_hw)
    center = (xy[HIPS[0]] + xy[HIPS[1]]) / 2
    reach = np.abs(xy - center).max(axis=1)
    seen = scores >= MIN_SCORE
    half = max(TORSO_MARGIN * reach[TORSO].max(), BODY_MARGIN * reach[seen].max())
    half = min(half, max(center[0], width - center[0], center[1], height - center[1]))
    return (center, float(2 * half)) if half <= max(width, height) / 2 else whole_frame(frame_hw)
