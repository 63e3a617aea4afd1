"""Image -> Poses: one-stage networks, MoveNet with its crop, and a detector followed by a pose network.

`load` opens any of them by name or path.
"""

from edge_pose.estimators.base import Detector, Estimator
from edge_pose.estimators.load import load

__all__ = ["Detector", "Estimator", "load"]
