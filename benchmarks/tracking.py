"""Identities, jitter and cost of what follows the network.

python benchmarks/tracking.py ids --images ../shared/assets/images/coco_mini [--clips 8] [--rows FOLDER]
python benchmarks/tracking.py cost

ids: clips of 3 to 6 people who cross and pass behind a pillar (crossings.py) through YOLOv8n-pose, once; then IDF1 and
switches of the tracker and of two baselines, at 30, 15 and 7.5 frames a second. --rows keeps what the network saw.
cost: microseconds of tracker and smoother for 1 and 20 people, of SciPy's import, and jitter and lag of the smoother.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
from baselines import Greedy, overlap, similarity
from crossings import Clip, Truth, walk

import edge_pose as ep
from edge_pose.poses import Poses
from edge_pose.recording import Recorder, read_recording
from edge_pose.smooth import Smoother
from edge_pose.track import Tracker
from edge_pose.track.identity import IdentityScores, identity_scores

TRACKERS: dict[str, Callable[[], Tracker | Greedy]] = {
    "greedy IoU": partial(Greedy, overlap),
    "plain OKS": partial(Greedy, similarity),
    "edge-pose": Tracker,
}


def score(tracker: Tracker | Greedy, rows: Iterable[tuple[float, Poses]], truths: list[Truth]) -> IdentityScores:
    """Follow what the network saw of a clip; ids against truth."""
    frames = []
    for (time_s, poses), truth in zip(rows, truths, strict=True):
        found = tracker.update(poses, time_s)
        frames.append((truth.judged(), truth.boxes, found.ids, found.boxes))
    return identity_scores(frames)


def rows_of(clip: Clip, images: Path, path: Path) -> list[tuple[float, Poses]]:
    """What YOLOv8n-pose sees in the clip, from the recording at a path if it is there."""
    if not path.exists():
        with Recorder(path) as recorder:
            estimator = ep.load("yolov8n-pose", confidence=0.1)  # what is weak keeps ids
            for i, picture in enumerate(clip.pictures(images)):
                recorder.write(i, i / clip.fps, picture.shape[:2], estimator(picture))
    return [(row.time_s, row.poses) for row in read_recording(path)]


def identities(images: Path, clips: int, folder: Path) -> None:
    """Print the tables of ids."""
    seen = []
    for seed in range(clips):
        clip = walk(images, seed, people=3 + seed % 4, pillar=bool(seed % 2))
        truths = [clip.truth(i) for i in range(clip.frames)]
        seen.append((clip, truths, rows_of(clip, images, folder / f"{seed}.jsonl.gz")))
    for what, least, most in (("3 to 5 people", 3, 5), ("6 people", 6, 6)):
        some = [entry for entry in seen if least <= len(entry[0].people) <= most]
        crossings = sum(clip.crossings() for clip, _, _ in some)
        print(f"{what}: {len(some)} clips of 10 s, {crossings} crossings")
        for step in (1, 2, 4):
            for name, tracker in TRACKERS.items():
                scores = [score(tracker(), rows[::step], truths[::step]) for _, truths, rows in some]
                boxes = [s.truths + s.founds for s in scores]
                idf1 = sum(s.idf1 * n for s, n in zip(scores, boxes, strict=True)) / sum(boxes)
                switches, more = sum(s.switches for s in scores), sum(s.fragments for s in scores)
                print(f"{30 / step:5.1f} fps  {name:11} IDF1 {idf1:.3f}  switches {switches:3}  ids too many {more:3}")


def walkers(count: int, frames: int = 200) -> list[Poses]:
    """People who walk on the spot with a pixel of jitter."""
    rng = np.random.default_rng(0)
    place = np.stack(np.meshgrid(np.arange(5) * 180.0, np.arange(4) * 250.0), axis=-1).reshape(-1, 1, 2)[:count]
    body = rng.uniform([0, 0], [80, 200], (count, 17, 2)) + place
    out = []
    for _ in range(frames):
        xy = body + rng.normal(0, 1, body.shape)
        boxes = np.concatenate([xy.min(axis=1), xy.max(axis=1)], axis=1)
        out.append(Poses(xy, np.full((count, 17), 0.9), boxes, rng.uniform(0.7, 0.9, count)))
    return out


def cost() -> None:
    """Print medians of microseconds a frame, and what SciPy costs where many contend."""
    for count in (1, 20):
        frames, tracker, smoother = walkers(count), Tracker(), Smoother()
        track_us, smooth_us = [], []
        for i in range(2000):
            start = time.perf_counter()
            poses = tracker.update(frames[i % len(frames)], i / 30)
            middle = time.perf_counter()
            smoother.update(poses, i / 30)
            smooth_us.append((time.perf_counter() - middle) * 1e6)
            track_us.append((middle - start) * 1e6)
        print(f"{count:2} people: track {np.median(track_us):.0f} us, smooth {np.median(smooth_us):.0f} us")
    code = (
        "import time; from pathlib import Path; import numpy\n"
        "used = lambda: int(Path('/proc/self/statm').read_text().split()[1]) * 4096 / 1e6\n"
        "before, start = used(), time.perf_counter()\n"
        "import scipy.optimize\n"
        "print(f'{time.perf_counter() - start:.2f} s, {used() - before:.0f} MB')"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    print(f"SciPy's assignment, loaded when more than three contend: {done.stdout.strip()}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("ids", "cost"))
    parser.add_argument("--images", type=Path, default=Path("../shared/assets/images/coco_mini"))
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--rows", type=Path, default=Path("out/crossings"))
    args = parser.parse_args()
    if args.what == "cost":
        cost()
    else:
        identities(args.images, args.clips, args.rows)


if __name__ == "__main__":
    main()
