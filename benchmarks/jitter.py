"""How much steadier a still person is behind the smoother, and how far a moving joint lags.

python benchmarks/jitter.py --images ../shared/assets/images/coco_mini

Still people: photos of coco_mini with new sensor noise and JPEG compression in every frame, through MoveNet Lightning
and YOLOv8n-pose. Lag: a joint that moves to and fro, with noise of 0.4 % of the body; the delay that fits best.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

import edge_pose as ep
from edge_pose.poses import Poses
from edge_pose.smooth import Smoother

PEOPLE = (204343, 210845, 2162823, 505930)
FPS, SIZE = 30.0, 200.0


def still(images: Path, model: str, person: int, frames: int) -> list[Poses]:
    """What a model sees of one person of a photo, frame after frame."""
    document = json.loads((images / "annotations.json").read_text(encoding="utf-8"))
    annotation = next(a for a in document["annotations"] if a["id"] == person)
    photo = cv2.imread(str(images / f"{annotation['image_id']:012d}.jpg"))
    x, y, w, h = annotation["bbox"]
    left, top = int(max(x - w / 2, 0)), int(max(y - h / 5, 0))
    part = photo[top : int(y + 1.2 * h), left : int(x + 1.5 * w)]
    part = cv2.resize(part, None, fx=480 / part.shape[0], fy=480 / part.shape[0], interpolation=cv2.INTER_CUBIC)
    rng, found = np.random.default_rng(0), []
    with ep.load(model, threads=1) as estimator:
        for _ in range(frames):
            noisy = np.clip(part + rng.normal(0, 8, part.shape), 0, 255).astype(np.uint8)
            poses = estimator(cv2.imdecode(cv2.imencode(".jpg", noisy, [1, 80])[1], 1))[:1]
            found.append(replace(poses, ids=np.ones(len(poses), np.int64)))
    return [poses for poses in found if len(poses)]


def ratio(frames: list[Poses]) -> float:
    """Frame-to-frame standard deviation, raw by smoothed: the median of the coordinates of joints that always show."""
    smoother = Smoother()
    smooth = np.array([smoother.update(poses, i / FPS).xy[0] for i, poses in enumerate(frames)])
    raw = np.array([poses.xy[0] for poses in frames])
    shown = (np.array([poses.scores[0] for poses in frames]) > 0.2).all(axis=0)
    before, after = (np.diff(v[10:, shown], axis=0).std(axis=0) for v in (raw, smooth))
    return float(np.median(before / after))


def lag_ms(speed: float) -> float:
    """Delay of a joint that moves to and fro, once a second, at so many body sizes a second."""
    rng, times = np.random.default_rng(1), np.arange(0, 4, 1 / FPS)
    ways = speed * SIZE * (0.5 - np.abs(times % 1 - 0.5))
    smoother, seen = Smoother(), []
    for way, time_s in zip(ways, times, strict=True):
        xy = np.full((1, 17, 2), way) + rng.normal(0, 0.004 * SIZE, (1, 17, 2))
        poses = Poses(xy, np.ones((1, 17)), [[0, 0, SIZE, SIZE]], [1.0], [1])
        seen.append(smoother.update(poses, time_s).xy[0, :, 0].mean())
    delays = np.arange(0, 0.2, 0.001)
    errors = [np.square(np.interp(times[15:] - d, times, ways) - seen[15:]).mean() for d in delays]
    return float(delays[np.argmin(errors)] * 1e3)


def main() -> None:
    """Read the command line and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=Path("../shared/assets/images/coco_mini"))
    images = parser.parse_args().images
    for speed in (0.1, 0.25, 0.5, 1.0, 2.0):
        print(f"{speed:5.2f} body sizes a second: lag {lag_ms(speed):.0f} ms")
    for model, frames in (("movenet-lightning", 90), ("yolov8n-pose", 40)):
        ratios = [ratio(still(images, model, person, frames)) for person in PEOPLE]
        print(f"{model}: jitter raw / smoothed of {len(PEOPLE)} people: {', '.join(f'{r:.1f}' for r in ratios)}")


if __name__ == "__main__":
    main()
