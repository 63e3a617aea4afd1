"""The main job on one picture: find the person, write the skeleton and the numbers, say how long it takes.

python examples/demo.py --output out [--image photo.jpg]

Without --image it draws a picture of its own. The weights come from $EDGE_POSE_MODELS, else from the cache, else they
are fetched (RTMPose-s, Apache-2.0).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from figure import draw as draw_figure

import edge_pose as ep
from edge_pose import zoo
from edge_pose.estimators.load import load_for_boxes
from edge_pose.sinks import open_sinks

Pose = Callable[[np.ndarray], ep.Poses]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("out"))
    parser.add_argument("--image", type=Path)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.image or options.output / "figure.png"
    if options.image is None:
        cv2.imwrite(str(path), draw_figure())
    image = next(ep.open_source(path)).image
    name, pose = a_model()
    poses, times = pose(image), []
    for _ in range(20):
        start = time.perf_counter()
        pose(image)
        times.append((time.perf_counter() - start) * 1e3)
    with open_sinks(
        json_path=options.output / "poses.jsonl", video_path=options.output / "poses.png", stills=True, count=1
    ) as sinks:
        sinks.write(ep.Frame(image, 0.0, 0, str(path)), poses, {"total": times[-1]})
    print(f"{name} on {path.name} ({image.shape[1]} x {image.shape[0]}): {len(poses)} person(s)")
    for person in poses:
        seen, joints = sum(person.scores > 0.3), len(person.scores)
        print(f"  score {person.box_score:.2f}, {seen} of {joints} joints seen, nose at {person.xy[0].round(1)}")
    print(f"latency: median {statistics.median(times):.1f} ms, slowest of {len(times)} {max(times):.1f} ms")
    print(f"written: {options.output / 'poses.png'}, {options.output / 'poses.jsonl'}")


def a_model() -> tuple[str, Pose]:
    """The first model that is on this machine, else one that is fetched."""
    for name in ("movenet-lightning", "yolov8n-pose"):
        if zoo.find(name) is not None:
            estimator = ep.load(name)
            return name, estimator
    print("no model on this machine yet: fetching rtmpose-s (set EDGE_POSE_MODELS to a folder that has one)")
    from_boxes = load_for_boxes("rtmpose-s")
    return "rtmpose-s", lambda image: from_boxes(image, ep.Boxes.whole(image))


if __name__ == "__main__":
    try:
        main()
    except ep.EdgePoseError as err:
        raise SystemExit(f"demo: {err}") from None
