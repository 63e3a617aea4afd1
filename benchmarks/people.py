"""Top-down: how the time of a frame grows with people, beside rtmlib (where it is installed) on the same files.

python benchmarks/people.py [--threads 2] [--image photo.jpg] [--json F]

Detector YOLOv5n and PP-TinyPose. rtmlib runs its own preprocessing, loop over people and heatmap decoding on them.
Each side has a process of its own, and they take turns: idle threads of one engine spin for a while after its calls
and would slow down the other side.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from timing import Row, machine, show, write_json

import edge_pose as ep
from edge_pose import zoo
from edge_pose.estimators.load import load_detector, load_for_boxes
from edge_pose.poses import Boxes

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "figure.jpg"
COUNTS = (1, 2, 4, 8, 12, 20)
PHOTO = "photo, detector and pose"
PAUSE_S = 0.02  # until nobody's threads spin any more
Calls = dict[str, Callable[[], object]]


def rtmlib_models(threads: int) -> tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]:
    """The detector and pose classes of rtmlib on our files. Raises ModuleNotFoundError where it is not installed."""
    import onnxruntime
    from rtmlib.tools.object_detection.yolox import YOLOX
    from rtmlib.tools.pose_estimation.vitpose import ViTPose

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


def rtmlib_calls(image: np.ndarray, crowds: dict[str, Boxes], threads: int) -> Calls:
    """What rtmlib runs; the pose network alone gets the same boxes."""
    find, pose = rtmlib_models(threads)
    photo: Calls = {PHOTO: lambda: pose(image, find(image))}
    return photo | {name: lambda boxes=boxes: pose(image, boxes.xyxy) for name, boxes in crowds.items()}


def our_calls(image: np.ndarray, crowds: dict[str, Boxes], threads: int) -> Calls:
    """What edge-pose runs."""
    both = ep.load("pp-tinypose", detector="yolov5n", threads=threads)
    pose = load_for_boxes("pp-tinypose", threads=threads)
    photo: Calls = {PHOTO: lambda: both(image)}
    return photo | {name: lambda boxes=boxes: pose(image, boxes) for name, boxes in crowds.items()}


SIDES = {"ours": our_calls, "rtmlib": rtmlib_calls}


def serve(link: Connection, side: str, *options: Any) -> None:
    """One side's process: gets a name, runs the call three times, sends the last two times in milliseconds."""
    try:
        calls = SIDES[side](*options)
    except ModuleNotFoundError:
        return link.send(False)
    link.send(True)
    while name := link.recv():
        times = []
        for _ in range(3):
            start = time.perf_counter()
            calls[name]()
            times.append((time.perf_counter() - start) * 1e3)
        link.send(times[1:])
        time.sleep(PAUSE_S)
    return None


def crowd(boxes: Boxes, count: int) -> Boxes:
    """The people found, and as many more a little to the side as are wanted."""
    random = np.random.default_rng(0)
    rows = np.resize(boxes.xyxy, (count, 4)) + random.uniform(-8, 8, (count, 4)).astype(np.float32)
    return Boxes(rows, np.ones(count, np.float32))


def measure(image: np.ndarray, crowds: dict[str, Boxes], threads: int, rounds: int) -> list[Row]:
    """Medians of every call of each side that is installed."""
    context = multiprocessing.get_context("spawn")
    links: dict[str, Connection] = {}
    processes = []
    for side in SIDES:
        here, there = context.Pipe()
        processes.append(context.Process(target=serve, args=(there, side, image, crowds, threads), daemon=True))
        processes[-1].start()
        if here.recv():
            links[side] = here
    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for name in (PHOTO, *crowds):
            for side, link in links.items():
                link.send(name)
                times.setdefault((name, side), []).extend(link.recv())
                time.sleep(PAUSE_S)
    for link in links.values():
        link.send("")
    for process in processes:
        process.join()
    rows = []
    for name in (PHOTO, *crowds):
        found = {side: statistics.median(times[name, side]) for side in links}
        rows.append(Row(name, found.pop("ours"), found, None))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--image", type=Path, default=PICTURE)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    image = next(ep.open_source(options.image)).image
    with contextlib.closing(load_detector("yolov5n", threads=options.threads)) as detector:
        found = detector(image)
    crowds = {f"pose of {count} people": crowd(found, count) for count in COUNTS}
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    print(f"{len(found)} people in {options.image.name}; {options.threads} threads")
    rows = measure(image, crowds, options.threads, options.rounds)
    show(rows)
    columns = {"ours": [row.ours_ms for row in rows[1:]]}
    if "rtmlib" in rows[1].others_ms:
        columns["rtmlib"] = [row.others_ms["rtmlib"] for row in rows[1:]]
    for label, times in columns.items():
        slope = np.polyfit(COUNTS, times, 1)[0]
        print(
            f"{label}: {slope:.2f} ms more a person; 20 people cost {times[-1] / times[0] / 20:.2f} of 20 calls of one"
        )
    if options.json:
        write_json(options.json, rows)


if __name__ == "__main__":
    main()
