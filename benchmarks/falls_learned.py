"""Does a learned classifier beat the rules? Logistic regression on their features, one subject left out at a time.

python benchmarks/falls_learned.py MANIFEST RECORDINGS...   # folders of fall eval --record; from the repository root
Each clip is described by the seconds in which it looked most like a fall. The regression learns from the other
subjects' clips, also slowed down and disturbed, with or without motions of a stick figure, and is judged on the one
left out; then what it learnt from all clips is judged on the figure.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.falls import load
from edge_pose.fall import FallConfig, FallDetector
from edge_pose.fall.body import Sample
from edge_pose.fall.tuning import tracked
from edge_pose.fall.watch import Moment
from tests.fall import augment, figure, motions

Floats = NDArray[np.float64]
NEVER = FallConfig(plunge=9, plunge_low=9, plunge_seat=9, plunge_raised=9, plunge_lost=9)  # features, no alarms
UPRIGHT = [0, 0, 0.8, 0.5, 0.3, 0, 0.1, 0]  # of a clip without anybody


def features(rows: Iterable[Moment]) -> list[float]:
    """Of tracked rows: the way down and the posture after it, where both together are at their most fall-like."""
    detector, best, chosen = FallDetector(NEVER), -np.inf, UPRIGHT
    for time_s, hw, poses in rows:
        detector.update(poses, time_s, hw)
        for person in detector.people:
            before = [s for s in person.machine.samples if s.time_s > time_s - 1.5]
            late = [s for s in before if s.time_s > time_s - 0.5]
            if person.seen_s < time_s or len(before) < 3:
                continue
            found = [_of(before, "plunge", np.max), _of(before, "hip_plunge", np.max)]
            found += [_of(late, name, np.median) for name in ("shoulders", "hips", "rise")]
            found += [_of(late, "lean", np.median) / 90, _of(late, "aspect", np.median) / 3]
            found += [float(np.mean([s.squats for s in late]))]
            score = found[0] + found[1] - found[2] - found[4]
            if score > best:
                best, chosen = score, found
    return list(chosen)


def _of(samples: list[Sample], name: str, pick: Callable[[list[float]], float]) -> float:
    values = [v for s in samples if (v := getattr(s, name)) == v]
    return float(pick(values or [0.5]))


def fitted(x: Floats, y: NDArray[np.bool_], decay: float = 0.02) -> Callable[[Floats], Floats]:
    """Return the regression's probability of a fall; both classes weigh the same."""
    middle, spread = x.mean(0), x.std(0) + 1e-6

    def design(of: Floats) -> Floats:
        return np.c_[(of - middle) / spread, np.ones(len(of))]

    z, weights = design(x), np.zeros(x.shape[1] + 1)
    share = np.where(y, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    for _ in range(4000):
        error = (1 / (1 + np.exp(-z @ weights)) - y) * share
        weights -= 0.3 * (z.T @ error / len(y) + decay * np.r_[weights[:-1], 0])
    return lambda of: 1 / (1 + np.exp(-design(of) @ weights))


def figures(each: int = 8) -> tuple[Floats, NDArray[np.bool_]]:
    """Features and truth of all motions from random cameras."""
    x, y = [], []
    for make in (*motions.POSITIVES, *motions.NEGATIVES):
        for i in range(each):
            rng = np.random.default_rng((5000, i))
            motion, height, away = make(rng), rng.uniform(0.8, 2.6), rng.uniform(2.8, 5.5)
            camera = figure.Camera(height, away, float(np.rad2deg(np.arctan2(height - 0.9, away))))
            rows = figure.film(motion, camera, float(rng.choice([10, 15, 25])), rng, yaw=rng.uniform(0, 360))
            x.append(features((t, camera.hw, p) for t, p in rows))
            y.append(motion.fall)
    return np.array(x), np.array(y)


def main(manifest: str, folders: list[str]) -> None:
    x, y, who, where = [], [], [], []
    for folder in folders:
        for clip, rows in load(manifest, folder):
            noisy = augment.noisy(rows, 0.02, np.random.default_rng(1))
            for i, variant in enumerate((rows, augment.at_fps(rows, 10), noisy)):
                x.append(features(tracked(variant)))
                y.append(clip.fall)
                who.append(clip.file.split("_")[0])
                where.append(folder if i == 0 else "")
    clips, truth, subject, judged = np.array(x), np.array(y), np.array(who), np.array(where)
    drawn, drawn_truth = figures()
    print("| learnt from | judged on | sensitivity | specificity |\n|---|---|---|---|")
    for name, more in (("other subjects", False), ("other subjects and figures", True)):
        told = np.zeros(len(truth), bool)
        for left_out in sorted(set(who)):
            own = subject == left_out
            a, b = clips[~own], truth[~own]
            model = fitted(np.r_[a, drawn], np.r_[b, drawn_truth]) if more else fitted(a, b)
            told[own] = model(clips[own]) > 0.5
        for folder in folders:
            mine = judged == folder
            sens, spec = told[mine & truth].mean(), 1 - told[mine & ~truth].mean()
            print(f"| {name} | {Path(folder).name}, subject left out | {sens:.2f} | {spec:.2f} |")
    told = fitted(clips, truth)(drawn) > 0.5
    print(f"| all clips | figures | {told[drawn_truth].mean():.2f} | {1 - told[~drawn_truth].mean():.2f} |")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
