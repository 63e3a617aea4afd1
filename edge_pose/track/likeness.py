"""How alike people are: by their joints, by their boxes, by one box lying in the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_pose import kernels
from edge_pose.track.people import VISIBLE, People

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


def joints(a: People, b: People, sigmas: F64) -> F64:
    """Object keypoint similarity (M, N) of the joints that show in both; 0 where none does."""
    return kernels.oks_matrix(
        a.xy, a.areas, b.xy, b.areas, sigmas, a_joint_scores=a.joints, b_joint_scores=b.joints, visible=VISIBLE
    )


def boxes(a: People, b: People, margin: F64) -> F64:
    """Intersection over union (M, N) of boxes grown on every side by a share `margin` (M,) of the size of a.

    Size: root of the area. Grown boxes still meet when people move fast, were hidden, or frames are few.
    Source: Yang et al. 2023 (C-BIoU), whose boxes grow by their own sides; people do not walk slower for being thin.
    """
    grow = (margin * 2 * np.sqrt(a.half[:, 0] * a.half[:, 1]))[:, None, None]
    half_a, half_b = a.half[:, None] + grow, b.half[None] + grow
    both = _common(half_a, half_b, np.abs(a.mid[:, None] - b.mid[None]))
    union = half_a[..., 0] * half_a[..., 1] + half_b[..., 0] * half_b[..., 1] - both
    likeness: F64 = both / union
    return likeness


def cover(a: People, b: People, *, smaller: bool) -> F64:
    """Share (M, N) of the boxes b that lies in the boxes a; smaller: the share of the smaller of the two."""
    both = _common(a.half[:, None], b.half[None], np.abs(a.mid[:, None] - b.mid[None]))
    area = b.half.prod(axis=1)[None]
    share: F64 = both / (np.minimum(area, a.half.prod(axis=1)[:, None]) if smaller else area)
    return share


def _common(half_a: F64, half_b: F64, apart: F64) -> F64:
    """Area that two boxes share, in quarters: from their half sides and the distance of their centres."""
    side = np.minimum(half_a + half_b - apart, 2 * np.minimum(half_a, half_b)) / 2
    np.maximum(side, 0.0, out=side)
    area: F64 = side[..., 0] * side[..., 1]
    return area


def duplicates(people: People, sigmas: F64, flip: I64, threshold: float) -> NDArray[np.bool_]:
    """Which rows (N,) are a person that a better row shows as well: most joints are in the same places.

    flip (K,): the joints of a mirror image, because a second finding of somebody may take left for right.
    """
    mirrored = People(
        people.xy.take(flip, axis=1), people.joints.take(flip, axis=1), people.mid, people.half, people.scores
    )
    same = np.maximum(joints(people, people, sigmas), joints(mirrored, people, sigmas)) > threshold
    worth = people.scores + np.float32(1e-3) * people.joints.mean(axis=1)
    places = np.arange(len(worth))
    better = (worth[:, None] > worth) | ((worth[:, None] == worth) & (places[:, None] < places))
    found: NDArray[np.bool_] = (same & better).any(axis=0)
    return found
