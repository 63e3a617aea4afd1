"""MoveNet, with the decoding in the graph or from its four raw heads: to joints in frame pixels."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_pose import kernels

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


def decode_movenet(
    yxs: NDArray[Any],
    frame_from_input: F64,
    *,
    input_hw: tuple[int, int],
    out: tuple[F32, F32] | None = None,
) -> tuple[F32, F32]:
    """Joints (N, K, 2) float32 in frame pixels, x first, and scores (N, K) float32 in [0, 1].

    yxs: (N, K, 3) or (N, 1, K, 3): y and x as fractions of the input, score; N may be 0. frame_from_input: (N, 2, 3)
    float64, of the crops. input_hw: size of the input in pixels. out: arrays to write to. Raises ShapeError.
    Source: the MoveNet model card.
    """
    values = np.ascontiguousarray(yxs, np.float32)
    return kernels.decode_movenet(values, frame_from_input, input_hw=input_hw, out=out)


def decode_movenet_heads(
    center: NDArray[Any],
    regression: NDArray[Any],
    heatmaps: NDArray[Any],
    offsets: NDArray[Any],
    frame_from_input: F64,
    *,
    layout: Literal["nchw", "nhwc"] = "nchw",
    stride: float = 4.0,
    order: Literal["yx", "xy"] = "yx",
    logits: bool = True,
    whole_cells: bool = False,
    min_score: float = 0.0,
    fall_off: float = 1.8,
    votes: bool = False,
    out: tuple[F32, F32] | None = None,
) -> tuple[F32, F32]:
    """Joints (N, K, 2) float32 in frame pixels, x first, and scores (N, K): probabilities.

    center: (N, 1, H, W) or (N, H, W), regression and offsets: (N, 2K, H, W), heatmaps: (N, K, H, W), or all with the
    channels last (layout="nhwc"); N may be 0. frame_from_input: (N, 2, 3) float64, of the crops. stride: input pixels
    per cell. The defaults are Google's network; fire717's is order="xy", logits=False, whole_cells=True, min_score=0.1.
    A joint without a cell of min_score lies at its regressed place with score 0. fall_off: cells, above 0; the greater,
    the farther a joint may be from its regressed place. votes: it lies where its cell and those around say on average.
    out: arrays to write to.
    Raises ShapeError. Source: see kernels.decode_movenet_heads.
    """
    return kernels.decode_movenet_heads(
        np.ascontiguousarray(center, np.float32),
        np.ascontiguousarray(regression, np.float32),
        np.ascontiguousarray(heatmaps, np.float32),
        np.ascontiguousarray(offsets, np.float32),
        frame_from_input,
        layout=layout,
        stride=stride,
        order=order,
        logits=logits,
        whole_cells=whole_cells,
        min_score=min_score,
        fall_off=fall_off,
        votes=votes,
        out=out,
    )
