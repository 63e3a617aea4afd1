"""Where frames come from: `open_source("bus.jpg")`, a folder, a pattern, a video file, a camera or a stream.

Every source is a context manager and an iterator of `Frame`.
"""

from edge_pose.sources.address import open_source
from edge_pose.sources.base import Source
from edge_pose.sources.images import ImageSource, read_image
from edge_pose.sources.live import Backoff, LiveSource
from edge_pose.sources.network import Timeouts
from edge_pose.sources.video import VideoSource

__all__ = [
    "Backoff",
    "ImageSource",
    "LiveSource",
    "Source",
    "Timeouts",
    "VideoSource",
    "open_source",
    "read_image",
]
