"""People's poses on edge devices. The public names; each is imported when it is first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_pose.drawing import draw
    from edge_pose.errors import EdgePoseError
    from edge_pose.estimators.load import load
    from edge_pose.frames import Frame
    from edge_pose.pipeline import Pipeline, Result
    from edge_pose.poses import Boxes, Pose, Poses
    from edge_pose.skeleton import COCO17, Skeleton
    from edge_pose.sources import open_source
    from edge_pose.spec import ModelSpec

__version__ = "0.1.0"

_HOMES = {
    "COCO17": "edge_pose.skeleton",
    "Boxes": "edge_pose.poses",
    "EdgePoseError": "edge_pose.errors",
    "Frame": "edge_pose.frames",
    "ModelSpec": "edge_pose.spec",
    "Pipeline": "edge_pose.pipeline",
    "Pose": "edge_pose.poses",
    "Poses": "edge_pose.poses",
    "Result": "edge_pose.pipeline",
    "Skeleton": "edge_pose.skeleton",
    "draw": "edge_pose.drawing",
    "load": "edge_pose.estimators.load",
    "open_source": "edge_pose.sources",
}
__all__ = [
    "COCO17",
    "Boxes",
    "EdgePoseError",
    "Frame",
    "ModelSpec",
    "Pipeline",
    "Pose",
    "Poses",
    "Result",
    "Skeleton",
    "__version__",
    "draw",
    "load",
    "open_source",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edge_pose' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
