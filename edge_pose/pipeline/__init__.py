"""Frames in, poses out, in threads of their own: `with Pipeline(estimator, "rtsp://cam/1", track=True) as stream:`.

What follows the network (tracking, smoothing, falls) is the same for live pictures and for a replayed recording.
"""

from edge_pose.pipeline.live import Pipeline
from edge_pose.pipeline.replay import open_replay
from edge_pose.pipeline.result import Result, Summary

__all__ = ["Pipeline", "Result", "Summary", "open_replay"]
