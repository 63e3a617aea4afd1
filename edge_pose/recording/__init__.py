"""What a network saw, kept without a pixel, so that everything after the network can be run again.

`layout.py` says what a file is, `write.py` records, `read.py` replays.
"""

from edge_pose.recording.layout import Header, Row, plain
from edge_pose.recording.read import Recording, read_recording
from edge_pose.recording.write import Recorder

__all__ = ["Header", "Recorder", "Recording", "Row", "plain", "read_recording"]
