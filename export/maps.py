"""Networks that find nobody: their maps have no peaks, so that poses say nothing of them, and the maps themselves do.

A network that was never trained answers with noise, whose highest place the least rounding moves. Two such answers can
be alike to a few percent and their joints a picture apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_pose.spec import HeatmapDecode, ModelSpec

RIVAL = 0.7  # of the peak's height over the map's middle: somewhere else as high, rounding decides between the two
AROUND = 1 / 8  # of the map's longer side: nearer than that is the peak itself
FOUND = 0.2  # share of the maps with a peak, below which a network is said to find nobody


def finds_nobody(maps: NDArray[np.float32], spec: ModelSpec) -> bool:
    """Say whether the first output of a network, on pictures of people, has hardly any peaks.

    maps: (N, K, H, W); False for none, and for networks that do not answer with a map a joint.
    """
    if not isinstance(spec.decode, HeatmapDecode) or maps.ndim != 4 or maps.shape[1] != len(spec.skeleton.joints):
        return False
    return bool(len(maps)) and float(np.mean(rivals(maps) < RIVAL)) < FOUND


def rivals(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (N * K,): how high the highest place away from each map's peak is, 1 being as high as the peak.

    Heights are above the map's median; 1 for a map that is the same everywhere.
    """
    high, wide = maps.shape[2:]
    rows = maps.reshape(-1, high * wide).astype(np.float64)
    peak_y, peak_x = np.divmod(rows.argmax(axis=1), wide)
    y, x = np.mgrid[:high, :wide]
    away = np.maximum(abs(y - peak_y[:, None, None]), abs(x - peak_x[:, None, None])) > AROUND * max(high, wide)
    rival = np.where(away.reshape(len(rows), -1), rows, -np.inf).max(axis=1)
    middle, peak = np.median(rows, axis=1), rows.max(axis=1)
    flat = peak <= middle
    heights = (rival - middle) / np.where(flat, 1, peak - middle)
    return np.where(flat, 1.0, heights)
