"""Top-down: how the time of a frame grows with people, beside rtmlib (where it is installed) on the same files.

python benchmarks/people.py [--threads 2] [--image photo.jpg] [--json F]

Detector YOLOv5n and PP-TinyPose. rtmlib runs its own preprocessing, loop over people and heatmap decoding on them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from timing import Case, machine, measured, show, write_json

import edge_pose as ep
from edge_pose import zoo
from edge_pose.estimators.load import load_detector, load_for_boxes
from edge_pose.estimators.topdown import PoseFromBoxes
from edge_pose.poses import Boxes

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "figure.jpg"
COUNTS = (1, 2, 4, 8, 12, 20)


def rtmlib_models(threads: int) -> tuple[Callable[[Any], Any], Callable[[Any, Any], Any]] | None:
    """The detector and pose classes of rtmlib on our files; None where it is not installed."""
    try:
        import onnxruntime
        from rtmlib.tools.object_detection.yolox import YOLOX
        from rtmlib.tools.pose_estimation.vitpose import ViTPose
    except ModuleNotFoundError:
        return None

    class Detector(YOLOX):
        """Its letterbox and session; the head is YOLOv5's, as simply as it can be decoded."""

        def __call__(self, image: np.ndarray) -> np.ndarray:
            padded, ratio = self.preprocess(image)
            rows = self.inference(padded[:, :, ::-1] / 255.0)[0][0]
            scores = rows[:, 4] * rows[:, 5]
            kept = np.flatnonzero(scores > 0.25)
            half = rows[kept, 2:4] / 2
            boxes = np.concatenate([rows[kept, :2] - half, half * 2], axis=1)
            best = cv2.dnn.NMSBoxes(boxes.tolist(), scores[kept].tolist(), 0.25, 0.7)
            boxes[:, 2:] += boxes[:, :2]
            return boxes[best] / ratio

    # Its classes take no thread count: a session as it makes them, but for that.
    real = onnxruntime.InferenceSession
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.InferenceSession = lambda path_or_bytes, providers: real(path_or_bytes, options, providers)
        try:
            detector = Detector(str(zoo.find("yolov5n")), (640, 640))
            pose = ViTPose(str(zoo.find("pp-tinypose")), (192, 256))
        finally:
            onnxruntime.InferenceSession = real
    return detector, pose


def crowd(image: np.ndarray, boxes: Boxes, count: int) -> Boxes:
    """The people found, and as many more a little to the side as are wanted."""
    random = np.random.default_rng(0)
    rows = np.resize(boxes.xyxy, (count, 4)) + random.uniform(-8, 8, (count, 4)).astype(np.float32)
    return Boxes(rows, np.ones(count, np.float32))


def people(image: np.ndarray, boxes: Boxes, ours: PoseFromBoxes, theirs: Callable[[Any, Any], Any] | None) -> Case:
    """The pose networks alone on the same boxes."""
    others = {"rtmlib": lambda: theirs(image, boxes.xyxy)} if theirs else {}
    return Case(f"pose of {len(boxes)} people", lambda: ours(image, boxes), others)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--image", type=Path, default=PICTURE)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    image = next(ep.open_source(options.image)).image
    both = ep.load("pp-tinypose", detector="yolov5n", threads=options.threads)
    pose = load_for_boxes("pp-tinypose", threads=options.threads)
    found = load_detector("yolov5n", threads=options.threads)(image)
    peers = rtmlib_models(options.threads)
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    print(f"{len(found)} people in {options.image.name}; {options.threads} threads; rtmlib {'yes' if peers else 'no'}")
    find, estimate = peers or (None, None)
    cases = [Case("photo, detector and pose", lambda: both(image), {})]
    if find and estimate:
        cases[0] = cases[0]._replace(others={"rtmlib": lambda: estimate(image, find(image))})
    cases += [people(image, crowd(image, found, n), pose, estimate) for n in COUNTS]
    rows = measured(cases, repeats=40, seconds=20)
    show(rows)
    for label, times in {"ours": [r.ours_ms for r in rows[1:]], **_peer_times(rows)}.items():
        slope = np.polyfit(COUNTS, times, 1)[0]
        print(f"{label}: {slope:.2f} ms more for each person")
    if options.json:
        write_json(options.json, rows)


def _peer_times(rows: list[Any]) -> dict[str, list[float]]:
    return {"rtmlib": [row.others_ms["rtmlib"] for row in rows[1:]]} if "rtmlib" in rows[1].others_ms else {}


if __name__ == "__main__":
    main()
