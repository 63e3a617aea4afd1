"""The only place where coordinate systems meet.

A pixel is a unit square with its centre at +0.5 in continuous coordinates (`pixel_center=0.5`: letterbox, stretch,
square-pad); the "classic" and "udp" families were trained on index coordinates, where the centre is the integer
(`pixel_center=0.0`). An `Affine` records what the preprocessing really did; the same record takes keypoints home.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_pose.errors import ShapeError

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """What happened to N crops: frame_from_input (N, 2, 3) float64 maps input pixels to frame pixels, x first."""

    frame_from_input: F64
    pixel_center: float = 0.5

    def __post_init__(self) -> None:
        matrices = np.ascontiguousarray(self.frame_from_input, np.float64)
        if matrices.ndim != 3 or matrices.shape[1:] != (2, 3):
            raise ShapeError(f"frame_from_input must be (N, 2, 3), got shape {matrices.shape}")
        object.__setattr__(self, "frame_from_input", matrices)

    def __len__(self) -> int:
        return len(self.frame_from_input)

    def __getitem__(self, rows: Any) -> Affine:
        rows = slice(rows, rows + 1 or None) if isinstance(rows, int) else rows
        return Affine(self.frame_from_input[rows], self.pixel_center)

    @property
    def input_from_frame(self) -> F64:
        """(N, 2, 3), the inverse. Raises numpy.linalg.LinAlgError for a crop without area."""
        linear = np.linalg.inv(self.frame_from_input[:, :, :2])
        return np.concatenate([linear, -linear @ self.frame_from_input[:, :, 2:]], axis=2)

    def to_frame(self, points: ArrayLike) -> F64:
        """Take (N, ..., 2) points of the inputs to the frame."""
        return _apply(self.frame_from_input, points)

    def to_input(self, points: ArrayLike) -> F64:
        """Take (N, ..., 2) points of the frame to the inputs."""
        return _apply(self.input_from_frame, points)


def _apply(matrices: F64, points: ArrayLike) -> F64:
    xy = np.asarray(points, np.float64)
    if len(xy) != len(matrices) or xy.shape[-1] != 2:
        raise ShapeError(f"points must be ({len(matrices)}, ..., 2), one row a crop, got shape {xy.shape}")
    flat = xy.reshape(len(xy), int(np.prod(xy.shape[1:-1])), 2)
    moved: F64 = flat @ matrices[:, :, :2].transpose(0, 2, 1) + matrices[:, None, :, 2]
    return moved.reshape(xy.shape)


def _diagonal(scale_xy: ArrayLike, offset_xy: ArrayLike) -> F64:
    """(N, 2, 3) matrices x -> scale * x + offset from (N, 2) scales and offsets."""
    scale, offset = np.broadcast_arrays(np.atleast_2d(scale_xy), np.atleast_2d(offset_xy))
    matrices = np.zeros((len(scale), 2, 3))
    matrices[:, 0, 0], matrices[:, 1, 1] = scale.T
    matrices[:, :, 2] = offset
    return matrices


@dataclass(frozen=True, slots=True, eq=False)
class Letterbox:
    """A frame fitted into an input with its aspect kept: its size there, the grey margin's top and left, the record."""

    resized_hw: tuple[int, int]
    offset_tl: tuple[int, int]
    output_hw: tuple[int, int]
    affine: Affine


