"""Draw a person in a park, so that the project has a picture of its own to show and to try itself on.

python examples/figure.py figure.png
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

SKIN, HAIR, SHIRT, TROUSERS, SHOES = (150, 180, 225), (35, 45, 60), (160, 90, 40), (70, 60, 55), (40, 40, 45)
# Joints of the figure in a 480 x 640 picture, x and y.
HEAD, NECK = (242, 118), (240, 168)
LEFT = {"shoulder": (292, 190), "elbow": (330, 262), "wrist": (318, 335), "hip": (268, 335), "knee": (284, 440)}
RIGHT = {"shoulder": (188, 190), "elbow": (146, 258), "wrist": (120, 328), "hip": (212, 335), "knee": (198, 440)}
ANKLES = {"left": (292, 548), "right": (190, 548)}


def draw(width: int = 480, height: int = 640) -> np.ndarray:
    """Return (height, width, 3) uint8 BGR."""
    image = background(width, height)
    shadow = image.copy()
    cv2.ellipse(shadow, (262, 572), (150, 22), 0, 0, 360, (60, 90, 70), -1, cv2.LINE_AA)
    image = cv2.addWeighted(shadow, 0.6, image, 0.4, 0)
    for side, ankle in ((RIGHT, ANKLES["right"]), (LEFT, ANKLES["left"])):
        limb(image, [side["hip"], side["knee"], ankle], [34, 28, 20], TROUSERS)
        shoe = (ankle[0] + (14 if side is LEFT else -14), ankle[1] + 16)
        cv2.ellipse(image, shoe, (30, 13), 0, 0, 360, SHOES, -1, cv2.LINE_AA)
    corners = np.array([LEFT["shoulder"], LEFT["hip"], RIGHT["hip"], RIGHT["shoulder"]])
    torso = corners + np.array([[12, -8], [14, 12], [-14, 12], [-12, -8]])
    cv2.fillPoly(image, [torso], SHIRT, cv2.LINE_AA)
    for side in (LEFT, RIGHT):
        cv2.circle(image, side["shoulder"], 24, SHIRT, -1, cv2.LINE_AA)
        limb(image, [side["elbow"], side["wrist"]], [19, 14], SKIN)
        limb(image, [side["shoulder"], side["elbow"]], [24, 20], SHIRT)
        cv2.circle(image, side["wrist"], 18, SKIN, -1, cv2.LINE_AA)
    limb(image, [(NECK[0], NECK[1] - 22), (NECK[0], NECK[1] + 14)], [18, 20], SKIN)
    face(image)
    return light(image)


def background(width: int, height: int) -> np.ndarray:
    """A sky, hills and a lawn with some texture."""
    random = np.random.default_rng(7)
    rows = np.linspace(0, 1, height)[:, None, None]
    sky = np.array([235, 205, 170]) * (1 - rows) + np.array([245, 240, 225]) * rows
    image = np.repeat(sky, width, axis=1)
    x = np.arange(width)
    for base, swing, colour in ((330, 24, (120, 160, 130)), (380, 14, (90, 145, 105)), (430, 4, (75, 130, 90))):
        edge = base + swing * np.sin(x / 70 + base) + swing / 2 * np.sin(x / 23)
        below = np.arange(height)[:, None] > edge[None]
        image[below] = colour
    noise = cv2.GaussianBlur(random.normal(0, 26, (height, width, 1)).astype(np.float32), (0, 0), 1.2)
    return np.clip(image + noise[..., None] * 2, 0, 255).astype(np.uint8)


def limb(image: np.ndarray, joints: list[tuple[int, int]], radii: list[int], colour: tuple[int, int, int]) -> None:
    """A tapering tube through the joints."""
    for (a, b), (ra, rb) in zip(pairwise(joints), pairwise(radii), strict=True):
        for t in np.linspace(0, 1, 40):
            middle = (round(a[0] + (b[0] - a[0]) * t), round(a[1] + (b[1] - a[1]) * t))
            cv2.circle(image, middle, round(ra + (rb - ra) * t), colour, -1, cv2.LINE_AA)


def face(image: np.ndarray) -> None:
    """Head, hair, ears, eyes, nose, mouth."""
    x, y = HEAD
    cv2.ellipse(image, (x, y - 12), (46, 52), 0, 0, 360, HAIR, -1, cv2.LINE_AA)
    for ear in (-40, 40):
        cv2.ellipse(image, (x + ear, y + 4), (8, 13), 0, 0, 360, SKIN, -1, cv2.LINE_AA)
    cv2.ellipse(image, (x, y + 2), (39, 49), 0, 0, 360, SKIN, -1, cv2.LINE_AA)
    cv2.ellipse(image, (x, y - 38), (36, 20), 0, 180, 360, HAIR, -1, cv2.LINE_AA)
    for eye in (-16, 16):
        cv2.ellipse(image, (x + eye, y - 4), (8, 5), 0, 0, 360, (250, 250, 250), -1, cv2.LINE_AA)
        cv2.circle(image, (x + eye, y - 4), 4, (60, 40, 20), -1, cv2.LINE_AA)
        cv2.ellipse(image, (x + eye, y - 16), (11, 3), 0, 0, 360, HAIR, -1, cv2.LINE_AA)
    cv2.ellipse(image, (x, y + 12), (5, 8), 0, 0, 360, (125, 155, 205), -1, cv2.LINE_AA)
    cv2.ellipse(image, (x, y + 28), (13, 6), 0, 0, 180, (90, 90, 180), -1, cv2.LINE_AA)


def light(image: np.ndarray) -> np.ndarray:
    """A little softness, grain and light from the left."""
    height, width = image.shape[:2]
    side = 1.08 - 0.16 * np.linspace(0, 1, width)[None, :, None]
    grain = np.random.default_rng(3).normal(0, 4, (height, width, 3))
    return np.clip(cv2.GaussianBlur(image, (0, 0), 0.9) * side + grain, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    cv2.imwrite(str(Path(sys.argv[1])), draw())
