"""Frames and people to write."""

import numpy as np
import pytest

from edge_pose.frames import Frame
from edge_pose.poses import Poses


def people(count, seed=0, ids=None):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(5, 45, (count, 17, 2))
    boxes = np.tile([5.0, 5.0, 45.0, 45.0], (count, 1))
    return Poses(xy, rng.uniform(0.4, 1, (count, 17)), boxes, rng.uniform(0.5, 1, count), ids)


def frame(index=0, source="clip.mp4", size=(48, 64), time_s=None, grey=100):
    image = np.full((*size, 3), grey, np.uint8)
    return Frame(image, index / 10 if time_s is None else time_s, index, source)


@pytest.fixture
def nobody():
    return Poses.empty()
