"""How the training went: loss by step, and what the networks that were kept on the way were worth."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch

from training.pool import Pool
from training.ship import ship


def main() -> None:
    """Draw it: `python -m training.curve RUN --data DIR curve.png`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    import edge_pose as ep
    from training.measure import rendered_oks

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("run", type=Path, help="folder of log.jsonl, average-STEP.pt and checkpoint.pt")
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the pools")
    given = parser.parse_args()
    rows = [json.loads(line) for line in (given.run / "log.jsonl").read_text().splitlines()]
    pool, worth = Pool(given.data / "held-out.npz"), []
    with tempfile.TemporaryDirectory() as folder:
        for kept in (*sorted(given.run.glob("average-*.pt")), given.run / "checkpoint.pt"):
            step = torch.load(kept, weights_only=True)["step"]
            ship(kept, Path(folder) / "kept.onnx")
            with ep.load(Path(folder) / "kept.onnx", confidence=0.05, threads=1) as pose:
                worth.append((step, rendered_oks(pose, pool)))
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.2), constrained_layout=True)
    steps = [row["step"] for row in rows]
    for name in ("centre", "heatmap", "where", "regression", "offset"):
        left.plot(steps, [row.get(name) for row in rows], label=name, linewidth=1)
    left.set(xlabel="step (64 pictures)", ylabel="loss", yscale="log")
    left.legend(frameon=False)
    for view in ("near", "whole"):
        right.plot([step for step, _ in worth], [figures[view] for _, figures in worth], marker=".", label=view)
    right.set(xlabel="step (64 pictures)", ylabel="mean OKS, rendered, held out", ylim=(0, 1))
    right.locator_params(axis="x", nbins=6)
    right.legend(frameon=False)
    figure.savefig(given.output, dpi=110)


if __name__ == "__main__":
    main()
