"""Folders of videos and pictures to joints, for training sets: by several processes, and again where it was stopped.

`extract(folder, output, Options(model="yolov8n-pose"))`; `items.py` finds the work, `ledger.py` remembers what is done.
"""

from edge_pose.extract.job import FORMATS, Options
from edge_pose.extract.run import Failure, Report, extract

__all__ = ["FORMATS", "Failure", "Options", "Report", "extract"]
