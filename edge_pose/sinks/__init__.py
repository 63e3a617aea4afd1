"""Where results go: `open_sinks(json_path=..., video_path=...)` writes frames and their people to files.

Whether a place can be written is found out at opening, before anything expensive runs.
"""

from edge_pose.sinks.base import Sink
from edge_pose.sinks.coco import CocoSink
from edge_pose.sinks.csv_ import CsvSink
from edge_pose.sinks.images import ImagesSink
from edge_pose.sinks.jsonl import JsonlSink
from edge_pose.sinks.open import FORMATS, Sinks, open_sinks
from edge_pose.sinks.openpose import OpenposeSink
from edge_pose.sinks.video import VideoSink
from edge_pose.sinks.window import WindowSink

__all__ = [
    "FORMATS",
    "CocoSink",
    "CsvSink",
    "ImagesSink",
    "JsonlSink",
    "OpenposeSink",
    "Sink",
    "Sinks",
    "VideoSink",
    "WindowSink",
    "open_sinks",
]
