"""People made of numbers, for tests of what follows the network."""

import numpy as np

from edge_pose.poses import Poses

# A person who stands, in body heights: x from the middle, y from the top; COCO's order.
STANDING = np.array(
    [[0, .08], [.02, .06], [-.02, .06], [.05, .08], [-.05, .08], [.12, .2], [-.12, .2], [.16, .36], [-.16, .36],
     [.17, .5], [-.17, .5], [.08, .52], [-.08, .52], [.08, .74], [-.08, .74], [.08, .96], [-.08, .96]]
)  # fmt: skip


def person(x, y, height=200.0, *, lying=0.0):
    """Joints (17, 2) and box (4,) of somebody whose box is centred at x, y; lying: 0 upright to 1 on the floor."""
    turn = lying * np.pi / 2
    joints = (STANDING - [0, 0.52]) @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    xy = joints * height + [x, y]
    margin = 0.04 * height
    return xy, np.concatenate([xy.min(axis=0) - margin, xy.max(axis=0) + margin])


def frame(*places, scores=0.9, joint_scores=0.9, noise=0.0, rng=None, **how):
    """Poses of people at places (x, y), best first only if the scores say so."""
    made = [person(*place, **how) for place in places]
    xy = np.array([p[0] for p in made]).reshape(-1, 17, 2)
    boxes = np.array([p[1] for p in made]).reshape(-1, 4)
    if noise:
        xy, boxes = xy + rng.normal(0, noise, xy.shape), boxes + rng.normal(0, noise, boxes.shape)
    n = len(made)
    return Poses(xy, np.full((n, 17), joint_scores), boxes, np.broadcast_to(np.asarray(scores, float), (n,)).copy())


def together(*parts):
    """Everybody of several frames' poses in one."""
    names = ("xy", "scores", "boxes", "box_scores", "ids")
    return Poses(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
