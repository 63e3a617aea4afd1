"""What viewers of the page cost the loop: a paced stream with nobody, one and five viewers, of whom one stops reading.

python benchmarks/web.py [--model movenet-lightning] [--seconds 20] [--fps 30]

Viewers are processes of their own. Printed are the medians and 99th percentiles of what the pipeline's thread meets.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import websockets.sync.client

import edge_pose as ep
from edge_pose.web import WebPage

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from figure import draw


def view(url: str, stops: bool) -> None:
    """Watch until the page goes; stops: read nothing any more after a second, and answer nothing."""
    start, count = time.monotonic(), 0
    with websockets.sync.client.connect(url.replace("http", "ws") + "live", max_size=None) as socket:
        try:
            for data in socket:
                if isinstance(data, str):
                    continue
                count += 1
                if stops and time.monotonic() - start > 1:
                    time.sleep(3600)
                socket.send("ok")
        except websockets.exceptions.ConnectionClosed:
            pass
    print(f"{count / (time.monotonic() - start):.1f}")


class Result:
    """As the pipeline's."""

    def __init__(self, frame: ep.Frame, poses: ep.Poses, timings_ms: dict[str, float]) -> None:
        self.frame, self.poses, self.timings_ms, self.events = frame, poses, timings_ms, ()


def measure(
    pose: Callable[[np.ndarray], ep.Poses], picture: np.ndarray, viewers: int, seconds: float, fps: float
) -> None:
    """Run the loop with so many viewers and print a row."""
    estimates, publishes, late = [], [], 0
    with ExitStack() as stack:
        page = stack.enter_context(WebPage("127.0.0.1:0"))
        watching = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, __file__, "--view", page.url, *(["--stops"] if viewers > 1 and i == 0 else [])],
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for i in range(viewers)
        ]
        while page.viewers < viewers:
            time.sleep(0.05)
        begun = time.monotonic()
        for index in range(int(seconds * fps)):
            if (wait := begun + index / fps - time.monotonic()) > 0:
                time.sleep(wait)
            else:
                late += 1
            image = np.roll(picture, 7 * index, axis=1)
            start = time.perf_counter()
            poses = pose(image)
            between = time.perf_counter()
            page.publish(Result(ep.Frame(image, index / fps, index), poses, {"total": (between - start) * 1e3}))
            publishes.append((time.perf_counter() - between) * 1e6)
            estimates.append((between - start) * 1e3)
        page.close()
        if viewers > 1:
            watching[0].kill()
        seen = [process.communicate()[0].strip() for process in watching]
    fast = [rate for rate in seen if rate]
    print(
        f"{viewers} viewers: model p50 {statistics.median(estimates):.2f} ms, p99 {np.quantile(estimates, 0.99):.2f}; "
        f"publish p50 {statistics.median(publishes):.0f} us, p99 {np.quantile(publishes, 0.99):.0f}; "
        f"late frames {late}; viewers got {', '.join(fast) or '-'} fps"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="movenet-lightning")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--fps", type=float, default=30)
    parser.add_argument("--view", help=argparse.SUPPRESS)
    parser.add_argument("--stops", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.view:
        view(options.view, options.stops)
        return
    picture = cv2.resize(draw(), (1280, 720))
    with ep.load(options.model, threads=1) as pose:
        for viewers in (0, 1, 5, 0):
            measure(pose, picture, viewers, options.seconds, options.fps)


if __name__ == "__main__":
    main()
