"""Who is who from frame to frame: ids by pose and box, with a motion model and optimal assignment.

`tracker.py` decides, `people.py` and `motion.py` hold rows and tracks, `likeness.py` compares, `assign.py` pairs, and
`identity.py` scores ids against known ones (IDF1).
"""

from edge_pose.track.config import TrackConfig
from edge_pose.track.tracker import Tracker

__all__ = ["TrackConfig", "Tracker"]
