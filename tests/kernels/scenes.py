"""Random inputs that reach the corners: look-alikes, ties, NaN."""

import numpy as np

from edge_pose.skeleton import COCO17

SIGMAS = np.array(COCO17.sigmas)


def people(seed, n, k=17, spread=400.0):
    """n poses (n, k, 2) in groups of look-alikes, scores with ties and some NaN, areas with some 0, joint scores."""
    rng = np.random.default_rng(seed)
    count = max(1, n // 3)
    groups = rng.uniform(0, spread, (count, 1, 2)) + rng.normal(0, 30, (count, k, 2))
    noise = rng.choice([0.0, 2, 8, 30], n)[:, None, None]
    xy = groups[rng.integers(0, count, n)] + rng.normal(0, noise, (n, k, 2))
    scores = rng.integers(1, 30, n) / 30
    scores[rng.random(n) < 0.03] = np.nan
    areas = rng.choice([0.0, 500, 4000, 20000], n, p=[0.05, 0.3, 0.35, 0.3])
    return (
        xy.astype(np.float32),
        scores.astype(np.float32),
        areas.astype(np.float32),
        rng.random((n, k)).astype(np.float32),
    )


def random_head(seed, anchors, classes, channels, objectness):
    """A YOLO head (channels, anchors) of boxes that overlap a lot, with exact ties and some NaN."""
    rng = np.random.default_rng(seed)
    pred = rng.uniform(-5, 100, (channels, anchors)).astype(np.float32)
    pred[:4] = rng.integers(1, 40, (4, anchors))
    first = 5 if objectness else 4
    pred[4] = rng.random(anchors)
    pred[first : first + classes] = rng.integers(0, 12, (classes, anchors)) / 12
    pred[rng.random(pred.shape) < 0.01] = np.nan
    return pred
