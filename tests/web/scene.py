"""A drawn room with people who walk through it: results as the pipeline hands them out, without camera or network."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from edge_pose import COCO17, Frame, Poses

CLOTHES = [((150, 92, 44), (70, 62, 58)), ((70, 120, 190), (96, 84, 70)), ((90, 140, 84), (60, 66, 96))]
SKIN, HAIR = (150, 180, 225), (38, 46, 60)
LIMBS = [(11, 13, 0.5), (13, 15, 0.38), (12, 14, 0.5), (14, 16, 0.38), (5, 7, 0.34), (7, 9, 0.26), (6, 8, 0.34)]
LIMBS += [(8, 10, 0.26)]


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """As the pipeline's."""

    frame: Frame
    poses: Poses
    events: tuple[object, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)


def walker(x: float, foot: float, tall: float, phase: float) -> np.ndarray:
    """(17, 2) joints of somebody who walks: feet at `foot`, `tall` pixels high."""
    u, swing, joints = tall / 8, np.sin(phase), np.zeros((17, 2), np.float32)
    hip, neck, head = foot - 4 * u, foot - 6.6 * u, foot - 7.4 * u
    joints[0] = x + 0.1 * u, head
    joints[1:3] = [x + 0.28 * u, head - 0.18 * u], [x - 0.1 * u, head - 0.18 * u]
    joints[3:5] = [x + 0.45 * u, head - 0.05 * u], [x - 0.4 * u, head - 0.05 * u]
    for side, sign in ((0, 1), (1, -1)):
        s = swing * sign
        shoulder, hips = np.array([x + sign * 0.85 * u, neck]), np.array([x + sign * 0.5 * u, hip])
        elbow = shoulder + np.array([sign * 0.25 * u - 0.7 * s * u, 1.35 * u])
        knee = hips + np.array([0.75 * s * u, 1.9 * u])
        joints[5 + side], joints[7 + side] = shoulder, elbow
        joints[9 + side] = elbow + np.array([-0.6 * s * u + sign * 0.1 * u, 1.15 * u])
        joints[11 + side], joints[13 + side] = hips, knee
        lifted = max(0.0, -s)
        joints[15 + side] = knee + np.array([(0.35 * s - 0.5 * lifted) * u, (1.95 - 0.35 * lifted) * u])
    return joints


def room(width: int, height: int) -> np.ndarray:
    """Wall, floor, a window, a bed and a sofa."""
    image = np.empty((height, width, 3), np.uint8)
    floor = int(height * 0.62)
    image[:floor] = np.linspace((214, 222, 226), (196, 206, 212), floor)[:, None]
    image[floor:] = np.linspace((136, 160, 182), (110, 134, 158), height - floor)[:, None]
    w, h = width / 100, height / 100

    def box(x1, y1, x2, y2, color):
        cv2.rectangle(image, (int(x1 * w), int(y1 * h)), (int(x2 * w), int(y2 * h)), color, -1, cv2.LINE_AA)

    box(0, 60.5, 100, 62.5, (176, 188, 196))
    (
        box(43, 12, 61, 40, (236, 240, 242)),
        box(44, 13.5, 60, 38.5, (238, 214, 178)),
        box(51.7, 13, 52.3, 40, (236, 240, 242)),
    )
    box(72, 48, 100, 68, (120, 100, 84)), box(70, 57, 100, 74, (150, 128, 108)), box(71, 74, 73, 78, (70, 60, 52))
    box(3, 52, 5.5, 84, (88, 108, 130)), box(4, 66, 33, 79, (206, 196, 186)), box(4, 74, 33, 80, (150, 136, 122))
    box(6, 62, 13, 68, (238, 236, 232)), box(31, 70, 33, 86, (88, 108, 130))
    return image


def dress(image: np.ndarray, joints: np.ndarray, tall: float, clothes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    """Draw somebody around the joints."""
    u, at = tall / 8, np.rint(joints * 16).astype(int)
    shirt, trousers = clothes

    def thick(share):
        return max(2, int(share * u * 1.9))

    torso = at[[5, 6, 12, 11]]
    for a, b, share in LIMBS[:4]:
        cv2.line(image, at[a].tolist(), at[b].tolist(), trousers, thick(share), cv2.LINE_AA, 4)
    cv2.polylines(image, [torso], True, shirt, thick(0.45), cv2.LINE_AA, 4)
    cv2.fillPoly(image, [torso], shirt, cv2.LINE_AA, 4)
    for a, b, share in LIMBS[4:]:
        cv2.line(image, at[a].tolist(), at[b].tolist(), shirt if share > 0.3 else SKIN, thick(share), cv2.LINE_AA, 4)
    head = at[3:5].mean(0).astype(int).tolist()
    cv2.circle(image, (head[0], head[1] - int(2 * u)), int(10.5 * u), HAIR, -1, cv2.LINE_AA, 4)
    cv2.circle(image, (head[0], head[1] + int(2 * u)), int(9 * u), SKIN, -1, cv2.LINE_AA, 4)


def results(width: int = 1280, height: int = 720, people: int = 3, fps: float = 25.0) -> Iterator[Result]:
    """Frames without end, as fast as they are taken."""
    empty = room(width, height)
    random = np.random.default_rng(5)
    for index in range(1 << 30):
        t, image = index / fps, empty.copy()
        joints, talls = [], []
        for i in range(people):
            tall = height * (0.52 + 0.09 * i)
            x = width * (0.5 + 0.33 * np.sin(t * (0.35 + 0.07 * i) + 2.1 * i))
            talls.append(tall)
            joints.append(walker(x, height * (0.83 + 0.05 * i), tall, t * (3.4 + 0.4 * i) + i))
            dress(image, joints[-1], tall, CLOTHES[i % len(CLOTHES)])
        yield result(image, np.array(joints).reshape(-1, 17, 2), index, t, random)


def result(image: np.ndarray, xy: np.ndarray, index: int, time_s: float, random: np.random.Generator) -> Result:
    """Wrap joints (N, 17, 2) in a result with plausible timings."""
    n, margin = len(xy), 0.04 * image.shape[0]
    boxes = np.concatenate([xy.min(1) - margin, xy.max(1) + margin], 1) if n else np.empty((0, 4))
    scores = np.full((n, 17), 0.9, np.float32)
    poses = Poses(xy, scores, boxes.astype(np.float32), np.full(n, 0.9, np.float32), np.arange(1, n + 1), COCO17)
    wobble = 1 + 0.25 * random.random(4)
    parts = dict(
        zip(("preprocess", "network", "decode", "track"), (wobble * [1.1, 16, 0.4, 0.5]).tolist(), strict=True)
    )
    total = sum(parts.values()) + 0.2
    timings = {**parts, "total": total, "queue": 3.0, "latency": total + 3}
    return Result(Frame(image, time_s, index, "rtsp://user:secret@camera/1"), poses, (), timings)


def play(page, seconds: float, *, fps: float = 25.0, **options) -> int:
    """Publish at a camera's pace; returns how many frames."""
    stream, start, count = results(fps=fps, **options), time.monotonic(), 0
    while (passed := time.monotonic() - start) < seconds:
        page.publish(next(stream), {"dropped": 0, "reconnects": 0})
        count += 1
        time.sleep(max(0.0, count / fps - passed))
    return count
