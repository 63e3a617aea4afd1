"""Fall detection: robustness, a simulated day, subjects left out, and what the loop costs.

python benchmarks/falls.py robustness MANIFEST RECORDINGS   # tables by frame rate, noise, dropped joints
python benchmarks/falls.py figures                          # falls and daily life of a stick figure, by camera height
python benchmarks/falls.py subjects MANIFEST RECORDINGS     # leave one subject out (s1_..., s2_..., by file name)
python benchmarks/falls.py day [HOURS]                      # a day in which nobody falls, pieces of four hours
python benchmarks/falls.py cost MANIFEST RECORDINGS         # microseconds a person and frame
Recordings are made with `edge-pose fall eval MANIFEST --model M --record RECORDINGS`. Run from the repository root.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from edge_pose.cli.fall_eval import recording_of
from edge_pose.fall import FallConfig, FallDetector
from edge_pose.fall.evaluation import Clip, Verdict, figures, judge, read_manifest
from edge_pose.fall.tuning import sweep, tracked
from edge_pose.fall.watch import Moment, falls
from edge_pose.recording import read_recording
from tests.fall import augment, days, figure, motions

Clips = list[tuple[Clip, list[Moment]]]
Change = Callable[[Sequence[Moment]], Sequence[Moment]]


def load(manifest: str, folder: str) -> Clips:
    found = []
    for clip in read_manifest(Path(manifest)):
        rows = read_recording(recording_of(clip, Path(folder)))
        found.append((clip, [(r.time_s, r.frame_hw, r.poses) for r in rows]))
    return found


def verdict(clip: Clip, rows: Sequence[Moment], config: FallConfig) -> Verdict:
    told = [event for events in falls(rows, FallDetector(config)) for event in events]
    return judge(replace(clip, fall_start_s=None, fall_end_s=None), told, rows[-1][0])


def told(clips: Clips, change: Change, config: FallConfig) -> str:
    found = figures([verdict(clip, change(rows), config) for clip, rows in clips])
    return f"{found.sensitivity_with_candidates:.2f} | {found.specificity_with_candidates:.2f}"


def robustness(manifest: str, folder: str) -> None:
    clips, config = load(manifest, folder), FallConfig()

    def seeded(change: Callable[..., list[Moment]], value: float) -> Change:
        return lambda rows: change(rows, value, np.random.default_rng(len(rows)))

    tables: list[tuple[str, list[tuple[str, Change]]]] = [
        ("as recorded", [("", lambda rows: rows)]),
        ("frames a second", [(f"{f:g}", lambda rows, f=f: augment.at_fps(rows, f)) for f in (30.0, 15.0, 8.0, 5.0)]),
        ("joint noise", [(f"{n:.0%}", seeded(augment.noisy, n)) for n in (0.01, 0.02, 0.03, 0.05)]),
        ("dropped joints", [(f"{d:.0%}", seeded(augment.dropped, d)) for d in (0.1, 0.2, 0.3, 0.4)]),
        ("lost frames", [(f"{d:.0%}", seeded(augment.without_frames, d)) for d in (0.1, 0.3, 0.5)]),
        ("pace", [(f"{f:g} times as long", lambda rows, f=f: augment.slower(rows, f)) for f in (0.6, 0.8, 1.3, 1.6)]),
        ("picture", [("mirrored", augment.mirrored), ("half the pixels", lambda rows: augment.scaled(rows, 0.5))]),
    ]
    print("| change | | sensitivity | specificity |\n|---|---|---|---|")
    for name, changes in tables:
        for value, change in changes:
            print(f"| {name} | {value} | {told(clips, change, config)} |", flush=True)


def figure_shares(makes: Sequence[motions.Make], height: float, count: int, seed: int) -> tuple[float, list[str]]:
    """Share of motions that were told, and the names of those told or not against the truth."""
    right, wrong = 0, []
    for make in makes:
        for i in range(count):
            rng = np.random.default_rng((seed, i))
            motion, away = make(rng), rng.uniform(2.8, 5.0)
            down = float(np.rad2deg(np.arctan2(height - 0.9, away)))
            camera = figure.Camera(height, away, down, (480, 640) if i % 2 else (240, 320))
            rows = figure.film(motion, camera, float(rng.choice([8, 12, 15, 18, 25, 30])), rng, yaw=rng.uniform(0, 360))
            detector = FallDetector()
            events = [e for t, p in rows for e in detector.update(p, t, camera.hw)]
            events += detector.finish(rows[-1][0] + 1e-3)
            if bool(events) == motion.fall:
                right += 1
            else:
                wrong.append(motion.name)
    return right / (len(makes) * count), wrong


def stick_figures(count: str = "30") -> None:
    print("| camera height | sensitivity | specificity |\n|---|---|---|")
    for height in (0.8, 1.2, 1.6, 2.0, 2.6):
        found, missed = figure_shares(motions.POSITIVES, height, int(count), 1000)
        silent, wrong = figure_shares(motions.NEGATIVES, height, int(count), 2000)
        print(f"| {height:g} m | {found:.2f} | {silent:.3f} |", flush=True)
        for names in (missed, wrong):
            worst = sorted({(names.count(n), n) for n in names}, reverse=True)[:4]
            print(f"  {', '.join(f'{n} x{c}' for c, n in worst)}", file=sys.stderr)


def subjects(manifest: str, folder: str) -> None:
    """Choose the factor on all plunges by the others, judge by the one who was left out."""
    clips = [(clip, tracked(rows)) for clip, rows in load(manifest, folder)]
    names = sorted({clip.file.split("_")[0] for clip, _ in clips})
    config = FallConfig()
    print("| left out | factor chosen by the others | sensitivity | specificity | at factor 1 |\n|---|---|---|---|---|")

    def quality(found: object) -> tuple[float, float]:
        sens, spec = found.sensitivity_with_candidates, found.specificity_with_candidates  # type: ignore[attr-defined]
        return (1.0 if sens is None else sens, 1.0 if spec is None else spec)

    for name in names:
        others = [c for c in clips if not c[0].file.startswith(f"{name}_")]
        own = [c for c in clips if c[0].file.startswith(f"{name}_")]
        points = sweep(others, config, dwells_s=(config.confirm_s,))
        best = max(sum(quality(p.figures)) for p in points)
        good = [p.factor for p in points if sum(quality(p.figures)) >= best - 1e-9]
        factor = min(good, key=lambda f: abs(np.log(f / np.exp(np.mean(np.log(good))))))  # the middle of the plateau
        results = {p.factor: p.figures for p in sweep(own, config, dwells_s=(config.confirm_s,), factors=(factor, 1.0))}
        (sens, spec), (own_sens, own_spec) = quality(results[factor]), quality(results[1.0])
        print(
            f"| {name} | {factor:g} ({min(good):g} to {max(good):g}) | {sens:.2f} | {spec:.2f} "
            f"| {own_sens:.2f}, {own_spec:.2f} |"
        )


def day(hours: str = "24") -> None:
    total, seed, start, frames = 0, 0, time.perf_counter(), 0
    left = float(hours)
    while left > 0:
        piece = min(4.0, left)
        counted = [0]

        def rows(piece: float = piece, seed: int = seed, counted: list[int] = counted):  # type: ignore[no-untyped-def]
            for row in days.day(piece, seed):
                counted[0] += 1
                yield row

        events = [e for told in falls(rows(), FallDetector()) for e in told]
        alarms = [e for e in events if e.event in ("fall.confirmed", "fall.candidate")]
        for e in alarms:
            print(f"  alarm at {e.time_s:.1f} s of piece {seed}: {e.evidence['rule']}")
        total, seed, left, frames = total + len(alarms), seed + 1, left - piece, frames + counted[0]
        print(
            f"{piece:g} h: {len(alarms)} alarms, {counted[0]} frames, {time.perf_counter() - start:.0f} s so far",
            flush=True,
        )
    print(f"{float(hours):g} h, {frames} frames: {total} alarms")


def cost(manifest: str, folder: str) -> None:
    spent, people = [], 0
    for _, raw in load(manifest, folder):
        rows, detector = tracked(raw), FallDetector()
        for time_s, hw, poses in rows:
            start = time.perf_counter()
            detector.update(poses, time_s, hw)
            spent.append(time.perf_counter() - start)
            people += len(poses)
    print(f"{1e6 * sum(spent) / people:.0f} us a person and frame, {1e6 * np.percentile(spent, 99):.0f} us p99 a frame")


if __name__ == "__main__":
    runs = {"robustness": robustness, "figures": stick_figures, "subjects": subjects, "day": day, "cost": cost}
    if len(sys.argv) < 2 or sys.argv[1] not in runs:
        sys.exit(__doc__)
    runs[sys.argv[1]](*sys.argv[2:])
