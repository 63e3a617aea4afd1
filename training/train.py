"""Train edge-pose-nano: `python -m training.train --data DIR --output DIR`; stopped, it goes on where it was."""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from edge_pose.models.nano import Nano
from training.augment import SIDE, Augment, cut
from training.muon import optimizers
from training.nano import learner
from training.pool import Pool
from training.targets import losses

SHARES = {"centre": 1.0, "heatmap": 1.0, "where": 2.0, "regression": 0.5, "offset": 0.5}
EVERY = 2000  # steps between two networks that are kept for the curve
Batch = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Plan:
    """One training: steps, batch, peak learning rate, decay, averaging, seed.

    mixes: shares of video frames, and of people cut out of them, in a batch; the rest are drawn. The second is that of
    the steps from the share `late` of all on.
    small, first: pictures of the first steps have this side and are this share of all; they cost about half.
    parts: of a batch, which are worked on at the same time, each normalised by itself, one thread each.
    """

    steps: int = 29_000
    small: int = 128
    first: float = 0.5
    batch: int = 64
    parts: int = 2
    mixes: tuple[tuple[float, float], tuple[float, float]] = ((0.16, 0.15), (0.2, 0.3))
    late: float = 0.8
    rate: float = 1.5e-2
    decay: float = 1e-2
    average: float = 0.998
    seed: int = 1
    how: Augment = field(default_factory=Augment)

    def side(self, step: int) -> int:
        """Side of a step's pictures in pixels."""
        return self.small if step < self.first * self.steps else SIDE

    def mix(self, step: int) -> tuple[float, float]:
        """Shares of video frames and of composed pictures in a step's batch."""
        return self.mixes[step >= self.late * self.steps]


class Pictures(torch.utils.data.IterableDataset[Batch]):
    """Batches without end; worker k of step s makes them from seed (seed, s, k)."""

    def __init__(self, pools: dict[str, Path], plan: Plan, start: int) -> None:
        self.pools, self.plan, self.start = pools, plan, start

    def __iter__(self) -> Iterator[Batch]:
        cv2.setNumThreads(1)
        info = torch.utils.data.get_worker_info()
        worker = 0 if info is None else info.id
        pools = {name: Pool(path, keep=True) for name, path in self.pools.items() if path.exists()}
        rng = np.random.default_rng([self.plan.seed, self.start, worker])
        for step in itertools.count(self.start + worker, 1 if info is None else info.num_workers):
            videos, composed = self.plan.mix(step)
            rows = []
            for _ in range(self.plan.batch):
                chance, name = rng.random(), "rendered"
                if "videos" in pools and chance < videos:
                    name = "videos"
                elif "composed" in pools and chance < videos + composed:
                    name = "composed"
                pool = pools[name]
                image, joints, weights = pool[int(rng.integers(len(pool)))]
                rows.append(cut(image, joints, weights, rng, self.plan.how, self.plan.side(step)))
            images = np.stack([r[0] for r in rows]).transpose(0, 3, 1, 2)
            yield (
                torch.from_numpy(np.ascontiguousarray(images)),
                torch.from_numpy(np.stack([r[1] for r in rows])),
                torch.from_numpy(np.stack([r[2] for r in rows])),
            )


def rate(plan: Plan, share: float) -> float:
    """Learning rate when this share of the time has gone: a short rise, then half a cosine."""
    warm = 0.03
    return plan.rate * (share / warm if share < warm else 0.5 * (1 + math.cos(math.pi * (share - warm) / (1 - warm))))


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module, keep: float) -> None:
    """Move the averaged weights, and the statistics of their normalisations, towards the network's."""
    ours, theirs = average.state_dict(), net.state_dict()
    for name, value in ours.items():
        if value.dtype.is_floating_point:
            value.lerp_(theirs[name], 1 - keep)
        else:
            value.copy_(theirs[name])


