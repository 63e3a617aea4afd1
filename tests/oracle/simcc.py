"""NumPy twins of the SimCC decoder: one vector at a time, in float64."""

import numpy as np
from numpy.typing import NDArray

from tests.oracle.heatmap import apply, gaussian_kernel


def softmax(vector: NDArray, gain: float = 1.0) -> NDArray:
    """exp(gain * vector), normalised to sum 1."""
    scaled = vector.astype(np.float64) * gain
    shifted = np.exp(scaled - scaled.max())
    return shifted / shifted.sum()


def dark(vector: NDArray, index: int, blur: int) -> float:
    """The 1-D Taylor step on the log of the blurred vector (zeros outside, old maximum restored)."""
    taps, pad = gaussian_kernel(blur), blur // 2
    padded = np.pad(vector.astype(np.float64), pad)
    blurred = sum(t * padded[i : i + len(vector)] for i, t in enumerate(taps))
    blurred = blurred * (vector.max() / blurred.max())
    m = np.pad(np.log(np.clip(blurred, 1e-3, 50)), 2, mode="edge")[index : index + 5]
    step = 0.5 * (m[3] - m[1]) / (1e-9 + 0.25 * (m[4] - 2 * m[2] + m[0]))
    return -step if np.isfinite(step) else 0.0


def decode_simcc(
    x: NDArray,
    y: NDArray,
    frame_from_input: NDArray,
    split_ratio: float = 2.0,
    score: str = "min",
    softmax_gain: tuple[float, float] | None = None,
    dark_blur: tuple[int, int] | None = None,
) -> tuple:
    """Twin of the kernel of the same name."""
    n, k = x.shape[:2]
    points, scores = np.full((n, k, 2), -1.0), np.zeros((n, k), np.float32)
    for i in range(n):
        for j in range(k):
            vectors = (x[i, j], y[i, j])
            index = [int(v.argmax()) for v in vectors]
            best = [float(v.max()) for v in vectors]
            if softmax_gain is not None:
                best = [float(softmax(v, g).max()) for v, g in zip(vectors, softmax_gain, strict=True)]
            scores[i, j] = {"min": min(best), "mean": sum(best) / 2, "max": max(best)}[score]
            if scores[i, j] > 0:
                points[i, j] = index
                if dark_blur is not None:
                    steps = [dark(*each) for each in zip(vectors, index, dark_blur, strict=True)]
                    points[i, j] += steps
    return apply(frame_from_input, points / split_ratio), scores
