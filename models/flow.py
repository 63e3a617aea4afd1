"""A small normalising flow: the density that residual log-likelihood estimation learns beside the joints."""

import math

import torch
from torch import Tensor, nn

HIDDEN = 64
COUPLINGS = 6


def _mlp(*end: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(2, HIDDEN), nn.LeakyReLU(), nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU(), nn.Linear(HIDDEN, 2), *end
    )


class RealNVP(nn.Module):
    """Affine couplings between a standard normal and the errors (x, y) of a joint, in units of its sigma.

    Needed for training and for comparing densities; a regression network that only predicts does not call it.
    Source: Dinh et al. 2017 (Real NVP); Li et al. 2021, "Human Pose Regression with Residual Log-likelihood".
    """

    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.tensor([[0.0, 1.0], [1.0, 0.0]] * (COUPLINGS // 2)))
        self.t = nn.ModuleList([_mlp() for _ in range(COUPLINGS)])
        self.s = nn.ModuleList([_mlp(nn.Tanh()) for _ in range(COUPLINGS)])

    def log_prob(self, errors: Tensor) -> Tensor:
        """Natural log density. errors: (M, 2) float32, M may be 0; returns (M,)."""
        z = errors
        log_det = torch.zeros_like(errors[:, 0])
        for i in reversed(range(COUPLINGS)):
            kept, moved = self.mask[i], 1 - self.mask[i]
            scale = self.s[i](z * kept) * moved
            shift = self.t[i](z * kept) * moved
            z = z * kept + moved * (z - shift) * torch.exp(-scale)
            log_det = log_det - scale.sum(1)
        return log_det - 0.5 * (z * z).sum(1) - math.log(2 * math.pi)
