"""Heatmap networks (HRNet, SimpleBaseline, PP-TinyPose, UDP): maps to joints in frame pixels."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_pose import kernels
from edge_pose.errors import ShapeError

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Refine = Literal["none", "quarter", "none-mmpose", "quarter-mmpose", "dark", "dark-udp", "dark-udp-rtmlib"]
Grid = Literal["classic", "udp"]


def frame_from_map(frame_from_input: F64, map_hw: tuple[int, int], input_hw: tuple[int, int], grid: Grid) -> F64:
    """Matrices from map cells to the frame, (N, 2, 3) float64, from those that start at input pixels.

    grid says where the cells lie in the input: "classic": cell i at pixel i * size_input / size_map (the stride);
    "udp": the corner cells at the corner pixels, i * (size_input - 1) / (size_map - 1).
    Raises ShapeError where a "udp" map is one cell wide. Sources: Sun et al. 2019; Huang et al. 2020.
    """
    (map_h, map_w), (input_h, input_w) = map_hw, input_hw
    if grid == "classic":
        step = (input_w / map_w, input_h / map_h, 1.0)
    elif grid != "udp":
        raise ShapeError(f'grid must be "classic" or "udp", got {grid!r}')
    elif min(map_h, map_w) < 2:
        raise ShapeError(f'grid="udp" needs maps of at least 2 x 2 cells, got {map_h} x {map_w}')
    else:
        step = ((input_w - 1) / (map_w - 1), (input_h - 1) / (map_h - 1), 1.0)
    return np.multiply(frame_from_input, step, dtype=np.float64)


def decode_heatmap(
    maps: NDArray[Any],
    frame_from_input: F64,
    *,
    input_hw: tuple[int, int],
    grid: Grid = "classic",
    refine: Refine = "quarter",
    blur: int = 11,
    out: tuple[F32, F32] | None = None,
) -> tuple[F32, F32]:
    """Joints (N, K, 2) float32 in frame pixels, x first, and scores (N, K): the raw maxima.

    maps: (N, K, H, W) float32 or float16, as the network gave them; N may be 0. frame_from_input: (N, 2, 3) float64, of
    the crops. input_hw: size of the network's input in pixels. grid: see frame_from_map. refine, blur (in cells) and
    what a joint that is not found looks like: see kernels.decode_heatmap. out: arrays to write to.
    Raises ShapeError. Source: Sun et al. 2019, Zhang et al. 2020, Huang et al. 2020.
    """
    cells = _four_axes(maps)
    matrices = frame_from_map(frame_from_input, cells.shape[2:], input_hw, grid)
    return kernels.decode_heatmap(cells, matrices, refine=refine, blur=blur, out=out)


def decode_udp_offset(
    maps: NDArray[Any],
    frame_from_input: F64,
    *,
    input_hw: tuple[int, int],
    blur: int = 11,
    radius: float = 0.0546875,
    out: tuple[F32, F32] | None = None,
) -> tuple[F32, F32]:
    """Joints and scores, as decode_heatmap, of UDP's combined maps (N, 3K, H, W): heat, x and y offset of each joint.

    blur and radius: see kernels.decode_udp_offset; the defaults are MMPose's. Raises ShapeError.
    Source: Huang et al. 2020.
    """
    cells = np.asarray(_four_axes(maps), np.float32)
    matrices = frame_from_map(frame_from_input, cells.shape[2:], input_hw, "udp")
    return kernels.decode_udp_offset(cells, matrices, blur=blur, radius=radius, out=out)


def _four_axes(maps: NDArray[Any]) -> NDArray[Any]:
    if maps.ndim != 4 or 0 in maps.shape[2:]:
        raise ShapeError(f"maps must be (N, K, H, W) with at least one cell, got shape {maps.shape}")
    return np.ascontiguousarray(maps)
