"""From the checkpoint to the file that the package carries: averaged weights, folded, ONNX with its specification."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from scipy.optimize import least_squares
from torch import nn

from edge_pose.export.onnx_from_torch import onnx_from_torch
from edge_pose.models.catalog import entry
from edge_pose.models.nano import Nano, build_nano
from training.augment import SIDE, Augment, cut
from training.measure import joint_oks
from training.nano import folded_state, learner
from training.pool import Pool

NAME = "edge-pose-nano"
PICTURES = 600  # of each pool
BITS = 6  # of a weight's fraction: float32 has 23, bfloat16 7


@torch.no_grad()
def calibrate(net: Nano, pools: list[Path]) -> tuple[float, float]:
    """Make a joint's score the OKS that is to be expected of it; returns the scale and shift of the heatmaps' logits.

    net: gives raw heads of pictures (N, 3, 192, 192). pools: pictures that it was trained on.
    """
    logits, worth = [], []
    for path in pools:
        pool, rng = Pool(path), np.random.default_rng(0)
        for _ in range(PICTURES):
            image, joints, weights = cut(*pool[int(rng.integers(len(pool)))], rng, Augment(turned=0, hide=0, close=0))
            known = weights > 0
            if known.sum() < 2:
                continue
            heads = net(torch.from_numpy(image).permute(2, 0, 1)[None])
            rows = net.decoder(*heads)[0, 0].numpy()
            xy, score = rows[:, 1::-1] * SIDE, np.clip(rows[:, 2], 1e-6, 1 - 1e-6)
            logits.append(np.log(score / (1 - score))[known])
            worth.append(joint_oks(xy, joints, weights)[known])
    found, wanted = np.concatenate(logits), np.concatenate(worth)

    def error(of: NDArray[np.float64]) -> NDArray[np.float64]:
        residual: NDArray[np.float64] = 1 / (1 + np.exp(-(of[0] * found + of[1]))) - wanted
        return residual

    scale, shift = (float(v) for v in least_squares(error, [1.0, 0.0]).x)
    last = net.hm_hp[-1]  # type: ignore[index]
    assert isinstance(last, nn.Conv2d) and last.bias is not None and scale > 0
    last.weight.mul_(scale)
    last.bias.mul_(scale).add_(shift)
    return scale, shift


def rounded(weight: torch.Tensor) -> torch.Tensor:
    """Return a weight with BITS bits of its fraction, the nearest: the zeros that follow cost a wheel nothing."""
    spare = 23 - BITS
    whole = weight.detach().contiguous().numpy().view(np.uint32).astype(np.uint64)
    near = ((whole + (1 << (spare - 1))) >> spare << spare).astype(np.uint32)
    return torch.from_numpy(near.view(np.float32))


def ship(checkpoint: Path, output: Path, pools: list[Path] | None = None) -> tuple[float, float]:
    """Write the ONNX file of a checkpoint, its scores calibrated on pools where there are any.

    Raises ExportError where the graph does not give what the network gives.
    """
    net = learner()
    net.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    state, scores = folded_state(net.eval()), (1.0, 0.0)
    if pools:
        raw = build_nano(decode="outside", layout="nchw")
        raw.load_state_dict(state)
        scores = calibrate(raw, pools)
        state = raw.state_dict()
    plain = build_nano()
    plain.load_state_dict({name: rounded(weight) for name, weight in state.items()})
    spec = entry(NAME).spec(input_hw=(SIDE, SIDE))
    spec = replace(spec, input=replace(spec.input, dtype="uint8"))
    output.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(onnx_from_torch(plain, spec), output)
    return scores


def main() -> None:
    """Write the file: `python -m training.ship CHECKPOINT OUTPUT.onnx --data DIR`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, help="folder of the pools, to calibrate scores on")
    given = parser.parse_args()
    pools = [given.data / f"{name}.npz" for name in ("rendered", "videos")] if given.data is not None else []
    scale, shift = ship(given.checkpoint, given.output, [pool for pool in pools if pool.exists()])
    print(f"logits of the heatmaps: times {scale:.3f}, plus {shift:.3f}")  # noqa: T201
    content = given.output.read_bytes()  # what zoo.toml has to say of it
    print(f'sha256 = "{hashlib.sha256(content).hexdigest()}"\nsize = {len(content)}')  # noqa: T201


if __name__ == "__main__":
    main()
