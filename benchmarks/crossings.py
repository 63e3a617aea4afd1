"""A clip with known identities: people cut out of COCO photos walk over a picture, cross, and pass behind pillars.

Everything is computed from a seed; nothing is stored. Each person has a depth: nearer ones hide farther ones, and the
pillars hide everybody. The truth of a frame is every person's whole box, its joints, and the share of it that shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

# Annotations of coco_mini whose people stand or walk and are nearly whole.
PEOPLE = (204343, 210845, 2162823, 505930, 455586, 485140, 460884, 430057)
BACKGROUND = 139  # a living room; its left part is empty
FRAME_HW = (540, 960)
PILLAR = 120  # px


class CutOut(NamedTuple):
    """One person: picture (h, w, 3), mask (h, w) bool, joints (17, 2) and whether each is labelled (17,)."""

    picture: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    joints: NDArray[np.float64]
    labelled: NDArray[np.bool_]


@dataclass(frozen=True)
class Truth:
    """One frame: boxes (P, 4) of what shows of everybody, joints (P, 17, 2), labelled (P, 17), visible (P,) share."""

    time_s: float
    boxes: NDArray[np.float64]
    joints: NDArray[np.float64]
    labelled: NDArray[np.bool_]
    visible: NDArray[np.float64]

    def judged(self) -> NDArray[np.int64]:
        """True ids (P,): -1 for who is more hidden than seen, or overlaps so much that a box could be either's."""
        low, high = self.boxes[:, None, :2], self.boxes[:, None, 2:]
        sides = np.minimum(high, high.swapaxes(0, 1)) - np.maximum(low, low.swapaxes(0, 1))
        both = np.maximum(sides, 0).prod(axis=2)
        areas = (high - low).prod(axis=2)
        overlap = both / np.maximum(areas + areas.T - both, 1)
        np.fill_diagonal(overlap, 0)
        return np.where((self.visible >= 0.5) & (overlap.max(axis=1) < 0.4), np.arange(len(self.boxes)), -1)


@cache
def cut_outs(images: Path, height: int) -> list[CutOut]:
    """Cut the people out of the photos of coco_mini, scaled to a height in pixels."""
    document = json.loads((images / "annotations.json").read_text(encoding="utf-8"))
    by_id = {a["id"]: a for a in document["annotations"]}
    return [_cut(images, by_id[identity], height) for identity in PEOPLE]


