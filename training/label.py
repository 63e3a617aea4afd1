"""Video frames with what MoveNet and PP-TinyPose, both Apache-2.0, see in them; both also look at the frame turned.

A joint counts as known where the two agree. Networks see less in people who lie: turned by a quarter, these stand.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
LONGER = 448  # pixels of the longer side that a frame keeps
EVERY = 1
SURE, AGREE, LEAST = 0.3, 0.08, 9  # least score; distance in body sizes; joints that must be known


def turned(points: F32, quarters: int, height: int, width: int) -> F32:
    """Where points of np.rot90(image, quarters) lie in the image of this height and width."""
    x, y = points[..., 0], points[..., 1]
    if quarters % 4 == 1:
        return np.stack([width - y, x], -1)
    if quarters % 4 == 3:
        return np.stack([y, height - x], -1)
    return points if quarters % 4 == 0 else np.stack([width - x, height - y], -1)


def labelled_frames(films: list[Path], people: int) -> Iterator[tuple[NDArray[np.uint8], F32, F32]]:
    """Frames (H, W, 3), joints (people, 17, 2) and weights (people, 17), one person each; unclear ones are left out."""
    import edge_pose as ep
    from edge_pose.estimators.load import load_for_boxes

    with (
        ep.load("movenet-lightning", threads=1) as follower,
        ep.load("movenet-lightning", threads=1, confidence=0.0) as movenet,
        contextlib.closing(load_for_boxes("pp-tinypose", threads=1)) as tinypose,
    ):
        for film in films:
            follower.reset()
            spot: F32 | None = None
            with ep.open_source(str(film)) as frames:
                for frame in frames:
                    poses = follower(frame.image)
                    if len(poses):
                        spot = poses.boxes[0]
                    if frame.index % EVERY or spot is None:
                        continue
                    scale = LONGER / max(frame.image.shape[:2])
                    image = cv2.resize(frame.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                    answer = _look(np.asarray(image, np.uint8), spot * scale, movenet, tinypose)
                    if answer is not None:
                        joints, weights = np.zeros((people, 17, 2), np.float32), np.zeros((people, 17), np.float32)
                        joints[0], weights[0] = answer
                        yield np.asarray(image, np.uint8), joints, weights


def _look(image: NDArray[np.uint8], spot: F32, movenet: Any, tinypose: Any) -> tuple[F32, F32] | None:
    """Ask both networks about the surroundings of spot (xyxy), upright and turned; None where they do not agree."""
    from edge_pose.poses import Boxes

    middle, side = (spot[:2] + spot[2:]) / 2, float((spot[2:] - spot[:2]).max()) * 1.7 + 16
    low = np.clip(middle - side / 2, 0, None).astype(int)
    high = np.minimum((middle + side / 2).astype(int), [image.shape[1], image.shape[0]])
    crop = image[low[1] : high[1], low[0] : high[0]]
    if min(crop.shape[:2]) < 24:
        return None
    best: tuple[float, F32, F32] | None = None
    for quarters in (0, 1, 3):
        view = np.ascontiguousarray(np.rot90(crop, quarters))
        movenet.reset()
        seen = movenet(view)
        if not len(seen):
            continue
        xy, sure = seen.xy[0], seen.scores[0]
        known = xy[sure > 0.15]
        if len(known) < 6:
            continue
        box = np.concatenate([known.min(0), known.max(0)])
        grow = (box[2:] - box[:2]).max() * 0.1
        second = tinypose(view, Boxes((box + np.array([-grow, -grow, grow, grow]))[None], np.ones(1)))
        size = float((box[2:] - box[:2]).max())
        apart = np.linalg.norm(second.xy[0] - xy, axis=1) / size
        agree = (apart < AGREE) & (second.scores[0] > SURE) & (sure > SURE / 2)
        quality = float(np.where(agree, np.minimum(second.scores[0], 2 * sure), 0).mean())
        joints = (2 * second.xy[0] + xy) / 3
        if best is None or quality > best[0]:
            place = turned(joints, quarters, *crop.shape[:2]) + low
            best = quality, place.astype(np.float32), agree.astype(np.float32)
    return None if best is None or best[2].sum() < LEAST else (best[1], best[2])
