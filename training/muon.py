"""Muon (Jordan et al. 2024) for the weights of convolutions, AdamW for the rest; steps scaled as by Liu et al. 2025."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

QUINTIC = (3.4445, -4.775, 2.0315)  # brings singular values near 1 in five rounds
ROUNDS = 5
LEAST = 12  # a weight with fewer filters, and those of the colours, have too few directions to even out


def orthogonal(matrices: list[Tensor]) -> list[Tensor]:
    """Return about the nearest matrices whose singular values are all equal, by Newton-Schulz.

    The rounds are polynomials of the matrix times its transpose, small and square: those with as many rows go together.
    """
    wide = [m.T if m.shape[0] > m.shape[1] else m for m in matrices]
    factors: list[Tensor] = [torch.empty(0)] * len(wide)
    a, b, c = QUINTIC
    for rows in {len(m) for m in wide}:
        chosen = [i for i, m in enumerate(wide) if len(m) == rows]
        gram = torch.stack([wide[i] @ wide[i].T for i in chosen])
        square = gram.diagonal(dim1=1, dim2=2).sum(1).clamp(min=1e-14)[:, None, None]
        gram = gram / square
        one = torch.eye(rows)
        factor = one / square.sqrt()
        for _ in range(ROUNDS):
            step = torch.baddbmm(a * one + b * gram, gram, gram, alpha=c)
            factor, gram = step @ factor, step @ gram @ step
        for i, each in zip(chosen, factor, strict=True):
            factors[i] = each
    whole = [factor @ m for factor, m in zip(factors, wide, strict=True)]
    return [w.T if m.shape[0] > m.shape[1] else w for w, m in zip(whole, matrices, strict=True)]


class Muon(torch.optim.Optimizer):
    """Momentum, all its directions followed equally far; filters (out, in, h, w) are matrices (out, in * h * w)."""

    def __init__(self, weights: Iterable[Tensor], lr: float, momentum: float = 0.95, decay: float = 0.05) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move the weights by their gradients."""
        for group in self.param_groups:
            rate, keep, weights = group["lr"], group["momentum"], group["params"]
            moves = []
            for weight in weights:
                gradient = weight.grad.reshape(len(weight), -1)
                state = self.state[weight]
                if not state:
                    state["mean"] = torch.zeros_like(gradient)
                mean = state["mean"].lerp_(gradient, 1 - keep)
                moves.append(gradient.lerp(mean, keep))
            for weight, move in zip(weights, orthogonal(moves), strict=True):
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
