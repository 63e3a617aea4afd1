"""Muon (Jordan et al. 2024) for the weights of convolutions, AdamW for the rest; steps scaled as by Liu et al. 2025."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

QUINTIC = (3.4445, -4.775, 2.0315)  # brings singular values near 1 in five rounds
LEAST = 12  # a weight with fewer filters, and those of the colours, have too few directions to even out


def orthogonal(matrix: Tensor) -> Tensor:
    """Return about the nearest matrix (rows, columns) whose singular values are all equal, by Newton-Schulz."""
    turned = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if turned else matrix).bfloat16()
    x = x / (x.norm() + 1e-7)
    a, b, c = QUINTIC
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if turned else x).float()


class Muon(torch.optim.Optimizer):
    """Momentum, all its directions followed equally far; filters (out, in, h, w) are matrices (out, in * h * w)."""

    def __init__(self, weights: Iterable[Tensor], lr: float, momentum: float = 0.95, decay: float = 0.05) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move the weights by their gradients."""
        for group in self.param_groups:
            rate, keep = group["lr"], group["momentum"]
            for weight in group["params"]:
                gradient = weight.grad.reshape(len(weight), -1)
                state = self.state[weight]
                if not state:
                    state["mean"] = torch.zeros_like(gradient)
                mean = state["mean"].lerp_(gradient, 1 - keep)
                move = orthogonal(gradient.lerp(mean, keep))
                far = 0.2 * max(move.shape) ** 0.5 * rate
                weight.mul_(1 - rate * group["decay"]).sub_((far * move).reshape(weight.shape))


def optimizers(net: nn.Module, rate: float, decay: float) -> list[torch.optim.Optimizer]:
    """Return the two of a network: Muon's learning rate is AdamW's."""
    weights = [p for p in net.parameters() if p.ndim == 4]
    wide = [p for p in weights if len(p) >= LEAST and p.shape[1] > 3]
    chosen = {id(p) for p in wide}
    rest = [p for p in weights if id(p) not in chosen]
    others = [p for p in net.parameters() if p.ndim != 4]
    adam = torch.optim.AdamW(
        [{"params": rest, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}], lr=rate
    )
    return [Muon(wide, rate), adam]
