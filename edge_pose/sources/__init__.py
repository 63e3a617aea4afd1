"""Where frames come from: `open_source("bus.jpg")`, a folder, a pattern or a video file.

Every source is a context manager and an iterator of `Frame`; cameras will fit the same class.
"""

from edge_pose.sources.address import open_source
from edge_pose.sources.base import Source
from edge_pose.sources.images import ImageSource, read_image
from edge_pose.sources.video import VideoSource

__all__ = ["ImageSource", "Source", "VideoSource", "open_source", "read_image"]
