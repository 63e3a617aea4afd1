"""A control loop that knows where people are and never waits for it.

python examples/robot.py [--model movenet-lightning] [--source 0] [--hz 50] [--seconds 10]

The loop runs at its own rate. `stream.latest()` returns at once, with the newest poses there are; how old they are is
part of the decision: nobody seen for half a second is not the same as nobody there.
"""

from __future__ import annotations

import argparse
import time

import edge_pose as ep

STALE_S = 0.5
CLOSE = 0.6  # of the picture's height: somebody who fills that much is near


def speed(result: ep.Result | None, age_s: float) -> float:
    """Return how fast to drive, 0 to 1: slowly without knowledge, not at all towards somebody who is near."""
    if result is None or age_s > STALE_S:
        return 0.1
    height = result.frame.image.shape[0]
    tallest = max((float(pose.box[3] - pose.box[1]) / height for pose in result.poses), default=0.0)
    return 0.0 if tallest > CLOSE else 1.0 - tallest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="movenet-lightning")
    parser.add_argument("--source", default="0")
    parser.add_argument("--hz", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    with ep.load(options.model) as pose, ep.Pipeline(pose, options.source, track=True, smooth=True) as stream:
        begun = due = seen_s = time.monotonic()
        newest, slowest_ms = -1, 0.0
        while due - begun < options.seconds:
            start = time.perf_counter()
            result = stream.latest()  # never waits; raises what went wrong in the camera or the network
            slowest_ms = max(slowest_ms, (time.perf_counter() - start) * 1e3)
            now = time.monotonic()
            if result is not None and result.frame.index > newest:
                newest, seen_s = result.frame.index, now
                people = [int(identity) for identity in result.poses.ids]
                print(f"{now - begun:6.2f} s  people {people}  drive at {speed(result, 0.0):.2f}")
            elif now - seen_s > STALE_S:
                print(f"{now - begun:6.2f} s  no news  drive at {speed(result, now - seen_s):.2f}")
                seen_s = now
            if stream.ended:  # a clip does; a camera does not
                break
            due += 1 / options.hz  # motors would be set here
            time.sleep(max(0.0, due - time.monotonic()))
        print(f"asking took at most {slowest_ms:.2f} ms; {stream.counters}")


if __name__ == "__main__":
    main()
