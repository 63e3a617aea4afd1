"""The page of `--web`: the live picture with skeletons, what the loop is doing, and zones to draw.

`WebPage("127.0.0.1:8000")` is all that others need: `publish(result)` for every frame, `close()` at the end.
"""

from edge_pose.web.page import WebPage

__all__ = ["WebPage"]
