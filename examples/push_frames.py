"""Frames from a driver of your own, with its own clock: `push` them, and take what is newest.

python examples/push_frames.py CLIP [--model movenet-lightning]

The clip stands for the driver. `push` never waits: a frame that comes while another is worked on waits its turn, and
gives it up to a newer one. A driver that fills the same buffer again and again must push copies.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import cv2
import numpy as np

import edge_pose as ep


def driver(clip: str) -> Iterator[tuple[np.ndarray, float]]:
    """Yield pictures and the seconds at which they were taken, in real time: put your own camera here."""
    capture = cv2.VideoCapture(clip)
    rate = capture.get(cv2.CAP_PROP_FPS) or 30.0
    begun = time.monotonic()
    number = 0
    while True:
        fine, image = capture.read()
        if not fine:
            return
        time.sleep(max(0.0, begun + number / rate - time.monotonic()))
        yield image, number / rate
        number += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip")
    parser.add_argument("--model", default="movenet-lightning")
    options = parser.parse_args()
    newest = -1
    with ep.load(options.model) as pose, ep.Pipeline(pose, track=True, smooth=True) as stream:
        for image, time_s in driver(options.clip):
            stream.push(image, time_s)
            result = stream.latest()
            if result is not None and result.frame.index > newest:
                newest = result.frame.index
                ids = result.poses.ids.tolist()
                print(f"frame {newest} ({result.frame.time_s:.2f} s): people {ids}")
        stream.end()  # what is under way is still worked out
        while not stream.ended:
            time.sleep(0.01)
        print(f"{stream.counters['frames']} frames pushed, {stream.counters['dropped']} given up for newer ones")


if __name__ == "__main__":
    main()
