"""SimCC and SimDR networks (RTMPose, SimDR): one vector of bins per axis to joints in frame pixels."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_pose import kernels

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Score = Literal["min", "mean", "max"]


def decode_simcc(
    x: NDArray[Any],
    y: NDArray[Any],
    frame_from_input: F64,
    *,
    split_ratio: float = 2.0,
    score: Score = "min",
    softmax: bool = False,
    dark_sigma: tuple[float, float] | None = None,
    out: tuple[F32, F32] | None = None,
) -> tuple[F32, F32]:
    """Joints (N, K, 2) float32 in frame pixels, x first, and scores (N, K) float32.

    x: (N, K, Wx), y: (N, K, Wy), as the network gave them; N may be 0. frame_from_input: (N, 2, 3) float64, of the
    crops. split_ratio: bins per input pixel. score: how the two peaks combine: "min" (MMPose), "mean" (rtmlib), "max"
    (SimDR); a joint whose score is not positive is not found and lies at bin (-1, -1). softmax: SimDR's networks give
    logits. dark_sigma: the label's sigma in bins, (x's, y's), to refine bins by DARK. out: arrays to write to.
    Raises ShapeError. Source: Li et al. 2022 (SimCC).
    """
    blur = (0, 0) if dark_sigma is None else (_blur_size(dark_sigma[0]), _blur_size(dark_sigma[1]))
    return kernels.decode_simcc(
        np.ascontiguousarray(x, np.float32),
        np.ascontiguousarray(y, np.float32),
        frame_from_input,
        split_ratio=split_ratio,
        score=score,
        softmax=softmax,
        dark_blur=blur,
        out=out,
    )


def simcc_visibility(x: NDArray[Any], y: NDArray[Any], *, sigma: tuple[float, float], beta: float = 150.0) -> F32:
    """Visibility (N, K) float32 in 0..1: the lesser of the peaks of softmax(beta * sigma * vector).

    x: (N, K, Wx), y: (N, K, Wy); N may be 0. sigma: the label's, in bins, (x's, y's). Raises ShapeError.
    Source: MMPose's SimCC codec.
    """
    _, visibility = kernels.decode_simcc(
        np.ascontiguousarray(x, np.float32),
        np.ascontiguousarray(y, np.float32),
        np.zeros((len(x), 2, 3)),
        softmax=True,
        gain=(beta * sigma[0], beta * sigma[1]),
    )
    return visibility


def normalize_simcc(vectors: NDArray[Any], sigma: float) -> F32:
    """Vectors (N, K, W) as probabilities: over sigma * sqrt(2 pi), negative bins 0, those above 1 to a maximum of 1.

    Source: MMPose's SimCC heads.
    """
    scaled = np.maximum(np.asarray(vectors, np.float32) / np.float32(sigma * np.sqrt(2 * np.pi)), np.float32(0))
    top = scaled.max(axis=-1, keepdims=True, initial=0)
    return np.asarray(scaled / np.maximum(top, 1), np.float32)


def softmax(vectors: NDArray[Any]) -> F32:
    """Softmax over the bins of (N, K, W), for averages of a flip test (SimDR averages after it)."""
    values = np.asarray(vectors, np.float32)
    powers = np.exp(values - values.max(axis=-1, keepdims=True, initial=-np.inf))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def _blur_size(sigma: float) -> int:
    """MMPose's kernel size for the DARK refinement of a label of this sigma; odd."""
    size = int((sigma * 20 - 7) // 3)
    return max(1, size - (size % 2 == 0))