def letterbox(
    frame_hw: tuple[int, int], input_hw: tuple[int, int], *, enlarge: bool = True, trim_to: int = 0
) -> Letterbox:
    """Fit a frame into the middle of an input, all in whole pixels.

    enlarge: whether a small frame grows. trim_to: when positive, the margin shrinks to what makes the output a
    multiple of it. Rounding is half-to-even; an odd pixel of margin goes right or bottom. Each axis has the scale
    that the resized picture really has, so keypoints go home exactly. Pinned by yolo_letterbox (`new_*`).
    """
    (height, width), (input_h, input_w) = frame_hw, input_hw
    if min(height, width, input_h, input_w) < 1:
        raise ShapeError(f"frame and input must have at least one pixel, got frame {frame_hw}, input {input_hw}")
    ratio = min(input_h / height, input_w / width)
    ratio = ratio if enlarge else min(ratio, 1.0)
    resized_h, resized_w = max(1, round(height * ratio)), max(1, round(width * ratio))
    pad_h, pad_w = input_h - resized_h, input_w - resized_w
    if trim_to:
        pad_h, pad_w = pad_h % trim_to, pad_w % trim_to
    top, left = round(pad_h / 2 - 0.1), round(pad_w / 2 - 0.1)
    scale = np.array([width / resized_w, height / resized_h])
    affine = Affine(_diagonal(scale, -scale * (left, top)))
    return Letterbox((resized_h, resized_w), (top, left), (resized_h + pad_h, resized_w + pad_w), affine)


def stretch(frame_hw: tuple[int, int], input_hw: tuple[int, int]) -> Affine:
    """Fill the input with the frame, whatever happens to its aspect."""
    return Affine(_diagonal([frame_hw[1] / input_hw[1], frame_hw[0] / input_hw[0]], [0.0, 0.0]))


def squares(center_xy: ArrayLike, side: ArrayLike, input_hw: tuple[int, int]) -> Affine:
    """Crop N squares, centres (N, 2) and sides (N,) in frame pixels; what lies outside the frame is padding."""
    center = np.asarray(center_xy, np.float64).reshape(-1, 2)
    sides = np.asarray(side, np.float64).reshape(-1, 1)
    return Affine(_diagonal(sides / (input_hw[1], input_hw[0]), center - sides / 2))


def crop_sizes(xyxy: ArrayLike, *, aspect: float, padding: float = 1.25) -> tuple[F64, F64]:
    """Return centres (N, 2) and sizes (N, 2) in frame pixels of the crops that hold N boxes.

    The shorter side grows until width / height = aspect, then both by `padding`. A box without area gives one pixel.
    Source: Sun et al. 2019, pinned by decode_leoxiaobin `*_center`, `*_scale` (there in units of 200 px).
    """
    boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
    center, size = (boxes[:, :2] + boxes[:, 2:]) / 2, np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0)
    width = np.maximum(size[:, 0], size[:, 1] * aspect)
    return center, np.stack([width, width / aspect], axis=1) * padding


def crops(
    center_xy: ArrayLike,
    size_px: ArrayLike,
    input_hw: tuple[int, int],
    *,
    rotation_deg: ArrayLike = 0.0,
    shift: ArrayLike = 0.0,
    keep_aspect: bool = True,
    udp: bool = False,
) -> Affine:
    """Crop N rotated rectangles in index coordinates: the "classic" transform, or the unbiased one ("udp").

    center_xy, size_px (N, 2) in frame pixels; shift in fractions of the size. keep_aspect: the width alone sets the
    scale. A positive angle turns the picture counter-clockwise on screen ("classic"), clockwise ("udp"): each as its
    authors define it. Sources: Xiao et al. 2018; Huang et al. 2020; pinned by decode_leoxiaobin, decode_mmpose.
    """
    size = np.asarray(size_px, np.float64).reshape(-1, 2)
    center = np.asarray(center_xy, np.float64).reshape(-1, 2) + size * np.asarray(shift, np.float64)
    angle = np.broadcast_to(np.deg2rad(rotation_deg) * (-1.0 if udp else 1.0), len(size))
    output = np.array([input_hw[1], input_hw[0]], np.float64)
    middle = (output - 1 if udp else output) / 2
    scale = size / (output - 1 if udp else output)
    if keep_aspect and not udp:
        scale = np.repeat(scale[:, :1], 2, axis=1)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.stack([cos, -sin, sin, cos], axis=1).reshape(-1, 2, 2)
    linear = turn * scale[:, None, :]
    return Affine(np.concatenate([linear, (center - linear @ middle)[:, :, None]], axis=2), pixel_center=0.0)
