"""One person in one frame: the few points and angles a fall is judged by, in pixels, whatever joints are missing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_pose.poses import Pose

Point = tuple[float, float]

# Parts of the standing height (Drillis and Contini 1964, as cited by Winter, Biomechanics, fig. 4.1). COCO has no crown
# and no sole: the nose stands for the head, and an ankle is a little above the floor.
HEAD, SHOULDER, HIP, KNEE, ANKLE = 0.93, 0.82, 0.53, 0.285, 0.04
TORSO = SHOULDER - HIP
SHOULDERS_WIDE = 0.28  # at most
FAR = 1e6  # pixels from where on a joint is nowhere; NaN is not below it either
EDGE_PX = 2.0  # a box that ends so near to the frame's edge is cut off there, at least as far as anybody can know

SQUAT_ASPECT, SQUAT_REACH = 1.3, 0.3  # of somebody who squats: box, and how far the trunk may be from the feet

_HEAD = (0, 3, 4, 1, 2)  # nose, ears, eyes
_PAIRS = ((5, 6), (11, 12), (13, 14), (15, 16))  # shoulders, hips, knees, ankles
HALF_S = 0.7  # for which it is remembered how far a joint is from the middle of its pair
Halves = tuple[tuple[float, float, float] | None, ...]  # for each pair: time, and way from its left joint to the middle


@dataclass(frozen=True, slots=True)
class Posture:
    """Where the parts of a body are in one frame, in pixels; None where no joint of the part is seen.

    box: xyxy. score: mean score of the joints that are seen, 0 without any. seen: how many of them there are.
    below_px: from the box down to the frame's edge. cut_side: the box ends at a side of the frame.
    """

    time_s: float
    head: Point | None
    shoulders: Point | None
    hips: Point | None
    knees: Point | None
    ankles: Point | None
    box: tuple[float, float, float, float]
    box_score: float
    score: float
    seen: int
    below_px: float
    cut_side: bool
    halves: Halves = (None,) * 4

    @property
    def torso(self) -> tuple[float, float] | None:
        """Angle of the torso from upright, in degrees (0 upright, 90 level, 180 upside down), and its length."""
        if self.hips is None or (self.shoulders is None and self.head is None):
            return None
        top = self.shoulders or self.head
        assert top is not None
        dx, dy = top[0] - self.hips[0], self.hips[1] - top[1]
        length = math.hypot(dx, dy)
        if self.shoulders is None:  # from the head; a torso is that part of it
            length *= TORSO / (HEAD - HIP)
        return math.degrees(math.atan2(abs(dx), dy)), length

    @property
    def aspect(self) -> float:
        """Width of the box over its height; 0 for a box without height."""
        x1, y1, x2, y2 = self.box
        return (x2 - x1) / (y2 - y1) if y2 > y1 else 0.0

    @property
    def centre(self) -> Point:
        """Between hips and shoulders, or what of them is seen; else the middle of the box."""
        found = [p for p in (self.hips, self.shoulders) if p is not None]
        if not found:
            x1, y1, x2, y2 = self.box
            return (x1 + x2) / 2, (y1 + y2) / 2
        return sum(p[0] for p in found) / len(found), sum(p[1] for p in found) / len(found)

    def on_feet(self, tall: float) -> bool:
        """Whether this is somebody who squats, tying shoes for example. tall: the standing height in pixels.

        A body in balance has its trunk above its feet; that of one that lies is not, unless it points at the camera or
        away from it. Then the knees are not above the hips, and shoulders are higher than hips by half as much as hips
        are higher than feet.
        """
        hips, knees, ankles, shoulders = self.hips, self.knees, self.ankles, self.shoulders
        if hips is None or ankles is None or shoulders is None or self.aspect > SQUAT_ASPECT:
            return False
        if abs((hips[0] + shoulders[0]) / 2 - ankles[0]) > SQUAT_REACH * tall:
            return False
        high, rise = (ankles[1] - hips[1]) / tall, (hips[1] - shoulders[1]) / tall
        slack = 0.12 if rise > 0.14 else 0.05
        if knees is not None and knees[1] < hips[1] + slack * tall and high > 0.04 and rise > 0.04:
            return True
        return high > 0.15 and -0.1 < rise < high / 4

    def stature(self) -> float | None:
        """Return the standing height in pixels that a person has who stands like this; None where too little is seen.

        The median of what whole spans of the body say, so that one wrong joint does not decide.
        """
        spans = []
        points = ((self.head, HEAD), (self.shoulders, SHOULDER), (self.hips, HIP), (self.knees, KNEE))
        for i, (upper, high) in enumerate(points):
            for lower, low in (*points[i + 1 :], (self.ankles, ANKLE)):
                if upper is not None and lower is not None and high - low > 0.2:
                    spans.append(((lower[1] - upper[1]) / (high - low), high - low))
        if not spans:
            return None
        # Long spans are the more exact ones: a weighted median.
        spans.sort()
        half, total = sum(weight for _, weight in spans) / 2, 0.0
        for value, weight in spans:
            total += weight
            if total >= half:
                return value if value > 1 else None
        return None

    def longest(self) -> float | None:
        """Return the standing height that the longest parts of the body speak for, however they are turned.

        Turning a part away from the camera only shortens it, so the second longest counts; None without two parts.
        """
        chain = ((self.head, HEAD), (self.shoulders, SHOULDER), (self.hips, HIP), (self.knees, KNEE))
        pairs = [(chain[1], chain[2]), (chain[2], chain[3]), (chain[3], (self.ankles, ANKLE)), (chain[0], chain[2])]
        lengths = [math.dist(a, b) / (high - low) for (a, high), (b, low) in pairs if a is not None and b is not None]
        half = self.halves[0]
        if half is not None and half[0] == self.time_s:
            lengths.append(2 * math.hypot(half[1], half[2]) / SHOULDERS_WIDE)
        return sorted(lengths)[-2] if len(lengths) > 1 else None


def posture(
    pose: Pose, time_s: float, frame_hw: tuple[int, int], min_score: float, before: Posture | None = None
) -> Posture:
    """Read a person's posture off the 17 COCO joints, of which those below min_score do not count.

    before: the same person's, if that is known: where one joint of a pair is not seen, the middle of the pair stays
    where it was beside the other one.
    """
    xy, scores = pose.xy.tolist(), pose.scores.tolist()
    good = [s >= min_score and -FAR < x < FAR and -FAR < y < FAR for (x, y), s in zip(xy, scores, strict=True)]
    heads = [xy[j] for j in _HEAD if good[j]]
    middles: list[Point | None] = []
    halves: list[tuple[float, float, float] | None] = []
    for i, (left, right) in enumerate(_PAIRS):
        half = before.halves[i] if before is not None else None
        if half is not None and time_s - half[0] > HALF_S:
            half = None
        if good[left] and good[right]:
            middle = (xy[left][0] + xy[right][0]) / 2, (xy[left][1] + xy[right][1]) / 2
            half = time_s, middle[0] - xy[left][0], middle[1] - xy[left][1]
            middles.append(middle)
        elif good[left] or good[right]:
            side, sign = (left, 1) if good[left] else (right, -1)
            dx, dy = (half[1], half[2]) if half is not None else (0.0, 0.0)
            middles.append((xy[side][0] + sign * dx, xy[side][1] + sign * dy))
        else:
            middles.append(None)
        halves.append(half)
    kept = [s for s, fine in zip(scores, good, strict=True) if fine]
    x1, y1, x2, y2 = pose.box.tolist()
    height, width = frame_hw
    return Posture(
        time_s=time_s,
        head=(sum(p[0] for p in heads) / len(heads), sum(p[1] for p in heads) / len(heads)) if heads else None,
        shoulders=middles[0],
        hips=middles[1],
        knees=middles[2],
        ankles=middles[3],
        box=(x1, y1, x2, y2),
        box_score=pose.box_score,
        score=sum(kept) / len(kept) if kept else 0.0,
        seen=len(kept),
        below_px=height - y2,
        cut_side=x1 <= EDGE_PX or x2 >= width - EDGE_PX,
        halves=tuple(halves),
    )
