"""Skeletons on pictures, to be understood at a glance."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import ShapeError
from edge_pose.frames import Image, check_image
from edge_pose.opencv import opencv
from edge_pose.poses import Pose, Poses
from edge_pose.skeleton import Skeleton

Color = tuple[int, int, int]
Plate = tuple[int, int, int, int]  # x, y, width, height

# Okabe and Ito's palette, which colour-blind people can tell apart, as BGR. Warm is the person's left, cool the right.
LEFT: Color = (0, 159, 230)  # orange
RIGHT: Color = (233, 180, 86)  # sky blue
MIDDLE: Color = (240, 240, 240)
EDGE: Color = (32, 32, 32)  # around everything, so that it stands out from any background
PERSONS: tuple[Color, ...] = (  # joints and label by id, so that a tracked person keeps the colour
    (115, 158, 0),  # bluish green
    (167, 121, 204),  # reddish purple
    (66, 228, 240),  # yellow
    (178, 114, 0),  # blue
    (0, 94, 213),  # vermillion
)
FONT = 0  # cv2.FONT_HERSHEY_SIMPLEX
SHIFT = 4  # coordinates go to OpenCV in 1/16 px
FAR = 1e5  # px; nothing of a picture is there, and OpenCV's fixed-point numbers end at 2**27


def draw(image: Image, poses: Poses, *, threshold: float = 0.3, labels: bool = True, out: Image | None = None) -> Image:
    """Return a copy of the image with everybody's limbs and joints, and a label with id and score.

    image: (H, W, 3) uint8 BGR. Joints whose score is below the threshold are left out, with their limbs; a person
    without any joint left gets no label either. Nobody gives the copy alone. out: a contiguous array of the image's
    shape to draw into instead of a new one; it may be the image itself. Raises ImageError or ShapeError.
    """
    image = check_image(image)
    if out is None:
        out = np.array(image, order="C")
    else:
        fits = isinstance(out, np.ndarray) and out.dtype == np.uint8 and out.shape == image.shape
        if not (fits and out.flags.c_contiguous and out.flags.writeable):
            got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
            raise ShapeError(f"out must be writeable, contiguous uint8 of shape {image.shape}, got {got}")
        if out is not image:
            np.copyto(out, image)
    # The nearest last: they are the largest and hide the others. Labels after all of them: nothing hides those.
    people = sorted(poses, key=lambda pose: math.prod(_extent(pose)))
    thicks = [_thickness(out, pose) for pose in people]
    shown = [(p.scores >= threshold) & (np.abs(p.xy) < FAR).all(axis=1) for p in people]  # both false for NaN
    for pose, thick, joints in zip(people, thicks, shown, strict=True):
        _skeleton(out, pose, poses.skeleton, joints, thick)
    if labels:
        plates: list[Plate] = []
        for pose, thick, joints in zip(people, thicks, shown, strict=True):
            if joints.any():
                _label(out, pose, joints, thick, plates)
    return out


def _extent(pose: Pose) -> tuple[float, float]:
    """Width and height of a person; 0 where the box has no finite one."""
    x1, y1, x2, y2 = pose.box.tolist()
    sides = x2 - x1, y2 - y1
    return sides if math.isfinite(sum(sides)) else (0.0, 0.0)


def _thickness(canvas: Image, pose: Pose) -> int:
    """Limb width in pixels: in proportion to the person, within what the picture bears."""
    most: float = max(2.0, min(canvas.shape[:2]) / 110)
    return max(1, round(min(max(_extent(pose)) / 70, most)))


def _color(pose: Pose) -> Color:
    return MIDDLE if pose.id < 0 else PERSONS[pose.id % len(PERSONS)]


@lru_cache(maxsize=16)
def _sides(skeleton: Skeleton) -> tuple[tuple[NDArray[np.int64], Color], ...]:
    """Limbs by colour: a limb belongs to a side when both its joints do."""
    sides = [("left" in j) - ("right" in j) for j in skeleton.joints]
    groups: dict[int, list[tuple[int, int]]] = {0: [], 1: [], -1: []}
    for a, b in skeleton.edges:
        # From the nose outwards the limbs already are of that side.
        groups[max(-1, min(1, sides[a] + sides[b]))].append((a, b))
    return tuple(
        (np.array(groups[side], np.int64).reshape(-1, 2), color)
        for side, color in ((0, MIDDLE), (-1, RIGHT), (1, LEFT))
    )


def _skeleton(canvas: Image, pose: Pose, skeleton: Skeleton, shown: NDArray[np.bool_], thick: int) -> None:
    cv2 = opencv()
    # A pixel's centre is at +0.5 in our coordinates and at 0 in OpenCV's.
    at = np.rint((np.where(shown[:, None], pose.xy, 0.5) - 0.5) * (1 << SHIFT)).astype(np.int32)
    limbs = [(list(at[pairs[shown[pairs].all(axis=1)]]), color) for pairs, color in _sides(skeleton)]
    edge = 2 + thick // 2
    cv2.polylines(canvas, [limb for group, _ in limbs for limb in group], False, EDGE, thick + edge, cv2.LINE_AA, SHIFT)
    for group, color in limbs:
        cv2.polylines(canvas, group, False, color, thick, cv2.LINE_AA, SHIFT)
    # At one pixel, dots would hide the limbs; but a joint without any limb still has to be seen.
    if thick > 1 or not any(group for group, _ in limbs):
        radius, color = round((thick * 0.75 + 0.5) * (1 << SHIFT)), _color(pose)
        for x, y in at[shown].tolist():
            cv2.circle(canvas, (x, y), radius + (edge << SHIFT) // 2, EDGE, -1, cv2.LINE_AA, SHIFT)
            cv2.circle(canvas, (x, y), radius, color, -1, cv2.LINE_AA, SHIFT)


def _label(canvas: Image, pose: Pose, shown: NDArray[np.bool_], thick: int, taken: list[Plate]) -> None:
    """Write id and score on a plate over the person's highest joint.

    The plate is moved until all of it is in the picture and off the other plates (`taken`, which grows), and is left
    out where the picture is too small for it.
    """
    cv2 = opencv()
    text = f"{pose.box_score:.2f}" if pose.id < 0 else f"#{pose.id} {pose.box_score:.2f}"
    scale, weight = 0.35 + 0.05 * thick, 1 if thick < 6 else 2
    (text_w, text_h), below = cv2.getTextSize(text, FONT, scale, weight)
    pad = max(2, text_h // 4)
    wide, high = text_w + 2 * pad, text_h + below + 2 * pad
    height, width = canvas.shape[:2]
    if wide > width or high > height:
        return
    joint_x, joint_y = min(pose.xy[shown].tolist(), key=lambda xy: xy[1])
    top = min(joint_y, float(pose.box[1])) if np.isfinite(pose.box[1]) else joint_y
    x = round(min(max(joint_x - wide / 2, 0), width - wide))
    places = [round(min(max(top - high - thick + step * high, 0), height - high)) for step in (0, -1, 1, -2, 2, 3, 4)]
    beside = [(b, h) for a, b, w, h in taken if x < a + w and a < x + wide]
    free = (y for y in places if not any(y < b + h and b < y + high for b, h in beside))
    y = next(free, places[0])
    taken.append((x, y, wide, high))
    color = _color(pose)
    cv2.rectangle(canvas, (x, y), (x + wide - 1, y + high - 1), color, -1)
    dark = 0.114 * color[0] + 0.587 * color[1] + 0.299 * color[2] > 120
    cv2.putText(canvas, text, (x + pad, y + pad + text_h), FONT, scale, EDGE if dark else MIDDLE, weight, cv2.LINE_AA)
