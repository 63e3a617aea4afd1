"""A scene drawn: the picture as a camera would have taken it, and what is known of the people in it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.render.body import Part, assemble
from tools.render.raster import Canvas
from tools.render.room import draw_room
from tools.render.scene import Damage, Scene

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """image (H, W, 3) uint8 BGR; keypoints (N, 17, 2) float32 pixels; visibility (N, 17): 2 seen, 1 hidden, 0 outside.

    boxes (N, 4): around what is drawn of each person, xyxy; zeros where nothing is.
    """

    image: NDArray[np.uint8]
    keypoints: F32
    visibility: NDArray[np.uint8]
    boxes: F32


# A joint is inside its limb: it counts as seen when no surface lies this much nearer than it (metres).
DEPTH_OF_JOINT = np.array([0.04] * 3 + [0.06] * 2 + [0.13] * 2 + [0.1] * 4 + [0.19] * 2 + [0.14] * 4)


def render(scene: Scene) -> Picture:
    """Draw a scene."""
    canvas = Canvas(scene.camera, scene.light)
    draw_room(canvas, scene.room)
    bodies = [assemble(person.body, person.pose, person.place) for person in scene.people]
    every: list[Part] = [part for _, parts in bodies for part in parts]
    canvas.shadows(every, scene.shadow)
    for number, (_, parts) in enumerate(bodies):
        for part in parts:
            canvas.capsule(part, number + 2)
    height, width = canvas.what.shape
    keypoints = np.zeros((len(bodies), 17, 2), np.float32)
    visibility = np.zeros((len(bodies), 17), np.uint8)
    boxes = np.zeros((len(bodies), 4), np.float32)
    for number, (joints, _) in enumerate(bodies):
        xy, depth = scene.camera.project(joints)
        keypoints[number] = xy
        inside = (xy >= 0).all(1) & (xy[:, 0] < width) & (xy[:, 1] < height) & (depth > 0.15)
        x, y = np.clip(xy.astype(int), 0, [width - 1, height - 1]).T
        clear = canvas.depth[y, x] > depth - DEPTH_OF_JOINT
        visibility[number] = np.where(inside, np.where(clear, 2, 1), 0)
        rows, columns = np.nonzero(canvas.what == number + 2)
        if len(rows):
            boxes[number] = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return Picture(spoil(canvas.colour, scene.damage), keypoints, visibility, boxes)


def spoil(colour: F32, damage: Damage) -> NDArray[np.uint8]:
    """Turn linear light into the bytes of a camera: blur, gain, tint, noise, gamma, JPEG."""
    rng = np.random.default_rng(damage.seed + 1)
    image = colour * (np.array(damage.tint, np.float32) * np.float32(damage.gain))
    if damage.blur:
        image = cv2.GaussianBlur(image, (0, 0), damage.blur)
    if damage.motion:
        size = int(damage.motion) | 1
        kernel = np.zeros((size, size), np.float32)
        reach = np.array([np.cos(damage.angle), np.sin(damage.angle)]) * size / 2
        middle = size // 2
        cv2.line(kernel, tuple((middle - reach).astype(int)), tuple((middle + reach).astype(int)), 1.0)  # type: ignore[call-overload]
        image = cv2.filter2D(image, -1, kernel / max(float(kernel.sum()), 1.0))
    if damage.grey:
        image = np.repeat(image.mean(2, keepdims=True), 3, 2)
    np.clip(image, 0, 1, out=image)
    image = cv2.pow(image, damage.gamma)
    if damage.noise:
        image = image + rng.standard_normal(image.shape, np.float32) * np.float32(damage.noise)
    picture = np.clip(image * 255, 0, 255).astype(np.uint8)
    if damage.jpeg:
        coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, damage.jpeg])[1]
        picture = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return picture
