"""People that were never photographed: jointed bodies in furnished rooms, drawn with NumPy and OpenCV.

`render(sample_scene(seed))` gives a picture, its 17 keypoints, exact, and what of them can be seen; the same seed gives
the same picture.
"""

from tools.render.body import Body, sample_body
from tools.render.camera import Camera
from tools.render.picture import Picture, render
from tools.render.pose import Pose
from tools.render.scene import Person, Scene, sample_scene

__all__ = ["Body", "Camera", "Person", "Picture", "Pose", "Scene", "render", "sample_body", "sample_scene"]
