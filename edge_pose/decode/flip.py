"""The flip test: bring the outputs for a mirrored input back to the upright one's joints and axes.

flip_indices: (K,) integers, for each joint its mirror image (left wrist -> right wrist; the nose -> itself).
Average with `average`; networks with logits (SimDR) are flipped back, then softmaxed, then averaged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_pose.errors import ShapeError

F32 = NDArray[np.float32]


def flip_heatmaps(maps: NDArray[Any], flip_indices: ArrayLike, *, shift: bool = False) -> F32:
    """Maps (N, K, H, W) of the mirrored input, mirrored back and their joints swapped; N may be 0.

    shift: move them right by one column, which aligns networks of the classic (not UDP) grid; column 0 keeps its own
    values. Raises ShapeError. Source: Sun et al. 2019.
    """
    flipped: F32 = _swapped(maps, flip_indices, 4)[..., ::-1].copy()
    if shift:
        flipped[..., 1:] = flipped[..., :-1].copy()
    return flipped


def flip_vectors(x: NDArray[Any], y: NDArray[Any], flip_indices: ArrayLike, *, shift: bool = False) -> tuple[F32, F32]:
    """SimCC vectors (N, K, Wx), (N, K, Wy) of the mirrored input: x mirrored back, the joints of both swapped.

    shift: move x left by one bin, as SimDR does; the last bin keeps its own value. Raises ShapeError.
    """
    flipped_x = _swapped(x, flip_indices, 3)[..., ::-1].copy()
    if shift:
        flipped_x[..., :-1] = flipped_x[..., 1:].copy()
    return flipped_x, _swapped(y, flip_indices, 3)


def flip_coordinates(coords: NDArray[Any], flip_indices: ArrayLike, *, shift_width: int | None = None) -> F32:
    """Coordinates (N, K, 2) in 0..1 of the mirrored input's width and height, brought back; N may be 0.

    shift_width: the input's width in pixels, to move them left by one of them (the classic grid). Raises ShapeError.
    """
    flipped = _swapped(coords, flip_indices, 3)
    flipped[..., 0] = 1 - flipped[..., 0]
    if shift_width is not None:
        flipped[..., 0] -= 1 / shift_width
    return flipped


def average(upright: NDArray[Any], flipped_back: NDArray[Any]) -> F32:
    """Mean of two outputs of one shape. Raises ShapeError where the shapes differ."""
    if upright.shape != flipped_back.shape:
        raise ShapeError(f"flipped_back must have shape {upright.shape}, got {flipped_back.shape}")
    return np.asarray((upright + flipped_back) * np.float32(0.5), np.float32)


def _swapped(values: NDArray[Any], flip_indices: ArrayLike, axes: int) -> F32:
    """A float32 copy with the joints, axis 1, in the mirror's order."""
    indices = np.asarray(flip_indices)
    if values.ndim != axes or indices.shape != values.shape[1:2]:
        raise ShapeError(
            f"flip_indices must be (K,) and the values {axes}-D with K in axis 1, "
            f"got shapes {indices.shape} and {values.shape}"
        )
    return np.ascontiguousarray(values[:, indices], np.float32)