def twin(net: Nano) -> Nano:
    """Return a network that has the same weights, not only equal ones, and statistics of its own."""
    other = copy.deepcopy(net)
    for theirs, ours in zip(other.modules(), net.modules(), strict=True):
        theirs._parameters.update(ours._parameters)
    return other


def gradients(net: Nano, batch: Batch) -> tuple[tuple[Tensor, ...], dict[str, float]]:
    """Return the gradients of a batch's loss by every weight, and the parts of the loss."""
    images, joints, weights = batch
    torch.set_num_threads(1)
    net.config = replace(net.config, input_hw=(images.shape[2], images.shape[3]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        heads = net(images.to(memory_format=torch.channels_last))
    parts = losses(tuple(head.float() for head in heads), joints, weights)
    loss = sum((SHARES[name] * value for name, value in parts.items()), torch.zeros(()))
    return torch.autograd.grad(loss, list(net.parameters())), {name: v.item() for name, v in parts.items()}


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all."""
    partial = path.with_suffix(".part")
    torch.save(state, partial)
    partial.replace(path)


def train(data: Path, output: Path, plan: Plan, workers: int) -> None:
    """Train, from the checkpoint of `output` on where there is one.

    Writes checkpoint.pt, log.jsonl and, every 2,000 steps, the averaged network as average-STEP.pt.
    """
    torch.manual_seed(plan.seed)
    output.mkdir(parents=True, exist_ok=True)
    checkpoint, log = output / "checkpoint.pt", output / "log.jsonl"
    net = learner().train().to(memory_format=torch.channels_last)
    average = copy.deepcopy(net)
    both = optimizers(net, plan.rate, plan.decay)
    step, spent = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        for optimizer, saved in zip(both, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        step, spent = state["step"], state["spent"]
    nets = [net, *(twin(net) for _ in range(plan.parts - 1))]
    pools = {name: data / f"{name}.npz" for name in ("rendered", "videos", "composed")}
    pictures = Pictures(pools, plan, step)
    loader = torch.utils.data.DataLoader(
        pictures, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None
    )
    total: dict[str, float] = {}
    summed = 0
    since, last = time.monotonic(), time.monotonic()

    def keep() -> None:
        save(
            checkpoint,
            {
                "net": net.state_dict(),
                "average": average.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in both],
                "step": step,
                "spent": spent,
            },
        )

    if step >= plan.steps:
        return
    with ThreadPoolExecutor(plan.parts) as threads:
        for batch in loader:
            for group in itertools.chain.from_iterable(optimizer.param_groups for optimizer in both):
                group["lr"] = rate(plan, step / plan.steps)
            shared = zip(*(each.chunk(plan.parts) for each in batch), strict=True)
            done = list(threads.map(gradients, nets, shared))
            torch.set_num_threads(plan.parts)
            for parameter, *every in zip(net.parameters(), *(d[0] for d in done), strict=True):
                parameter.grad = sum(every[1:], every[0]) / len(every)
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            for optimizer in both:
                optimizer.step()
            follow(average, net, min(plan.average, (1 + step) / (10 + step)))
            step += 1
            now = time.monotonic()
            spent, since = spent + now - since, now
            for name in SHARES:
                total[name] = total.get(name, 0.0) + sum(parts[name] for _, parts in done) / len(done)
            summed += 1
            if step % 100 == 0:
                line = {"step": step, "minutes": round(spent / 60, 2), "rate": rate(plan, step / plan.steps)}
                line |= {name: round(value / summed, 5) for name, value in total.items()}
                total.clear()
                summed = 0
                with log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
            if step % EVERY == 0:
                save(output / f"average-{step:06d}.pt", {"average": average.state_dict(), "step": step})
            if now - last > 120 or step >= plan.steps:
                keep()
                last = time.monotonic()
            if step >= plan.steps:
                return


def main() -> None:
    """Train, or go on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=Plan().steps, help="steps of 64 pictures, those before included")
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    train(given.data, given.output, Plan(steps=given.steps), given.workers)


if __name__ == "__main__":
    main()
