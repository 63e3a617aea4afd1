"""A pin-hole camera: world metres to pixels and back to rays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """eye (3,) metres; turn (3, 3): rows are the camera's right, down and forward in the world; focal in pixels."""

    eye: F64
    turn: F64
    focal: float
    width: int
    height: int

    @classmethod
    def looking(cls, eye: F64, target: F64, *, fov: float, width: int, height: int, roll: float = 0.0) -> Camera:
        """A camera at eye that has target in its middle; fov: radians across the longer side."""
        forward = (target - eye) / np.linalg.norm(target - eye)
        right = np.cross(forward, np.array([0.0, 1.0, 0.0]))
        right /= np.linalg.norm(right)
        down = np.cross(forward, right)
        right, down = right * np.cos(roll) + down * np.sin(roll), down * np.cos(roll) - right * np.sin(roll)
        focal = max(width, height) / 2 / np.tan(fov / 2)
        return cls(eye, np.stack([right, down, forward]), float(focal), width, height)

    def project(self, points: F64) -> tuple[F64, F64]:
        """Pixels (N, 2), x first, and depths (N,) in metres of points (N, 3). Points behind have a depth below 0."""
        seen = (points - self.eye) @ self.turn.T
        depth = seen[:, 2]
        safe = np.where(np.abs(depth) < 1e-3, 1e-3, depth)
        xy = seen[:, :2] / safe[:, None] * self.focal + np.array([self.width / 2, self.height / 2])
        return xy, depth

    def rays(self) -> NDArray[np.float32]:
        """Directions (H, W, 3) in the world through the pixel centres; their forward part is 1, so t is the depth."""
        x = (np.arange(self.width) + 0.5 - self.width / 2) / self.focal
        y = (np.arange(self.height) + 0.5 - self.height / 2) / self.focal
        right, down, forward = self.turn
        return (x[None, :, None] * right + y[:, None, None] * down + forward).astype(np.float32)
