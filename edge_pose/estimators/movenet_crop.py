"""Where MoveNet looks first; where it looks next is decided in the compiled core (kernels.movenet_follow)."""

from __future__ import annotations

import numpy as np

from edge_pose import geometry

MIN_SCORE = 0.2  # a joint below is not seen


def whole_frame(frame_hw: tuple[int, int], input_hw: tuple[int, int]) -> geometry.Affine:
    """Return the square that just holds the frame, as the crop of an input."""
    height, width = frame_hw
    return geometry.squares(np.array([[width / 2, height / 2]]), np.array([float(max(height, width))]), input_hw)
