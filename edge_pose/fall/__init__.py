"""Falls: tracked poses in, `FallEvent`s out, each with the reason why.

`posture.py` reads one frame, `body.py` a person over time, `machine.py` decides, `detector.py` watches everybody.
"""

from edge_pose.fall.config import FallConfig
from edge_pose.fall.detector import FallDetector
from edge_pose.fall.event import FallEvent
from edge_pose.fall.second_look import SecondLook
from edge_pose.fall.zones import Zone, zones_from_file

__all__ = ["FallConfig", "FallDetector", "FallEvent", "SecondLook", "Zone", "zones_from_file"]
