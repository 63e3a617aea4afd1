"""Every kernel of the compiled core beside what one would write by hand, in one run.

python benchmarks/kernels.py [--only letterbox] [--repeats 200] [--json F]

One thread unless a name says otherwise. The floor is the bytes that must move, at this machine's copy bandwidth.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import kernels_detections
import kernels_keypoints
import kernels_pose_nms
import kernels_warp
from timing import copy_gb_per_s, machine, measured, show, write_json

TOPICS = (kernels_warp, kernels_keypoints, kernels_detections, kernels_pose_nms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="cases whose name has this")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    print(f"copy bandwidth {copy_gb_per_s(64):.0f} GB/s, in cache {copy_gb_per_s(1):.0f}")
    cases = [case for topic in TOPICS for case in topic.cases() if options.only in case[0]]
    rows = measured(cases, repeats=options.repeats)
    show(rows)
    if options.json:
        write_json(options.json, rows)


if __name__ == "__main__":
    main()