def _cut(images: Path, annotation: dict, height: int) -> CutOut:
    photo = cv2.imread(str(images / f"{annotation['image_id']:012d}.jpg"))
    mask = np.zeros(photo.shape[:2], np.uint8)
    outlines = [np.array(p).reshape(-1, 2).round().astype(np.int32) for p in annotation["segmentation"]]
    cv2.fillPoly(mask, outlines, 1)
    x, y, w, h = cv2.boundingRect(mask)
    scale = height / h
    size = (max(round(w * scale), 1), height)
    picture = cv2.resize(photo[y : y + h, x : x + w], size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(mask[y : y + h, x : x + w], size, interpolation=cv2.INTER_NEAREST) > 0
    triples = np.array(annotation["keypoints"], float).reshape(17, 3)
    return CutOut(picture, small, (triples[:, :2] - (x, y)) * scale, triples[:, 2] > 0)


@dataclass(frozen=True)
class Clip:
    """A walk; everybody turns at the edges of the picture.

    people in order of depth, the nearest last; starts (P,) px of the left edge; speeds (P,) px/s; feet (P,) px;
    pillars: (left, right) px.
    """

    people: list[CutOut]
    starts: NDArray[np.float64]
    speeds: NDArray[np.float64]
    feet: NDArray[np.float64]
    pillars: tuple[tuple[int, int], ...]
    fps: float
    frames: int

    def places(self, time_s: float) -> NDArray[np.float64]:
        """Left and top edges (P, 2) of everybody at a time: they walk, bob a little, and turn at the edges."""
        span = FRAME_HW[1] - np.array([p.mask.shape[1] for p in self.people], float)
        way = np.mod(self.starts + self.speeds * time_s, 2 * span)
        left = np.where(way > span, 2 * span - way, way)
        bob = 2.0 * np.sin(2 * np.pi * 1.8 * time_s + self.starts)
        return np.stack([left, self.feet - [p.mask.shape[0] for p in self.people] + bob], axis=1)

    def truth(self, index: int) -> Truth:
        """Return where everybody is in a frame, and how much of each shows."""
        places = self.places(index / self.fps)
        owners = np.full(FRAME_HW, -1)
        for i, (person, place) in enumerate(zip(self.people, places, strict=True)):
            window, part = _window(person, place)
            owners[window][person.mask[part]] = i
        for left, right in self.pillars:
            owners[:, left:right] = -2
        boxes, shown = np.zeros((len(self.people), 4)), np.zeros(len(self.people))
        for i, person in enumerate(self.people):
            x, y, w, h = cv2.boundingRect((owners == i).astype(np.uint8))
            boxes[i], shown[i] = (x, y, x + w, y + h), (owners == i).sum() / person.mask.sum()
        joints = np.stack([p.joints + place for p, place in zip(self.people, places, strict=True)])
        return Truth(index / self.fps, boxes, joints, np.stack([p.labelled for p in self.people]), shown)

    def crossings(self) -> int:
        """Count how often somebody passes somebody."""
        widths = np.array([p.mask.shape[1] for p in self.people])
        middles = np.stack([self.places(i / self.fps)[:, 0] + widths / 2 for i in range(self.frames)])
        order = np.sign(middles[:, :, None] - middles[:, None, :])
        return int((order[1:] * order[:-1] < 0).sum() // 2)

    def longest_hidden(self) -> float:
        """Seconds that somebody is hidden at most: two thirds of the width behind a nearer person or a pillar."""
        widths = np.array([p.mask.shape[1] for p in self.people], float)
        lefts = np.stack([self.places(i / self.fps)[:, 0] for i in range(self.frames)])
        rights = lefts + widths
        longest = 0
        for i in range(len(self.people)):
            nearer = [(lefts[:, j], rights[:, j]) for j in range(i + 1, len(self.people))]
            hidden = np.zeros(self.frames, bool)
            for left, right in [*nearer, *self.pillars]:
                hidden |= np.minimum(rights[:, i], right) - np.maximum(lefts[:, i], left) > 0.67 * widths[i]
            ends = np.flatnonzero(np.diff(np.concatenate([[0], hidden, [0]])))
            longest = max(longest, *(ends[1::2] - ends[::2]), 0)
        return longest / self.fps

    def pictures(self, images: Path) -> Iterator[NDArray[np.uint8]]:
        """Render the frames (H, W, 3)."""
        room = cv2.imread(str(images / f"{BACKGROUND:012d}.jpg"))[150:352, :360]
        scene = cv2.GaussianBlur(cv2.resize(room, FRAME_HW[::-1]), (0, 0), 12)  # out of focus: nobody is seen in it
        for index in range(self.frames):
            frame = scene.copy()
            for person, place in zip(self.people, self.places(index / self.fps), strict=True):
                window, part = _window(person, place)
                frame[window][person.mask[part]] = person.picture[part][person.mask[part]]
            for left, right in self.pillars:
                frame[:, left:right] = (70, 90, 110)
            yield frame


def _window(person: CutOut, place: NDArray[np.float64]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return what of a picture a person covers, and which part of the person that is."""
    h, w = person.mask.shape
    x, y = round(place[0]), round(place[1])
    top, bottom = max(y, 0), min(y + h, FRAME_HW[0])
    left, right = max(x, 0), min(x + w, FRAME_HW[1])
    return (slice(top, bottom), slice(left, right)), (slice(top - y, bottom - y), slice(left - x, right - x))


def walk(
    images: Path, seed: int, *, people: int = 4, pillar: bool = True, fps: float = 30.0, seconds: float = 10.0
) -> Clip:
    """Make a clip by chance, in which nobody is hidden for longer than 0.8 s. pillar: one stands in the middle.

    People of 1.7 m walk at 0.9 to 1.4 m/s; the pillar hides each for about half a second.
    """
    rng = np.random.default_rng(seed)
    left = FRAME_HW[1] // 2 - PILLAR // 2
    while True:
        height = np.sort(rng.integers(200, 270, people))  # the nearer, the larger
        feet = np.minimum(400.0 + 130 * (height - 200) / 70 + rng.uniform(-4, 4, people), FRAME_HW[0] - 4)
        picked = rng.permutation(len(PEOPLE))[:people]
        cast = [cut_outs(images, int(h))[i] for i, h in zip(picked, height, strict=True)]
        starts, speeds = rng.uniform(0, 2 * (FRAME_HW[1] - 120), people), rng.uniform(120, 200, people)
        clip = Clip(cast, starts, speeds, feet, ((left, left + PILLAR),) if pillar else (), fps, round(seconds * fps))
        if clip.longest_hidden() <= 0.8:
            return clip
