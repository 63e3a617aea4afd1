"""Every kernel of the compiled core beside what one would write by hand, in one run.

python benchmarks/kernels.py [--only letterbox] [--repeats 200] [--seconds 10] [--json F] [--plot F]

One thread unless a name says otherwise. The floor is the bytes that must move, at this machine's copy bandwidth.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import kernels_detections
import kernels_keypoints
import kernels_peers
import kernels_pose_nms
import kernels_warp
from timing import Row, copy_gb_per_s, machine, measured, show, write_json

TOPICS = (kernels_warp, kernels_keypoints, kernels_detections, kernels_pose_nms, kernels_peers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="cases whose name has this")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0, help="at most so long a case")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="a picture of the ratios (needs matplotlib)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    print(f"copy bandwidth {copy_gb_per_s(64):.0f} GB/s, in cache {copy_gb_per_s(1):.0f}")
    cases = [case for topic in TOPICS for case in topic.cases() if options.only in case[0]]
    rows = measured(cases, repeats=options.repeats, seconds=options.seconds)
    show(rows)
    if options.json:
        write_json(options.json, rows)
    if options.plot:
        plot(rows, options.plot)


def plot(rows: list[Row], path: Path) -> None:
    """Draw how many times faster each kernel is than the best alternative, on a logarithmic scale."""
    from matplotlib import pyplot

    shown = [row for row in rows if row.ratio]
    figure, axes = pyplot.subplots(figsize=(8, 0.24 * len(shown) + 0.8))
    ratios = [row.ratio for row in shown]
    axes.barh([row.name for row in shown], ratios, color=["#0072b2" if r >= 1 else "#d55e00" for r in ratios])
    axes.bar_label(axes.containers[0], [f"{r:.1f}x" for r in ratios], padding=3, fontsize=7)
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.invert_yaxis()
    axes.tick_params(labelsize=7)
    axes.set_xlabel("best alternative / ours", fontsize=8)
    axes.margins(x=0.12, y=0.01)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
