"""Pictures of the pool, never twice the same: turned, cut, mirrored, coloured, hidden in part; each of one person."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_pose.skeleton import COCO17

F32 = NDArray[np.float32]
SIDE = 192
MIRROR = np.arange(17)
for _a, _b in COCO17.flip_pairs:
    MIRROR[[_a, _b]] = _b, _a


@dataclass(frozen=True, slots=True)
class Augment:
    """How wild: whole: share of pictures shown whole; turned: share at any angle; tilt: degrees of the others.

    closest, widest: what is shown, in sizes of the person; close: share of those of whom only a part is shown.
    """

    whole: float = 0.15
    turned: float = 0.06
    tilt: float = 12.0
    close: float = 0.1
    closest: float = 1.05
    widest: float = 2.0
    colour: float = 0.6
    hide: float = 0.15


def cut(
    image: NDArray[np.uint8],
    joints: F32,
    weights: F32,
    rng: np.random.Generator,
    how: Augment,
    side: int = SIDE,
) -> tuple[NDArray[np.uint8], F32, F32]:
    """One picture (side, side, 3) RGB of an image (H, W, 3) BGR, and one person's joints (17, 2) and weights (17,).

    joints (P, 17, 2), weights (P, 17), P at least 1: of the people in the image, the nearest first. The first is the
    one to learn; sometimes another, in the middle of the picture. Joints that fall outside get the weight 0.
    """
    height, width = image.shape[:2]
    known = weights > 0
    sizes = [np.ptp(j[k], axis=0).max() if k.sum() > 3 else 0 for j, k in zip(joints, known, strict=True)]
    others = [i for i, size in enumerate(sizes) if i and size > 40]
    main = int(rng.choice(others)) if others and rng.random() < 0.3 else 0
    if sizes[main] > 8 and (main or rng.random() > how.whole):
        spot = joints[main][known[main]]
        middle = (spot.min(0) + spot.max(0)) / 2
        near = rng.uniform(0.5, how.closest) if rng.random() < how.close else rng.uniform(how.closest, how.widest)
        shown = sizes[main] * near + 8
        middle = middle + rng.normal(0, 0.12, 2) * abs(shown - 0.6 * sizes[main])
    else:
        middle, shown = np.array([width / 2, height / 2]), max(width, height) * rng.uniform(0.95, 1.1)
    joints, weights = joints[main], weights[main]
    angle = rng.uniform(-180, 180) if rng.random() < how.turned else rng.normal(0, how.tilt)
    matrix = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), angle, side / shown)
    matrix[:, 2] += side / 2 - middle
    out = np.asarray(cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR), np.uint8)
    joints = (joints @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    if rng.random() < 0.5:
        out = out[:, ::-1]
        joints = joints[MIRROR]
        joints[..., 0] = side - joints[..., 0]
        weights = weights[MIRROR]
    weights = np.where(((joints >= 0) & (joints < side)).all(1), weights, 0).astype(np.float32)
    out = np.ascontiguousarray(out[..., ::-1])
    if rng.random() < how.colour:
        out = _coloured(out, rng)
    if rng.random() < how.hide:
        w, h = rng.integers(side // 24, side // 3, 2)
        x, y = rng.integers(0, side - w), rng.integers(0, side - h)
        out[y : y + h, x : x + w] = rng.integers(0, 255, 3)
        under = (joints >= [x, y]).all(1) & (joints < [x + w, y + h]).all(1)
        weights = np.where(under, np.minimum(weights, 0.4), weights).astype(np.float32)
    return out, joints, weights


def _coloured(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Other light, another camera: gains, gamma, grey, blur and noise."""
    table = np.arange(256, dtype=np.float32)[:, None] / 255
    gains = rng.uniform(0.6, 1.3) * rng.normal(1, 0.12, 3)
    table = np.clip(table ** rng.uniform(0.6, 1.6) * gains + rng.normal(0, 0.04), 0, 1) * 255
    image = np.asarray(cv2.LUT(image, table.astype(np.uint8)[None]), np.uint8)
    if rng.random() < 0.12:
        image = np.ascontiguousarray(image[..., rng.permutation(3)])
    if rng.random() < 0.12:
        image = np.repeat(image.mean(2, keepdims=True).astype(np.uint8), 3, 2)
    if rng.random() < 0.2:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6)), np.uint8)
    if rng.random() < 0.25:
        cv2.setRNGSeed(int(rng.integers(1 << 31)))
        noise = cv2.randn(np.empty(image.shape, np.int16), 0.0, rng.uniform(2, 14))  # type: ignore[call-overload]
        image = np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)
    return image
