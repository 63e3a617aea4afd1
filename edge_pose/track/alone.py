"""One person, whom one track follows, seen well from frame to frame: the same rules in a fraction of the time.

Most cameras see nobody or one person most of the time, and then the arithmetic is too small for arrays: `Tracker` and
`Tracks.see` say what is computed here and why; a test holds both to the same ids and the same places.
"""

from __future__ import annotations

import math

import numpy as np

from edge_pose.poses import Poses
from edge_pose.track.config import TrackConfig
from edge_pose.track.motion import (
    BODY_LEAST,
    BRAKE_S,
    LOST_S,
    MARGIN,
    MARGIN_PER_S,
    MARGIN_S,
    MEMORY_S,
    SHRINK_S,
    Tracks,
)
from edge_pose.track.people import ENOUGH, FAR, SHOWS, VISIBLE, sound


def follow_alone(tracks: Tracks, poses: Poses, time_s: float, config: TrackConfig) -> bool:
    """Let the one track see the one row, if there is no doubt about it: True; else nothing is changed."""
    hits, identity, gap = int(tracks.hits[0]), int(tracks.ids[0]), time_s - float(tracks.seen[0])
    score = float(poses.box_scores[0])
    if identity < 0 or not gap <= min(LOST_S, config.patience_s) or not config.start_score <= score < FAR:
        return False
    if score < config.sure_score and np.count_nonzero(poses.scores[0] > SHOWS) < ENOUGH * poses.scores.shape[1]:
        return False
    left, top, right, bottom = corners = poses.boxes[0].tolist()
    if not (sound(poses.xy) and sound(poses.scores)) or not all(-FAR < corner < FAR for corner in corners):
        return False
    mid = (left + right) / 2, (top + bottom) / 2
    half = max((right - left) / 2, 0.5), max((bottom - top) / 2, 0.5)
    ahead, velocity = tracks.ahead[0].tolist(), tracks.velocity[0].tolist()
    if not _meets(tracks, mid, half, gap, ahead, velocity, config.match):
        return False
    both = (tracks.joints[0] > VISIBLE) & (poses.scores[0] > VISIBLE)
    weight = int(np.count_nonzero(both))
    if weight < 3:
        return False
    shift = (both.astype(np.float32) @ (poses.xy[0] - tracks.xy[0])).tolist()

    low, high = tracks.low[0].tolist(), tracks.high[0].tolist()
    shown = 4 * half[0] * half[1] / max((high[0] - low[0]) * (high[1] - low[1]), BODY_LEAST)
    trust = min(max(2 * shown - 0.6, 0.1), 1.0)
    n, fade = hits + 1, math.exp(gap / -MEMORY_S)
    first = 1 / (n * (n + 1))
    place = trust * max(1 - fade * fade, (4 * n - 2) * first)
    speed = trust * max((1 - fade) * (1 - fade), 6 * first)
    smaller = 1 - math.exp(gap / -SHRINK_S)
    for axis in (0, 1):
        moved = shift[axis] / weight
        wrong = moved - ahead[axis] - velocity[axis] * gap
        velocity[axis] += speed / gap * wrong
        ahead[axis] = (place - 1) * wrong
        moved = trust * moved + (1 - trust) * velocity[axis] * gap
        begin, end = mid[axis] - half[axis], mid[axis] + half[axis]
        body_low, body_high = low[axis] + moved, high[axis] + moved
        below, above = max(body_low - begin, 0.0), max(end - body_high, 0.0)
        push = above - below if below * above == 0 else 0.0
        body_low, body_high = min(body_low + push, begin), max(body_high + push, end)
        low[axis] = body_low + smaller * (begin - body_low)
        high[axis] = body_high + smaller * (end - body_high)
    tracks.hits[0], tracks.seen[0], tracks.scores[0] = n, time_s, score
    tracks.xy[0], tracks.joints[0] = poses.xy[0], poses.scores[0]
    tracks.mid[0], tracks.half[0], tracks.low[0], tracks.high[0] = mid, half, low, high
    tracks.velocity[0], tracks.ahead[0] = velocity, ahead
    return True


def _meets(
    tracks: Tracks,
    mid: tuple[float, float],
    half: tuple[float, float],
    gap: float,
    ahead: list[float],
    velocity: list[float],
    match: float,
) -> bool:
    """Whether the box overlaps the expected one so well that the joints need not be asked (`likeness.boxes`)."""
    (there_x, there_y), (half_x, half_y) = tracks.mid[0].tolist(), tracks.half[0].tolist()
    way = BRAKE_S * (1 - math.exp(gap / -BRAKE_S))
    grow = (MARGIN + MARGIN_PER_S * min(gap, MARGIN_S)) * 2 * math.sqrt(half_x * half_y)
    both = one = two = 1.0
    for was, goes, at, old, new in (
        (there_x, ahead[0] + velocity[0] * way, mid[0], half_x, half[0]),
        (there_y, ahead[1] + velocity[1] * way, mid[1], half_y, half[1]),
    ):
        a, b = old + grow, new + grow
        both *= max(min(a + b - abs(was + goes - at), 2 * min(a, b)) / 2, 0.0)
        one *= a
        two *= b
    return both >= match * (one + two - both)
