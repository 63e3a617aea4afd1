"""Who is who from frame to frame: ids by pose and box, with a motion model and optimal assignment.

`tracker.py` decides, `motion.py` predicts, `likeness.py` compares, `assign.py` pairs, `identity.py` scores (IDF1).
"""

from edge_pose.track.config import TrackConfig
from edge_pose.track.tracker import Tracker

__all__ = ["TrackConfig", "Tracker"]
