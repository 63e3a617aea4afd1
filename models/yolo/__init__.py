"""YOLOv5, YOLOv8, YOLO11 and YOLO26, one file each, over shared blocks; keys are those of the published files.

Independent code, written from papers, documentation and reference vectors; the published weights have licences of
their own (AGPL-3.0).
"""

from edge_pose.models.yolo.v5 import build_yolov5
from edge_pose.models.yolo.v8 import build_yolov8
from edge_pose.models.yolo.v11 import build_yolo11
from edge_pose.models.yolo.v26 import build_yolo26

__all__ = ["build_yolo11", "build_yolo26", "build_yolov5", "build_yolov8"]
