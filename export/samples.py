"""Pictures made of smooth noise, for what must run before anybody gives photos: they move every part of a network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.frames import Image
from edge_pose.spec import ModelSpec

CELL = 16  # pixels between two knots of the noise: edges and surfaces as large as limbs


def pictures(count: int, hw: tuple[int, int], seed: int = 0) -> list[Image]:
    """Return `count` pictures (H, W, 3) uint8: bilinear noise, the same ones for the same seed."""
    return [_smooth(np.random.default_rng([seed, i]), hw) for i in range(count)]


def batch(spec: ModelSpec, rows: int, seed: int = 0) -> NDArray[Any]:
    """Return what a network of that specification takes: `rows` pictures in its layout, scale and type; 0 is fine."""
    about = spec.input
    shown = np.zeros((rows, *about.hw, 3), np.float32)
    for row, picture in enumerate(pictures(rows, about.hw, seed)):
        shown[row] = picture
    values = (shown - np.array(about.mean, np.float32)) / np.array(about.std, np.float32)
    if about.layout == "NCHW":
        values = values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(values, about.dtype)


def _smooth(rng: np.random.Generator, hw: tuple[int, int]) -> Image:
    knots = rng.uniform(0, 255, (hw[0] // CELL + 2, hw[1] // CELL + 2, 3)).astype(np.float32)
    values: NDArray[Any] = knots
    for axis, length in enumerate(hw):
        place = np.arange(length, dtype=np.float32) / CELL
        left = place.astype(np.intp)
        share = (place - left).reshape([-1 if i == axis else 1 for i in range(3)])
        values = values.take(left, axis) * (1 - share) + values.take(left + 1, axis) * share
    return values.astype(np.uint8)
