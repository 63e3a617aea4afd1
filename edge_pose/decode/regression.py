"""Networks that regress coordinates (RLE): values to joints in frame pixels."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_pose import kernels

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


def decode_regression(
    coords: NDArray[Any],
    frame_from_input: F64,
    *,
    input_hw: tuple[int, int],
    sigma: NDArray[Any] | None = None,
    origin: Literal["corner", "center"] = "corner",
    out: tuple[F32, F32] | None = None,
) -> tuple[F32, F32]:
    """Joints (N, K, 2) float32 in frame pixels, x first, and scores (N, K): mean(1 - sigma), or 1 without sigma.

    coords: (N, K, 2), fractions of the input, x first, or (N, K, 4) with the sigmas behind them; N may be 0.
    frame_from_input: (N, 2, 3) float64, of the crops. input_hw: size of the input in pixels. origin: "corner" (0..1,
    MMPose) or "center" (-0.5..0.5, the RLE authors). out: arrays to write to. Raises ShapeError.
    Source: Li et al. 2021 (residual log-likelihood estimation).
    """
    values = np.ascontiguousarray(coords, np.float32)
    sigmas = None if sigma is None else np.ascontiguousarray(sigma, np.float32)
    return kernels.decode_regression(values, sigmas, frame_from_input, input_hw=input_hw, origin=origin, out=out)
