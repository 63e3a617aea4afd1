"""Types of the compiled core."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

# detections: boxes (n, 4), scores (n,), class ids (n,), keypoints (n, K, 2), keypoint scores (n, K), anchors (n,)
_Detections = tuple[
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.int64],
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.int64],
]

# keypoints: xy (N, K, 2), scores (N, K)
_Joints = tuple[NDArray[np.float32], NDArray[np.float32]]
_Refine = Literal["none", "quarter", "none-mmpose", "quarter-mmpose", "dark", "dark-udp", "dark-udp-rtmlib"]

# warp: what a network's input is made of
_Pixels = NDArray[np.float32] | NDArray[np.float16] | NDArray[np.uint8]
_PixelFormat = Literal["bgr", "nv12", "yuyv"]

def coco_oks(
    dt_xy: NDArray[np.float64],
    gt_xy: NDArray[np.float64],
    gt_labelled: NDArray[np.bool_],
    gt_areas: NDArray[np.float64],
    gt_boxes: NDArray[np.float64],
    sigmas: NDArray[np.float64],
) -> NDArray[np.float64]: ...
def decode_end2end(
    pred: NDArray[np.float32] | NDArray[np.float16],
    frame_from_input: NDArray[np.float64],
    frame_hw: tuple[float, float] | None = None,
    *,
    classes: int = 1,
    keypoints: int = 0,
    keypoint_values: int = 3,
    conf: float = 0.25,
    max_det: int = 300,
    keep_classes: Sequence[int] | None = None,
    clip_keypoints: bool = False,
) -> _Detections: ...
def decode_heatmap(
    maps: NDArray[np.float32] | NDArray[np.float16],
    frame_from_map: NDArray[np.float64],
    *,
    refine: _Refine = "quarter",
    blur: int = 11,
    out: _Joints | None = None,
) -> _Joints: ...
def decode_movenet(
    yxs: NDArray[np.float32],
    frame_from_input: NDArray[np.float64],
    *,
    input_hw: tuple[float, float],
    out: _Joints | None = None,
) -> _Joints: ...
def decode_movenet_heads(
    center: NDArray[np.float32],
    regression: NDArray[np.float32],
    heatmaps: NDArray[np.float32],
    offsets: NDArray[np.float32],
    frame_from_input: NDArray[np.float64],
    *,
    layout: Literal["nchw", "nhwc"] = "nchw",
    stride: float = 4.0,
    order: Literal["yx", "xy"] = "yx",
    logits: bool = True,
    whole_cells: bool = False,
    min_score: float = 0.0,
    fall_off: float = 1.8,
    votes: bool = False,
    out: _Joints | None = None,
) -> _Joints: ...
def decode_regression(
    coords: NDArray[np.float32],
    sigma: NDArray[np.float32] | None,
    frame_from_input: NDArray[np.float64],
    *,
    input_hw: tuple[float, float],
    origin: Literal["corner", "center"] = "corner",
    out: _Joints | None = None,
) -> _Joints: ...
def decode_simcc(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    frame_from_input: NDArray[np.float64],
    *,
    split_ratio: float = 2.0,
    score: Literal["min", "mean", "max"] = "min",
    softmax: bool = False,
    gain: tuple[float, float] = (1.0, 1.0),
    dark_blur: tuple[int, int] = (0, 0),
    out: _Joints | None = None,
) -> _Joints: ...
def decode_udp_offset(
    maps: NDArray[np.float32],
    frame_from_map: NDArray[np.float64],
    *,
    blur: int = 11,
    radius: float = 0.0546875,
    out: _Joints | None = None,
) -> _Joints: ...
def decode_yolo(
    pred: NDArray[np.float32] | NDArray[np.float16],
    frame_from_input: NDArray[np.float64],
    frame_hw: tuple[float, float] | None = None,
    *,
    classes: int = 1,
    keypoints: int = 0,
    keypoint_values: int = 3,
    conf: float = 0.25,
    iou: float = 0.7,
    max_det: int = 300,
    max_candidates: int = 30000,
    objectness: bool = False,
    agnostic: bool = False,
    multi_label: bool = False,
    keep_classes: Sequence[int] | None = None,
    transposed: bool = False,
    clip_keypoints: bool = False,
) -> _Detections: ...
def get_threads() -> int: ...
def letterbox(
    image: NDArray[np.uint8],
    out: _Pixels,
    *,
    resized_hw: tuple[int, int],
    offset_tl: tuple[int, int],
    scale: Sequence[float],
    bias: Sequence[float],
    fill: int = 114,
    swap_rb: bool = True,
    planar: bool,
    pixel_format: _PixelFormat = "bgr",
    threads: int = 1,
) -> None: ...
def movenet_follow(
    xy: NDArray[np.float32],
    scores: NDArray[np.float32],
    *,
    frame_hw: tuple[int, int],
    input_hw: tuple[int, int],
    confidence: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64], tuple[float, float, float]] | None: ...
def nearby_joints_nms(
    xy: NDArray[np.float32],
    scores: NDArray[np.float32],
    *,
    distance: float = 0.05,
    min_joints: int | None = None,
    max_det: int | None = None,
) -> NDArray[np.int64]: ...
def nms(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    *,
    iou: float,
    offset: float = 0.0,
    classes: NDArray[np.int64] | None = None,
    max_det: int | None = None,
) -> NDArray[np.int64]: ...
def oks_matrix(
    a_xy: NDArray[np.float32],
    a_areas: NDArray[np.float32],
    b_xy: NDArray[np.float32],
    b_areas: NDArray[np.float32],
    sigmas: NDArray[np.float64],
    *,
    a_joint_scores: NDArray[np.float32] | None = None,
    b_joint_scores: NDArray[np.float32] | None = None,
    visible: float | None = None,
    visibility: Literal["both", "candidate"] = "both",
    out: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]: ...
def oks_nms(
    xy: NDArray[np.float32],
    scores: NDArray[np.float32],
    areas: NDArray[np.float32],
    sigmas: NDArray[np.float64],
    *,
    threshold: float,
    joint_scores: NDArray[np.float32] | None = None,
    visible: float | None = None,
    visibility: Literal["both", "candidate"] = "both",
) -> NDArray[np.int64]: ...
def pose_nms(
    boxes: NDArray[np.float32],
    box_scores: NDArray[np.float32],
    xy: NDArray[np.float32],
    joint_scores: NDArray[np.float32],
    *,
    area_threshold: float = 0.0,
    delta1: float = 1.0,
    mu: float = 1.7,
    delta2: float = 2.65,
    gamma: float = 22.48,
    score_threshold: float = 0.3,
    match_threshold: int = 5,
    alpha: float = 0.1,
    score_radius: float = 1.0,
    match_cap: float = 7.0,
    merge_cap: float = 15.0,
) -> tuple[
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.int64],
    tuple[NDArray[np.int64], NDArray[np.int64]],
]: ...
def set_simd_level(level: Literal["auto", "scalar", "neon", "avx2", "avx512"]) -> bool: ...
def set_threads(threads: int) -> None: ...
def simd_level() -> Literal["scalar", "neon", "avx2", "avx512"]: ...
def soft_oks_nms(
    xy: NDArray[np.float32],
    scores: NDArray[np.float32],
    areas: NDArray[np.float32],
    sigmas: NDArray[np.float64],
    *,
    threshold: float,
    max_det: int = 20,
    joint_scores: NDArray[np.float32] | None = None,
    visible: float | None = None,
    visibility: Literal["both", "candidate"] = "both",
) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...
def warp_affine(
    image: NDArray[np.uint8],
    frame_from_input: NDArray[np.float64],
    out: _Pixels,
    *,
    scale: Sequence[float],
    bias: Sequence[float],
    pixel_center: float = 0.0,
    fill: int = 0,
    swap_rb: bool = True,
    planar: bool,
    pixel_format: _PixelFormat = "bgr",
    threads: int = 1,
) -> None: ...
