"""What the published weights of each family expect of their input, and what their output is: a `ModelSpec`.

options are those that the network is built with; they say where a variant differs.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edge_pose.skeleton import COCO17, Skeleton
from edge_pose.spec import (
    Decode,
    HeatmapDecode,
    InputSpec,
    ModelSpec,
    MovenetDecode,
    RegressionDecode,
    SimccDecode,
    YoloDecode,
)

Options = Mapping[str, Any]
HW = tuple[int, int]

MOVENET, OWN = "https://www.kaggle.com/models/google/movenet", "https://github.com/edge-pose/edge-pose"

GOOGLES = MovenetDecode()

IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
GREY_LEVELS = (255.0, 255.0, 255.0)

# What stands on a crop network -> what its outputs are.
CROP_DECODES: Mapping[str, Decode] = {
    "heatmap": HeatmapDecode(refine="quarter"),
    "simdr": SimccDecode(split_ratio=2.0, score="max", softmax=True),
    "simdr-star": SimccDecode(split_ratio=2.0, score="max", softmax=True),
    "rle": RegressionDecode(origin="center", sigma=True),
}
# Whose weights fit a crop network with that head: where they are, and their licence ("" where its authors state none).
CROP_WEIGHTS = {
    "heatmap": ("https://github.com/leoxiaobin/deep-high-resolution-net.pytorch", "MIT"),
    "simdr": ("https://github.com/leeyegy/SimDR", ""),
    "simdr-star": ("https://github.com/leeyegy/SimDR", ""),
    "rle": ("https://github.com/Jeff-sjtu/res-loglikelihood-regression", ""),
}


def crop_spec(name: str, options: Options, input_hw: HW | None) -> ModelSpec:
    """HRNet and SimpleBaseline: one person's crop, enlarged by a quarter, in ImageNet's colours."""
    height, width = input_hw or options.get("input_hw", (256, 192))
    head = options.get("head", "heatmap")
    unpublished = options.get("attention") or (head == "rle" and name.startswith("hrnet"))
    source, license_ = ("", "") if unpublished else CROP_WEIGHTS[head]
    return ModelSpec(
        name=name,
        task="pose-from-box",
        input=InputSpec(height, width, mean=IMAGENET_MEAN, std=IMAGENET_STD),
        transform="classic",
        decode=CROP_DECODES[head],
        skeleton=skeleton_of(options.get("joints", len(COCO17))),
        license=license_,
        source=source,
    )


def movenet_spec(
    name: str, options: Options, input_hw: HW | None, source: str = MOVENET, decode: MovenetDecode = GOOGLES
) -> ModelSpec:
    """MoveNet: a picture padded to a square, grey levels as they are; the network normalises them itself."""
    side = 256 if name.endswith("thunder") else 192
    height, width = input_hw or (side, side)
    return ModelSpec(
        name=name,
        task="single-pose",
        input=InputSpec(height, width, layout="NCHW" if options.get("layout") == "nchw" else "NHWC"),
        transform="square-pad",
        decode=replace(decode, heads=options.get("decode") == "outside"),
        license="Apache-2.0",
        source=source,
    )


def yolo_spec(name: str, options: Options, input_hw: HW | None) -> ModelSpec:
    """The YOLO family: a letterboxed picture in 0..1, RGB."""
    height, width = input_hw or (640, 640)
    keypoints = options.get("keypoints", 0)
    version5, version26 = name.startswith("yolov5"), name.startswith("yolo26")
    return ModelSpec(
        name=name,
        task="pose" if keypoints else "detection",
        input=InputSpec(height, width, std=GREY_LEVELS),
        transform="letterbox",
        decode=YoloDecode(
            classes=options.get("classes", 80),
            objectness=version5,
            end_to_end=version26 and options.get("end_to_end", True),
            iou=0.45 if version5 else 0.7,
        ),
        skeleton=skeleton_of(keypoints or len(COCO17)),
        license="AGPL-3.0",
        source=f"https://github.com/ultralytics/{'yolov5' if version5 else 'ultralytics'}",
    )


def skeleton_of(joints: int) -> Skeleton:
    """COCO's for its 17 joints; for another number nameless joints, whose sigmas say that all are equally sure."""
    if joints == len(COCO17):
        return COCO17
    names = tuple(f"joint_{i}" for i in range(joints))
    return Skeleton(f"joints{joints}", names, edges=(), flip_pairs=(), sigmas=(1.0 / joints,) * joints)
