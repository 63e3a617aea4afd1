"""The compiled core's functions, by name. The only module that imports `_core`; its docstrings say the contracts."""

try:
    from edge_pose._core import (
        coco_oks,
        decode_end2end,
        decode_heatmap,
        decode_movenet,
        decode_movenet_heads,
        decode_regression,
        decode_simcc,
        decode_udp_offset,
        decode_yolo,
        get_threads,
        letterbox,
        movenet_follow,
        nearby_joints_nms,
        nms,
        oks_matrix,
        oks_nms,
        pose_nms,
        set_simd_level,
        set_threads,
        simd_level,
        soft_oks_nms,
        warp_affine,
    )
except ImportError as err:
    absent = isinstance(err, ModuleNotFoundError) and err.name == "edge_pose._core"
    what = "is missing" if absent else f"does not load ({err})"
    raise ImportError(f"the compiled core {what}: run `pip install -e .`") from err

__all__ = [
    "coco_oks",
    "decode_end2end",
    "decode_heatmap",
    "decode_movenet",
    "decode_movenet_heads",
    "decode_regression",
    "decode_simcc",
    "decode_udp_offset",
    "decode_yolo",
    "get_threads",
    "letterbox",
    "movenet_follow",
    "nearby_joints_nms",
    "nms",
    "oks_matrix",
    "oks_nms",
    "pose_nms",
    "set_simd_level",
    "set_threads",
    "simd_level",
    "soft_oks_nms",
    "warp_affine",
]
