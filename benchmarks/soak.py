"""A live run over RTSP that lasts, with a server that is killed now and then: what was lost, and what it cost.

python benchmarks/soak.py [--seconds 600] [--kills 3] [--clip F] [--model movenet-lightning] [--fps 10] [--json F]

A clip is served in a loop by GStreamer's RTSP server on loopback (Debian: gir1.2-gst-rtsp-server-1.0, python3-gi,
gstreamer1.0-plugins-good). Tracking, smoothing, JSON lines and a recording are on. Exit code 1 when the stream did not
come back after a kill, when results were lost on their way into the files, or when memory grew by 5 MB or more after
the first return (which needs room for the pictures that come at once).
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from stream import Memory, percentiles, resident_mb
from timing import machine

import edge_pose as ep
from edge_pose.pipeline import Pipeline
from edge_pose.recording import Recorder, read_recording
from edge_pose.sinks import JsonlSink

SERVER = Path(__file__).parent.parent / "tests" / "sources" / "rtsp_server.py"
DOWN_S = 3.0  # how long a killed server stays away
SETTLED = 0.2  # share of the run, and one return of the server, after which memory is expected to stay


class Server:
    """GStreamer's, in a program of its own."""

    def __init__(self, frames: str, fps: int) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._command = ["/usr/bin/python3", str(SERVER), str(self.port), "--frames", frames, "--fps", str(fps)]
        self.start()

    def start(self) -> None:
        """Start it on the same port as before."""
        self._program = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._program.stdout is not None
        if self._program.stdout.readline() != "ready\n":
            sys.exit("GStreamer's RTSP server did not start: apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi")

    def kill(self) -> None:
        """As a crash does it."""
        self._program.kill()
        self._program.wait()


def pictures(clip: Path | None, folder: Path) -> str:
    """Write a clip as JPEG files (without one: somebody who walks by); returns their pattern."""
    source = ep.open_source(clip, max_frames=300) if clip else Memory(62, 30, live=False)
    with source:
        for frame in source:
            cv2.imwrite(str(folder / f"{frame.index:05d}.jpg"), cv2.resize(frame.image, (640, 480)))
    return str(folder / "%05d.jpg")


def soak(options: argparse.Namespace, folder: Path, server: Server) -> dict[str, Any]:
    """Run, and return what happened."""
    lines, recording = folder / "o.jsonl", folder / "r.jsonl.gz"
    begun = time.monotonic()
    kills = [begun + options.seconds * (i + 1) / (options.kills + 1) for i in range(options.kills)]
    latencies, memory, people, told = [], [], 0, 0
    pose = ep.load(options.model, threads=options.threads)
    with pose, JsonlSink(lines) as sink, Recorder(recording) as record:
        source = ep.open_source(f"rtsp://127.0.0.1:{server.port}/live")
        with Pipeline(pose, source, track=True, smooth=True, sinks=[sink], record=record) as stream:
            while (elapsed := time.monotonic() - begun) < options.seconds:
                if kills and time.monotonic() > kills[0]:
                    kills.pop(0)
                    server.kill()
                    threading.Timer(DOWN_S, server.start).start()
                    print(f"{elapsed:6.0f} s  killed the server", flush=True)
                if elapsed >= told:
                    told += options.seconds / 20
                    print(f"{elapsed:6.0f} s  {stream.counters['results']} frames, {resident_mb():.1f} MB", flush=True)
                result = stream.poll(0.5)
                if result is None:
                    continue
                latencies.append(result.timings_ms["latency"])
                people += len(result.poses) > 0
                if elapsed > SETTLED * options.seconds and stream.counters["reconnects"] >= min(1, options.kills):
                    memory.append(resident_mb())
            closing = time.monotonic()
        closing = time.monotonic() - closing
        counters, problems = stream.counters, len(source.problems)
    written = [json.loads(line)["frame"] for line in lines.read_text(encoding="utf-8").splitlines()]
    return {
        "seconds": options.seconds, "kills": options.kills, **counters, "problems": problems,
        "frames with somebody": people / max(1, len(latencies)),
        "lines": len(written), "recorded": sum(1 for _ in read_recording(recording)),
        "in order": bool(np.all(np.diff(written) > 0)), "latency ms": percentiles(latencies),
        "memory MB": {"settled": memory[0], "end": memory[-1], "growth": max(memory) - memory[0]},
        "closing s": closing,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--model", default="movenet-lightning")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fps", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "clip").mkdir()
        server = Server(pictures(options.clip, Path(folder) / "clip"), options.fps)
        try:
            found = soak(options, Path(folder), server)
        finally:
            server.kill()
    for name, value in found.items():
        shown = ", ".join(f"{k} {v:.1f}" for k, v in value.items()) if isinstance(value, dict) else value
        print(f"{name:22} {shown:.2f}" if isinstance(shown, float) else f"{name:22} {shown}")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), **found}, indent=1) + "\n", encoding="utf-8")
    lost = found["written"] != found["lines"] or found["written"] != found["recorded"] or not found["in order"]
    if found["reconnects"] != options.kills or lost or found["memory MB"]["growth"] >= 5:
        sys.exit("the soak failed: see above")


if __name__ == "__main__":
    main()
