"""The pipeline: what it costs beside the network, how steady its latency is, whether its memory stays flat.

python benchmarks/stream.py overhead|latency|memory [--model M] [--threads 1] [--frames N] [--fps 30] [--json F]

One person walks through a 640 x 480 picture; tracking and smoothing are on. Frames come from memory, so the source
costs nothing. `overhead`: frames without a pause, one after the other; `latency`: at the pace of a camera; `memory`:
like overhead, writing JSON lines and a recording as well.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from timing import machine

import edge_pose as ep
from edge_pose.pipeline import Pipeline
from edge_pose.recording import Recorder
from edge_pose.sinks import JsonlSink
from edge_pose.sources import Source

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "figure.jpg"
STAGES = ("queue", "preprocess", "network", "decode", "track", "smooth", "total", "latency")


class Memory(Source):
    """The picture, moved a little from frame to frame; live: at the pace of fps."""

    def __init__(self, frames: int, fps: float, *, live: bool) -> None:
        super().__init__("memory", fps=fps, count=frames)
        self.live = live
        picture = cv2.resize(next(ep.open_source(PICTURE)).image, (640, 480))
        self._pictures = [np.roll(picture, 2 * i, axis=1).copy() for i in range(32)]
        self._due = time.perf_counter()

    def _read(self) -> ep.Frame | None:
        if self.taken == self.count:
            return None
        if self.live:
            self._due += 1 / self.fps
            time.sleep(max(0.0, self._due - time.perf_counter()))
        step = self.taken % 62
        return ep.Frame(self._pictures[min(step, 62 - step)], self.taken / self.fps, self.taken, self.name)

    def close(self) -> None:
        """Nothing to let go of."""


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


def percentiles(values: list[float]) -> dict[str, float]:
    p50, p99 = (float(np.percentile(values, q)) for q in (50, 99))
    return {"p50": p50, "p99": p99, "max": max(values), "p99/p50": p99 / p50}


def overhead(options: argparse.Namespace) -> dict[str, float]:
    """Median milliseconds a frame, and how much of them the network is."""
    pose = ep.load(options.model, threads=options.threads)
    frames = options.frames or 300
    ends, networks, stages, people = [], [], {}, 0
    with pose, Pipeline(pose, Memory(frames, 30, live=False), track=True, smooth=True) as stream:
        for result in stream:
            ends.append(time.perf_counter())
            networks.append(result.timings_ms["network"])
            people += len(result.poses)
            for stage, ms in result.timings_ms.items():
                stages.setdefault(stage, []).append(ms)
    skipped = frames // 10  # the first calls warm caches up
    walls = np.diff(ends)[skipped:] * 1e3
    beside = [wall - network for wall, network in zip(walls, networks[skipped + 1 :], strict=True)]
    found = {"frame": float(np.median(walls)), "network": statistics.median(networks[skipped:])}
    found |= {"beside": statistics.median(beside), "people": people / frames}
    found["share"] = found["beside"] / found["frame"]
    found |= {f"stage {name}": statistics.median(stages[name][skipped:]) for name in STAGES if name in stages}
    return found


def latency(options: argparse.Namespace) -> dict[str, float]:
    """End to end, from the source to the program, of frames at a camera's pace; and of the network alone."""
    pose = ep.load(options.model, threads=options.threads)
    frames = options.frames or 2000
    taken, networks = [], []
    with pose, Pipeline(pose, Memory(frames, options.fps, live=True), track=True, smooth=True) as stream:
        for result in stream:
            taken.append(result.timings_ms["latency"])
            networks.append(result.timings_ms["network"])
        counters = stream.counters
    found = percentiles(taken[20:]) | {name: float(counters[name]) for name in ("frames", "dropped", "results")}
    # What of the spread is the network's own: on a shared machine nearly all of it.
    return found | {f"network {name}": value for name, value in percentiles(networks[20:]).items()}


def memory(options: argparse.Namespace) -> dict[str, float]:
    """Megabytes that the process grows by, from a tenth of the frames to the end."""
    pose = ep.load(options.model, threads=options.threads)
    frames = options.frames or 20_000
    with (
        tempfile.TemporaryDirectory() as folder,
        pose,
        JsonlSink(Path(folder) / "o.jsonl") as lines,
        Recorder(Path(folder) / "r.jsonl.gz") as record,
        Pipeline(pose, Memory(frames, 30, live=False), track=True, smooth=True, sinks=[lines], record=record) as stream,
    ):
        seen = []
        for result in stream:
            if result.frame.index % (frames // 20) == 0:
                seen.append(resident_mb())
    start = seen[2]
    return {"frames": frames, "start_mb": start, "end_mb": seen[-1], "growth_mb": max(seen[2:]) - start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["overhead", "latency", "memory"])
    parser.add_argument("--model", default="movenet-lightning")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--fps", type=float, default=30)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    found = {"overhead": overhead, "latency": latency, "memory": memory}[options.what](options)
    for name, value in found.items():
        print(f"{name:20} {value:10.3f}")
    if options.json:
        document = {"machine": machine(), "what": options.what, "model": options.model, "found": found}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
